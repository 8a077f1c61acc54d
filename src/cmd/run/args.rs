//! What `sweetspot run` is told: its flags over the configuration file over the defaults.

use std::path::{Path, PathBuf};

use crate::engine::quantize::Quant;
use crate::engine::{FlashAttention, KvType, Sampling};
use crate::exit_code::UsageError;
use crate::plan::config::{Config, Weights};
use crate::plan::matrix::Material;
use crate::profiles::{ProfileName, interactive};
use crate::report;
use crate::stats::gigabytes;

/// Arguments of `sweetspot run`.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // each is a flag
pub struct Args {
    /// GGUF files, folders of them, models of the catalogue such as `qwen2.5-1.5b-instruct:Q4_K_M`, or `user/repo:QUANT` on
    /// Hugging Face; with `--weights synthetic` also shapes such as `llama-3.2-1b:Q4_0`. None: `demo`, the small model that comes
    /// with the program, in six quantizations.
    #[arg(value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// Models on Hugging Face, `user/repo[:QUANT]` (-hf).
    #[arg(long = "hf-repo", value_name = "REPO", value_delimiter = ',')]
    hf_repo: Vec<PathBuf>,
    /// One repetition of everything.
    #[arg(long, overrides_with = "full")]
    quick: bool,
    /// Repeat until the numbers settle.
    #[arg(long, overrides_with = "quick")]
    pub(super) full: bool,
    /// Profiles to run.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    profiles: Vec<String>,
    /// Prompt files (TOML) that the quality profile asks instead of the built-in ones.
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    prompts: Vec<PathBuf>,
    /// Only these quantizations; those that are not there are made from the model's F16, BF16 or F32 file.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    quants: Vec<Quant>,
    /// The run's folder; by default one named by time and host in `results/`.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Say what would be run, and run nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// A configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Most memory that a model may take, in GB (10^9 bytes) [default: what is free].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_memory_gb: Option<f64>,
    /// Measure the models' files, or shapes with synthetic weights that are made on the spot [default: real].
    #[arg(long, value_enum)]
    weights: Option<Weights>,
    /// Reports to write: json, csv, md [default: all].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    format: Vec<report::Format>,
    /// Go on with the run in this folder. Alone, it takes that run's own command line.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "dry_run"])]
    pub(super) resume: Option<PathBuf>,
    /// These arguments are those of the run that is gone on with.
    #[arg(skip)]
    pub(super) is_stored: bool,
    /// Go on with it although it is not as it was: configuration, engine or files differ.
    #[arg(long, requires = "resume")]
    pub(super) accept_changes: bool,
    /// Catalogue files (TOML) that extend and override the built-in one.
    #[arg(long = "models", value_name = "FILE", value_delimiter = ',')]
    pub(super) catalog: Vec<PathBuf>,
    /// Ask nobody over the network: only models that are here.
    #[arg(long)]
    pub(super) offline: bool,
    /// Run everything, also what the cells before it make futile.
    #[arg(long)]
    no_termination: bool,
    /// Start of all random numbers.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u32>,
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

impl Args {
    /// All models that are named.
    pub(super) fn all_models(&self) -> Vec<PathBuf> {
        [self.models.clone(), self.hf_repo.clone()].concat()
    }

    /// Whether nothing is said but what to go on with.
    pub(super) fn is_resume_alone(&self) -> bool {
        let alone = Self { resume: self.resume.clone(), accept_changes: self.accept_changes, ..Self::default() };
        *self == alone
    }
}

/// Defaults, then the file, then the command line.
pub(super) fn configuration(args: &Args) -> anyhow::Result<Config> {
    let mut config = crate::cmd::questions::configuration(args.config.as_deref())?;
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
    if !args.prompts.is_empty() {
        config.quality.prompts.clone_from(&args.prompts);
    }
    if let (Some(new), Sampling::Seeded { seed, .. }) = (args.seed, &mut config.interactive.sampling) {
        *seed = new;
    }
    config.run.weights = args.weights.unwrap_or(config.run.weights);
    if !args.quants.is_empty() {
        config.run.quants.clone_from(&args.quants);
    }
    if !args.profiles.is_empty() {
        config.run.profiles = profile_names(&args.profiles)?;
    }
    if !args.format.is_empty() {
        config.output.formats.clone_from(&args.format);
    }
    config.termination.enabled &= !args.no_termination;
    if let Some(bytes) = max_memory_bytes(args.max_memory_gb)? {
        config.limits.max_memory_gb = Some(gigabytes(bytes));
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

/// The profiles that a run can measure.
pub(super) fn all_profiles() -> Vec<ProfileName> {
    ProfileName::ALL.iter().copied().filter(|p| *p != ProfileName::Bench).collect()
}

fn profile_names(given: &[String]) -> anyhow::Result<Vec<ProfileName>> {
    let known = all_profiles();
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

/// What the profiles ask, read before anything is measured.
pub(super) fn material(config: &Config) -> anyhow::Result<Material> {
    Ok(Material {
        interactive: prompts(config.interactive.prompts.as_deref())?,
        questions: crate::cmd::questions::source(config.quality.set, &config.quality.prompts)?,
        text: crate::cmd::questions::text("quality.divergence_text", config.quality.divergence_text.as_deref())?,
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
pub(in crate::cmd) fn max_memory_bytes(gb: Option<f64>) -> anyhow::Result<Option<u64>> {
    match gb {
        None => Ok(None),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked to be positive; saturates
        Some(gb) if gb > 0.0 && gb.is_finite() => Ok(Some((gb * 1e9) as u64)),
        Some(gb) => Err(UsageError::new(format!("--max-memory-gb {gb}: it must be a number above 0"))),
    }
}
