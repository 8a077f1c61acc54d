//! Scorers: whether an answer is right. Pure: no clock, no file. What an answer is read as comes first (reasoning before it is
//! left out), then the comparison; both are told, so that a person can check every judgement.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an answer must be. In files and jobs it is told apart by its `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scorer {
    /// A number.
    Number {
        /// The right one.
        answer: f64,
        /// How far from it still counts.
        #[serde(default)]
        tolerance: f64,
        /// How far from it still counts, in percent of it; the wider of the two holds.
        #[serde(default)]
        tolerance_percent: f64,
    },
    /// One option of a list, by its letter or by its text.
    Choice {
        /// The right option: its letter or its text.
        answer: String,
        /// All options. Single characters are letters themselves; texts have the letters A, B, C, … in their order.
        options: Vec<String>,
    },
    /// One of several accepted words or phrases.
    OneOf {
        /// Ways to say the right thing.
        answers: Vec<String>,
        /// Other things that the answer may not name; for yes, no, true and false the opposite is always one.
        #[serde(default)]
        options: Vec<String>,
    },
    /// Whole words or phrases in the answer.
    Contains {
        /// Every one of these.
        #[serde(default)]
        all: Vec<String>,
        /// At least one of these.
        #[serde(default)]
        any: Vec<String>,
        /// None of these.
        #[serde(default)]
        none: Vec<String>,
    },
    /// A regular expression that matches somewhere; `^` and `$` are the answer's ends.
    Regex {
        /// In the syntax of the crate `regex`.
        pattern: String,
    },
    /// JSON.
    Json {
        /// A JSON schema that it must meet.
        schema: Option<Value>,
        /// The value that it must be.
        equals: Option<Value>,
        /// Whether text beside it makes the answer wrong; a code fence does not.
        #[serde(default)]
        only: bool,
    },
    /// A number of words.
    Words {
        /// At least.
        min: Option<usize>,
        /// At most.
        max: Option<usize>,
    },
    /// A number of lines that are not blank.
    Lines {
        /// At least.
        min: Option<usize>,
        /// At most.
        max: Option<usize>,
    },
    /// All of several scorers.
    All {
        /// Each must count the answer.
        of: Vec<Scorer>,
    },
}

/// What a scorer made of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scored {
    /// Whether the answer counts.
    pub correct: bool,
    /// What was read as the answer; absent if there was nothing to read.
    pub read: Option<String>,
    /// Why it counted or did not.
    pub why: String,
}

impl Scorer {
    /// Scores the full text of an answer.
    #[must_use]
    pub fn score(&self, _answer: &str) -> Scored {
        unimplemented!("the scorers follow")
    }
}
