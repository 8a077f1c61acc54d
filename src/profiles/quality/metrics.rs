//! The numbers of the quality profile, from its raw samples alone. `docs/quality.md` says how each is computed.
//!
//! What is counted is a prompt: a conversation is right when every scored turn of it is. A prompt that could not be asked or
//! has no scorer counts nowhere.

use super::consistency::{Difference, Repeated};
use super::prompts::Category;
use super::scorer::Scored;
use super::{Answer, Asked, Ended, Reply, Samples};
use crate::profiles::{Metric, divergence};
use crate::stats::{Share, float};

/// A prompt that was answered and scored.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark<'s> {
    /// The answer.
    pub answer: &'s Answer,
    /// Whether every scored turn is right.
    pub correct: bool,
}

/// The numbers of the answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The prompt set's name.
    pub set: String,
    /// Right ones of all prompts that were scored.
    pub correct: Share,
    /// By category, in the set's order.
    pub categories: Vec<CategorySummary>,
    /// Prompts of the set, asked or not.
    pub prompts_planned: usize,
    /// Prompts that could not be asked.
    pub prompts_failed: usize,
    /// Why the first of them could not, with its id.
    pub first_failure: Option<String>,
    /// Answers that something else than the model ended, and those that the clock ended.
    pub answers_cut: usize,
    /// Answers that were cut at the time limit: these alone depend on the machine.
    pub answers_timed_out: usize,
    /// Answers, one for each turn.
    pub answers: usize,
    /// Tokens of all answers.
    pub output_tokens: u64,
    /// How often a prompt was asked again.
    pub repeated: usize,
    /// The times that another answer came.
    pub differences: Vec<Difference>,
    /// Context size in tokens.
    pub n_ctx: u32,
    /// The model has no chat template of its own.
    pub fallback_template: bool,
    /// Somebody stopped the run.
    pub interrupted: bool,
}

/// The numbers of one category.
#[derive(Clone, Debug, PartialEq)]
pub struct CategorySummary {
    /// Which.
    pub category: Category,
    /// Right ones of its prompts.
    pub correct: Share,
    /// Percent that it is to reach.
    pub threshold_percent: Option<f64>,
}

impl Answer {
    /// What the scorers make of the replies, a turn each: none for a turn without a scorer.
    #[must_use]
    pub fn scored(&self) -> Vec<Option<Scored>> {
        let score = |(turn, reply): (&super::prompts::Turn, &Reply)| Some(turn.score.as_ref()?.score(&reply.text));
        self.prompt.turns.iter().zip(&self.replies).map(score).collect()
    }

    /// Whether every scored turn is right; absent where the prompt could not be asked or nothing in it is scored.
    #[must_use]
    pub fn is_correct(&self) -> Option<bool> {
        if self.failure.is_some() {
            return None;
        }
        let scored: Vec<Scored> = self.scored().into_iter().flatten().collect();
        (!scored.is_empty()).then(|| scored.iter().all(|scored| scored.correct))
    }
}

/// Every prompt that was scored, in their order.
#[must_use]
pub fn marks(asked: &Asked) -> Vec<Mark<'_>> {
    asked.answers.iter().filter_map(|answer| Some(Mark { answer, correct: answer.is_correct()? })).collect()
}

/// Computes the numbers of the answers.
#[must_use]
pub fn summarize(asked: &Asked) -> Summary {
    let marks = marks(asked);
    let failed = || asked.answers.iter().filter_map(|a| Some((a, a.failure.as_ref()?)));
    let replies = || asked.answers.iter().flat_map(|answer| &answer.replies);
    Summary {
        set: asked.set.clone(),
        correct: share(&marks, |_| true),
        categories: categories(asked, &marks),
        prompts_planned: asked.prompts_planned as usize,
        prompts_failed: failed().count(),
        first_failure: failed().next().map(|(answer, why)| format!("'{}': {why}", answer.prompt.id)),
        answers_cut: replies().filter(|reply| reply.ended.is_cut()).count(),
        answers_timed_out: replies().filter(|reply| reply.ended == Ended::TimeLimit).count(),
        answers: replies().count(),
        output_tokens: replies().map(|reply| u64::from(reply.tokens)).sum(),
        repeated: asked.consistency.iter().map(Repeated::times).sum(),
        differences: asked.consistency.iter().flat_map(Repeated::differences).collect(),
        n_ctx: asked.n_ctx,
        fallback_template: asked.fallback_template,
        interrupted: asked.interrupted,
    }
}

/// The numbers by name, headline first: those of the answers, then those of the divergence.
#[must_use]
pub fn metrics(samples: &Samples) -> Vec<Metric> {
    let mut metrics = samples.asked.as_ref().map(|asked| of_answers(&summarize(asked))).unwrap_or_default();
    metrics.extend(samples.divergence.as_ref().map(divergence::metrics).unwrap_or_default());
    metrics
}

fn of_answers(summary: &Summary) -> Vec<Metric> {
    let mut metrics = Vec::new();
    let mut push = |name: String, value: Option<f64>| metrics.push(Metric { name, value });
    let all = ("correct".to_owned(), summary.correct);
    let each = summary.categories.iter().map(|c| (c.category.as_str().replace('-', "_"), c.correct));
    for (name, share) in std::iter::once(all).chain(each) {
        let interval = share.interval_percent();
        push(format!("{name}_percent"), share.percent());
        push(format!("{name}_ci95_low_percent"), interval.map(|i| i.low));
        push(format!("{name}_ci95_high_percent"), interval.map(|i| i.high));
        push(format!("{name}_prompts_correct"), Some(float(share.hits)));
        push(format!("{name}_prompts_scored"), Some(float(share.n)));
    }
    let counts = [
        ("prompts_planned", summary.prompts_planned),
        ("prompts_failed", summary.prompts_failed),
        ("answers", summary.answers),
        ("answers_cut", summary.answers_cut),
        ("answers_timed_out", summary.answers_timed_out),
        ("answers_repeated", summary.repeated),
        ("answers_repeated_differently", summary.differences.len()),
    ];
    for (name, count) in counts {
        push(name.to_owned(), Some(float(count as u64)));
    }
    push("output_tokens".to_owned(), Some(float(summary.output_tokens)));
    push("n_ctx".to_owned(), Some(f64::from(summary.n_ctx)));
    metrics
}

fn categories(asked: &Asked, marks: &[Mark<'_>]) -> Vec<CategorySummary> {
    let mut names: Vec<&Category> = Vec::new();
    for mark in marks {
        if !names.contains(&&mark.answer.prompt.category) {
            names.push(&mark.answer.prompt.category);
        }
    }
    let summary = |category: &Category| CategorySummary {
        category: category.clone(),
        correct: share(marks, |mark| mark.answer.prompt.category == *category),
        threshold_percent: asked.thresholds.get(category).copied(),
    };
    names.into_iter().map(summary).collect()
}

fn share(marks: &[Mark<'_>], counts: impl Fn(&Mark<'_>) -> bool) -> Share {
    let counted = || marks.iter().filter(|mark| counts(mark));
    Share { hits: counted().filter(|mark| mark.correct).count() as u64, n: counted().count() as u64 }
}
