//! What runs a model: the [`Engine`], [`Model`] and [`Session`] traits, and the plain types they speak in.
//!
//! The traits are object safe and synchronous: a profile's measuring loop is the same code over llama.cpp
//! ([`llama::LlamaEngine`]) and over a script ([`fake::FakeEngine`]). A [`Session`] borrows its [`Model`], as a
//! `llama_context` borrows its `llama_model`; nothing here refers to itself.
//!
//! Left out on purpose: clocks (the profiles hold them) and threads (a session is used from one thread; only
//! [`AbortHandle`] may be used from another).

pub mod chat;
pub mod fake;
#[allow(unsafe_code)] // the one place where C++ is called; see its SAFETY lines
pub(crate) mod ffi;
pub mod gguf;
pub mod llama;
pub mod memory;
pub mod quantize;
pub mod synth;
pub mod text_stream;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

pub use memory::{BufferUse, MemoryBreakdown};

/// A token's number in its model's vocabulary.
pub type Token = i32;

/// Told how much of a model is loaded, 0 to 1; `Break` gives the loading up.
pub type LoadProgress = Box<dyn FnMut(f32) -> ControlFlow<()>>;

/// Loads models.
pub trait Engine {
    /// Version, build flags and devices, for the reports.
    fn describe(&self) -> EngineInfo;

    /// Loads a model file.
    ///
    /// # Errors
    /// [`EngineError::ModelNotLoaded`] with llama.cpp's own last error line.
    fn load(&self, params: &ModelParams, progress: LoadProgress) -> Result<Box<dyn Model>, EngineError>;
}

/// A loaded model (weights and vocabulary), immutable; contexts are made from it.
pub trait Model {
    /// What the file says of itself.
    fn info(&self) -> &ModelInfo;

    /// Makes a context: KV cache and compute buffers.
    ///
    /// # Errors
    /// [`EngineError::ContextNotCreated`], mostly because its memory cannot be had. The model stays usable.
    fn session<'m>(&'m self, params: &ContextParams) -> Result<Box<dyn Session + 'm>, EngineError>;

    /// Text to tokens. `add_special` adds BOS/EOS as the model wants them; `parse_special` reads `<|im_end|>` and the like
    /// as the one token they stand for (what a rendered chat template needs).
    fn tokenize(&self, text: &str, add_special: bool, parse_special: bool) -> Vec<Token>;

    /// Appends the token's bytes, which may end in the middle of a UTF-8 character. Control tokens give nothing.
    fn append_piece(&self, token: Token, bytes: &mut Vec<u8>);

    /// Whether the token ends a generation (EOS, EOT, …).
    fn is_end_of_generation(&self, token: Token) -> bool;
}

/// One sequence of tokens in a context, growing at its end.
pub trait Session {
    /// The context size in tokens that was really allocated; at least what was asked for.
    fn n_ctx(&self) -> u32;

    /// Tokens in the KV cache.
    fn n_past(&self) -> u32;

    /// Appends tokens in batches of `n_batch`; the logits of the last one can be sampled afterwards. May return before the
    /// work is done: call [`Session::synchronize`] before stopping a clock. One token is a decode step.
    ///
    /// # Errors
    /// [`EngineError::ContextFull`], [`EngineError::Aborted`] or [`EngineError::DecodeFailed`].
    fn append(&mut self, tokens: &[Token]) -> Result<(), EngineError>;

    /// Waits until all work that was handed in is done.
    fn synchronize(&mut self);

    /// Chooses how [`Session::sample`] picks tokens, and starts its random numbers again.
    fn set_sampling(&mut self, sampling: &Sampling);

    /// Picks a token from the logits of the last token appended (waits for them).
    ///
    /// # Panics
    /// When nothing has been appended since the session was made or cleared.
    fn sample(&mut self) -> Token;

    /// The logits of the last token appended, one per vocabulary entry (waits for them).
    fn logits(&mut self) -> &[f32];

    /// Forgets all tokens; the memory stays allocated.
    fn clear(&mut self);

    /// The sequence's state, to return to a depth without computing it again.
    fn snapshot(&mut self) -> Vec<u8>;

    /// Returns to a [`Session::snapshot`]; false when it does not fit this context.
    fn restore(&mut self, snapshot: &[u8]) -> bool;

    /// Exact bytes per buffer type: weights, KV cache, compute.
    fn memory(&self) -> MemoryBreakdown;
}

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

/// Stops a computation from another thread, and shows that one is alive.
///
/// llama.cpp asks between the nodes of a graph whether to go on; each question is counted, so that a long prefill can be
/// told from one that hangs without the measuring loop doing anything for it.
#[derive(Clone, Debug, Default)]
pub struct AbortHandle(Arc<AbortState>);

#[derive(Debug, Default)]
struct AbortState {
    raised: AtomicBool,
    questions: AtomicU64,
}

impl AbortHandle {
    /// Asks the running computation to stop.
    pub fn raise(&self) {
        self.0.raised.store(true, Ordering::Relaxed);
    }

    /// Lets computations run again.
    pub fn lower(&self) {
        self.0.raised.store(false, Ordering::Relaxed);
    }

    /// Whether [`AbortHandle::raise`] was called last.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::Relaxed)
    }

    /// How often the engine asked; grows while it computes.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.0.questions.load(Ordering::Relaxed)
    }

    /// The engine's question: counts, and says whether to stop.
    #[must_use]
    pub fn ask(&self) -> bool {
        self.0.questions.fetch_add(1, Ordering::Relaxed);
        self.is_raised()
    }
}

/// All handles are alike where parameters are compared.
impl PartialEq for AbortHandle {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for AbortHandle {}

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

    /// llama.cpp's words: `on`, `off`, `auto`, and the numbers that llama-bench takes.
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "auto" | "-1" => Ok(Self::Auto),
            "off" | "0" => Ok(Self::Off),
            "on" | "1" => Ok(Self::On),
            _ => Err(format!("'{s}' is not on, off or auto")),
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

/// What a model file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// `general.name`, or the file's name.
    pub name: String,
    /// `general.architecture`.
    pub architecture: String,
    /// llama.cpp's own description, such as `llama 1B Q4_0`.
    pub description: String,
    /// Quantization by its short name, such as `Q4_K_M`.
    pub quantization: String,
    /// Bytes of all tensors.
    pub size_bytes: u64,
    /// Parameters.
    pub n_params: u64,
    /// Layers.
    pub n_layer: u32,
    /// Width of the residual stream.
    pub n_embd: u32,
    /// Attention heads.
    pub n_head: u32,
    /// Heads of the KV cache.
    pub n_head_kv: u32,
    /// Vocabulary entries.
    pub n_vocab: u32,
    /// Context size the model was trained for, in tokens.
    pub n_ctx_train: u32,
    /// Beginning-of-sequence token.
    pub bos: Option<Token>,
    /// Whether a text's tokens begin with BOS.
    pub adds_bos: bool,
    /// Text of the BOS token, for chat templates.
    pub bos_text: String,
    /// Text of the EOS token, for chat templates.
    pub eos_text: String,
    /// `tokenizer.chat_template`, where the file has one.
    pub chat_template: Option<String>,
    /// `tokenizer.chat_template.<name>`: further templates (`tool_use`, `rag`, …) by their name.
    pub named_templates: Vec<(String, String)>,
    /// The file says that its weights are made up (see [`synth`]): its speed and memory are real, its words are not.
    pub synthetic: bool,
}

/// What was compiled in and what it runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineInfo {
    /// llama.cpp's version and where it comes from.
    pub llama_cpp: String,
    /// This program's version and git revision.
    pub build: String,
    /// What ggml was compiled with, such as `AVX2`; by itself, not by what the CPU could do.
    pub cpu_features: Vec<String>,
    /// Whether ggml was compiled for the very CPU it was built on (`-C target-cpu=native`).
    pub native: bool,
    /// ggml's backends, such as `CPU` or `CUDA`.
    pub backends: Vec<String>,
    /// Devices that ggml can compute on.
    pub devices: Vec<DeviceInfo>,
}

/// A device that ggml can compute on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceInfo {
    /// ggml's name, such as `CUDA0`.
    pub name: String,
    /// The device's own name.
    pub description: String,
    /// `cpu`, `gpu`, `igpu` or `accel`.
    pub kind: String,
    /// All memory of the device.
    pub memory_total_bytes: u64,
    /// Memory that was free when asked.
    pub memory_free_bytes: u64,
}

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// llama.cpp refused the file.
    #[error("{}: llama.cpp cannot load it: {reason}", path.display())]
    ModelNotLoaded {
        /// The file.
        path: PathBuf,
        /// llama.cpp's last error line.
        reason: String,
    },
    /// Mostly memory that cannot be had.
    #[error("no context of {n_ctx} tokens: {reason}")]
    ContextNotCreated {
        /// The size that was asked for.
        n_ctx: u32,
        /// llama.cpp's last error line.
        reason: String,
    },
    /// More tokens than the context holds.
    #[error("the context of {n_ctx} tokens is full")]
    ContextFull {
        /// Its size in tokens.
        n_ctx: u32,
    },
    /// [`AbortHandle::raise`] was called.
    #[error("aborted")]
    Aborted,
    /// Any other failure of a computation.
    #[error("llama_decode failed with code {code}: {reason}")]
    DecodeFailed {
        /// llama.cpp's return value.
        code: i32,
        /// llama.cpp's last error line.
        reason: String,
    },
    /// The engine library itself could not start.
    #[error("llama.cpp cannot start: {0}")]
    Backend(String),
}
