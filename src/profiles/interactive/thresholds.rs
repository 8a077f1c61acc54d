//! What the numbers of the interactive profile mean for a person: thresholds with their sources, a rating, one or two
//! sentences. `docs/method.md` gives the same table.

use serde::{Deserialize, Serialize};

use super::Summary;
use crate::profiles::EndedBy;
use crate::verdict::Rating;
use crate::verdict::interpretation::{
    READING_WORDS_PER_MINUTE, against_reading, counted, ended_early, number, seconds, words_per_minute,
};
use crate::verdict::rating::Scale;

/// Bounds of the grades excellent, good, acceptable and poor. What is beyond the last fails.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Seconds to the first token, at most.
    pub ttft_seconds: [f64; 4],
    /// Tokens per second after the first, at least.
    pub tokens_per_second: [f64; 4],
    /// Standard deviation of the gaps in percent of their mean, at most. Beyond the last is poor: unevenness alone never
    /// fails a model.
    pub variance_percent: [f64; 3],
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            // 1 s is the limit for a flow of thought that is not interrupted and 10 s that for keeping attention on the
            // dialogue: Nielsen, "Usability Engineering" (1993), chapter 5, after Miller (1968). After 30 s people have
            // turned to something else.
            ttft_seconds: [1.0, 3.0, 10.0, 30.0],
            // People read about 5.3 tokens a second (238 words a minute, 0.75 words a token): 7 is ahead of most readers, 15
            // of those who skim, 30 feels like a page that is simply there. Below 2 an answer of 256 tokens takes more than
            // two minutes.
            tokens_per_second: [30.0, 15.0, 7.0, 2.0],
            // Up to a fifth a stream looks even; at 100 % the gaps are as irregular as rain (an exponential distribution),
            // and the stream stutters.
            variance_percent: [20.0, 50.0, 100.0],
        }
    }
}

impl Thresholds {
    fn variance(&self) -> Scale {
        let [excellent, good, acceptable] = self.variance_percent;
        Scale::AtMost([excellent, good, acceptable, f64::INFINITY])
    }
}

/// A gap that is shorter than reading one word is not seen: where 99 % of the gaps are, variance is good at least.
const UNSEEN_GAP_MS: f64 = 60_000.0 / READING_WORDS_PER_MINUTE;

/// A confidence interval wider than this, in percent of its median, is worth a word.
const WIDE_INTERVAL_PERCENT: f64 = 10.0;

/// One criterion of the rating.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Criterion {
    /// The metric's name.
    pub metric: &'static str,
    /// Its grade.
    pub rating: Rating,
}

/// The grades of the single numbers; a number that the samples do not define fails, but for the variance, which needs three
/// tokens and is then left out.
#[must_use]
pub fn criteria(summary: &Summary, thresholds: &Thresholds) -> Vec<Criterion> {
    let rate = |scale: Scale, value: Option<f64>| value.map_or(Rating::Failed, |value| scale.rate(value));
    let ttft = rate(Scale::AtMost(thresholds.ttft_seconds), summary.ttft_seconds.map(|ttft| ttft.median));
    let speed = rate(Scale::AtLeast(thresholds.tokens_per_second), summary.tokens_per_second.map(|speed| speed.median));
    let mut criteria = vec![
        Criterion { metric: "ttft_seconds", rating: ttft },
        Criterion { metric: "tokens_per_second", rating: speed },
    ];
    if let (Some(variance), Some(itl)) = (summary.variance_percent, summary.itl_ms) {
        let unseen = if itl.p99 <= UNSEEN_GAP_MS { Rating::Good } else { Rating::Failed };
        criteria
            .push(Criterion { metric: "variance_percent", rating: thresholds.variance().rate(variance).max(unseen) });
    }
    criteria
}

/// The worst of the [`criteria`].
#[must_use]
pub fn rating(summary: &Summary, thresholds: &Thresholds) -> Rating {
    Rating::worst(criteria(summary, thresholds).iter().map(|criterion| criterion.rating)).unwrap_or(Rating::Failed)
}

/// What it will feel like, in plain sentences, and what the reader should know about the numbers.
#[must_use]
pub fn interpretation(summary: &Summary, thresholds: &Thresholds) -> String {
    let Some(ttft) = summary.ttft_seconds else {
        return "No request gave a first token.".to_owned();
    };
    let mut sentences = vec![match summary.tokens_per_second {
        Some(speed) => format!(
            "The first word comes after {}; then {} tokens/s, about {} words a minute, {}.",
            seconds(ttft.median),
            number(speed.median),
            number(words_per_minute(speed.median).round()),
            against_reading(speed.median)
        ),
        None => format!(
            "The first word comes after {}; no answer had a second token, so there is no speed.",
            seconds(ttft.median)
        ),
    }];
    sentences.extend(unevenness(summary, thresholds));
    sentences.extend(early_ends(summary));
    sentences.extend(uncertainty(summary));
    if summary.fallback_template {
        sentences.push("The model has no chat template of its own; a plain fallback was used.".to_owned());
    }
    sentences.join(" ")
}

fn unevenness(summary: &Summary, thresholds: &Thresholds) -> Option<String> {
    let (variance, itl) = (summary.variance_percent?, summary.itl_ms?);
    let visible = itl.p99 > UNSEEN_GAP_MS && thresholds.variance().rate(variance) < Rating::Good;
    visible.then(|| format!("The stream stutters: one gap in a hundred is longer than {} ms.", number(itl.p99)))
}

fn early_ends(summary: &Summary) -> Option<String> {
    let sentence = || ended_early(summary.requests_ended_early, summary.target_tokens);
    (summary.requests_ended_early > 0).then(|| format!("{}.", sentence().replacen('t', "T", 1)))
}

fn uncertainty(summary: &Summary) -> Option<String> {
    if summary.generations_ended_by == EndedBy::Confidence {
        return None;
    }
    let speed = summary.tokens_per_second?.median;
    let repetitions = counted(summary.repetitions, "repetition");
    let Some(interval) = summary.tokens_per_second_interval else {
        return Some(format!("With {repetitions} the speed has no confidence interval."));
    };
    let width = interval.relative_width_percent(speed)?;
    (width > WIDE_INTERVAL_PERCENT)
        .then(|| format!("The speed is uncertain: {repetitions} left its 95 % interval {} % wide.", number(width)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles::interactive::metrics::tests::{request, samples};
    use crate::profiles::interactive::{Purpose, Samples, Stop, summarize};

    fn rating(summary: &Summary) -> Rating {
        super::rating(summary, &Thresholds::default())
    }

    fn interpretation(summary: &Summary) -> String {
        super::interpretation(summary, &Thresholds::default())
    }

    #[test]
    fn other_thresholds_give_other_grades() {
        let summary = summarize(&chat(5_000, &[20; 50]));
        let patient = Thresholds { ttft_seconds: [6.0, 7.0, 8.0, 9.0], ..Thresholds::default() };
        let hurried = Thresholds { ttft_seconds: [0.1, 0.2, 0.3, 0.4], ..Thresholds::default() };
        assert_eq!(super::rating(&summary, &patient), Rating::Excellent);
        assert_eq!(super::rating(&summary, &hurried), Rating::Failed);
    }

    /// Six repetitions with one gap for each of the `gaps`, after a TTFT, all in milliseconds.
    fn chat(ttft: u64, gaps: &[u64]) -> Samples {
        samples((0..6).map(|repetition| request(Purpose::Generation, repetition, ttft, gaps)).collect())
    }

    #[test]
    fn a_quick_even_stream_is_excellent() {
        let summary = summarize(&chat(200, &[20; 50]));
        assert_eq!(rating(&summary), Rating::Excellent);
        assert_eq!(
            interpretation(&summary),
            "The first word comes after 0.20 s; then 50.0 tokens/s, about 2250 words a minute, 9 times as fast as people read."
        );
    }

    #[test]
    fn the_worst_criterion_decides() {
        assert_eq!(rating(&summarize(&chat(5_000, &[20; 50]))), Rating::Acceptable);
        assert_eq!(rating(&summarize(&chat(200, &[400; 50]))), Rating::Poor);
        assert_eq!(rating(&summarize(&chat(31_000, &[20; 50]))), Rating::Failed);
    }

    #[test]
    fn unevenness_counts_only_where_it_can_be_seen() {
        let mut unseen = [10; 50];
        unseen[0] = 200;
        assert_eq!(rating(&summarize(&chat(200, &unseen))), Rating::Good);
        let mut stutter = [10; 50];
        stutter[0] = 2_000;
        let summary = summarize(&chat(200, &stutter));
        assert_eq!(rating(&summary), Rating::Poor);
        assert!(interpretation(&summary).contains("The stream stutters"), "{}", interpretation(&summary));
    }

    #[test]
    fn a_model_that_says_one_token_has_no_speed_and_fails() {
        let summary = summarize(&chat(200, &[]));
        assert_eq!(rating(&summary), Rating::Failed);
        assert!(interpretation(&summary).contains("no answer had a second token"));
    }

    #[test]
    fn early_ends_and_a_fallback_template_are_mentioned() {
        let mut chat = chat(200, &[20; 10]);
        chat.requests[0].stop = Stop::EndOfGeneration;
        chat.fallback_template = true;
        let words = interpretation(&summarize(&chat));
        assert!(words.contains("The model ended 1 answer early"), "{words}");
        assert!(words.contains("no chat template of its own"), "{words}");
    }

    #[test]
    fn too_few_repetitions_and_a_wide_interval_are_mentioned_when_the_limit_ended_them() {
        let mut few = samples(vec![request(Purpose::Generation, 0, 200, &[20; 10])]);
        few.generations_ended_by = EndedBy::Limit;
        assert!(interpretation(&summarize(&few)).contains("With 1 repetition the speed has no confidence interval"));

        let gaps = [10, 12, 14, 16, 18, 20];
        let all = gaps.iter().zip(0..).map(|(&gap, i)| request(Purpose::Generation, i, 200, &[gap; 10])).collect();
        let mut noisy = samples(all);
        noisy.generations_ended_by = EndedBy::Limit;
        let words = interpretation(&summarize(&noisy));
        assert!(words.contains("6 repetitions left its 95 % interval"), "{words}");
    }
}
