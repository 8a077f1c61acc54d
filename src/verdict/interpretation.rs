//! interpretation
