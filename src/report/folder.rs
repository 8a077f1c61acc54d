//! A run's folder as it lies on the disk: `run.json` and `outcomes.jsonl`, read strictly but for one kind of damage that a
//! crash leaves behind: a cut last line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::lab::outcome::Outcome;
use crate::lab::run_file::RunFile;

/// Name of the outcomes in a run's folder.
pub const OUTCOMES: &str = "outcomes.jsonl";

/// What a run left behind.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFolder {
    /// `run.json`.
    pub run: RunFile,
    /// `outcomes.jsonl`: at most one for each cell, the last one where a cell was measured again.
    pub outcomes: Vec<Outcome>,
    /// What the reader of a report should know about the files.
    pub warnings: Vec<String>,
}

/// Why a folder cannot be read as a run's.
#[derive(Debug, thiserror::Error)]
pub enum RunFolderError {
    /// There is nothing of that name.
    #[error("{}: no such folder; give the folder of a run, such as results/<time>-<host>", .0.display())]
    NoSuchFolder(PathBuf),
    /// There is a folder without the file that makes it a run's.
    #[error("{}: not the folder of a run, it has no {file}", folder.display())]
    NotARun {
        /// The folder.
        folder: PathBuf,
        /// The file that it lacks.
        file: &'static str,
    },
    /// The operating system says no.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// Another version of this program wrote it.
    #[error("{}: schema version {found}, but this program reads version {expected}; use the version of sweetspot that measured it", path.display())]
    WrongSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// This program's version.
        expected: u32,
    },
    /// It is not what it should be.
    #[error("{}, line {line}: damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl RunFolder {
    /// Reads a run's folder.
    ///
    /// # Errors
    /// [`RunFolderError`].
    pub fn read(folder: &Path) -> Result<Self, RunFolderError> {
        if !folder.is_dir() {
            return Err(RunFolderError::NoSuchFolder(folder.to_owned()));
        }
        let (path, text) = text(folder, RunFile::NAME)?;
        let run = parse(&text, RunFile::SCHEMA_VERSION).map_err(|flaw| flaw.at(&path, None))?;
        let (path, text) = self::text(folder, OUTCOMES)?;
        let mut warnings = Vec::new();
        let outcomes = outcomes(&text, &path, &mut warnings)?;
        Ok(Self { run, outcomes, warnings })
    }

    /// As [`Self::read`]; a run that was killed before its first outcome need not have a file for them.
    ///
    /// # Errors
    /// [`RunFolderError`].
    pub fn read_begun(folder: &Path) -> Result<Self, RunFolderError> {
        match Self::read(folder) {
            Err(RunFolderError::NotARun { file: OUTCOMES, .. }) => {
                let (path, text) = text(folder, RunFile::NAME)?;
                let run = parse(&text, RunFile::SCHEMA_VERSION).map_err(|flaw| flaw.at(&path, None))?;
                Ok(Self { run, outcomes: Vec::new(), warnings: Vec::new() })
            }
            read => read,
        }
    }
}

fn text(folder: &Path, file: &'static str) -> Result<(PathBuf, String), RunFolderError> {
    let path = folder.join(file);
    match fs::read(&path) {
        // A crash may cut a line within a character; the rest of the file must not suffer.
        Ok(bytes) => Ok((path, String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(RunFolderError::NotARun { folder: folder.to_owned(), file })
        }
        Err(source) => Err(RunFolderError::Unreadable { path, source }),
    }
}

fn outcomes(text: &str, path: &Path, warnings: &mut Vec<String>) -> Result<Vec<Outcome>, RunFolderError> {
    let lines: Vec<&str> = text.lines().collect();
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let outcome: Outcome = match parse(line, Outcome::SCHEMA_VERSION) {
            Ok(outcome) => outcome,
            Err(Flaw::Malformed { cut, .. }) if index + 1 == lines.len() && (cut || !text.ends_with('\n')) => {
                warnings.push(format!("{OUTCOMES}: its last line is cut, as after a crash; that outcome is left out"));
                continue;
            }
            Err(flaw) => return Err(flaw.at(path, Some(index + 1))),
        };
        if let Some(old) = outcomes.iter_mut().find(|old| old.cell.is(&outcome.cell)) {
            *old = outcome;
        } else {
            outcomes.push(outcome);
        }
    }
    Ok(outcomes)
}

/// What is wrong with a piece of JSON.
enum Flaw {
    Schema { found: u64, expected: u32 },
    Malformed { line: usize, reason: String, cut: bool },
}

impl Flaw {
    /// `line` is the JSON's own line in its file, where it is one of many.
    fn at(self, path: &Path, line: Option<usize>) -> RunFolderError {
        let path = path.to_owned();
        match self {
            Self::Schema { found, expected } => RunFolderError::WrongSchema { path, found, expected },
            Self::Malformed { line: within, reason, .. } => {
                RunFolderError::Damaged { path, line: line.unwrap_or(within), reason }
            }
        }
    }
}

impl From<serde_json::Error> for Flaw {
    fn from(error: serde_json::Error) -> Self {
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
        Self::Malformed { line: error.line(), reason, cut: error.is_eof() }
    }
}

/// The version first: the fields of another version would only give a puzzling error.
fn parse<T: DeserializeOwned>(json: &str, expected: u32) -> Result<T, Flaw> {
    #[derive(Deserialize)]
    struct Versioned {
        schema_version: u64,
    }
    let Versioned { schema_version: found } = serde_json::from_str(json)?;
    if found != u64::from(expected) {
        return Err(Flaw::Schema { found, expected });
    }
    Ok(serde_json::from_str(json)?)
}
