//! The quality profile: how good a model's answers are. Prompts are asked one after the other and their answers kept whole;
//! some are asked again and again, to see whether the same comes out; where there is a reference, the predictions over a text
//! are compared with its. Scores come later, from the answers.
//!
//! The samples hold the prompts with their scorers, so that every score can be computed again from a run's folder alone, also
//! where the prompts were a person's own file that has changed since.

pub mod compare;
mod consistency;
mod dialogue;
mod measure;
mod metrics;
pub mod prompts;
pub mod scorer;
mod thresholds;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ProfileError, Rig, divergence};
use crate::engine::{ContextParams, Demand, ModelParams, Sampling};
use prompts::{Category, Prompt, PromptSet};

pub use consistency::{Difference, Repeated, RepeatedAnswer, Repetition};
pub use metrics::{CategorySummary, Mark, Summary, marks, metrics, summarize};
pub use thresholds::{Criterion, DEFAULT_THRESHOLDS, criteria, interpretation, not_for, rating};

/// What the loop needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The context that answers are written in; its size must hold each prompt and its answer.
    pub context: ContextParams,
    /// What is asked; none: nothing.
    pub questions: Option<Questions>,
    /// Divergence from a reference, where there is one.
    pub divergence: Option<divergence::Job>,
}

/// What is asked and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Questions {
    /// The prompts.
    pub set: PromptSet,
    /// Percent of right answers that a category is to reach; one without is scored and shown.
    pub thresholds: BTreeMap<Category, f64>,
    /// How tokens are picked; it begins anew with every answer, so that none depends on those before it.
    pub sampling: Sampling,
    /// An answer that takes longer is cut.
    pub max_answer_seconds: f64,
    /// What is asked repeatedly; none: nothing.
    pub consistency: Option<Repetition>,
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// The answers; none where nothing was asked.
    pub asked: Option<Asked>,
    /// Divergence from a reference.
    pub divergence: Option<divergence::Samples>,
    /// Why there is no divergence although one was wanted, in one line. (Where nothing else was wanted the profile fails.)
    pub divergence_failure: Option<String>,
}

/// The answers to [`Questions`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The prompt set's name.
    pub set: String,
    /// Prompts of the set, asked or not.
    pub prompts_planned: u32,
    /// One for each prompt that was asked, in their order.
    pub answers: Vec<Answer>,
    /// As in the [`Questions`].
    pub thresholds: BTreeMap<Category, f64>,
    /// The prompts that were asked repeatedly.
    pub consistency: Vec<Repeated>,
    /// Context size in tokens that was allocated.
    pub n_ctx: u32,
    /// The model has no chat template of its own: the documented fallback was used.
    pub fallback_template: bool,
    /// Somebody stopped the run: the prompts that were answered by then count.
    pub interrupted: bool,
}

/// A prompt and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The prompt, with its scorers.
    pub prompt: Prompt,
    /// One for each turn that was answered.
    pub replies: Vec<Reply>,
    /// Why it could not be asked, in one line. Such a prompt counts nowhere.
    pub failure: Option<String>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The text; a character cut by the end is left out.
    pub text: String,
    /// Tokens of the rendered prompt, those of earlier turns included.
    pub prompt_tokens: u32,
    /// Tokens of the answer, the one that ends it left out.
    pub tokens: u32,
    /// From the prompt's first token to the answer's last.
    pub seconds: f64,
    /// Why it ended.
    pub ended: Ended,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The model ended it.
    EndOfGeneration,
    /// It had as many tokens as its prompt allows.
    TokenLimit,
    /// It took as long as the job allows. Alone of all ends this one depends on the machine.
    TimeLimit,
    /// Earlier answers of a conversation left it no more room in the context.
    ContextFull,
}

impl Ended {
    /// Whether somebody else than the model ended it: such an answer is scored as it is.
    #[must_use]
    pub fn is_cut(self) -> bool {
        self != Self::EndOfGeneration
    }

    /// In words, for people who read answers.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::EndOfGeneration => "ended by the model",
            Self::TokenLimit => "cut at the token limit",
            Self::TimeLimit => "cut at the time limit",
            Self::ContextFull => "cut because the context was full",
        }
    }
}

impl Job {
    /// What must fit the memory at the same time. Where prompts are to be answered that is their context alone: a divergence
    /// that does not fit is then left out.
    #[must_use]
    pub fn demands<'a>(&'a self, own: &'a ModelParams) -> Vec<Demand<'a>> {
        match &self.divergence {
            Some(divergence) if self.questions.is_none() => divergence.demands(own),
            _ => vec![Demand::one(own, &self.context)],
        }
    }
}

/// Runs what the job asks for: first the questions, then the divergence, whose failure leaves the answers as they are.
///
/// # Errors
/// Those of the questions; those of the divergence where nothing was asked.
pub fn run(job: &Job, rig: &mut Rig<'_>) -> Result<Samples, ProfileError> {
    let asked = job.questions.as_ref().map(|questions| measure::run(questions, &job.context, rig)).transpose()?;
    let mut samples = Samples { asked, divergence: None, divergence_failure: None };
    if samples.asked.as_ref().is_some_and(|asked| asked.interrupted) {
        return Ok(samples);
    }
    match job.divergence.as_ref().map(|job| divergence::run(job, rig)).transpose() {
        Ok(divergence) => samples.divergence = divergence,
        Err(error) if samples.asked.is_none() => return Err(error),
        Err(error) => samples.divergence_failure = Some(one_line(&error)),
    }
    Ok(samples)
}

fn one_line(error: &ProfileError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
