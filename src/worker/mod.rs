//! WHERE it runs.

pub mod exit;
pub mod process;
pub mod protocol;
pub mod serve;
