//! What `run` and `quality` ask, read from the files that their arguments name.

use std::path::{Path, PathBuf};

use crate::exit_code::UsageError;
use crate::plan::config::SetName;
use crate::plan::questions::QuestionSource;
use crate::profiles::divergence;
use crate::profiles::quality::prompts::{PromptSet, file};

/// The prompts: a set's name and files. What is wrong with a file's prompt is a line on stderr, and its others are asked.
///
/// # Errors
/// A [`UsageError`] for a file without a prompt that can be asked.
pub(super) fn source(name: Option<SetName>, files: &[PathBuf]) -> anyhow::Result<QuestionSource> {
    let mut all: Option<PromptSet> = None;
    for path in files {
        let loaded = file::load(path).map_err(|error| UsageError::new(error.to_string()))?;
        for fault in &loaded.faults {
            let line = fault.line.map(|line| format!(":{line}")).unwrap_or_default();
            crate::say!("sweetspot: {}{line}: left out: {fault}", path.display());
        }
        all = Some(match all {
            Some(before) => before.extended_by(loaded.set),
            None => loaded.set,
        });
    }
    Ok(QuestionSource { name, files: all })
}

/// Name and contents of the text for divergence; `what` names it in errors.
///
/// # Errors
/// A [`UsageError`] for a file that is not there or no text.
pub(super) fn text(what: &str, path: Option<&Path>) -> anyhow::Result<(String, String)> {
    let Some(path) = path else { return Ok((divergence::text::NAME.into(), divergence::text::BUILT_IN.into())) };
    let wrong = |why: String| UsageError::new(format!("{what} {}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|e| wrong(format!("not UTF-8 from byte {} on; give a plain text", e.utf8_error().valid_up_to())))?;
    Ok((path.display().to_string(), text))
}
