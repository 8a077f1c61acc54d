//! How a worker ended.

use serde::{Deserialize, Serialize};

/// How a worker ended. (The vocabulary is cargo-mutants'.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with code 0.
    Success,
    /// By itself, with another code.
    Code(i32),
    /// By a signal: a crash, or somebody's kill.
    Signal(i32),
    /// It asked for more memory than its cap, or the kernel's out-of-memory killer took it.
    OutOfMemory,
    /// Stopped: the model was not loaded within the load timeout.
    Timeout,
    /// Stopped: no sign of life for the stall timeout.
    Stalled,
}
