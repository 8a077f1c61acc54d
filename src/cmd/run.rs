//! `sweetspot run`: the main job.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::interrupt;

use crate::engine::quantize::Quant;
use crate::engine::{EngineInfo, FlashAttention, KvType, Sampling};
use crate::exit_code::{Exit, Interrupted, UsageError};
use crate::lab;
use crate::lab::cell::Workers;
use crate::lab::checkpoint::Checkpoint;
use crate::lab::ladder::{self, Candidate};
use crate::lab::run_file::{self, RunFile};
use crate::lab::synthetic::{self, Synthetic};
use crate::machine::Machine;
use crate::plan::config::{Config, OutputConfig, Weights};
use crate::plan::matrix::{self, Limits, Material, PlannedCell};
use crate::profiles::{Job, ProfileName, interactive};
use crate::quants::{self, Store};
use crate::report;
use crate::worker::process::Options;
use crate::worker::protocol::EngineChoice;

/// Arguments of `sweetspot run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// GGUF files, or folders of them; with `--weights synthetic` shapes such as `llama-3.2-1b:Q4_0`. None: `demo`, the small
    /// model that comes with the program, in six quantizations.
    #[arg(value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// One repetition of everything.
    #[arg(long, overrides_with = "full")]
    quick: bool,
    /// Repeat until the numbers settle.
    #[arg(long, overrides_with = "quick")]
    full: bool,
    /// Profiles to run.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    profiles: Vec<String>,
    /// Prompt files (TOML) that the quality profile asks instead of the built-in ones.
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    prompts: Vec<PathBuf>,
    /// Only these quantizations; those that are not there are made from the model's F16, BF16 or F32 file.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    quants: Vec<Quant>,
    /// The run's folder; by default one named by time and host in the configured folder (`results`).
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Say what would be run, and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// A configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Most memory that a model may take, in GB (10^9 bytes) [default: what is free].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_memory_gb: Option<f64>,
    /// Measure the models' files, or shapes with synthetic weights that are made on the spot [default: real].
    #[arg(long, value_enum)]
    weights: Option<Weights>,
    /// Reports to write [default: json,csv,md].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    format: Vec<report::Format>,
    /// Start of all random numbers.
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Threads that compute [default: one a physical core].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    threads: Option<u32>,
    /// Layers to keep on the GPU (-ngl) [default: all].
    #[arg(long, value_name = "N")]
    n_gpu_layers: Option<u32>,
    /// Type of the cached keys (-ctk).
    #[arg(long, value_name = "TYPE")]
    cache_type_k: Option<KvType>,
    /// Type of the cached values (-ctv).
    #[arg(long, value_name = "TYPE")]
    cache_type_v: Option<KvType>,
    /// Flash attention (-fa): on, off or auto.
    #[arg(long, value_name = "on|off|auto")]
    flash_attn: Option<FlashAttention>,
}

/// Runs the command.
///
/// # Errors
/// A [`UsageError`] for wrong arguments or configuration; otherwise what kept the run from being kept (folder, disk).
#[allow(clippy::needless_pass_by_value)] // every command has the same signature
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let config = configuration(&args)?;
    let profiles = if config.run.profiles.is_empty() { profile_names(&[])? } else { config.run.profiles.clone() };
    let material = material(&config)?;
    let given_bytes = max_memory_bytes(args.max_memory_gb)?.or(config.limits.max_memory_bytes());
    let (synthetic, candidates) = match config.run.weights {
        Weights::Synthetic => (synthetic_models(&args, &config.run.quants)?, Vec::new()),
        Weights::Real => (Vec::new(), ladder::find(&args.models, &config.run.quants)?),
    };
    let found = synthetic.iter().map(|s| &s.found).chain(candidates.iter().map(|c| &c.found)).cloned().collect();
    let machine = Machine::detect();
    let engine = crate::worker::ask::engine_info(&EngineChoice::Llama)?;
    let main_memory = crate::machine::memory::available_bytes();
    let limits = Limits {
        threads: machine.default_threads(),
        memory_bytes: given_bytes.or(Some(main_memory + gpu_memory(&engine, &config)).filter(|&bytes| bytes > 0)),
        memory_limit_was_given: given_bytes.is_some(),
    };
    let mut plan = matrix::plan(found, &profiles, &config, &material, &limits);
    if args.dry_run {
        super::out::print(&dry_run(&plan))?;
        return Ok(Exit::Success);
    }
    for (synthetic, _) in synthetic.iter().zip(&plan).filter(|(_, planned)| planned.skip.is_none()) {
        synthetic.make()?;
    }
    let workers = Workers {
        options: Options {
            load_timeout: std::time::Duration::from_secs(config.worker.load_timeout_seconds),
            stall_timeout: std::time::Duration::from_secs(config.worker.stall_timeout_seconds),
            stop_grace: std::time::Duration::from_secs(config.worker.stop_grace_seconds),
            ..Options::new(PathBuf::new())
        },
        engine: EngineChoice::Llama,
        memory_cap_bytes: given_bytes.or(Some(main_memory).filter(|&bytes| bytes > 0)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("tokio cannot start")?;
    runtime.block_on(make(&candidates, &mut plan, limits.threads))?;
    let run_file = run_file(&config, machine, engine, &plan)?;
    runtime.block_on(measure(&args, &config.output, run_file, &plan, &workers))
}

/// Makes the quantizations that are not there. One that cannot be made is a cell that fails, with the reason.
async fn make(candidates: &[Candidate], plan: &mut [PlannedCell], threads: u32) -> anyhow::Result<()> {
    let wanted = candidates.iter().zip(plan).filter(|(_, planned)| planned.skip.is_none());
    let (requests, mut planned): (Vec<_>, Vec<_>) =
        wanted.filter_map(|(candidate, planned)| Some((candidate.request.clone()?, planned))).unzip();
    if requests.is_empty() {
        return Ok(());
    }
    let cancel = interrupt::watch_saying("stopping (once more to end at once)");
    let store = Store::open(&quants::folder::cache()?, None)?;
    let settings = quants::make::Settings { threads, program: None };
    let results = quants::make(&requests, &store, &settings, cancel).await;
    for (planned, result) in planned.iter_mut().zip(results) {
        match result {
            Ok(made) => {
                planned.cell.size_bytes = made.size_bytes;
                planned.cell.path.clone_from(&made.path);
                planned.model.path = made.path;
            }
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => planned.broken = Some(format!("{error:#}")),
        }
    }
    Ok(())
}

async fn measure(
    args: &Args,
    output: &OutputConfig,
    mut run_file: RunFile,
    plan: &[PlannedCell],
    workers: &Workers,
) -> anyhow::Result<Exit> {
    let cancel = interrupt::watch();
    let folder = match &args.out {
        Some(folder) => folder.clone(),
        None => new_folder(&output.folder, &run_file.folder_name())?,
    };
    let mut checkpoint = Checkpoint::create(&folder, &run_file)?;
    let begun = std::time::Instant::now();
    let ended = lab::run(plan, workers, &mut checkpoint, cancel).await;
    // Whatever happened, what was measured is shown: a disk that is full now may have held the first outcomes.
    run_file.duration_seconds = Some(begun.elapsed().as_secs_f64());
    run_file.interrupted = ended.as_ref().is_ok_and(|e| e.interrupted);
    let saved = run_file.save(&folder);
    let shown = super::report::run(super::report::Args { folder, format: output.formats.clone() });
    // all that went wrong is told; the first decides how the program ends
    let (ended, mut errors) = match ended {
        Ok(ended) => (ended, Vec::new()),
        Err(error) => (lab::Ended::default(), vec![error]),
    };
    errors.extend(saved.err());
    errors.extend(shown.err());
    let mut errors = errors.into_iter();
    if let Some(first) = errors.next() {
        errors.for_each(|error| crate::say!("sweetspot: {error:#}"));
        return Err(first);
    }
    Ok(match ended {
        _ if ended.interrupted => Exit::Interrupted,
        _ if ended.measured > 0 => Exit::Success,
        _ => Exit::Nothing,
    })
}

/// Makes a folder of this name, or of this name with a number where runs began within the same second.
pub(super) fn new_folder(parent: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let context =
        |folder: &Path| format!("{}: the run's folder cannot be made; name another with --out", folder.display());
    std::fs::create_dir_all(parent).with_context(|| context(parent))?;
    let mut folder = parent.join(name);
    for number in 2_u32.. {
        // Unlike a look beforehand, create_dir tells of a folder that another run made just now.
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => return made.with_context(|| context(&folder)).map(|()| folder),
        }
        folder = parent.join(format!("{name}-{number}"));
    }
    anyhow::bail!(context(parent))
}

fn run_file(config: &Config, machine: Machine, engine: EngineInfo, plan: &[PlannedCell]) -> anyhow::Result<RunFile> {
    let seed = match config.interactive.sampling {
        Sampling::Seeded { seed, .. } => seed.into(),
        Sampling::Greedy => 0,
    };
    let planned = |p: &PlannedCell| run_file::PlannedCell {
        cell: p.cell.clone(),
        profiles: p.jobs.iter().map(Job::name).collect(),
    };
    let plan = plan.iter().map(planned).collect();
    Ok(RunFile::begin(serde_json::to_value(config)?, seed, machine, Some(engine), plan))
}

fn synthetic_models(args: &Args, quants: &[Quant]) -> anyhow::Result<Vec<Synthetic>> {
    let names: Vec<_> = args.models.iter().map(|m| m.to_string_lossy().into_owned()).collect();
    synthetic::find(&names, quants, args.seed)
}

fn profile_names(given: &[String]) -> anyhow::Result<Vec<ProfileName>> {
    let measured = |p: &ProfileName| *p != ProfileName::Bench;
    let known: Vec<_> = ProfileName::ALL.iter().copied().filter(measured).collect();
    if given.is_empty() {
        return Ok(known);
    }
    let name_of = |name: &String| {
        known.iter().copied().find(|p| p.name() == name.replace('_', "-")).ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|p| p.name()).collect();
            UsageError::new(format!("--profiles: no profile '{name}'; there are: {}", names.join(", ")))
        })
    };
    let mut names = Vec::new();
    for name in given {
        let name = name_of(name)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Defaults, then the file, then the command line.
fn configuration(args: &Args) -> anyhow::Result<Config> {
    let mut config = super::questions::configuration(args.config.as_deref())?;
    if args.quick {
        config.interactive.make_quick();
        config.quality.make_quick();
        config.long_context.make_quick();
    }
    if args.full {
        config.interactive.make_full();
        config.quality.make_full();
        config.long_context.make_full();
    }
    if !args.profiles.is_empty() {
        config.run.profiles = profile_names(&args.profiles)?;
    }
    if !args.quants.is_empty() {
        config.run.quants.clone_from(&args.quants);
    }
    if !args.format.is_empty() {
        config.output.formats.clone_from(&args.format);
    }
    config.run.weights = args.weights.unwrap_or(config.run.weights);
    if !args.prompts.is_empty() {
        config.quality.prompts.clone_from(&args.prompts);
    }
    if let (Some(new), Sampling::Seeded { seed, .. }) = (args.seed, &mut config.interactive.sampling) {
        *seed = new;
    }
    let engine = &mut config.engine;
    engine.threads = args.threads.or(engine.threads);
    engine.n_gpu_layers = args.n_gpu_layers.or(engine.n_gpu_layers);
    engine.cache_type_k = args.cache_type_k.or(engine.cache_type_k);
    engine.cache_type_v = args.cache_type_v.or(engine.cache_type_v);
    engine.flash_attention = args.flash_attn.or(engine.flash_attention);
    config.check().map_err(UsageError::new)?;
    Ok(config)
}

/// What the profiles ask, read before anything is measured.
fn material(config: &Config) -> anyhow::Result<Material> {
    Ok(Material {
        interactive: prompts(config.interactive.prompts.as_deref())?,
        questions: super::questions::source(config.quality.set, &config.quality.prompts)?,
        text: super::questions::text("quality.divergence_text", config.quality.divergence_text.as_deref())?,
        question_synthetic: config.run.profiles.contains(&ProfileName::Quality),
    })
}

fn prompts(path: Option<&Path>) -> anyhow::Result<Vec<interactive::Prompt>> {
    let Some(path) = path else { return Ok(interactive::prompts::built_in()) };
    let wrong = |e: String| UsageError::new(format!("interactive.prompts {}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    interactive::prompts::parse(&text).map_err(wrong)
}

/// A limit in bytes.
///
/// # Errors
/// A [`UsageError`] for what is no size.
pub(super) fn max_memory_bytes(gb: Option<f64>) -> anyhow::Result<Option<u64>> {
    match gb {
        None => Ok(None),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked to be positive; saturates
        Some(gb) if gb > 0.0 && gb.is_finite() => Ok(Some((gb * 1e9) as u64)),
        Some(gb) => Err(UsageError::new(format!("--max-memory-gb {gb}: it must be a number above 0"))),
    }
}

/// What the GPUs have free for layers: weights that lie there need no main memory.
fn gpu_memory(engine: &EngineInfo, config: &Config) -> u64 {
    if config.engine.n_gpu_layers == Some(0) {
        return 0;
    }
    engine.devices.iter().filter(|device| device.kind == "gpu").map(|device| device.memory_free_bytes).sum()
}

fn dry_run(plan: &[PlannedCell]) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for planned in plan {
        let cell = &planned.cell;
        let profiles: Vec<_> = planned.jobs.iter().map(|job| job.name().name()).collect();
        let verdict = match (&planned.broken, &planned.skip) {
            (Some(reason), _) => format!("cannot be measured: {reason}"),
            (None, Some(reason)) => format!("would be skipped: {reason}"),
            (None, None) if !cell.path.exists() => format!("would be made, and run {}", profiles.join(", ")),
            (None, None) => format!("would run {}", profiles.join(", ")),
        };
        let _ = writeln!(text, "{} {} ({}): {verdict}", cell.model, cell.quant, cell.path.display());
        for warning in &planned.warnings {
            let _ = writeln!(text, "  note: {warning}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_taken_gets_a_number() {
        let parent = tempfile::tempdir().unwrap();
        let results = parent.path().join("results");
        let names = [(); 3].map(|()| new_folder(&results, "now").unwrap());
        assert_eq!(names, ["now", "now-2", "now-3"].map(|name| results.join(name)));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_and_ends_the_search() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("results"), "").unwrap();
        let error = new_folder(&parent.path().join("results"), "now").unwrap_err();
        assert!(error.to_string().ends_with("results: the run's folder cannot be made; name another with --out"));
    }
}
