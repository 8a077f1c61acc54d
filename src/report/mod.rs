//! From a run's folder to terminal, JSON, CSV and Markdown: [`folder`] reads it, [`view`] computes what is shown, and each
//! exporter lays the view out as bytes. Nothing but the folder goes into a report, so that it can be built again at any time.

pub mod atomic;
pub mod cell;
pub mod context;
pub mod csv;
mod decisions;
pub mod divergence;
pub mod folder;
pub mod html;
pub mod json;
pub mod llama_bench;
mod long_context;
pub mod markdown;
pub mod metadata;
pub mod plan;
mod profile;
pub mod quality;
pub mod terminal;
pub mod view;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub use folder::{RunFolder, RunFolderError};
pub use view::View;

/// A report's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For programs: everything.
    Json,
    /// For spreadsheets: one line a cell.
    Csv,
    /// For people and their issues: tables and sentences.
    Md,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Md];

    /// The report's name in a run's folder.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Json => "report.json",
            Self::Csv => "report.csv",
            Self::Md => "report.md",
        }
    }

    /// The report.
    ///
    /// # Errors
    /// None that a view can cause; the serializers could have some.
    pub fn render(self, view: &View) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Json => json::render(view),
            Self::Csv => csv::render(view),
            Self::Md => Ok(markdown::render(view).into_bytes()),
        }
    }
}

/// Which reports were written and which were not.
#[derive(Debug, Default)]
pub struct Written {
    /// The files.
    pub paths: Vec<PathBuf>,
    /// One for each report that could not be written, with its path and reason.
    pub errors: Vec<anyhow::Error>,
}

/// Writes the reports into a folder, each one whole or not at all; one that cannot be written does not keep the others back.
#[must_use]
pub fn write_all(view: &View, folder: &Path, formats: &[Format]) -> Written {
    let mut written = Written::default();
    for format in formats {
        let path = folder.join(format.file_name());
        match format.render(view).and_then(|bytes| atomic::write(&path, &bytes)) {
            Ok(()) => written.paths.push(path),
            Err(error) => written.errors.push(error),
        }
    }
    // for the same readers as the Markdown report, which would drown in it
    if let Some(answers) = formats.contains(&Format::Md).then(|| quality::answers::render(&view.cells)).flatten() {
        let path = folder.join(quality::answers::FILE_NAME);
        match atomic::write(&path, answers.as_bytes()) {
            Ok(()) => written.paths.push(path),
            Err(error) => written.errors.push(error),
        }
    }
    written
}
