//! The run.

pub mod checkpoint;
pub mod console;
pub mod outcome;
pub mod run_file;
