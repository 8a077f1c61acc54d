//! pp/tg tests as llama-bench runs them: random tokens, BOS first, a warm-up, the KV cache cleared outside the clock, and the
//! clock stopped after the engine is synchronized. Sampling and detokenizing are left out on purpose.

use serde::{Deserialize, Serialize};

use super::{Metric, ProfileError, Rig};
use crate::engine::ContextParams;

/// One test: `n_prompt` tokens at once, then `n_gen` tokens one by one, with `n_depth` tokens already in the cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Prompt tokens; 0: generation only.
    pub n_prompt: u32,
    /// Generated tokens; 0: prompt only.
    pub n_gen: u32,
    /// Tokens in the cache beforehand.
    pub n_depth: u32,
    /// How often.
    pub repetitions: u32,
    /// Run once before counting.
    pub warm_up: bool,
    /// Start of the random tokens.
    pub seed: u64,
    /// The context; `n_ctx` holds prompt, generation and depth.
    pub context: ContextParams,
}

/// One test's samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// Prompt tokens.
    pub n_prompt: u32,
    /// Generated tokens.
    pub n_gen: u32,
    /// Tokens in the cache beforehand.
    pub n_depth: u32,
    /// Nanoseconds for the prompt, one a repetition; empty without a prompt.
    pub prompt_ns: Vec<u64>,
    /// Nanoseconds for the generation, one a repetition; empty without a generation.
    pub gen_ns: Vec<u64>,
}

/// Runs the test.
///
/// # Errors
/// [`ProfileError`] when the context cannot be had or a computation fails.
pub fn run(_job: &Job, _rig: &mut Rig<'_>) -> Result<Samples, ProfileError> {
    todo!()
}

/// Tokens per second.
#[must_use]
pub fn metrics(_samples: &Samples) -> Vec<Metric> {
    todo!()
}
