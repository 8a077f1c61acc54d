//! Pure judgements.

pub mod interpretation;
pub mod rating;
pub mod recommendation;
