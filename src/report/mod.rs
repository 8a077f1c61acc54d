//! Reports.

pub mod csv;
pub mod json;
pub mod llama_bench;
pub mod markdown;
pub mod terminal;
pub mod view;
