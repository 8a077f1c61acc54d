//! Pure judgements over numbers: [`rating`] grades them, [`interpretation`] says them in words, [`score`] and
//! [`recommendation`] choose among models. No clock, no file, no print.
//!
//! Left out on purpose: a profile's own thresholds, which stand with the profile ([`crate::profiles`]).

pub mod interpretation;
pub mod quality;
pub mod rating;
pub mod recommendation;
pub mod score;

pub use rating::Rating;
