//! Divergence: how far a candidate's predictions lie from a reference's, over a text that both read in lockstep. The
//! candidate is a quantization of the reference, or the same weights with another type of KV cache.
//!
//! The text is cut into chunks as `llama-perplexity --kl-divergence` cuts it, so that the numbers can be compared: BOS in the
//! place of each chunk's first token, the tokens of its second half predicted. Logits are compared as soon as both models
//! have them and are then forgotten; nothing of them is written anywhere.
//!
//! Not a profile of its own: the quality profile holds its job and its samples.

mod compare;
mod lanes;
mod measure;
mod metrics;
pub mod text;
mod vocabulary;

use serde::{Deserialize, Serialize};

use crate::engine::{ContextParams, ModelParams};

pub use measure::run;
pub use metrics::{Estimate, Percentiles, Summary, ending, kld_difference, metrics, summarize};

/// Chunks that are scored at least before the precision can end the measurement: fewer have no error that could be trusted.
pub const MIN_CHUNKS: u32 = 8;

/// Chunk length in tokens where nobody names one; llama-perplexity's.
pub const CHUNK_TOKENS: u32 = 512;

/// What the loop needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The candidate's context; its weights are the worker's model. Its size and batch sizes follow from `chunk_tokens`.
    pub context: ContextParams,
    /// The reference's weights; none: the candidate's own, so that only the KV caches differ.
    pub reference: Option<ModelParams>,
    /// The reference's context, of the same size as the candidate's.
    pub reference_context: ContextParams,
    /// The text's name in reports.
    pub text_name: String,
    /// The text itself.
    pub text: String,
    /// Length of a chunk in tokens; its second half is scored.
    pub chunk_tokens: u32,
    /// Standard error of the mean divergence, in percent of it, at which the measurement ends; 0: at the text's end.
    pub precision_percent: f64,
    /// Chunks that are computed at the same time, each on `context.n_threads` threads with contexts of its own.
    pub lanes: u32,
    /// Start of the bootstrap's random numbers.
    pub seed: u64,
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// The chunks in the text's order, from its start.
    pub chunks: Vec<Chunk>,
    /// What ended the measurement.
    pub ended_by: EndedBy,
    /// The text's name.
    pub text_name: String,
    /// Tokens of the whole text.
    pub text_tokens: u64,
    /// Length of a chunk in tokens.
    pub chunk_tokens: u32,
    /// Standard error, in percent of the mean, that was asked for; 0: the whole text.
    pub precision_percent: f64,
    /// The reference, as its file describes itself; none: the candidate's own weights.
    pub reference: Option<String>,
    /// Start of the bootstrap's random numbers.
    pub seed: u64,
}

/// What ended a measurement of divergence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The mean divergence was as sure as configured.
    Precision,
    /// The text ended first.
    Text,
    /// Somebody stopped the run: the chunks before that count.
    Interrupted,
}

/// One chunk's sums over its scored tokens. Natural logarithms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// Sum of the Kullback-Leibler divergences.
    pub kld_sum: f64,
    /// The largest of them.
    pub kld_max: f64,
    /// Tokens for which both models have the same most likely token.
    pub same_top: u32,
    /// Sum of the candidate's −ln p of the text's own tokens.
    pub nll_sum: f64,
    /// The same of the reference.
    pub nll_reference_sum: f64,
    /// Sum of the changes of the text's own token's probability, candidate − reference.
    pub p_change_sum: f64,
    /// Sum of their squares.
    pub p_change_square_sum: f64,
    /// Each token's divergence, to four significant digits.
    pub kld: Vec<f32>,
}

impl Chunk {
    /// Scored tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.kld.len()
    }
}

impl Job {
    /// A job of the usual kind: chunks of 512 tokens, 5 %, one lane on `n_threads` threads, f16 caches, no other weights.
    #[must_use]
    pub fn new(text_name: &str, text: &str, n_threads: u32) -> Self {
        let context = ContextParams::new(CHUNK_TOKENS, n_threads);
        let job = Self {
            context: context.clone(),
            reference: None,
            reference_context: context,
            text_name: text_name.to_owned(),
            text: text.to_owned(),
            chunk_tokens: CHUNK_TOKENS,
            precision_percent: 5.0,
            lanes: 1,
            seed: 0,
        };
        job.with_chunks_of(CHUNK_TOKENS)
    }

    /// The same with another length of chunks, and contexts that hold one.
    #[must_use]
    pub fn with_chunks_of(mut self, tokens: u32) -> Self {
        self.chunk_tokens = tokens;
        for context in [&mut self.context, &mut self.reference_context] {
            (context.n_ctx, context.n_batch) = (tokens, tokens);
            context.n_ubatch = context.n_ubatch.min(tokens);
            context.n_outputs_max = tokens.saturating_sub(1 + tokens / 2).max(1);
        }
        self
    }

    /// The same with its threads spread over lanes, one each, where the weights (bytes of both models) are small enough for
    /// contexts to be cheap beside them and where the CPU computes. `n_threads` are those of the machine.
    #[must_use]
    pub fn with_threads(mut self, n_threads: u32, weights_bytes: u64, on_cpu: bool) -> Self {
        /// Weights above this keep all cores busy with each step by themselves.
        const SMALL_BYTES: u64 = 2_000_000_000;
        const MAX_LANES: u32 = 8;
        let spread = on_cpu && weights_bytes < SMALL_BYTES;
        self.lanes = if spread { n_threads.clamp(1, MAX_LANES) } else { 1 };
        let each = (n_threads / self.lanes).max(1);
        (self.context.n_threads, self.reference_context.n_threads) = (each, each);
        self
    }
}
