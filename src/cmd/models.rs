//! `sweetspot models`: what models are here, and what there is to fetch.

mod entry;
pub(super) mod fetch;
mod list;
mod show;

use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::out;
use crate::exit_code::{Exit, UsageError};
use crate::hub::scan::{self, Here};
use crate::hub::{Ledger, Settings};
use crate::quants::folder;
use crate::stats::gigabytes;

/// Arguments of `sweetspot models`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// What there is: the catalogue, with sizes and what of it is here.
    List(list::Args),
    /// All that is known of one model: of the catalogue, or of a GGUF file.
    Show(show::Args),
    /// What is here: the GGUF files in folders, or in the caches of Hugging Face, llama.cpp and this program.
    Scan(ScanArgs),
    /// Download models from Hugging Face, verified; a broken download goes on where it ended.
    Fetch(fetch::Args),
}

#[derive(Debug, clap::Args)]
struct ScanArgs {
    /// Folders to look into, with the folders in them [default: the caches].
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// How to print.
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs the command.
///
/// # Errors
/// A [`UsageError`] for folders and names that are not right; any other error when something does not come or cannot be
/// written.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    match args.command {
        Command::List(args) => list::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Scan(args) => scan(args),
        Command::Fetch(args) => fetch::run(args),
    }
}

/// `models scan`.
fn scan(args: ScanArgs) -> anyhow::Result<Exit> {
    if let Some(none) = args.folders.iter().find(|folder| !folder.is_dir()) {
        return Err(UsageError::new(format!("{}: no such folder", none.display())));
    }
    let settings = Settings::from_env(true)?;
    let folders = if args.folders.is_empty() { caches(&settings)? } else { args.folders };
    let entries = Ledger::open()?.entries();
    let here = scan::scan(&folders, &settings.headers, &entries);
    match args.format {
        Format::Json => {
            out::print(&(serde_json::to_string_pretty(&Sheet::of(&here)).context("models as JSON")? + "\n"))?;
        }
        Format::Text if here.is_empty() => {
            let names: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
            crate::say!("no .gguf file in {}", names.join(", "));
        }
        Format::Text => out::print(&table(&here))?,
    }
    Ok(Exit::Success)
}

/// Where models lie that this program or its neighbours put there.
fn caches(settings: &Settings) -> anyhow::Result<Vec<PathBuf>> {
    Ok([vec![settings.cache.clone()], settings.also.clone(), vec![folder::cache()?]].concat())
}

#[derive(Serialize)]
struct Sheet<'a> {
    schema_version: u32,
    models: &'a [Here],
}

impl<'a> Sheet<'a> {
    fn of(models: &'a [Here]) -> Self {
        Self { schema_version: 1, models }
    }
}

fn table(here: &[Here]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["Model", "Quant", "Size GB", "Arch", "Params", "Context", "Downloaded", "Tested", "File"]);
    for column in [2, 4, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for model in here {
        let unknown = || "-".to_owned();
        let entry = model.ledger.as_ref();
        let day = |at: Option<jiff::Timestamp>| at.map_or_else(unknown, |at| at.strftime("%Y-%m-%d").to_string());
        let place = model.path.display().to_string();
        table.add_row([
            format!("{}{}", model.model, if model.synthetic { " (synthetic)" } else { "" }),
            model.quant.clone().unwrap_or_else(unknown),
            format!("{:.2}", gigabytes(model.size_bytes)),
            model.architecture.clone().unwrap_or_else(unknown),
            model.n_params.map_or_else(unknown, parameters),
            model.n_ctx_train.map_or_else(unknown, |n| n.to_string()),
            day(entry.and_then(|e| e.downloaded_at)),
            day(entry.and_then(|e| e.last_tested_at)),
            model.broken.as_ref().map_or(place, |broken| format!("broken: {broken}")),
        ]);
    }
    format!("{table}\n")
}

/// `1.24 B`
#[allow(clippy::cast_precision_loss)] // shown with three digits
fn parameters(n: u64) -> String {
    if n < 1_000_000_000 { format!("{:.1} M", n as f64 / 1e6) } else { format!("{:.2} B", n as f64 / 1e9) }
}
