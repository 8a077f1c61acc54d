//! Pure judgements over numbers: [`rating`] grades them, [`interpretation`] says them in words, [`recommendation`] chooses
//! among models. No clock, no file, no print.
//!
//! Left out on purpose: a profile's own thresholds, which stand with the profile ([`crate::profiles`]).

pub mod interpretation;
pub mod rating;
pub mod recommendation;

pub use rating::Rating;
