//! WHERE it runs.

pub mod protocol;
pub mod process;
pub mod serve;
