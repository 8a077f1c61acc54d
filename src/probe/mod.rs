//! What the hardware can do at most.

pub mod roofline;
