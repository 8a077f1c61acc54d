//! `sweetspot context`: how much context a model really has on this machine, predicted and proved.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;

use crate::engine::{ContextParams, EngineInfo, FlashAttention, ModelParams};
use crate::exit_code::{Exit, UsageError};
use crate::interrupt;
use crate::lab::console::Console;
use crate::lab::context::{self as sweep, Found};
use crate::lab::models;
use crate::lab::run_file::{self, Program};
use crate::machine::Machine;
use crate::machine::vitals::Snapshot;
use crate::plan::budget::{self, Free};
use crate::plan::config::Config;
use crate::plan::matrix;
use crate::probe::context_limit::task::GRANULE;
use crate::probe::context_limit::{KvPair, Proof, Sweep, Task};
use crate::probe::kv_growth;
use crate::report::context::emit::{self, Emit};
use crate::report::context::{self, ContextReport, Facts, terminal};
use crate::report::terminal::Look;
use crate::worker::process::Options;
use crate::worker::protocol::EngineChoice;

/// Budgets whose contexts are told beside the one that is asked for, in bytes.
const OTHER_BUDGETS: [u64; 5] = [8_000_000_000, 12_000_000_000, 16_000_000_000, 24_000_000_000, 48_000_000_000];

/// Arguments of `sweetspot context`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A GGUF file; `demo` is the model that comes with the program, `demo:Q4_K_M` a quantization of it
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Types of the KV cache; `q8_0/q4_0` has keys and values of different types
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "f16,q8_0,q4_0")]
    kv_types: Vec<KvPair>,
    /// Memory that model and context may take, such as 6G (10^9), 6GiB or 512M [default: what the configuration limits a model to, else what is free, less a reserve]
    #[arg(long, value_name = "SIZE", value_parser = budget::size, allow_hyphen_values = true)]
    budget: Option<u64>,
    /// Step of the search in tokens, rounded up to a multiple of 256
    #[arg(long, value_name = "N", default_value_t = GRANULE, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    granularity: u32,
    /// Largest context that is tried [default: 1048576, or what the model was trained for if that is more]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    max_context: Option<u32>,
    /// How the limit is proved: allocate and touch it, fill it with tokens too, or not at all
    #[arg(long, value_name = "alloc|fill|none", value_enum, default_value = "alloc")]
    prove: ProofArg,
    /// Seconds after which filling a context stops, each (--prove fill)
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    fill_seconds: u32,
    /// Tokens up to which the cache's growth is measured; 0: not at all
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(0..=1 << 30))]
    grow_to: u32,
    /// Seconds after which that stops, for each type of the KV cache
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    grow_seconds: u32,
    /// Tokens of a request with its answer, for the advice when to trim a conversation
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    tokens_per_request: u32,
    /// Let a context count as fitting although memory was swapped out for it
    #[arg(long)]
    allow_swap: bool,
    /// Folder for context.json, context.csv, growth.csv, context.html and the log [default: one in results/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print this instead of the table: settings for your own service, or what starts a server
    #[arg(long, value_name = "env|toml|json|llama-server|ollama", value_enum)]
    emit: Option<Emit>,
    /// Type of the KV cache that is emitted [default: the first of --kv-types that has a context]
    #[arg(long, value_name = "TYPE", requires = "emit")]
    emit_kv: Option<KvPair>,
    /// Hand over more context than the model was trained for, where memory allows it
    #[arg(long)]
    beyond_training: bool,
    /// A configuration file (TOML): its sections limits, engine and worker count
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Tokens in one call of the engine [default: 2048]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    batch_size: Option<u32>,
    /// Tokens that are computed at once (-ub) [default: 512]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    ubatch_size: Option<u32>,
    /// Flash attention (-fa): on, off or auto
    #[arg(long, value_name = "on|off|auto")]
    flash_attn: Option<FlashAttention>,
    /// Layers to keep on the GPU (-ngl) [default: all]
    #[arg(long, value_name = "N")]
    n_gpu_layers: Option<u32>,
    /// Threads [default: one a physical core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    threads: Option<u32>,
}

/// How a limit is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ProofArg {
    /// Allocate and touch.
    Alloc,
    /// Decode tokens until it is full, too.
    Fill,
    /// Only predict.
    None,
}

/// Runs the command.
///
/// # Errors
/// A [`UsageError`] for wrong arguments and files that are not there; otherwise what kept the results from being written.
#[allow(clippy::needless_pass_by_value)] // every command has the same signature
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let config = configuration(&args)?;
    let path = model(&args)?;
    if let Some(kv) = args.emit_kv.filter(|kv| !args.kv_types.contains(kv)) {
        return Err(UsageError::new(format!("--emit-kv {kv}: it is none of --kv-types; name it there, too")));
    }
    let begun = Instant::now();
    let start = Snapshot::take(std::process::id());
    let timestamp = format!("{:.0}", jiff::Timestamp::now());
    let machine = Machine::detect();
    let engine = crate::worker::ask::engine_info(&EngineChoice::Llama)?;
    let task = task(&args, &config, &path, &machine, &engine);
    let folder = folder(&args, &timestamp, &machine)?;
    let log = folder.join("logs").join("context.log");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("tokio cannot start")?;
    let found = runtime.block_on(async {
        let mut cancel = interrupt::watch();
        let mut console = Console::new(1);
        console.begin(&path.file_name().unwrap_or_default().to_string_lossy());
        sweep::run(&task, &EngineChoice::Llama, &options(&config, log), &mut cancel, &mut console).await
    })?;
    let exit = exit(&found);
    let noise = start.until(&Snapshot::take(std::process::id())).warnings();
    let noise = noise.into_iter().map(|warning| format!("noise: {warning}"));
    let facts = Facts {
        timestamp,
        duration_seconds: begun.elapsed().as_secs_f64(),
        program: Program::this(),
        arguments: std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect(),
        configuration: serde_json::to_value(&config)?,
        machine,
        engine: found.engine.or(Some(engine)),
        model: found.model,
        task: Task { sweeps: found.sweeps, ..task },
        tokens_per_request: args.tokens_per_request,
        beyond_training: args.beyond_training,
        load_seconds: found.load_seconds,
        interrupted: found.interrupted,
        notes: found.notes.into_iter().chain(found.failure).chain(noise).collect(),
    };
    match show(&args, &ContextReport::of(&facts), &folder) {
        Err(error) if exit == Exit::Interrupted => crate::say!("sweetspot: {error:#}"),
        shown => shown?,
    }
    Ok(exit)
}

/// Writes the reports, and prints the table or what is to be emitted.
fn show(args: &Args, report: &ContextReport, folder: &Path) -> anyhow::Result<()> {
    let written = context::write_all(report, folder);
    for path in &written.paths {
        crate::say!("wrote {}", path.display());
    }
    let mut errors = written.errors;
    match args.emit.map(|form| emit::render(report, args.emit_kv, form)) {
        None => super::out::print(&terminal::render(report, Look::of_stdout()))?,
        Some(Ok(text)) => super::out::print(&text)?,
        Some(Err(reason)) => errors.push(anyhow::anyhow!("--emit: {reason}")),
    }
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Ok(()) };
    errors.for_each(|error| crate::say!("sweetspot: {error:#}"));
    Err(first)
}

/// The folder for the results, made before anything is measured.
fn folder(args: &Args, timestamp: &str, machine: &Machine) -> anyhow::Result<PathBuf> {
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).with_context(|| format!("{}: the folder cannot be made", folder.display()))?;
        return Ok(folder.clone());
    }
    let host = machine.hostname.as_deref().unwrap_or("unknown");
    let name = run_file::folder_name(timestamp, host) + "-context";
    super::run::new_folder(Path::new("results"), &name)
}

fn exit(found: &Found) -> Exit {
    let has_limit = |sweep: &Sweep| crate::probe::context_limit::sweep::known_limit(sweep).is_some();
    match found {
        _ if found.interrupted => Exit::Interrupted,
        _ if found.sweeps.iter().any(has_limit) => Exit::Success,
        _ => Exit::Nothing,
    }
}

/// Defaults, then the file, then the command line.
fn configuration(args: &Args) -> anyhow::Result<Config> {
    let mut config = super::questions::configuration(args.config.as_deref())?;
    let engine = &mut config.engine;
    engine.threads = args.threads.or(engine.threads);
    engine.n_gpu_layers = args.n_gpu_layers.or(engine.n_gpu_layers);
    engine.batch_size = args.batch_size.or(engine.batch_size);
    engine.ubatch_size = args.ubatch_size.or(engine.ubatch_size);
    engine.flash_attention = args.flash_attn.or(engine.flash_attention);
    config.limits.allow_swap |= args.allow_swap;
    config.check().map_err(UsageError::new)?;
    Ok(config)
}

/// The one file that is meant.
fn model(args: &Args) -> anyhow::Result<PathBuf> {
    let shown = args.model.display();
    let mut found = models::find(&[super::names::file(&args.model)?])?;
    let (Some(one), true) = (found.pop(), found.is_empty()) else {
        return Err(UsageError::new(format!("{shown}: a folder of several models; name one file of it")));
    };
    match one.broken {
        Some(reason) => Err(UsageError::new(reason)),
        None => Ok(one.cell.path),
    }
}

fn task(args: &Args, config: &Config, path: &Path, machine: &Machine, engine: &EngineInfo) -> Task {
    let free = Free {
        total_bytes: machine.usable_memory_bytes(),
        available_bytes: crate::machine::memory::available_bytes(),
        devices: &engine.devices,
        gpus: &machine.gpus,
    };
    let mut kv_types: Vec<KvPair> = Vec::new();
    for &kv in &args.kv_types {
        if !kv_types.contains(&kv) {
            kv_types.push(kv);
        }
    }
    let granularity = args.granularity.next_multiple_of(GRANULE);
    Task {
        // commands that are handed over repeat the path, and may be run elsewhere
        model: ModelParams {
            n_gpu_layers: config.engine.n_gpu_layers,
            ..ModelParams::new(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
        },
        context: ContextParams { n_ctx: granularity, ..matrix::context(config, machine.default_threads()) },
        budget: budget::budget(args.budget, &config.limits, &free),
        other_budgets: OTHER_BUDGETS.to_vec(),
        granularity,
        ceiling: args.max_context,
        proof: match args.prove {
            ProofArg::Alloc => Proof::Alloc,
            ProofArg::Fill => Proof::Fill,
            ProofArg::None => Proof::None,
        },
        fill_seconds: args.fill_seconds,
        allow_swap: config.limits.allow_swap,
        growth: (args.grow_to > 0 && args.prove != ProofArg::None).then_some(kv_growth::Plan {
            to_tokens: args.grow_to,
            steps: 16,
            gen_tokens: 8,
            seconds: args.grow_seconds,
        }),
        sweeps: kv_types.into_iter().map(Sweep::new).collect(),
    }
}

fn options(config: &Config, log: PathBuf) -> Options {
    /// Touching the memory of a large machine takes minutes without a sign of life.
    const STALL_SECONDS: u64 = 600;
    Options {
        load_timeout: std::time::Duration::from_secs(config.worker.load_timeout_seconds),
        stall_timeout: std::time::Duration::from_secs(config.worker.stall_timeout_seconds.max(STALL_SECONDS)),
        stop_grace: std::time::Duration::from_secs(config.worker.stop_grace_seconds),
        ..Options::new(log)
    }
}
