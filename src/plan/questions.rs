//! What the quality profile asks a model: which set, how much of it, and what its predictions are compared with.

use std::collections::BTreeMap;
use std::path::Path;

use crate::engine::{ContextParams, ModelParams};
use crate::plan::config::{Config, QualityConfig, SetName};
use crate::plan::matrix::{Found, Material};
use crate::profiles::quality::prompts::{self, Category, PromptSet};
use crate::profiles::{divergence, quality};

/// Models with fewer parameters than this are asked `core` where nobody says otherwise: what `standard` asks is beyond them.
pub const SMALL_MODEL_PARAMS: u64 = 300_000_000;

/// Where the prompts come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuestionSource {
    /// The set that was named.
    pub name: Option<SetName>,
    /// What was read from files: instead of the built-in sets where none was named, else in addition to it.
    pub files: Option<PromptSet>,
}

impl QuestionSource {
    /// The prompts for a model of so many parameters (one whose size is not known counts as small), at most so many of each
    /// category of `standard`.
    #[must_use]
    pub fn set_for(&self, n_params: Option<u64>, per_category: Option<u32>) -> PromptSet {
        let is_core = match (self.name, &self.files) {
            (None, Some(files)) => return files.clone(),
            (Some(SetName::Core), _) => true,
            (Some(SetName::Standard), _) => false,
            (None | Some(SetName::Auto), _) => n_params.unwrap_or(0) < SMALL_MODEL_PARAMS,
        };
        let name = if is_core { "core" } else { "standard" };
        let set = prompts::built_in(name).unwrap_or(PromptSet { name: name.to_owned(), prompts: Vec::new() });
        let set = match per_category {
            Some(limit) if !is_core => limited(set, limit),
            _ => set,
        };
        match &self.files {
            Some(files) => set.extended_by(files.clone()),
            None => set,
        }
    }
}

/// The first prompts of each category.
fn limited(mut set: PromptSet, limit: u32) -> PromptSet {
    let mut counts: BTreeMap<Category, u32> = BTreeMap::new();
    set.prompts.retain(|prompt| {
        let count = counts.entry(prompt.category.clone()).or_default();
        *count += 1;
        *count <= limit
    });
    set
}

/// What is asked of a model, and how.
#[must_use]
pub fn questions(found: &Found, config: &QualityConfig, source: &QuestionSource) -> quality::Questions {
    quality::Questions {
        set: source.set_for(found.n_params, config.prompts_per_category),
        thresholds: config.all_thresholds(),
        sampling: config.sampling.clone(),
        max_answer_seconds: config.max_answer_seconds,
        consistency: config.repetition(),
    }
}

/// The context that answers are written in, in tokens: beyond what a model was trained for they would mean nothing.
#[must_use]
pub fn n_ctx(found: &Found, config: &QualityConfig) -> u32 {
    found.n_ctx_train.map_or(config.n_ctx, |trained| config.n_ctx.min(trained.max(1)))
}

/// The profile's job on a model; `reference` is a file with its size in bytes.
pub(super) fn job(
    found: &Found,
    reference: Option<(&Path, u64)>,
    config: &Config,
    material: &Material,
    context: ContextParams,
) -> quality::Job {
    let c = &config.quality;
    let questions = questions(found, c, &material.questions);
    let divergence = reference.filter(|_| c.divergence).map(|reference| {
        let bytes = found.cell.size_bytes + reference.1;
        divergence_job(reference.0, bytes, config, material, &context)
    });
    let context = ContextParams { n_ctx: n_ctx(found, c), ..context };
    quality::Job { context, questions: Some(questions), divergence }
}

fn divergence_job(
    reference: &Path,
    weights_bytes: u64,
    config: &Config,
    material: &Material,
    context: &ContextParams,
) -> divergence::Job {
    let (c, n_gpu_layers) = (&config.quality, config.engine.n_gpu_layers);
    let (name, text) = &material.text;
    let on_cpu = n_gpu_layers == Some(0) || !crate::engine::HAS_GPU;
    let mut job = divergence::Job::new(name, text, context.n_threads)
        .with_chunks_of(c.divergence_chunk_tokens)
        .with_threads(context.n_threads, weights_bytes, on_cpu);
    job.reference = Some(ModelParams { n_gpu_layers, ..ModelParams::new(reference) });
    job.precision_percent = c.divergence_precision_percent;
    for context_of in [&mut job.context, &mut job.reference_context] {
        context_of.flash_attention = context.flash_attention;
    }
    // the candidate as it is used, the reference with an exact cache
    (job.context.type_k, job.context.type_v) = (context.type_k, context.type_v);
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    fn categories(set: &PromptSet) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for prompt in &set.prompts {
            *counts.entry(prompt.category.as_str()).or_default() += 1;
        }
        counts
    }

    fn source(name: Option<SetName>, files: Option<PromptSet>) -> QuestionSource {
        QuestionSource { name, files }
    }

    #[test]
    fn a_small_model_is_asked_core_and_a_larger_one_standard() {
        let by_size = QuestionSource::default();
        assert_eq!(by_size.set_for(Some(5_600_000), None).name, "core");
        assert_eq!(by_size.set_for(Some(300_000_000), None).name, "standard");
        assert_eq!(by_size.set_for(None, None).name, "core");
        assert_eq!(source(Some(SetName::Standard), None).set_for(Some(1), None).name, "standard");
    }

    #[test]
    fn files_replace_the_built_in_sets_and_join_one_that_is_named() {
        let mut own = prompts::built_in("core").unwrap();
        own.prompts.truncate(1);
        (own.name, own.prompts[0].id) = ("own".into(), "mine".into());
        assert_eq!(source(None, Some(own.clone())).set_for(Some(1), None), own);
        let joined = source(Some(SetName::Auto), Some(own)).set_for(Some(1), None);
        assert_eq!(joined.prompts.len(), prompts::built_in("core").unwrap().prompts.len() + 1);
    }

    #[test]
    fn only_the_large_set_is_shortened() {
        let by_size = QuestionSource::default();
        let short = by_size.set_for(Some(1_000_000_000), Some(1));
        assert!(categories(&short).values().all(|count| *count == 1), "{:?}", categories(&short));
        assert!(categories(&short).len() >= 4);
        assert_eq!(by_size.set_for(Some(1), Some(1)), prompts::built_in("core").unwrap());
    }
}
