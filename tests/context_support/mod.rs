//! What the tests of contexts' memory share: a process of their own for what looks at this process's memory.
#![allow(dead_code)] // each test file uses a part

pub mod process;
