//! What a model and a context are made with, in llama.cpp's words.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::AbortHandle;

/// What is needed to load a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelParams {
    /// The GGUF file.
    pub path: PathBuf,
    /// Layers to keep on the GPU (`-ngl`); none: all of them.
    pub n_gpu_layers: Option<u32>,
    /// Map the file instead of reading it.
    pub use_mmap: bool,
    /// Only plan: read the metadata and count the bytes, allocate nothing. Such a model cannot compute.
    pub no_alloc: bool,
}

impl ModelParams {
    /// llama.cpp's defaults for a file.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), n_gpu_layers: None, use_mmap: true, no_alloc: false }
    }
}

/// What is needed to make a context. The defaults are llama-bench's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextParams {
    /// Context size in tokens.
    pub n_ctx: u32,
    /// Tokens in one call of the engine (`-b`).
    pub n_batch: u32,
    /// Tokens that are computed at once (`-ub`).
    pub n_ubatch: u32,
    /// Rows of logits that memory is kept for; one is enough to generate.
    pub n_outputs_max: u32,
    /// Type of the cached keys (`-ctk`).
    pub type_k: KvType,
    /// Type of the cached values (`-ctv`).
    pub type_v: KvType,
    /// Flash attention (`-fa`).
    pub flash_attention: FlashAttention,
    /// Threads that compute (`-t`).
    pub n_threads: u32,
    /// Raised by the caller, from any thread, to stop a computation (CPU backends only), and counting what was computed.
    #[serde(skip)]
    pub abort: AbortHandle,
}

impl ContextParams {
    /// A context of `n_ctx` tokens on `n_threads` threads.
    #[must_use]
    pub fn new(n_ctx: u32, n_threads: u32) -> Self {
        Self {
            n_ctx,
            n_batch: 2048,
            n_ubatch: 512,
            n_outputs_max: 1,
            type_k: KvType::F16,
            type_v: KvType::F16,
            flash_attention: FlashAttention::Auto,
            n_threads,
            abort: AbortHandle::default(),
        }
    }
}

impl ContextParams {
    /// The same with no more rows of logits than 64 MiB hold for this vocabulary (but at least 16), so that a large
    /// vocabulary does not take more memory for its logits than for its context.
    #[must_use]
    pub fn with_outputs_for(&self, n_vocab: u32) -> Self {
        const ROWS_BYTES: u32 = 64 << 20;
        const LEAST_ROWS: u32 = 16;
        let row_bytes = n_vocab.max(1).saturating_mul(4);
        Self { n_outputs_max: self.n_outputs_max.min((ROWS_BYTES / row_bytes).max(LEAST_ROWS)), ..self.clone() }
    }
}

/// Type of the KV cache's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names are ggml's
pub enum KvType {
    F32,
    F16,
    Bf16,
    Q8_0,
    Q4_0,
    Q4_1,
    Iq4Nl,
    Q5_0,
    Q5_1,
}

impl KvType {
    /// All types that llama.cpp's programs take for a KV cache.
    pub const ALL: [Self; 9] =
        [Self::F32, Self::F16, Self::Bf16, Self::Q8_0, Self::Q4_0, Self::Q4_1, Self::Iq4Nl, Self::Q5_0, Self::Q5_1];

    /// ggml's name of the type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Q4_1 => "q4_1",
            Self::Iq4Nl => "iq4_nl",
            Self::Q5_0 => "q5_0",
            Self::Q5_1 => "q5_1",
        }
    }
}

impl std::str::FromStr for KvType {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|t| t.name() == s).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("unknown KV cache type '{s}'; one of {names}")
        })
    }
}

/// Whether attention is computed in one fused step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlashAttention {
    /// llama.cpp decides.
    Auto,
    /// Never.
    Off,
    /// Always; a context that cannot is an error.
    On,
}

impl std::str::FromStr for FlashAttention {
    type Err = String;

    /// llama.cpp's words, and the numbers that llama-bench takes and prints.
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "auto" | "-1" => Ok(Self::Auto),
            "off" | "disabled" | "false" | "0" => Ok(Self::Off),
            "on" | "enabled" | "true" | "1" => Ok(Self::On),
            _ => Err(format!("unknown mode '{s}'; one of on, off, auto")),
        }
    }
}

/// How the next token is picked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sampling {
    /// The most likely token.
    Greedy,
    /// llama.cpp's usual chain (top-k, top-p, min-p, temperature), repeatable by its seed.
    Seeded {
        /// Start of the random numbers.
        seed: u32,
        /// 1 leaves the model's distribution as it is; smaller is more certain.
        temperature: f32,
        /// Keep the k most likely tokens; 0 keeps all.
        top_k: u32,
        /// Keep the most likely tokens that make up this share.
        top_p: f32,
        /// Drop tokens less likely than this share of the most likely one.
        min_p: f32,
    },
}
