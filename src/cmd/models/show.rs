//! `sweetspot models show`: all that is known of one model, from the catalogue or from a GGUF file's own metadata.

mod file;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::Format;
use super::entry::{self, Entry, parameters};
use crate::cmd::out;
use crate::engine::quantize::Quant;
use crate::exit_code::{Exit, UsageError};
use crate::hub::console::bytes;
use crate::plan::catalog::{Catalog, CatalogModel, Shape};

/// Arguments of `sweetspot models show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name of the catalogue, or a GGUF file (any part of a split one).
    #[arg(value_name = "NAME|FILE")]
    model: String,
    /// A catalogue of your own (TOML) over the built-in one.
    #[arg(long, value_name = "FILE")]
    models: Option<PathBuf>,
    /// How to print.
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// A [`UsageError`] for a model that nobody knows or a file that is none.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let path = Path::new(&args.model);
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf")) || path.is_file() {
        let facts = file::Facts::read(path)?;
        print(args.format, &facts, || facts.text())?;
        return Ok(Exit::Success);
    }
    let catalog = entry::catalog(args.models.as_deref())?;
    let name = args.model.split_once(':').map_or(args.model.as_str(), |(name, _)| name);
    let hint = "; a file's name ends in .gguf";
    let model = catalog.model(name).map_err(|error| UsageError::new(format!("{error}{hint}")))?;
    let entry = Entry::of(&catalog, model, &entry::caches()?);
    print(args.format, &entry, || text(&catalog, model, &entry))?;
    Ok(Exit::Success)
}

fn print(format: Format, facts: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    out::print(&match format {
        Format::Text => text(),
        Format::Json => serde_json::to_string_pretty(facts).context("a model as JSON")? + "\n",
    })
}

/// A fact under its name, wide enough for all names.
fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<13} {value}");
}

fn text(catalog: &Catalog, model: &CatalogModel, entry: &Entry) -> String {
    let mut text = format!("{}\n", entry.name);
    line(&mut text, "family", &format!("{}, {}", entry.family, entry.size_class));
    let active = entry.n_active_params.map(|n| format!(", of which {} compute a token", parameters(n)));
    line(&mut text, "parameters", &format!("{}{}", parameters(entry.n_params), active.unwrap_or_default()));
    line(&mut text, "repository", &entry.repository);
    let gated = if entry.gated { "; accept the repository's terms and set HF_TOKEN" } else { "" };
    line(&mut text, "licence", &format!("{}{gated}", entry.licence));
    match catalog.shape_of(model) {
        Some(shape) => shape_lines(&mut text, shape),
        None => line(&mut text, "shape", "unknown: synthetic weights cannot be made before a file is here"),
    }
    let width = entry.quants.iter().map(|quant| quant.quant.name().len()).max().unwrap_or_default();
    let _ = writeln!(text, "\n  {:<width$}  {:>10}  file", "quant", "size");
    for quant in &entry.quants {
        let size = quant.size_bytes.map_or_else(|| "unknown".to_owned(), bytes);
        let size = if quant.estimated && quant.size_bytes.is_some() { format!("≈ {size}") } else { size };
        let _ = writeln!(text, "  {:<width$}  {size:>10}  {}", quant.quant.name(), quant.file);
        if let Some(here) = &quant.here {
            let _ = writeln!(text, "  {:<width$}  {:>10}  here: {}", "", "", here.display());
        }
    }
    text.push_str("\n  ≈: estimated from the shape. Names are checked when a file is fetched.\n\n");
    commands(&mut text, model);
    text
}

fn shape_lines(text: &mut String, shape: &Shape) {
    let name = shape.architecture.name();
    let head = format!("{}: {name}, {} layers of width {}", shape.name, shape.n_layer, shape.n_embd);
    line(text, "shape", &head);
    if shape.n_head > 0 {
        let heads = format!("{} heads, {} of keys and values, of {}", shape.n_head, shape.n_head_kv, shape.head_dim);
        line(text, "attention", &heads);
    }
    if let Some(experts) = shape.experts {
        line(text, "experts", &format!("{} a layer, {} of them compute a token", experts.count, experts.used));
    }
    line(text, "vocabulary", &format!("{} tokens", shape.n_vocab));
    let kv = bytes(shape.kv_bytes_per_token());
    line(text, "context", &format!("trained for {} tokens; KV cache {kv} a token (f16)", shape.n_ctx_train));
    if let Some(window) = shape.sliding_window {
        line(text, "", &format!("local layers keep {window} tokens, so that it grows less than that"));
    }
}

fn commands(text: &mut String, model: &CatalogModel) {
    let quant = if model.quants.contains(&Quant::Q4KM) { Some(Quant::Q4KM) } else { model.quants.first().copied() };
    let Some(quant) = quant else { return };
    let name = format!("{}:{quant}", model.name);
    let _ = writeln!(text, "  sweetspot models fetch {name}");
    let _ = writeln!(text, "  sweetspot run {name}");
    if let Some(shape) = &model.shape {
        let _ = writeln!(text, "  sweetspot run --weights synthetic {shape}:{quant}      before it is downloaded");
    }
}
