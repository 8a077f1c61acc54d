//! The quality profile: how good a model's answers are.

pub mod prompts;
pub mod scorer;
