//! The matrix: which profile runs on which model and quantization, and what is known beforehand to be futile.
//!
//! Pure: what was found on disk and what the machine has come in as facts; a plan comes out.

use crate::engine::{ContextParams, ModelParams};
use crate::lab::outcome::Cell;
use crate::plan::config::Config;
use crate::profiles::{self, ProfileName, interactive};
use crate::stats::gigabytes;

/// A model file, as far as it can be known without loading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which cell it makes.
    pub cell: Cell,
    /// Context size it was trained for, in tokens, where the file says so.
    pub n_ctx_train: Option<u32>,
    /// Why it cannot be measured, where the file is broken.
    pub broken: Option<String>,
}

/// What the machine and the person allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads that compute.
    pub threads: u32,
    /// Most bytes of memory that a model may take, file pages included; none: no limit.
    pub memory_bytes: Option<u64>,
    /// Whether the person named that limit, or it is what the machine has.
    pub memory_limit_was_given: bool,
}

/// A cell with all that runs on it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCell {
    /// Which cell.
    pub cell: Cell,
    /// Known beforehand to fail, and why.
    pub broken: Option<String>,
    /// Known beforehand to be futile, and why.
    pub skip: Option<String>,
    /// How to load it.
    pub model: ModelParams,
    /// What runs, in this order.
    pub jobs: Vec<profiles::Job>,
    /// What the reader of the report should know.
    pub warnings: Vec<String>,
}

/// Plans every found file with every profile.
#[must_use]
pub fn plan(
    found: Vec<Found>,
    profiles: &[ProfileName],
    config: &Config,
    prompts: &[interactive::Prompt],
    limits: &Limits,
) -> Vec<PlannedCell> {
    found.into_iter().map(|found| plan_cell(found, profiles, config, prompts, limits)).collect()
}

fn plan_cell(
    found: Found,
    profiles: &[ProfileName],
    config: &Config,
    prompts: &[interactive::Prompt],
    limits: &Limits,
) -> PlannedCell {
    let skip = too_large(&found.cell, limits);
    let context = context(config, limits);
    let mut warnings = Vec::new();
    if let Some(trained) = found.n_ctx_train.filter(|&trained| trained < context.n_ctx) {
        let n_ctx = context.n_ctx;
        warnings.push(format!("the context of {n_ctx} tokens is larger than the {trained} the model was trained for"));
    }
    let jobs = profiles.iter().filter_map(|profile| match profile {
        ProfileName::Interactive => Some(profiles::Job::Interactive(interactive_job(config, prompts, context.clone()))),
        // not use cases of a run: `sweetspot bench` and `sweetspot quality` run them
        ProfileName::Bench | ProfileName::Quality => None,
    });
    let model = ModelParams { n_gpu_layers: config.engine.n_gpu_layers, ..ModelParams::new(&found.cell.path) };
    PlannedCell { broken: found.broken, skip, model, jobs: jobs.collect(), warnings, cell: found.cell }
}

fn interactive_job(config: &Config, prompts: &[interactive::Prompt], context: ContextParams) -> interactive::Job {
    let c = &config.interactive;
    interactive::Job {
        tokens: c.tokens,
        max_repetitions: c.max_repetitions,
        max_first_tokens: c.max_first_tokens,
        interval_width_percent: c.interval_width_percent,
        sampling: c.sampling.clone(),
        context,
        prompts: prompts.to_vec(),
    }
}

fn context(config: &Config, limits: &Limits) -> ContextParams {
    let engine = &config.engine;
    let default = ContextParams::new(config.interactive.n_ctx, engine.threads.unwrap_or(limits.threads));
    ContextParams {
        n_batch: engine.batch_size.unwrap_or(default.n_batch),
        n_ubatch: engine.ubatch_size.unwrap_or(default.n_ubatch),
        type_k: engine.cache_type_k.unwrap_or(default.type_k),
        type_v: engine.cache_type_v.unwrap_or(default.type_v),
        flash_attention: engine.flash_attention.unwrap_or(default.flash_attention),
        ..default
    }
}

/// The weights alone are more than is allowed. (What the context adds is counted exactly by the worker.)
fn too_large(cell: &Cell, limits: &Limits) -> Option<String> {
    let allowed = limits.memory_bytes.filter(|&allowed| cell.size_bytes > allowed)?;
    let (size, allowed) = (gigabytes(cell.size_bytes), gigabytes(allowed));
    Some(if limits.memory_limit_was_given {
        format!("its weights alone are {size:.2} GB, more than the {allowed:.2} GB allowed by --max-memory-gb")
    } else {
        format!(
            "its weights alone are {size:.2} GB, more than the {allowed:.2} GB of memory that this machine has free"
        )
    })
}

/// The model's part of a file's name: `llama-1b.Q4_K_M` to `llama-1b`. `quant` is what the file's metadata says; a name that
/// ends otherwise stays whole.
#[must_use]
pub fn model_name(stem: &str, quant: &str) -> String {
    let Some(cut) = stem.len().checked_sub(quant.len()).filter(|&cut| stem.is_char_boundary(cut)) else {
        return stem.to_owned();
    };
    let (model, end) = stem.split_at(cut);
    let model = model.strip_suffix(['-', '.', '_']);
    match model {
        Some(model) if end.eq_ignore_ascii_case(quant) && !model.is_empty() => model.to_owned(),
        _ => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(size_bytes: u64, n_ctx_train: u32) -> Found {
        let cell =
            Cell { model: "m".into(), quant: "Q4_0".into(), path: "m.gguf".into(), size_bytes, synthetic: false };
        Found { cell, n_ctx_train: Some(n_ctx_train), broken: None }
    }

    fn plan_one(found: Found, limits: &Limits) -> PlannedCell {
        plan(vec![found], &[ProfileName::Interactive], &Config::default(), &[], limits).remove(0)
    }

    const LIMITS: Limits = Limits { threads: 2, memory_bytes: Some(2_000_000_000), memory_limit_was_given: true };

    #[test]
    fn a_model_whose_weights_exceed_the_allowed_memory_is_skipped_with_both_numbers() {
        let planned = plan_one(found(3_000_000_000, 4096), &LIMITS);
        assert_eq!(
            planned.skip.as_deref(),
            Some("its weights alone are 3.00 GB, more than the 2.00 GB allowed by --max-memory-gb")
        );
        let by_machine = Limits { memory_limit_was_given: false, ..LIMITS };
        assert!(plan_one(found(3_000_000_000, 4096), &by_machine).skip.unwrap().contains("this machine has free"));
        assert_eq!(plan_one(found(1_000_000_000, 4096), &LIMITS).skip, None);
    }

    #[test]
    fn a_context_above_the_trained_one_is_a_warning_and_not_a_failure() {
        let planned = plan_one(found(1, 1024), &LIMITS);
        assert_eq!(planned.warnings, ["the context of 2048 tokens is larger than the 1024 the model was trained for"]);
        assert_eq!(planned.jobs.len(), 1);
        assert!(plan_one(found(1, 4096), &LIMITS).warnings.is_empty());
    }

    #[test]
    fn the_configuration_reaches_the_context() {
        let config = Config::parse("[engine]\nthreads = 7\nubatch_size = 64\ncache_type_v = 'q8_0'").unwrap();
        let planned = plan(vec![found(1, 4096)], &[ProfileName::Interactive], &config, &[], &LIMITS).remove(0);
        let profiles::Job::Interactive(job) = &planned.jobs[0] else { panic!("another profile") };
        assert_eq!((job.context.n_threads, job.context.n_ubatch), (7, 64));
        assert_eq!(job.context.type_v, crate::engine::KvType::Q8_0);
    }

    #[test]
    fn the_quantization_is_cut_from_a_files_name_however_it_is_attached() {
        for (stem, quant, model) in [
            ("llama-3.2-1b-Q4_0", "Q4_0", "llama-3.2-1b"),
            ("llama-3.2-1b.q4_k_m", "Q4_K_M", "llama-3.2-1b"),
            ("model", "Q4_0", "model"),
            ("Q4_0", "Q4_0", "Q4_0"),
            ("-Q4_0", "Q4_0", "-Q4_0"),
            ("größe-ü", "Q4_0", "größe-ü"),
        ] {
            assert_eq!(model_name(stem, quant), model, "{stem}");
        }
    }
}
