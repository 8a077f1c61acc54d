//! What the tests of contexts share: models whose KV cache is large, sweeps in real workers, a process of their own for what looks
//! at memory, and a group of processes whose memory the kernel limits.
#![allow(dead_code)] // each test file uses a part

pub mod group;
pub mod process;
pub mod shapes;
pub mod sweeps;
