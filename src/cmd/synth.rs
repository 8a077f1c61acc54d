//! `sweetspot synth`: a GGUF file of any shape and quantization with synthetic weights.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use super::{interrupt, out};
use crate::engine::quantize::{self, Quant};
use crate::engine::synth::{self, Plan, Source, Spec, SynthError};
use crate::exit_code::{Exit, UsageError};
use crate::plan::catalog;

/// Arguments of `sweetspot synth`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("source").required(true).args(["shape", "like", "list"])))]
pub struct Args {
    /// Shape of a published model (see --list), or `tiny` for tests.
    #[arg(long, value_name = "NAME")]
    shape: Option<String>,
    /// Take metadata, tokenizer and tensors from this GGUF file; any part of a split one.
    #[arg(long, value_name = "FILE")]
    like: Option<PathBuf>,
    /// List the shapes and the quantizations.
    #[arg(long)]
    list: bool,
    /// Quantization, such as `Q4_K_M`. Default: `Q4_K_M` for --shape; with --like every tensor keeps its type.
    #[arg(long, value_name = "QUANT")]
    quant: Option<String>,
    /// File to write.
    #[arg(short, long, value_name = "FILE", required_unless_present = "list")]
    output: Option<PathBuf>,
    /// Start of the random numbers; the same seed gives the same file.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Context size, in tokens, that the file claims to be trained for. Default: the model's own.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    n_ctx: Option<u32>,
    /// Overwrite an existing file.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
///
/// # Errors
/// [`UsageError`] for names, files and folders that are not right; any other error when writing fails.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    quantize::silence_llama_cpp();
    if args.list {
        return list();
    }
    let usage = |e: &dyn std::fmt::Display| UsageError::new(e.to_string());
    let quant = args.quant.as_deref().map(str::parse::<Quant>).transpose().map_err(|e| usage(&e))?;
    let source = match (&args.shape, args.like) {
        (Some(name), _) => Source::Shape(catalog::shape(name).map_err(|e| usage(&e))?),
        (None, Some(path)) => Source::Like(path),
        (None, None) => return Err(UsageError::new("name a --shape or a file to be --like")),
    };
    let output = args.output.context("no file to write was named")?;
    let plan = synth::plan(&Spec { source, quant, seed: args.seed, n_ctx: args.n_ctx }).map_err(report)?;
    interrupt::clean_up(synth::partial_path(&output))?;
    let mut bar = None;
    let result = synth::write(&plan, &output, args.force, &mut |progress| {
        bar.get_or_insert_with(|| progress_bar(&plan, &output)).set_position(progress.done_bytes);
    });
    bar.iter().for_each(ProgressBar::finish_and_clear);
    result.map_err(report)?;
    out::print(&format!("{}: {}, {}, synthetic weights\n", output.display(), plan.name(), sizes(&plan)))?;
    Ok(Exit::Success)
}

/// What the person can put right is a usage error; the rest is not.
fn report(error: SynthError) -> anyhow::Error {
    match error {
        SynthError::DiskFull { .. } | SynthError::Write { .. } => error.into(),
        _ => UsageError::new(error.to_string()),
    }
}

/// A bar on a terminal, one line elsewhere.
fn progress_bar(plan: &Plan, output: &Path) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        crate::say!("writing {} ({})", output.display(), sizes(plan));
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:40} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}");
    ProgressBar::new(plan.file_bytes()).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// `1.24 billion parameters, 0.77 GB`
fn sizes(plan: &Plan) -> String {
    #[allow(clippy::cast_precision_loss)] // shown with three digits
    let (params, bytes) = (plan.n_params() as f64, plan.file_bytes() as f64);
    let params =
        if params < 1e9 { format!("{:.1} million", params / 1e6) } else { format!("{:.2} billion", params / 1e9) };
    let bytes = if bytes < 1e8 { format!("{:.2} MB", bytes / 1e6) } else { format!("{:.2} GB", bytes / 1e9) };
    format!("{params} parameters, {bytes}")
}

fn list() -> anyhow::Result<Exit> {
    let width = catalog::shapes().iter().map(|shape| shape.name.len()).max().unwrap_or_default();
    let head =
        format!("{:<width$} {:<10} {:>6} {:>6} {:>8}  size as Q4_K_M\n", "shape", "arch", "layers", "width", "context");
    let mut lines = vec![head];
    for shape in catalog::shapes() {
        let plan = synth::plan(&Spec::of_shape(shape, Quant::Q4KM))?;
        lines.push(format!(
            "{:<width$} {:<10} {:>6} {:>6} {:>8}  {}\n",
            shape.name,
            shape.architecture.name(),
            shape.n_layer,
            shape.n_embd,
            shape.n_ctx_train,
            sizes(&plan)
        ));
    }
    let quants: Vec<_> = Quant::ALL.iter().map(|q| q.name()).collect();
    lines.push(format!("\nquantizations: {}\n", quants.join(" ")));
    out::print(&lines.concat())?;
    Ok(Exit::Success)
}
