//! `sweetspot report`: builds the reports of a run again, from its folder alone, and prints its table.

use std::path::PathBuf;

use crate::exit_code::{Exit, UsageError};
use crate::report::terminal::{self, Look};
use crate::report::{self, Format, RunFolder, View};

/// Arguments of `sweetspot report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run's folder, such as `results/<time>-<host>`.
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,
    /// The reports to write.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Format::ALL)]
    pub(super) format: Vec<Format>,
}

/// Writes the reports and prints the table.
///
/// # Errors
/// The folder is not a run's (exit code 2), or a report cannot be written: the others are then written all the same.
#[allow(clippy::needless_pass_by_value)] // every command has the same signature
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let folder = RunFolder::read(&args.folder).map_err(|error| UsageError::new(error.to_string()))?;
    let view = View::of(folder);
    let written = report::write_all(&view, &args.folder, &args.format);
    super::out::print(&terminal::render(&view, Look::of_stdout()))?;
    for path in &written.paths {
        crate::say!("wrote {}", path.display());
    }
    let mut errors = written.errors.into_iter();
    let first = errors.next();
    for error in errors {
        crate::say!("sweetspot: {error:#}");
    }
    first.map_or(Ok(Exit::Success), Err)
}
