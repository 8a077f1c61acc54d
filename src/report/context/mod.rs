//! The reports of a context sweep. [`Facts`] go in; [`ContextReport`] is what all of them show and is itself `context.json`;
//! the other modules lay it out: [`terminal`], [`csv`], [`html`], and [`emit`] for the user's own service.
//!
//! Pure but for [`write_all`]: no clock, and nothing of the machine that builds the report.

mod build;
pub mod csv;
pub mod emit;
mod facts;
pub mod html;
mod plots;
mod rows;
pub mod terminal;
mod text;
pub mod trim;
mod usage;
mod view;
mod words;

use std::path::Path;

use super::Written;
use super::atomic;

pub use facts::Facts;
pub use usage::{PlaceUsage, Usage};
pub use view::{ContextReport, GrowthPoint, Metadata, OtherBudget, Settings, SweepReport, Usable};

/// The report for programs.
pub const JSON_FILE: &str = "context.json";
/// One row for each type of the KV cache.
pub const CSV_FILE: &str = "context.csv";
/// One row for each step of filling a context.
pub const GROWTH_FILE: &str = "growth.csv";
/// Tables and plots for a browser.
pub const HTML_FILE: &str = "context.html";

/// Writes all of the files into a folder, each one whole or not at all; one that cannot be written does not keep the others
/// back. `growth.csv` is written where a context was filled.
#[must_use]
pub fn write_all(report: &ContextReport, folder: &Path) -> Written {
    let mut written = Written::default();
    let mut files = vec![
        (JSON_FILE, report.to_json()),
        (CSV_FILE, csv::context(report)),
        (HTML_FILE, Ok(html::render(report).into_bytes())),
    ];
    if report.sweeps.iter().any(|sweep| !sweep.growth.is_empty()) {
        files.push((GROWTH_FILE, csv::growth(report)));
    } else {
        // one of an earlier sweep would be taken for this one's; where it cannot be removed there is mostly none
        let _ = std::fs::remove_file(folder.join(GROWTH_FILE));
    }
    for (name, bytes) in files {
        let path = folder.join(name);
        match bytes.and_then(|bytes| atomic::write(&path, &bytes)) {
            Ok(()) => written.paths.push(path),
            Err(error) => written.errors.push(error),
        }
    }
    written
}
