//! The interactive profile: one person in a chat. A story is continued for a fixed number of tokens through the model's chat
//! template; time to first token with its parts, and the moment of every token, are kept as raw samples.

mod measure;
mod metrics;
pub mod prompts;
mod thresholds;

use serde::{Deserialize, Serialize};

use super::EndedBy;
use crate::engine::{ContextParams, Sampling};

pub use measure::run;
pub use metrics::{Summary, metrics, summarize};
pub use thresholds::{Criterion, Thresholds, criteria, interpretation, rating};

/// What the loop needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Output tokens of one repetition.
    pub tokens: u32,
    /// Repetitions of the whole generation at most.
    pub max_repetitions: u32,
    /// Requests for a first token at most (those of the generations count).
    pub max_first_tokens: u32,
    /// Full width of the 95 % confidence interval of a median, in percent of it, at which repeating ends.
    pub interval_width_percent: f64,
    /// How tokens are picked.
    pub sampling: Sampling,
    /// The context; its size must hold prompt and output.
    pub context: ContextParams,
    /// The prompts, used one after the other, so that no request repeats the one before it.
    pub prompts: Vec<Prompt>,
}

/// One request's prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// Its name in the samples.
    pub id: String,
    /// The system message, where there is one.
    pub system: Option<String>,
    /// The user's message.
    pub user: String,
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// All requests in their order, the warm-up first.
    pub requests: Vec<Request>,
    /// Output tokens of one repetition.
    pub target_tokens: u32,
    /// What ended the repetitions of the generation.
    pub generations_ended_by: EndedBy,
    /// What ended the requests for a first token.
    pub first_tokens_ended_by: EndedBy,
    /// Context size in tokens that was allocated.
    pub n_ctx: u32,
    /// The model has no chat template of its own: the documented fallback was used.
    pub fallback_template: bool,
}

/// Why a request was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Before counting; in no summary.
    WarmUp,
    /// Part of a repetition: counts for everything.
    Generation,
    /// Only its first token counts.
    FirstToken,
}

/// Why a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// As many tokens as were wanted.
    TokenCount,
    /// The model ended its answer: another prompt went on until the repetition had its tokens.
    EndOfGeneration,
}

/// One request's samples. All times are nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Why it was made.
    pub purpose: Purpose,
    /// Which repetition of the generation it belongs to, from 0.
    pub repetition: u32,
    /// The prompt's [`Prompt::id`].
    pub prompt: String,
    /// Tokens of the rendered prompt.
    pub prompt_tokens: u32,
    /// Part of the time to first token: rendering the chat template.
    pub template_ns: u64,
    /// Part of the time to first token: text to tokens.
    pub tokenize_ns: u64,
    /// Part of the time to first token: computing the prompt.
    pub prefill_ns: u64,
    /// Part of the time to first token: picking the token.
    pub first_sample_ns: u64,
    /// Part of the time to first token: token to text.
    pub first_detokenize_ns: u64,
    /// When each output token was sampled and detokenized, since the request's start; the first is the TTFT.
    pub token_at_ns: Vec<u64>,
    /// Picking the tokens after the first, together.
    pub sample_ns: u64,
    /// Detokenizing the tokens after the first, together.
    pub detokenize_ns: u64,
    /// Why it ended.
    pub stop: Stop,
    /// The text that came out; a character cut by the end is left out.
    pub text: String,
}

impl Request {
    /// Time to first token in nanoseconds, where there is one.
    #[must_use]
    pub fn ttft_ns(&self) -> Option<u64> {
        self.token_at_ns.first().copied()
    }

    /// Inter-token latencies in nanoseconds: each gap between consecutive output tokens.
    pub fn gaps_ns(&self) -> impl Iterator<Item = u64> + '_ {
        self.token_at_ns.windows(2).map(|pair| pair[1].saturating_sub(pair[0]))
    }
}
