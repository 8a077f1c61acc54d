//! What runs a model: the [`Engine`], [`Model`] and [`Session`] traits, and the plain types they speak in.
//!
//! The traits are object safe and synchronous: a profile's measuring loop is the same code over llama.cpp
//! ([`llama::LlamaEngine`]) and over a script ([`fake::FakeEngine`]). A [`Session`] borrows its [`Model`], as a
//! `llama_context` borrows its `llama_model`; nothing here refers to itself.
//!
//! Left out on purpose: clocks (the profiles hold them) and threads (a session may move to another thread, but is used from one
//! at a time; only [`AbortHandle`] may be used from others meanwhile).

mod abort;
pub mod chat;
mod error;
pub mod fake;
#[allow(unsafe_code)] // the one place where C++ is called; see its SAFETY lines
pub(crate) mod ffi;
pub mod gguf;
mod info;
pub mod llama;
pub mod memory;
pub mod need;
pub mod pages;
mod params;
pub mod quantize;
pub mod synth;
pub mod text_stream;

use std::ops::ControlFlow;

pub use abort::AbortHandle;
pub use error::EngineError;
pub use info::{DeviceInfo, EngineInfo, ModelInfo};
pub use memory::{BufferUse, MemoryBreakdown};
pub use need::Demand;
pub use params::{ContextParams, FlashAttention, KvType, ModelParams, Sampling};

/// A token's number in its model's vocabulary.
pub type Token = i32;

/// Whether this program was built with a GPU backend.
pub const HAS_GPU: bool =
    cfg!(any(feature = "cuda", feature = "vulkan", feature = "metal", feature = "rocm", feature = "dynamic-backends"));

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
pub trait Session: Send {
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

    /// Appends tokens, at most `n_batch`, and keeps the logits of those from the position `first_scored` on: as many rows as
    /// [`ContextParams::n_outputs_max`] allows. May return before the work is done.
    ///
    /// # Errors
    /// As [`Session::append`]; [`EngineError::DecodeFailed`] also for more tokens or more rows than the context was made for.
    fn append_scored(&mut self, tokens: &[Token], first_scored: usize) -> Result<(), EngineError>;

    /// The logits that the last [`Session::append_scored`] kept (waits for them): row after row, each with one number per
    /// vocabulary entry; empty where there are none. Not a copy.
    fn scored_logits(&mut self) -> &[f32];

    /// Waits until all work that was handed in is done.
    fn synchronize(&mut self);

    /// Chooses how [`Session::sample`] picks tokens, and starts its random numbers again.
    fn set_sampling(&mut self, sampling: &Sampling);

    /// Picks a token from the logits of the last token appended (waits for them).
    ///
    /// # Panics
    /// When nothing has been appended since the session was made or cleared.
    fn sample(&mut self) -> Token;

    /// The logits of the last token appended, one per vocabulary entry (waits for them); empty where there are none.
    fn logits(&mut self) -> &[f32];

    /// Forgets all tokens; the memory stays allocated.
    fn clear(&mut self);

    /// The sequence's state, to return to a depth without computing it again.
    fn snapshot(&mut self) -> Vec<u8>;

    /// Returns to a [`Session::snapshot`]; false when it does not fit this context.
    fn restore(&mut self, snapshot: &[u8]) -> bool;

    /// Bytes of KV cache and recurrent state that the tokens in the cache use: what llama.cpp would save of the sequence, less
    /// its records of cells. Not the bytes that are allocated; see [`Session::memory`] for those.
    fn kv_used_bytes(&self) -> u64;

    /// Exact bytes per buffer type: weights, KV cache, compute.
    fn memory(&self) -> MemoryBreakdown;
}
