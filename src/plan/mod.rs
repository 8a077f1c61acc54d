//! WHAT to run.
pub mod bench_matrix;
pub mod budget;
pub mod catalog;
pub mod circuit;
pub mod config;
pub mod expected;
pub mod matrix;
pub mod order;
pub mod questions;
pub mod termination;
pub mod toml_text;
