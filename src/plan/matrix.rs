//! The matrix: which profile runs on which model and quantization, and what is known beforehand to be futile.
//!
//! Pure: what was found on disk and what the machine has come in as facts; a plan comes out.

use std::path::{Path, PathBuf};

use crate::engine::{ContextParams, ModelParams, Sampling};
use crate::lab::outcome::Cell;
use crate::plan::config::Config;
use crate::plan::questions::{self, QuestionSource};
use crate::profiles::{self, ProfileName, interactive, long_context};

/// A model file, as far as it can be known without loading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which cell it makes.
    pub cell: Cell,
    /// Context size it was trained for, in tokens, where the file says so.
    pub n_ctx_train: Option<u32>,
    /// Parameters, where the file's header could be read.
    pub n_params: Option<u64>,
    /// Those of them that compute a token: fewer in a mixture of experts.
    pub n_active_params: Option<u64>,
    /// A file of the same model that its predictions are compared with; none: the largest of those that are found.
    pub reference: Option<PathBuf>,
    /// Why it cannot be measured, where the file is broken.
    pub broken: Option<String>,
}

/// What the machine and the person allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads that compute.
    pub threads: u32,
    /// Bytes of memory that the machine has free, main memory and that of GPUs; none: unknown.
    pub memory_bytes: Option<u64>,
    /// Most bytes that the person allows; none: no such limit.
    pub max_memory_bytes: Option<u64>,
}

/// A cell with all that runs on it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCell {
    /// Which cell.
    pub cell: Cell,
    /// Known beforehand to fail, and why.
    pub broken: Option<String>,
    /// How to load it.
    pub model: ModelParams,
    /// What runs, in this order.
    pub jobs: Vec<profiles::Job>,
    /// What the reader of the report should know.
    pub warnings: Vec<String>,
}

/// What the profiles ask, read beforehand.
#[derive(Clone, Debug)]
pub struct Material {
    /// Prompts of the interactive profile.
    pub interactive: Vec<interactive::Prompt>,
    /// Prompts of the quality profile.
    pub questions: QuestionSource,
    /// Name and contents of the text for divergence.
    pub text: (String, String),
    /// Whether the quality of synthetic weights is measured, too: only where somebody asks for it by name.
    pub question_synthetic: bool,
}

/// Plans every found file with every profile.
#[must_use]
pub fn plan(
    found: Vec<Found>,
    profiles: &[ProfileName],
    config: &Config,
    material: &Material,
    limits: &Limits,
) -> Vec<PlannedCell> {
    let references: Vec<_> = found.iter().map(|one| reference(one, &found, limits)).collect();
    let planned = |(found, reference): (Found, Option<(PathBuf, u64)>)| {
        plan_cell(found, reference.as_ref().map(|(p, n)| (p.as_path(), *n)), profiles, config, material, limits)
    };
    found.into_iter().zip(references).map(planned).collect()
}

fn plan_cell(
    found: Found,
    reference: Option<(&Path, u64)>,
    profiles: &[ProfileName],
    config: &Config,
    material: &Material,
    limits: &Limits,
) -> PlannedCell {
    let context = context(config, limits.threads);
    let mut warnings = Vec::new();
    if let Some(trained) = found.n_ctx_train.filter(|&trained| trained < context.n_ctx) {
        let n_ctx = context.n_ctx;
        warnings.push(format!("the context of {n_ctx} tokens is larger than the {trained} the model was trained for"));
    }
    let jobs = profiles.iter().filter_map(|profile| match profile {
        ProfileName::Interactive => {
            Some(profiles::Job::Interactive(interactive_job(config, &material.interactive, context.clone())))
        }
        // made-up weights have no answers
        ProfileName::Quality if found.cell.synthetic && !material.question_synthetic => None,
        ProfileName::Quality => {
            Some(profiles::Job::Quality(questions::job(&found, reference, config, material, context.clone())))
        }
        ProfileName::LongContext => Some(profiles::Job::LongContext(long_context_job(config, context.clone()))),
        ProfileName::Bench => None, // not a use case: `sweetspot bench` runs it
    });
    let jobs = jobs.collect();
    let model = ModelParams { n_gpu_layers: config.engine.n_gpu_layers, ..ModelParams::new(&found.cell.path) };
    PlannedCell { broken: found.broken, model, jobs, warnings, cell: found.cell }
}

/// File and bytes of what a model's predictions are compared with: the one that it names, or the best quantization of the
/// same model, which is the largest file; none for that one itself.
fn reference(found: &Found, all: &[Found], limits: &Limits) -> Option<(PathBuf, u64)> {
    if let Some(path) = &found.reference {
        return Some((path.clone(), found.cell.size_bytes));
    }
    let usable = |other: &&Found| {
        other.cell.model == found.cell.model && other.broken.is_none() && !is_too_large(&other.cell, limits)
    };
    let best = all.iter().filter(usable).max_by_key(|other| other.cell.size_bytes)?;
    (best.cell.size_bytes > found.cell.size_bytes).then(|| (best.cell.path.clone(), best.cell.size_bytes))
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

fn long_context_job(config: &Config, context: ContextParams) -> long_context::Job {
    let c = &config.long_context;
    let seed = match config.interactive.sampling {
        Sampling::Seeded { seed, .. } => seed.into(),
        Sampling::Greedy => 0,
    };
    let smallest = c.loads.iter().copied().min().unwrap_or(c.target_tokens);
    long_context::Job {
        context: ContextParams { n_ctx: context.n_ctx.min(smallest), ..context },
        loads: c.loads.clone(),
        target_tokens: c.target_tokens,
        gen_tokens: c.gen_tokens,
        seconds: c.seconds,
        beyond_trained: c.beyond_trained,
        seed,
    }
}

/// The context that the configuration describes, with `threads` where it does not say how many.
#[must_use]
pub fn context(config: &Config, threads: u32) -> ContextParams {
    let engine = &config.engine;
    let default = ContextParams::new(config.interactive.n_ctx, engine.threads.unwrap_or(threads));
    ContextParams {
        n_batch: engine.batch_size.unwrap_or(default.n_batch),
        n_ubatch: engine.ubatch_size.unwrap_or(default.n_ubatch),
        type_k: engine.cache_type_k.unwrap_or(default.type_k),
        type_v: engine.cache_type_v.unwrap_or(default.type_v),
        flash_attention: engine.flash_attention.unwrap_or(default.flash_attention),
        ..default
    }
}

/// The weights alone are more than is allowed: it can be no other model's reference.
fn is_too_large(cell: &Cell, limits: &Limits) -> bool {
    let allowed = [limits.memory_bytes, limits.max_memory_bytes].into_iter().flatten().min();
    allowed.is_some_and(|allowed| cell.size_bytes > allowed)
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
        Found {
            cell,
            n_ctx_train: Some(n_ctx_train),
            n_params: Some(1_000_000_000),
            n_active_params: None,
            reference: None,
            broken: None,
        }
    }

    fn material() -> Material {
        Material {
            interactive: Vec::new(),
            questions: QuestionSource::default(),
            text: ("t".into(), "text".into()),
            question_synthetic: false,
        }
    }

    fn plan_one(found: Found, limits: &Limits) -> PlannedCell {
        plan(vec![found], &[ProfileName::Interactive], &Config::default(), &material(), limits).remove(0)
    }

    const LIMITS: Limits = Limits { threads: 2, memory_bytes: None, max_memory_bytes: Some(2_000_000_000) };

    #[test]
    fn a_context_above_the_trained_one_is_a_warning_and_not_a_failure() {
        let planned = plan_one(found(1, 1024), &LIMITS);
        assert_eq!(planned.warnings, ["the context of 2048 tokens is larger than the 1024 the model was trained for"]);
        assert_eq!(planned.jobs.len(), 1);
        assert!(plan_one(found(1, 4096), &LIMITS).warnings.is_empty());
    }

    /// The reference of each quantization's divergence, by its file's name.
    fn references(found: Vec<Found>) -> Vec<Option<String>> {
        let planned = plan(found, &[ProfileName::Quality], &Config::default(), &material(), &LIMITS);
        let reference = |planned: &PlannedCell| match &planned.jobs[..] {
            [profiles::Job::Quality(job)] => {
                let path = job.divergence.as_ref()?.reference.as_ref()?.path.clone();
                Some(path.to_string_lossy().into_owned())
            }
            _ => panic!("another profile"),
        };
        planned.iter().map(reference).collect()
    }

    #[test]
    fn every_quantization_is_compared_with_the_best_of_its_model_and_the_best_with_none() {
        let quant = |model: &str, quant: &str, size_bytes| {
            let mut one = found(size_bytes, 4096);
            (one.cell.model, one.cell.quant) = (model.into(), quant.into());
            one.cell.path = format!("{model}-{quant}.gguf").into();
            one
        };
        let mut all = vec![quant("a", "Q2_K", 1), quant("a", "Q8_0", 4), quant("b", "Q4_0", 9), quant("a", "F16", 8)];
        all[3].broken = Some("cut".into());
        all.push(quant("a", "F32", 3_000_000_000)); // more than is allowed
        let a = Some("a-Q8_0.gguf".to_owned());
        assert_eq!(references(all.clone())[..3], [a.clone(), None, None]);
        all[1].reference = Some("base.gguf".into());
        assert_eq!(references(all)[..3], [a, Some("base.gguf".to_owned()), None]);
    }

    #[test]
    fn synthetic_weights_are_asked_nothing_unless_somebody_wants_it() {
        let mut made_up = found(1, 4096);
        made_up.cell.synthetic = true;
        let plan = |material: &Material| {
            plan(vec![made_up.clone()], &[ProfileName::Quality], &Config::default(), material, &LIMITS).remove(0)
        };
        assert_eq!(plan(&material()).jobs.len(), 0);
        assert_eq!(plan(&Material { question_synthetic: true, ..material() }).jobs.len(), 1);
    }

    #[test]
    fn the_configuration_reaches_the_context() {
        let config = Config::parse("[engine]\nthreads = 7\nubatch_size = 64\ncache_type_v = 'q8_0'").unwrap();
        let planned = plan(vec![found(1, 4096)], &[ProfileName::Interactive], &config, &material(), &LIMITS).remove(0);
        let profiles::Job::Interactive(job) = &planned.jobs[0] else { panic!("another profile") };
        assert_eq!((job.context.n_threads, job.context.n_ubatch), (7, 64));
        assert_eq!(job.context.type_v, crate::engine::KvType::Q8_0);
    }

    #[test]
    fn the_configuration_reaches_the_long_context_and_asks_for_no_more_at_first_than_its_smallest_load() {
        let text = "[long_context]\nloads = [900, 5000]\nseconds = 7\n[interactive.sampling.seeded]\nseed = 9\n\
                    temperature = 1.0\ntop_k = 1\ntop_p = 1.0\nmin_p = 0.0";
        let config = Config::parse(text).unwrap();
        let planned = plan(vec![found(1, 4096)], &[ProfileName::LongContext], &config, &material(), &LIMITS).remove(0);
        let profiles::Job::LongContext(job) = &planned.jobs[0] else { panic!("another profile") };
        assert_eq!((&job.loads[..], job.seconds, job.seed), (&[900, 5000][..], 7, 9));
        assert_eq!(planned.jobs[0].demands(&planned.model)[0].context.n_ctx, 900);
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
