//! The form of a prompt file, and what is wrong with one: file, line, prompt. `docs/quality-prompts.md` describes the form.

use std::fmt;
use std::path::Path;

use super::PromptSet;

/// What a file gave: its good prompts, and what is wrong with the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The prompts without a fault.
    pub set: PromptSet,
    /// The faults, in the order of the file's lines.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1; absent if it concerns the whole file.
    pub line: Option<usize>,
    /// The prompt, where it is in one that has an id.
    pub id: Option<String>,
    /// What it is, and what to do.
    pub what: String,
}

/// A prompt file that cannot be used. As text it is one line, the first fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptFileError {
    /// The file.
    pub file: String,
    /// All faults, at least one.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = &self.id {
            write!(f, "prompt '{id}': ")?;
        }
        f.write_str(&self.what)
    }
}

impl fmt::Display for PromptFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        let Some(first) = self.faults.first() else { return Ok(()) };
        if let Some(line) = first.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {first}")?;
        match self.faults.len() - 1 {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}

impl std::error::Error for PromptFileError {}

/// Reads a prompt file and keeps what is good in it.
///
/// # Errors
/// [`PromptFileError`] if the file cannot be read, is not TOML, or has no good prompt.
pub fn load(_path: &Path) -> Result<Loaded, PromptFileError> {
    unimplemented!("the parser follows")
}

/// Reads a prompt file's text; `name` stands for the file in the error and is the set's name where the text has none.
///
/// # Errors
/// [`PromptFileError`] with every fault.
pub fn parse(_text: &str, _name: &str) -> Result<PromptSet, PromptFileError> {
    unimplemented!("the parser follows")
}
