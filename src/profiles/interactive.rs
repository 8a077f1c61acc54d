//! Interactive.
