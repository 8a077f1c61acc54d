//! What the tests of contexts share: models whose KV cache is large, and a process of their own for what looks at memory.
#![allow(dead_code)] // each test file uses a part

pub mod process;
pub mod shapes;
