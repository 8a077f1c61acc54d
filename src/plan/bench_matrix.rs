//! The tests of bench.
