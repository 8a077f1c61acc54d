//! Quantizing: the quantizations' names, which type each tensor gets, and llama.cpp's quantizer at work.
//!
//! Left out on purpose: processes, the cache and several at once ([`crate::quants`]). [`run()`] runs llama.cpp's quantizer in
//! the process that calls it, where a failed assertion is the end of it.

pub mod imatrix;
mod mix;
mod names;
mod need;
mod run;

pub use mix::{MixInput, TensorShape, mix, silence_llama_cpp};
pub use names::{Quant, UnknownQuant};
pub use need::working_bytes;
pub use run::{MAX_BUFFER_BYTES, Progress, Task, run};
