//! The numbers of a divergence, from its raw samples alone. `docs/divergence.md` says how each is computed.
//!
//! Chunks, not tokens, are what the bootstrap chooses from: tokens of one chunk are not independent of each other.

#[cfg(test)]
mod tests;

use super::{Chunk, EndedBy, MIN_CHUNKS, Samples};
use crate::profiles::Metric;
use crate::stats::confidence::{Spread, bootstrap_spread};
use crate::stats::{Interval, float, ratio, summary};

const RESAMPLES: usize = 1000;

/// Above so many chunks the precision is looked at only now and then: it changes little and costs a bootstrap.
const OFTEN_UP_TO: usize = 64;
const SELDOM: usize = 8;

/// A number with what is known of its certainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Standard error, by a bootstrap over the chunks; absent for fewer than six of them.
    pub error: Option<f64>,
    /// The middle 95 % of the bootstrap's results.
    pub interval: Option<Interval>,
}

/// The numbers. Logarithms are natural.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Mean Kullback-Leibler divergence of a token.
    pub kld_mean: Estimate,
    /// Percentiles of the tokens' divergences.
    pub kld_percentiles: Percentiles,
    /// The largest divergence of a token.
    pub kld_max: f64,
    /// Share of tokens that are most likely for both.
    pub same_top_percent: Estimate,
    /// Root of the mean square of the change of the text's own token's probability, in percentage points.
    pub p_change_rms_percent: Estimate,
    /// Mean of that change, candidate − reference, in percentage points.
    pub p_change_mean_percent: Estimate,
    /// The candidate's perplexity.
    pub perplexity: Estimate,
    /// The reference's perplexity.
    pub perplexity_reference: Estimate,
    /// ln(perplexity / reference's perplexity), paired by chunk.
    pub log_perplexity_ratio: Estimate,
    /// Scored tokens.
    pub tokens: u64,
}

/// Percentiles of a divergence, as llama-perplexity gives them: interpolated between the nearest ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // a percentile's name says it
pub struct Percentiles {
    pub p1: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p99_9: f64,
}

/// The numbers of samples; absent without a token.
#[must_use]
pub fn summarize(samples: &Samples) -> Option<Summary> {
    let of = |statistic: fn(Sums) -> f64| estimate(&samples.chunks, samples.seed, statistic);
    let klds: Vec<f64> = samples.chunks.iter().flat_map(|chunk| &chunk.kld).copied().map(f64::from).collect();
    let sorted = summary::sorted(&klds)?;
    let at = |percent| summary::percentile(&sorted, percent);
    Some(Summary {
        kld_mean: of(kld_mean)?,
        kld_percentiles: Percentiles {
            p1: at(1.0),
            p50: at(50.0),
            p90: at(90.0),
            p95: at(95.0),
            p99: at(99.0),
            p99_9: at(99.9),
        },
        kld_max: samples.chunks.iter().map(|chunk| chunk.kld_max).fold(0.0, f64::max),
        same_top_percent: of(|s| 100.0 * s.same_top / s.tokens)?,
        p_change_rms_percent: of(|s| 100.0 * (s.p_change_square / s.tokens).sqrt())?,
        p_change_mean_percent: of(|s| 100.0 * s.p_change / s.tokens)?,
        perplexity: of(|s| (s.nll / s.tokens).exp())?,
        perplexity_reference: of(|s| (s.nll_reference / s.tokens).exp())?,
        log_perplexity_ratio: of(|s| (s.nll - s.nll_reference) / s.tokens)?,
        tokens: klds.len() as u64,
    })
}

/// The numbers by name, headline first.
#[must_use]
pub fn metrics(samples: &Samples) -> Vec<Metric> {
    let mut metrics = Vec::new();
    let summary = summarize(samples);
    let mut push = |name: &str, value: Option<f64>| metrics.push(Metric { name: name.to_owned(), value });
    let s = summary.as_ref();
    for (name, estimate) in [
        ("kld_mean", s.map(|s| s.kld_mean)),
        ("same_top_percent", s.map(|s| s.same_top_percent)),
        ("perplexity", s.map(|s| s.perplexity)),
        ("perplexity_reference", s.map(|s| s.perplexity_reference)),
        ("log_perplexity_ratio", s.map(|s| s.log_perplexity_ratio)),
        ("p_change_rms_percent", s.map(|s| s.p_change_rms_percent)),
        ("p_change_mean_percent", s.map(|s| s.p_change_mean_percent)),
    ] {
        push(name, estimate.map(|e| e.value));
        push(&format!("{name}_error"), estimate.and_then(|e| e.error));
        push(&format!("{name}_ci95_low"), estimate.and_then(|e| Some(e.interval?.low)));
        push(&format!("{name}_ci95_high"), estimate.and_then(|e| Some(e.interval?.high)));
    }
    let p = s.map(|s| s.kld_percentiles);
    push("kld_p1", p.map(|p| p.p1));
    push("kld_p50", p.map(|p| p.p50));
    push("kld_p90", p.map(|p| p.p90));
    push("kld_p95", p.map(|p| p.p95));
    push("kld_p99", p.map(|p| p.p99));
    push("kld_p99_9", p.map(|p| p.p99_9));
    push("kld_max", s.map(|s| s.kld_max));
    push("tokens", Some(float(s.map_or(0, |s| s.tokens))));
    push("chunks", Some(float(samples.chunks.len() as u64)));
    push("chunk_tokens", Some(f64::from(samples.chunk_tokens)));
    push("text_tokens", Some(float(samples.text_tokens)));
    metrics
}

/// Difference of two candidates' mean divergences, first − second, over the chunks that both have been measured on, paired by
/// chunk: chunks that are hard for one are hard for the other, so it is far surer than the two means by themselves. Absent
/// when the two were not measured on the same text in the same chunks, or without a common chunk.
#[must_use]
pub fn kld_difference(first: &Samples, second: &Samples) -> Option<Estimate> {
    let same = (&first.text_name, first.text_tokens, first.chunk_tokens)
        == (&second.text_name, second.text_tokens, second.chunk_tokens);
    let n = first.chunks.len().min(second.chunks.len());
    let mean = |samples: &Samples, choice: &mut dyn Iterator<Item = usize>| {
        Some(kld_mean(Sums::of(choice.map(|place| &samples.chunks[place])))).filter(|mean| mean.is_finite())
    };
    let difference = |choice: &[usize]| {
        let choice = choice.iter().copied();
        Some(mean(first, &mut choice.clone())? - mean(second, &mut choice.clone())?)
    };
    let all: Vec<_> = (0..n).collect();
    let value = difference(&all).filter(|_| same)?;
    Some(with_spread(value, bootstrap_spread(n, RESAMPLES, first.seed, difference)))
}

/// Whether the mean divergence is as sure as the samples' job asked.
pub(super) fn is_settled(samples: &Samples) -> bool {
    let n = samples.chunks.len();
    let due = n <= OFTEN_UP_TO || n.is_multiple_of(SELDOM);
    if samples.precision_percent <= 0.0 || n < MIN_CHUNKS as usize || !due {
        return false;
    }
    let Some(mean) = estimate(&samples.chunks, samples.seed, kld_mean) else { return false };
    mean.error.is_some_and(|error| 100.0 * error <= samples.precision_percent * mean.value)
}

/// Sums over several chunks.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    tokens: f64,
    kld: f64,
    same_top: f64,
    nll: f64,
    nll_reference: f64,
    p_change: f64,
    p_change_square: f64,
}

impl Sums {
    fn of<'c>(chunks: impl Iterator<Item = &'c Chunk>) -> Self {
        chunks.fold(Self::default(), |sums, chunk| Self {
            tokens: sums.tokens + float(chunk.tokens() as u64),
            kld: sums.kld + chunk.kld_sum,
            same_top: sums.same_top + f64::from(chunk.same_top),
            nll: sums.nll + chunk.nll_sum,
            nll_reference: sums.nll_reference + chunk.nll_reference_sum,
            p_change: sums.p_change + chunk.p_change_sum,
            p_change_square: sums.p_change_square + chunk.p_change_square_sum,
        })
    }
}

fn kld_mean(sums: Sums) -> f64 {
    sums.kld / sums.tokens
}

fn estimate(chunks: &[Chunk], seed: u64, statistic: fn(Sums) -> f64) -> Option<Estimate> {
    let of = |sums: Sums| ratio(statistic(sums), 1.0);
    let value = of(Sums::of(chunks.iter()))?;
    let spread = bootstrap_spread(chunks.len(), RESAMPLES, seed, |choice| {
        of(Sums::of(choice.iter().map(|&place| &chunks[place])))
    });
    Some(with_spread(value, spread))
}

fn with_spread(value: f64, spread: Option<Spread>) -> Estimate {
    Estimate { value, error: spread.map(|s| s.error), interval: spread.map(|s| s.interval) }
}

/// How a measurement ended, in words.
#[must_use]
pub fn ending(samples: &Samples) -> String {
    let precision = samples.precision_percent;
    match samples.ended_by {
        EndedBy::Precision => format!("the mean's standard error is within {precision} % of it"),
        EndedBy::Text if precision > 0.0 => format!("the text ended before the mean was sure within {precision} %"),
        EndedBy::Text => "the whole text was read".to_owned(),
        EndedBy::Interrupted => "interrupted".to_owned(),
    }
}
