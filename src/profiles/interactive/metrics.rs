//! The numbers of the interactive profile, from its raw samples alone. `docs/method.md` says how each is computed.
//!
//! The warm-up counts nowhere. A repetition that took several requests (the model ended its answers early) is summed over
//! its requests; the pause between two requests is nobody's token and stays out.

use std::collections::BTreeMap;

use super::{Purpose, Request, Samples, Stop};
use crate::profiles::{EndedBy, Metric};
use crate::stats::{self, Interval, confidence, float, ratio};

const NS_PER_MS: f64 = 1e6;
const NS_PER_SECOND: f64 = 1e9;
const BOOTSTRAP_RESAMPLES: usize = 1000;
/// Any fixed number: a report that is built again must be the same.
const BOOTSTRAP_SEED: u64 = 0x5eed;

/// The numbers. What the samples do not define is absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Time to first token of all counted requests, in seconds.
    pub ttft_seconds: Option<stats::Summary>,
    /// 95 % confidence interval of its median.
    pub ttft_interval: Option<Interval>,
    /// What the time to first token is made of.
    pub ttft_parts: Option<TtftParts>,
    /// Output tokens per second after the first token, one sample a repetition.
    pub tokens_per_second: Option<stats::Summary>,
    /// 95 % confidence interval of its median.
    pub tokens_per_second_interval: Option<Interval>,
    /// Time per output token after the first: median over the repetitions, in milliseconds.
    pub tpot_ms: Option<f64>,
    /// All gaps between consecutive output tokens of one request, in milliseconds.
    pub itl_ms: Option<stats::Summary>,
    /// Standard deviation of these gaps in percent of their mean.
    pub variance_percent: Option<f64>,
    /// From the start of a repetition's requests to their last tokens: median over the repetitions, in seconds.
    pub end_to_end_seconds: Option<f64>,
    /// Prompt tokens over the time to compute them, all counted requests together.
    pub prefill_tokens_per_second: Option<f64>,
    /// Its 95 % confidence interval, by a bootstrap over the requests.
    pub prefill_interval: Option<Interval>,
    /// Tokens of a rendered prompt: median over the counted requests.
    pub prompt_tokens: Option<f64>,
    /// Picking one token after the first, in microseconds.
    pub sample_us_per_token: Option<f64>,
    /// Detokenizing one token after the first, in microseconds.
    pub detokenize_us_per_token: Option<f64>,
    /// Share of picking and detokenizing in the time of the tokens after the first.
    pub overhead_percent: Option<f64>,
    /// Repetitions of the generation.
    pub repetitions: usize,
    /// Requests that count: those of the repetitions and those for a first token.
    pub requests: usize,
    /// Tokens that the repetitions gave.
    pub output_tokens: usize,
    /// Output tokens that one repetition was to give.
    pub target_tokens: u32,
    /// Requests of the repetitions that the model ended before the repetition had its tokens.
    pub requests_ended_early: usize,
    /// What ended the repetitions.
    pub generations_ended_by: EndedBy,
    /// What ended the requests for a first token.
    pub first_tokens_ended_by: EndedBy,
    /// Context size in tokens.
    pub n_ctx: u32,
    /// The model has no chat template of its own.
    pub fallback_template: bool,
}

/// What a time to first token is made of: medians over the counted requests, in milliseconds. Medians of parts need not add
/// up to the median of the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::struct_field_names)] // a unit ends a name
pub struct TtftParts {
    /// Rendering the chat template.
    pub template_ms: f64,
    /// Text to tokens.
    pub tokenize_ms: f64,
    /// Computing the prompt.
    pub prefill_ms: f64,
    /// Picking the first token.
    pub sample_ms: f64,
    /// First token to text.
    pub detokenize_ms: f64,
}

/// Computes the numbers.
#[must_use]
pub fn summarize(samples: &Samples) -> Summary {
    let counted: Vec<&Request> = samples.requests.iter().filter(|r| r.purpose != Purpose::WarmUp).collect();
    let generation: Vec<&Request> = counted.iter().copied().filter(|r| r.purpose == Purpose::Generation).collect();
    let repetitions = Repetition::all(&generation);

    let ttfts = times_to_first_token(&samples.requests);
    let speeds = speeds(&samples.requests);
    let tpots: Vec<f64> = repetitions.iter().filter_map(Repetition::tpot_ms).collect();
    let ends: Vec<f64> = repetitions.iter().map(|r| float(r.end_to_end_ns) / NS_PER_SECOND).collect();
    let prompts: Vec<f64> = counted.iter().map(|r| f64::from(r.prompt_tokens)).collect();
    let gaps: Vec<u64> = generation.iter().flat_map(|r| r.gaps_ns()).collect();
    let itl_ms = stats::Summary::of_latencies(&gaps).map(|summary| summary.in_units_of(NS_PER_MS));

    let (n_gaps, gap_ns) = (float(gaps.len() as u64), sum(gaps.iter().copied()));
    let sample_ns = sum(generation.iter().map(|r| r.sample_ns));
    let detokenize_ns = sum(generation.iter().map(|r| r.detokenize_ns));
    Summary {
        ttft_seconds: stats::Summary::of(&ttfts),
        ttft_interval: confidence::median_interval(&ttfts),
        ttft_parts: ttft_parts(&counted),
        tokens_per_second: stats::Summary::of(&speeds),
        tokens_per_second_interval: confidence::median_interval(&speeds),
        tpot_ms: stats::median(&tpots),
        itl_ms,
        variance_percent: itl_ms.and_then(|itl| itl.coefficient_of_variation_percent()),
        end_to_end_seconds: stats::median(&ends),
        prefill_tokens_per_second: prefill_rate(counted.iter().copied()),
        prefill_interval: confidence::bootstrap(counted.len(), BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED, |choice| {
            prefill_rate(choice.iter().map(|&i| counted[i]))
        }),
        prompt_tokens: stats::median(&prompts),
        sample_us_per_token: ratio(sample_ns / 1e3, n_gaps),
        detokenize_us_per_token: ratio(detokenize_ns / 1e3, n_gaps),
        overhead_percent: ratio((sample_ns + detokenize_ns) * 100.0, gap_ns),
        repetitions: repetitions.len(),
        requests: counted.len(),
        output_tokens: generation.iter().map(|r| r.token_at_ns.len()).sum(),
        target_tokens: samples.target_tokens,
        requests_ended_early: generation.iter().filter(|r| r.stop == Stop::EndOfGeneration).count(),
        generations_ended_by: samples.generations_ended_by,
        first_tokens_ended_by: samples.first_tokens_ended_by,
        n_ctx: samples.n_ctx,
        fallback_template: samples.fallback_template,
    }
}

/// The numbers by their names in the reports, headline first.
#[must_use]
pub fn metrics(samples: &Samples) -> Vec<Metric> {
    let s = summarize(samples);
    let count = |n: usize| Some(float(n as u64));
    let (ttft, speed, itl, parts) = (s.ttft_seconds, s.tokens_per_second, s.itl_ms, s.ttft_parts);
    [
        ("ttft_seconds", ttft.map(|t| t.median)),
        ("tokens_per_second", speed.map(|t| t.median)),
        ("variance_percent", s.variance_percent),
        ("ttft_ci95_low_seconds", s.ttft_interval.map(|i| i.low)),
        ("ttft_ci95_high_seconds", s.ttft_interval.map(|i| i.high)),
        ("tokens_per_second_ci95_low", s.tokens_per_second_interval.map(|i| i.low)),
        ("tokens_per_second_ci95_high", s.tokens_per_second_interval.map(|i| i.high)),
        ("tpot_ms", s.tpot_ms),
        ("itl_p50_ms", itl.map(|i| i.p50)),
        ("itl_p90_ms", itl.map(|i| i.p90)),
        ("itl_p95_ms", itl.map(|i| i.p95)),
        ("itl_p99_ms", itl.map(|i| i.p99)),
        ("itl_max_ms", itl.map(|i| i.max)),
        ("itl_mean_ms", itl.map(|i| i.mean)),
        ("itl_stdev_ms", itl.and_then(|i| i.stdev)),
        ("end_to_end_seconds", s.end_to_end_seconds),
        ("prefill_tokens_per_second", s.prefill_tokens_per_second),
        ("prefill_ci95_low_tokens_per_second", s.prefill_interval.map(|i| i.low)),
        ("prefill_ci95_high_tokens_per_second", s.prefill_interval.map(|i| i.high)),
        ("ttft_template_ms", parts.map(|p| p.template_ms)),
        ("ttft_tokenize_ms", parts.map(|p| p.tokenize_ms)),
        ("ttft_prefill_ms", parts.map(|p| p.prefill_ms)),
        ("ttft_sample_ms", parts.map(|p| p.sample_ms)),
        ("ttft_detokenize_ms", parts.map(|p| p.detokenize_ms)),
        ("ttft_mean_seconds", ttft.map(|t| t.mean)),
        ("ttft_stdev_seconds", ttft.and_then(|t| t.stdev)),
        ("ttft_p95_seconds", ttft.map(|t| t.p95)),
        ("ttft_max_seconds", ttft.map(|t| t.max)),
        ("tokens_per_second_mean", speed.map(|t| t.mean)),
        ("tokens_per_second_stdev", speed.and_then(|t| t.stdev)),
        ("tokens_per_second_min", speed.map(|t| t.min)),
        ("sample_us_per_token", s.sample_us_per_token),
        ("detokenize_us_per_token", s.detokenize_us_per_token),
        ("overhead_percent", s.overhead_percent),
        ("prompt_tokens", s.prompt_tokens),
        ("output_tokens", count(s.output_tokens)),
        ("target_tokens", Some(f64::from(s.target_tokens))),
        ("repetitions", count(s.repetitions)),
        ("requests", count(s.requests)),
        ("requests_ended_early", count(s.requests_ended_early)),
        ("n_ctx", Some(f64::from(s.n_ctx))),
    ]
    .into_iter()
    .map(|(name, value)| Metric { name: name.to_owned(), value })
    .collect()
}

/// Tokens per second of each repetition: what the headline is the median of, and what repeating tries to settle.
pub(super) fn speeds(requests: &[Request]) -> Vec<f64> {
    let generation: Vec<&Request> = requests.iter().filter(|r| r.purpose == Purpose::Generation).collect();
    Repetition::all(&generation).iter().filter_map(Repetition::tokens_per_second).collect()
}

/// Times to first token of all counted requests, in seconds: what the headline is the median of, and what asking again
/// tries to settle.
pub(super) fn times_to_first_token(requests: &[Request]) -> Vec<f64> {
    let counted = requests.iter().filter(|r| r.purpose != Purpose::WarmUp);
    counted.filter_map(Request::ttft_ns).map(|ns| float(ns) / NS_PER_SECOND).collect()
}

/// One repetition of the generation: its requests taken together.
#[derive(Clone, Copy, Debug, Default)]
struct Repetition {
    gaps: u64,
    gap_ns: u64,
    end_to_end_ns: u64,
}

impl Repetition {
    fn all(generation: &[&Request]) -> Vec<Self> {
        let mut repetitions = BTreeMap::<u32, Self>::new();
        for request in generation {
            let repetition = repetitions.entry(request.repetition).or_default();
            for gap in request.gaps_ns() {
                repetition.gaps += 1;
                repetition.gap_ns = repetition.gap_ns.saturating_add(gap);
            }
            let end = request.token_at_ns.last().copied().unwrap_or(0);
            repetition.end_to_end_ns = repetition.end_to_end_ns.saturating_add(end);
        }
        repetitions.into_values().collect()
    }

    fn tokens_per_second(&self) -> Option<f64> {
        (self.gaps > 0).then(|| ratio(float(self.gaps), float(self.gap_ns) / NS_PER_SECOND)).flatten()
    }

    /// (end-to-end − TTFT) / (n − 1): within a request, end-to-end less TTFT is the sum of the gaps.
    fn tpot_ms(&self) -> Option<f64> {
        ratio(float(self.gap_ns) / NS_PER_MS, float(self.gaps))
    }
}

fn ttft_parts(counted: &[&Request]) -> Option<TtftParts> {
    let median_ms = |part: fn(&Request) -> u64| {
        let samples: Vec<f64> = counted.iter().map(|r| float(part(r)) / NS_PER_MS).collect();
        stats::median(&samples)
    };
    Some(TtftParts {
        template_ms: median_ms(|r| r.template_ns)?,
        tokenize_ms: median_ms(|r| r.tokenize_ns)?,
        prefill_ms: median_ms(|r| r.prefill_ns)?,
        sample_ms: median_ms(|r| r.first_sample_ns)?,
        detokenize_ms: median_ms(|r| r.first_detokenize_ns)?,
    })
}

fn prefill_rate<'r>(requests: impl Iterator<Item = &'r Request>) -> Option<f64> {
    let (tokens, ns) =
        requests.fold((0.0, 0.0), |(tokens, ns), r| (tokens + f64::from(r.prompt_tokens), ns + float(r.prefill_ns)));
    ratio(tokens, ns / NS_PER_SECOND)
}

/// As a float, so that no sum of nanoseconds can overflow.
fn sum(nanoseconds: impl Iterator<Item = u64>) -> f64 {
    nanoseconds.map(float).sum()
}

#[cfg(test)]
pub(super) mod tests;
