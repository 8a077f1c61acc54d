//! What this hardware is and how it is doing.

pub mod cpu;
pub mod gpu;
pub mod memory;
pub mod vitals;
