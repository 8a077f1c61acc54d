//! HOW.
