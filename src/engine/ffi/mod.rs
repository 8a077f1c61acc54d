//! llama.cpp, safely: the one folder with `unsafe`.
//!
//! Models, vocabularies and the backend come from the safe crate `llama-cpp-2`. Contexts are made here, over its `-sys`
//! crate, because the safe crate's context offers neither the memory breakdown, nor the abort callback, nor
//! `n_outputs_max`. The memory breakdown and the quantizer's mixes come from the C++ shim (`vendor/llama-shim`). What the C
//! library and the kernel do with this process's memory is here, too.

mod allocator;
mod context;
mod log;
mod model;
mod quant;
mod quantize;

#[cfg(target_os = "linux")]
pub use allocator::back_pages;
pub use allocator::{steady_allocator, trim_heap};
pub use context::Context;
pub use log::{last_error, listen, route_log_to_stderr};
pub use model::{backend_names, description, n_ctx_train, quantization, system_info};
pub use quant::{QuantDesc, QuantTensor, quant_types};
pub use quantize::{Override, Quantizing, quantize};
