//! Pure numbers.

pub mod confidence;
pub mod histogram;
pub mod summary;
