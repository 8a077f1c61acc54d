//! `sweetspot quality`: what a quantization costs in answers, by scored prompts and by divergence from a reference.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::bench::runner::LogPlace;
use super::out;
use crate::engine::{ContextParams, FlashAttention, KvType, ModelParams};
use crate::exit_code::{Exit, UsageError};
use crate::interrupt;
use crate::lab::cell::{self, Workers};
use crate::lab::console::Console;
use crate::lab::models;
use crate::lab::outcome::{Outcome, Status};
use crate::plan::config::{QualityConfig, SetName};
use crate::plan::matrix::{Found, PlannedCell};
use crate::plan::questions::{self, QuestionSource};
use crate::profiles::{Job, divergence, quality};
use crate::quants::demo;
use crate::report;
use crate::report::cell::CellView;
use crate::worker::process::Options;
use crate::worker::protocol::EngineChoice;

/// Arguments of `sweetspot quality`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// GGUF files, or folders of them
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,
    /// Ask the prompts of this set; without a set, prompts and reference that is auto
    #[arg(long, value_name = "SET", value_enum)]
    set: Option<SetName>,
    /// Prompt files (TOML) to ask; with --set in addition to it
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    prompts: Vec<PathBuf>,
    /// A configuration file (TOML): its section [quality] says how prompts are asked
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File of the same model that the others are compared with, such as its F16; none: each with itself,
    /// where only the types of the KV cache differ
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Text that both read [default: one that is built in]
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Standard error of the mean divergence at which reading ends; 0: read the whole text
    /// [default: 5%]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    precision: Option<f64>,
    /// Tokens of a chunk; its second half is scored
    #[arg(short = 'c', long, value_name = "N", default_value_t = divergence::CHUNK_TOKENS,
          value_parser = clap::value_parser!(u32).range(8..=65536))]
    chunk: u32,
    /// Tokens that are computed at once (-ub) [default: 512]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    ubatch_size: Option<u32>,
    /// Type of the cached keys (-ctk)
    #[arg(long, value_name = "TYPE", default_value = "f16")]
    cache_type_k: KvType,
    /// Type of the cached values (-ctv)
    #[arg(long, value_name = "TYPE", default_value = "f16")]
    cache_type_v: KvType,
    /// Type of the reference's cached keys
    #[arg(long, value_name = "TYPE", default_value = "f16")]
    reference_cache_type_k: KvType,
    /// Type of the reference's cached values
    #[arg(long, value_name = "TYPE", default_value = "f16")]
    reference_cache_type_v: KvType,
    /// Threads [default: one a physical core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    threads: Option<u32>,
    /// Layers to keep on the GPU, of each model (-ngl) [default: all]
    #[arg(long, value_name = "N")]
    n_gpu_layers: Option<u32>,
    /// Flash attention (-fa)
    #[arg(long, value_name = "on|off|auto", default_value = "auto")]
    flash_attn: FlashAttention,
    /// Most memory that both models may take, in GB (10^9 bytes) [default: what is free]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_memory_gb: Option<f64>,
    /// Start of the bootstrap's random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Format on stdout: text, json or md
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    output: Format,
    /// Keep llama.cpp's log in this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// Tables for a document.
    Md,
}

/// Runs the command.
///
/// # Errors
/// A [`UsageError`] for wrong arguments and files that are not there; otherwise what kept the results from being written. A
/// model that cannot be measured is a line on stderr.
#[allow(clippy::needless_pass_by_value)] // every command has the same signature
pub fn run(args: Args) -> anyhow::Result<Exit> {
    args.check()?;
    let found = models::find(&args.models.iter().map(|model| file(model)).collect::<anyhow::Result<Vec<_>>>()?)?;
    let reference = args.reference.as_deref().map(reference).transpose()?;
    let asks = args.set.is_some() || !args.prompts.is_empty() || (reference.is_none() && !args.caches_differ());
    let config = super::questions::configuration(args.config.as_deref())?;
    let (configured_bytes, thresholds) = (config.limits.max_memory_bytes(), config.thresholds);
    let config = config.quality;
    let prompts = if args.prompts.is_empty() { &config.prompts } else { &args.prompts };
    let source = super::questions::source(args.set.or(config.set), prompts)?;
    let ask = asks.then_some(Ask { source, config });
    let text = super::questions::text("--text", args.text.as_deref())?;
    let given_bytes = super::run::max_memory_bytes(args.max_memory_gb)?.or(configured_bytes);
    let free_bytes = Some(crate::machine::memory::available_bytes()).filter(|&bytes| bytes > 0);
    let log = LogPlace::new(args.log.clone()).context("no place for the worker's log; name a file with --log")?;
    let workers = Workers {
        memory_cap_bytes: given_bytes.or(free_bytes),
        ..Workers::new(Options::new(log.path().to_owned()), EngineChoice::Llama)
    };
    let cells: Vec<_> =
        found.into_iter().map(|found| plan(&args, found, ask.as_ref(), reference.as_ref(), &text)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("tokio cannot start")?;
    let (outcomes, interrupted) = runtime.block_on(measure(&cells, &workers));
    let mut views: Vec<CellView> = outcomes.iter().map(|outcome| CellView::of(outcome, 0, &thresholds)).collect();
    report::quality::compare_all(&mut views);
    out::print(&match args.output {
        Format::Text => report::quality::text::render(&views) + &report::divergence::text(&outcomes),
        Format::Json => report::divergence::json(&outcomes, &views)?,
        Format::Md => report::quality::table::render(&views).trim_start().to_owned(),
    })?;
    let measured = outcomes.iter().filter(|outcome| outcome.status == Status::Measured).count();
    if measured < outcomes.len() && !interrupted {
        crate::say!("sweetspot: llama.cpp's log: {}", log.keep().display());
    }
    Ok(match measured {
        _ if interrupted => Exit::Interrupted,
        0 => Exit::Nothing,
        _ => Exit::Success,
    })
}

async fn measure(cells: &[PlannedCell], workers: &Workers) -> (Vec<Outcome>, bool) {
    let mut cancel = interrupt::watch();
    let mut console = Console::new(cells.len());
    let mut outcomes = Vec::with_capacity(cells.len());
    for (place, planned) in cells.iter().enumerate() {
        console.cell_started(place + 1, &planned.cell);
        let outcome = if *cancel.borrow() {
            cell::not_begun(planned, "interrupted before it began")
        } else {
            cell::run(planned, workers, "", None, &mut cancel, &mut console).await
        };
        console.cell_ended(&outcome);
        outcomes.push(outcome);
    }
    console.finish();
    let interrupted = *cancel.borrow();
    (outcomes, interrupted)
}

impl Args {
    /// Whether what is given is of use.
    fn check(&self) -> anyhow::Result<()> {
        let given = [("--text", self.text.is_some()), ("--precision", self.precision.is_some())];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) if self.reference.is_none() && !self.caches_differ() => Err(UsageError::new(format!(
                "{flag} is of use only where models are compared: name a --reference, or a type of the KV cache (-ctk, -ctv)"
            ))),
            _ => Ok(()),
        }
    }

    fn caches_differ(&self) -> bool {
        (self.cache_type_k, self.cache_type_v) != (self.reference_cache_type_k, self.reference_cache_type_v)
    }
}

/// What is asked.
struct Ask {
    source: QuestionSource,
    config: QualityConfig,
}

fn plan(
    args: &Args,
    found: Found,
    ask: Option<&Ask>,
    reference: Option<&Found>,
    text: &(String, String),
) -> PlannedCell {
    let params = |path: &Path| ModelParams { n_gpu_layers: args.n_gpu_layers, ..ModelParams::new(path) };
    let threads = args.threads.unwrap_or_else(crate::machine::default_threads);
    let diverges = (reference.is_some() || args.caches_differ()).then(|| divergence_job(args, &found, reference, text));
    // a file is not compared with itself, unless it is all that was asked for
    let same = reference.is_some_and(|reference| reference.cell.path == found.cell.path) && !args.caches_differ();
    let divergence = diverges.filter(|_| ask.is_none() || !same);
    let context = match (ask, &divergence) {
        (None, Some(divergence)) => divergence.context.clone(),
        _ => ContextParams {
            type_k: args.cache_type_k,
            type_v: args.cache_type_v,
            flash_attention: args.flash_attn,
            ..ContextParams::new(ask.map_or(0, |ask| questions::n_ctx(&found, &ask.config)), threads)
        },
    };
    let questions = ask.map(|ask| questions::questions(&found, &ask.config, &ask.source));
    let jobs = vec![Job::Quality(quality::Job { context, questions, divergence })];
    let model = params(&found.cell.path);
    PlannedCell { cell: found.cell, model, jobs, broken: found.broken, warnings: Vec::new() }
}

fn divergence_job(args: &Args, found: &Found, reference: Option<&Found>, text: &(String, String)) -> divergence::Job {
    let params = |path: &Path| ModelParams { n_gpu_layers: args.n_gpu_layers, ..ModelParams::new(path) };
    let threads = args.threads.unwrap_or_else(crate::machine::default_threads);
    let mut job = divergence::Job::new(&text.0, &text.1, threads).with_chunks_of(args.chunk);
    let weights_bytes = found.cell.size_bytes + reference.map_or(0, |reference| reference.cell.size_bytes);
    job = job.with_threads(threads, weights_bytes, args.n_gpu_layers == Some(0) || !crate::engine::HAS_GPU);
    // a file that is compared with itself is loaded once
    job.reference = reference.filter(|r| r.cell.path != found.cell.path).map(|r| params(&r.cell.path));
    job.precision_percent = args.precision.unwrap_or(job.precision_percent);
    job.seed = args.seed;
    (job.context.type_k, job.context.type_v) = (args.cache_type_k, args.cache_type_v);
    let of_reference = &mut job.reference_context;
    (of_reference.type_k, of_reference.type_v) = (args.reference_cache_type_k, args.reference_cache_type_v);
    let n_ubatch = args.ubatch_size.unwrap_or(job.context.n_ubatch).min(args.chunk);
    (job.context.n_ubatch, of_reference.n_ubatch) = (n_ubatch, n_ubatch);
    (job.context.flash_attention, of_reference.flash_attention) = (args.flash_attn, args.flash_attn);
    job
}

/// The demo model's file for its name; all else as it is.
fn file(model: &Path) -> anyhow::Result<PathBuf> {
    match demo::file(model)? {
        Some(file) => Ok(file),
        None => super::names::file(model),
    }
}

/// The reference's file, whole and the only one that is named.
fn reference(path: &Path) -> anyhow::Result<Found> {
    let mut found = models::find(&[file(path)?])?;
    let (Some(one), true) = (found.pop(), found.is_empty()) else {
        return Err(UsageError::new(format!(
            "--reference {}: a folder of several models; name one file",
            path.display()
        )));
    };
    match one.broken {
        Some(reason) => Err(UsageError::new(format!("--reference: {reason}"))),
        None => Ok(one),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    let percent: f64 = number.parse().map_err(|_| format!("'{text}' is no percentage, such as 5%"))?;
    if (0.0..=100.0).contains(&percent) { Ok(percent) } else { Err(format!("'{text}' is not between 0% and 100%")) }
}
