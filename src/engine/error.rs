//! Why the engine did not do what it was asked: an enum, because the lab and the worker branch on it.

use std::path::PathBuf;

#[cfg(doc)]
use super::AbortHandle;

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
