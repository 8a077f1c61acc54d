//! WHAT to run.
pub mod bench_matrix;
pub mod budget;
pub mod catalog;
pub mod config;
pub mod matrix;
pub mod questions;
pub mod toml_text;
