//! Prompt sets of the quality profile: what is asked and how the answers are scored. Compiled in, or read from a file in the
//! same form; the form itself is read in [`mod@file`].

pub mod file;

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::scorer::Scorer;
pub use file::{Fault, Loaded, PromptFileError};

/// The names of the sets that are compiled in.
pub const BUILT_IN: [&str; 2] = ["core", "standard"];

const CORE: &str = include_str!("../../../prompts/quality/core.toml");
const STANDARD: &str = include_str!("../../../prompts/quality/standard.toml");

/// Tokens of an answer at most where neither the prompt nor its file says otherwise.
pub const DEFAULT_MAX_TOKENS: u32 = 512;

/// Prompts that are asked together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptSet {
    /// Such as `core`.
    pub name: String,
    /// In the order of the file; no two have the same id.
    pub prompts: Vec<Prompt>,
}

impl PromptSet {
    /// This set with the prompts of another: one with an id of this set takes that one's place, the others follow at the end.
    #[must_use]
    pub fn extended_by(mut self, other: PromptSet) -> PromptSet {
        for prompt in other.prompts {
            match self.prompts.iter_mut().find(|p| p.id == prompt.id) {
                Some(same) => *same = prompt,
                None => self.prompts.push(prompt),
            }
        }
        self
    }
}

/// One question, or one conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// Its name in the samples, unique in the set.
    pub id: String,
    /// What it is about.
    pub category: Category,
    /// The system message, where there is one.
    pub system: Option<String>,
    /// One for a question, several for a conversation; the model's own answers stand between them.
    pub turns: Vec<Turn>,
    /// Tokens of each answer at most.
    pub max_tokens: u32,
}

/// One message of the user's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// The message.
    pub user: String,
    /// What its answer must be. Without one, the answer is kept and counts nowhere.
    pub score: Option<Scorer>,
}

/// What a prompt is about: a lower-case name. `math`, `comprehension`, `reasoning` and `format` have thresholds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Category(String);

impl Category {
    /// A category of this name.
    ///
    /// # Errors
    /// What a name may be, if it is not one: lower-case letters, digits, `-` and `_`, a letter first.
    pub fn new(name: &str) -> Result<Self, String> {
        let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
        if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(format!(
                "the category '{name}' is not a name of lower-case letters, digits, '-' and '_', such as 'math'"
            ))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Category {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::new(&name)
    }
}

impl From<Category> for String {
    fn from(category: Category) -> Self {
        category.0
    }
}

/// The set of this name that the program brings along.
///
/// # Panics
/// Never: a test reads every built-in file.
#[must_use]
pub fn built_in(name: &str) -> Option<PromptSet> {
    let text = match name {
        "core" => CORE,
        "standard" => STANDARD,
        _ => return None,
    };
    Some(file::parse(text, name).expect("the built-in prompts are tested"))
}

/// Reads a prompt file. One fault in it and nothing of it is used; [`file::load`] keeps its good prompts.
///
/// # Errors
/// [`PromptFileError`]: file, line and prompt of what is wrong.
pub fn read_file(path: &Path) -> Result<PromptSet, PromptFileError> {
    let Loaded { set, faults } = file::load(path)?;
    if faults.is_empty() { Ok(set) } else { Err(PromptFileError { file: path.display().to_string(), faults }) }
}
