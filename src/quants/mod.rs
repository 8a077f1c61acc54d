//! The quantizations that this program makes: from a base file, by llama.cpp's quantizer in workers, into the user's cache
//! folder, where each is made once.
//!
//! [`base`] is what is quantized, [`request`] what is wanted of it, [`mod@make`] makes what is not there yet, [`store`] keeps it,
//! [`demo`] is the model that comes with the program.
//!
//! Left out on purpose: how a tensor is quantized ([`crate::engine::quantize`]) and what is measured on the result.

pub mod base;
pub mod demo;
pub mod export;
pub mod folder;
pub(crate) mod hash;
pub mod make;
pub mod request;
pub mod store;

mod console;
mod job;
pub(crate) mod lock;
mod share;

pub use base::Base;
pub use make::{Made, make, make_and_wait};
pub use request::{Importance, Options, Request};
pub use store::Store;
