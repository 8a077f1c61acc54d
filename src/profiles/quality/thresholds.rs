//! What the scores mean for a person: thresholds, a rating, and what a model that misses them is not for. `docs/quality.md`
//! gives the same table.

use super::{CategorySummary, Summary};
use crate::stats::{Share, float, ratio};
use crate::verdict::Rating;
use crate::verdict::interpretation::{counted, number};

/// Percent of right answers that a category is to reach where nobody configures another. One sum in five wrong is no help
/// with numbers; a reader of documents and a reasoner may err a little more often, because a person can check them by the
/// text; a program that reads answers stumbles over every one that is not in the form it was asked for.
pub const DEFAULT_THRESHOLDS: [(&str, f64); 4] =
    [("math", 80.0), ("comprehension", 75.0), ("reasoning", 75.0), ("format", 90.0)];

/// With fewer prompts than this in a category, its score is a sign and no measurement.
const FEW_PROMPTS: u64 = 10;

/// One category's grade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    /// The metric's name, such as `math_percent`.
    pub metric: String,
    /// Its grade.
    pub rating: Rating,
}

/// The grades of the categories that have thresholds.
#[must_use]
pub fn criteria(summary: &Summary) -> Vec<Criterion> {
    let with = |c: &CategorySummary| {
        let metric = format!("{}_percent", c.category.as_str().replace('-', "_"));
        Some(Criterion { metric, rating: grade(c.correct, c.threshold_percent?) })
    };
    summary.categories.iter().filter_map(with).collect()
}

/// The threshold reached is good, half of what is above it excellent; missed it is acceptable as long as its interval still
/// reaches it, poor down to half of it, and failed below.
fn grade(correct: Share, threshold: f64) -> Rating {
    let percent = correct.percent().unwrap_or(0.0);
    let reaches = correct.interval_percent().is_some_and(|interval| interval.high >= threshold);
    match percent {
        p if p >= threshold + (100.0 - threshold) / 2.0 => Rating::Excellent,
        p if p >= threshold => Rating::Good,
        _ if reaches => Rating::Acceptable,
        p if p >= threshold / 2.0 => Rating::Poor,
        _ => Rating::Failed,
    }
}

/// The worst category where all reach their thresholds. Else by how many do: none is failed, fewer than half are poor, more
/// are acceptable, because a model that cannot calculate may still read well. Absent without a category that has a threshold.
#[must_use]
pub fn rating(summary: &Summary) -> Option<Rating> {
    let grades: Vec<Rating> = criteria(summary).iter().map(|criterion| criterion.rating).collect();
    let reached = grades.iter().filter(|grade| **grade >= Rating::Good).count();
    Some(match (reached, grades.len()) {
        (_, 0) => return None,
        (reached, all) if reached == all => Rating::worst(grades)?,
        (0, _) if grades.iter().all(|grade| *grade <= Rating::Poor) => Rating::Failed,
        (reached, all) if 2 * reached >= all => Rating::Acceptable,
        _ => Rating::Poor,
    })
}

/// What the answers are good for, in plain sentences, and what the reader should know about the scores.
#[must_use]
pub fn interpretation(summary: &Summary) -> String {
    let mut sentences = vec![headline(summary)];
    sentences.extend(missed(summary));
    sentences.extend(few(summary));
    sentences.extend(repeated(summary));
    sentences.extend(cut(summary));
    if let Some(first) = &summary.first_failure {
        let failed = counted(summary.prompts_failed, "prompt");
        sentences.push(format!("{failed} could not be asked; the first: {first}."));
    }
    if summary.interrupted {
        sentences.push(format!("Interrupted: {} of the set were not asked.", counted(unasked(summary), "prompt")));
    }
    if summary.fallback_template {
        sentences.push(
            "The model has no chat template of its own; a plain fallback was used, which may cost it answers."
                .to_owned(),
        );
    }
    sentences.join(" ")
}

fn unasked(summary: &Summary) -> usize {
    let scored = usize::try_from(summary.correct.n).unwrap_or(usize::MAX);
    summary.prompts_planned.saturating_sub(scored + summary.prompts_failed)
}

fn headline(summary: &Summary) -> String {
    let correct = summary.correct;
    let (Some(percent), Some(interval)) = (correct.percent(), correct.interval_percent()) else {
        return "No answer could be scored.".to_owned();
    };
    format!(
        "{} of {} answers are right: {} % (95 % interval {} to {} %).",
        correct.hits,
        correct.n,
        number(percent),
        number(interval.low),
        number(interval.high)
    )
}

/// What the categories that miss their thresholds rule out.
fn missed(summary: &Summary) -> Option<String> {
    let with: Vec<(&CategorySummary, f64)> =
        summary.categories.iter().filter_map(|c| Some((c, c.threshold_percent?))).collect();
    let missed: Vec<_> = with.iter().filter(|(c, threshold)| grade(c.correct, *threshold) < Rating::Good).collect();
    if with.is_empty() {
        return None;
    }
    if missed.is_empty() {
        return Some("Every threshold is reached.".to_owned());
    }
    let surely = |(c, threshold): &&(&CategorySummary, f64)| grade(c.correct, *threshold) < Rating::Acceptable;
    let clauses: Vec<String> = missed.iter().map(|(c, threshold)| clause(c, *threshold)).collect();
    let all = missed.len() == with.len() && with.len() > 1 && missed.iter().copied().all(|m| surely(&m));
    let creative = if all { " Creative use only." } else { "" };
    Some(format!("It reaches {}.{creative}", clauses.join("; ")))
}

/// `60 % on math (threshold 80 %): not for financial work`.
fn clause(category: &CategorySummary, threshold: f64) -> String {
    let name = category.category.as_str();
    let percent = number(category.correct.percent().unwrap_or(0.0));
    let (not_for, n) = (not_for(name), category.correct.n);
    if grade(category.correct, threshold) == Rating::Acceptable {
        let below = format!("{percent} % on {name}, below the threshold of {} %", number(threshold));
        return format!("{below} but within what chance gives with {}: {not_for} unchecked", prompts(n));
    }
    format!("{percent} % on {name} (threshold {} %): {not_for}", number(threshold))
}

/// What a model that misses a category's threshold is not for.
#[must_use]
pub fn not_for(category: &str) -> &'static str {
    match category {
        "math" => "not for financial work",
        "comprehension" => "not for work on documents",
        "reasoning" => "not for decisions",
        "format" => "not where a program reads the answers",
        _ => "not to be relied on there",
    }
}

fn few(summary: &Summary) -> Option<String> {
    let few: Vec<&str> = summary
        .categories
        .iter()
        .filter(|c| c.threshold_percent.is_some() && c.correct.n < FEW_PROMPTS)
        .map(|c| c.category.as_str())
        .collect();
    (!few.is_empty())
        .then(|| format!("Fewer than {FEW_PROMPTS} prompts were scored on {}: a sign, no measurement.", few.join(", ")))
}

fn repeated(summary: &Summary) -> Option<String> {
    let first = summary.differences.first()?;
    let (n, times) = (summary.differences.len(), summary.repeated);
    let how = match first.warm_tokens {
        0 => "with an empty cache".to_owned(),
        warm => format!("with {} of its prompt in the cache", counted(warm as usize, "token")),
    };
    Some(format!(
        "{n} of {times} repetitions gave another answer; the first: '{}' {how} differs from its token {} on ('{}' instead \
         of '{}').",
        first.prompt, first.token, first.found, first.expected
    ))
}

fn cut(summary: &Summary) -> Option<String> {
    let share = ratio(float(summary.answers_cut as u64), float(summary.answers as u64))?;
    let timed = match summary.answers_timed_out {
        0 => String::new(),
        n => format!("; {n} of them at the time limit, which depends on the machine"),
    };
    (summary.answers_timed_out > 0 || share > 0.1).then(|| {
        let verb = if summary.answers_cut == 1 { "was" } else { "were" };
        format!(
            "{} {verb} cut before the model ended and scored as far as it came{timed}.",
            counted(summary.answers_cut, "answer")
        )
    })
}

fn prompts(n: u64) -> String {
    counted(usize::try_from(n).unwrap_or(usize::MAX), "prompt")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles::quality::prompts::Category;

    fn summary(categories: &[(&str, u64, u64)]) -> Summary {
        let one = |&(name, hits, n): &(&str, u64, u64)| CategorySummary {
            category: Category::new(name).unwrap(),
            correct: Share { hits, n },
            threshold_percent: DEFAULT_THRESHOLDS.iter().find(|(c, _)| *c == name).map(|(_, t)| *t),
        };
        let correct = Share { hits: categories.iter().map(|c| c.1).sum(), n: categories.iter().map(|c| c.2).sum() };
        Summary {
            set: "core".to_owned(),
            correct,
            categories: categories.iter().map(one).collect(),
            prompts_planned: usize::try_from(correct.n).unwrap(),
            prompts_failed: 0,
            first_failure: None,
            answers_cut: 0,
            answers_timed_out: 0,
            answers: usize::try_from(correct.n).unwrap(),
            output_tokens: 100,
            repeated: 0,
            differences: Vec::new(),
            n_ctx: 2048,
            fallback_template: false,
            interrupted: false,
        }
    }

    const BEST: [(&str, u64, u64); 4] =
        [("math", 95, 100), ("comprehension", 95, 100), ("reasoning", 95, 100), ("format", 98, 100)];

    #[test]
    fn a_model_that_reaches_every_threshold_has_its_worst_grade() {
        assert_eq!(rating(&summary(&BEST)), Some(Rating::Excellent));
        let mut good = BEST;
        good[0].1 = 85;
        assert_eq!(rating(&summary(&good)), Some(Rating::Good));
        assert_eq!(
            interpretation(&summary(&BEST)),
            "383 of 400 answers are right: 95.8 % (95 % interval 93.3 to 97.3 %). Every threshold is reached."
        );
    }

    #[test]
    fn a_missed_threshold_says_what_the_model_is_not_for() {
        let mut weak = BEST;
        weak[0].1 = 60;
        assert_eq!(rating(&summary(&weak)), Some(Rating::Acceptable));
        let words = interpretation(&summary(&weak));
        assert!(words.contains("It reaches 60.0 % on math (threshold 80.0 %): not for financial work."), "{words}");
    }

    #[test]
    fn a_threshold_within_the_interval_of_few_prompts_is_not_called_missed_for_sure() {
        let few = summary(&[("math", 7, 10)]);
        assert_eq!(criteria(&few)[0].rating, Rating::Acceptable);
        assert_eq!(rating(&few), Some(Rating::Poor), "no threshold is reached, but that could be chance");
        let words = interpretation(&few);
        assert!(
            words.contains("within what chance gives with 10 prompts: not for financial work unchecked"),
            "{words}"
        );
        assert!(!words.contains("Creative"), "{words}");
    }

    #[test]
    fn a_model_that_misses_everything_fails_and_is_for_creative_use_only() {
        let hopeless = BEST.map(|(name, _, n)| (name, n / 10, n));
        assert_eq!(rating(&summary(&hopeless)), Some(Rating::Failed));
        assert!(interpretation(&summary(&hopeless)).contains("Creative use only."));
        let mut nearly = hopeless;
        nearly[1].1 = 95;
        assert_eq!(rating(&summary(&nearly)), Some(Rating::Poor));
    }

    #[test]
    fn categories_without_a_threshold_are_shown_and_not_graded() {
        let own = summary(&[("records", 1, 20)]);
        assert_eq!((rating(&own), criteria(&own).len()), (None, 0));
        assert!(interpretation(&own).starts_with("1 of 20 answers are right: 5.00 %"));
        assert_eq!(interpretation(&summary(&[])), "No answer could be scored.");
    }

    #[test]
    fn answers_that_time_cut_few_prompts_and_failures_are_mentioned() {
        let mut odd = summary(&[("math", 5, 5)]);
        (odd.answers_cut, odd.answers_timed_out, odd.prompts_failed) = (2, 1, 1);
        odd.first_failure = Some("'long': it does not fit".to_owned());
        odd.fallback_template = true;
        let words = interpretation(&odd);
        for part in [
            "Fewer than 10 prompts were scored on math",
            "2 answers were cut",
            "1 of them at the time limit, which depends on the machine",
            "1 prompt could not be asked; the first: 'long': it does not fit.",
            "no chat template of its own",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
    }
}
