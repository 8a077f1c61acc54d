//! `sweetspot models list`: the catalogue, one line a model under its family's name.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;

use super::Format;
use super::entry::{self, Entry, parameters};
use crate::cmd::out;
use crate::exit_code::{Exit, UsageError};
use crate::plan::toml_text::nearest;
use crate::stats::gigabytes;

/// Arguments of `sweetspot models list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A catalogue of your own (TOML) over the built-in one.
    #[arg(long, value_name = "FILE")]
    models: Option<PathBuf>,
    /// Only this family.
    #[arg(long, value_name = "NAME")]
    family: Option<String>,
    /// How to print.
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// A [`UsageError`] for a catalogue or family that is not right.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let catalog = entry::catalog(args.models.as_deref())?;
    let family = args.family.as_ref().map(|family| family.trim().to_lowercase());
    let here = entry::caches()?;
    let chosen = catalog.models().iter().filter(|m| family.as_ref().is_none_or(|f| m.family.to_lowercase() == *f));
    let entries: Vec<Entry> = chosen.map(|model| Entry::of(&catalog, model, &here)).collect();
    if let Some(family) = family.filter(|_| entries.is_empty()) {
        let mut families: Vec<_> = catalog.models().iter().map(|model| model.family.as_str()).collect();
        families.dedup();
        let hint = nearest(&family, families.iter().copied())
            .map_or_else(|| format!("there are: {}", families.join(", ")), |name| format!("did you mean {name}?"));
        return Err(UsageError::new(format!("--family {family}: no such family; {hint}")));
    }
    match args.format {
        Format::Text => out::print(&table(&entries))?,
        Format::Json => out::print(
            &(serde_json::to_string_pretty(&Sheet { schema_version: 1, models: &entries })
                .context("models as JSON")?
                + "\n"),
        )?,
    }
    Ok(Exit::Success)
}

#[derive(Serialize)]
struct Sheet<'a> {
    schema_version: u32,
    models: &'a [Entry],
}

const FOOT: &str = "
GB = 10^9 bytes, smallest and largest file; ≈ is estimated by the shape.
`sweetspot models show NAME` tells more, `models fetch NAME:QUANT` brings it.
";

/// Fits 80 columns where no more than one quantization of a model is here.
fn table(entries: &[Entry]) -> String {
    let mut text = format!("{:<33} {:>9} {:>8}  {:<11} {}\n", "model", "params", "active", "GB", "quants (here)");
    let mut family = "";
    for entry in entries {
        if entry.family != family {
            family = &entry.family;
            let _ = writeln!(text, "{family}");
        }
        let (params, active) =
            (parameters(entry.n_params), entry.n_active_params.map_or_else(|| "all".to_owned(), parameters));
        let line = format!("  {:<31} {params:>9} {active:>8}  {:<11} {}", entry.name, sizes(entry), quants(entry));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push_str(FOOT);
    if entries.iter().any(|entry| entry.gated) {
        text.push_str("Some repositories want their terms accepted first; `models show` says which.\n");
    }
    text
}

/// `≈0.34-0.99`
fn sizes(entry: &Entry) -> String {
    let known = || entry.quants.iter().filter_map(|quant| quant.size_bytes);
    let (Some(least), Some(most)) = (known().min(), known().max()) else { return "unknown".to_owned() };
    let mark = if entry.quants.iter().any(|quant| quant.estimated) { "≈" } else { "" };
    let number = |bytes| {
        let gb = gigabytes(bytes);
        if gb < 9.995 { format!("{gb:.2}") } else { format!("{gb:.1}") }
    };
    if least == most { format!("{mark}{}", number(least)) } else { format!("{mark}{}-{}", number(least), number(most)) }
}

/// `7 (Q4_K_M)`: how many there are, and those that are here.
fn quants(entry: &Entry) -> String {
    let here: Vec<_> =
        entry.quants.iter().filter(|quant| quant.here.is_some()).map(|quant| quant.quant.name()).collect();
    match (entry.quants.as_slice(), here.as_slice()) {
        ([only], []) => only.quant.name().to_owned(),
        (all, []) => all.len().to_string(),
        (all, here) => format!("{} ({})", all.len(), here.join(" ")),
    }
}
