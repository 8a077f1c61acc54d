//! The tests of `sweetspot bench`, in llama-bench's order: all combinations of the lists, grouped by what needs the model to
//! be loaded again. Left out on purpose: reading arguments and looking for files ([`crate::cmd::bench`]).

pub mod range;

use std::path::PathBuf;

use crate::engine::{ContextParams, FlashAttention, KvType};
use crate::profiles::bench::Job;

/// Most tests of one command.
pub const MAX_TESTS: usize = 100_000;

/// What is asked for: one list an argument, none of them empty unless its comment says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Model files (`-m`).
    pub models: Vec<PathBuf>,
    /// Prompt sizes in tokens (`-p`); 0 is no test.
    pub n_prompt: Vec<u32>,
    /// Generation sizes in tokens (`-n`); 0 is no test.
    pub n_gen: Vec<u32>,
    /// Prompt, then generation, in one run (`-pg`); may be empty.
    pub n_pg: Vec<(u32, u32)>,
    /// Tokens in the cache beforehand (`-d`).
    pub n_depth: Vec<u32>,
    /// Tokens in one call of the engine (`-b`).
    pub n_batch: Vec<u32>,
    /// Tokens that are computed at once (`-ub`).
    pub n_ubatch: Vec<u32>,
    /// Types of the cached keys (`-ctk`).
    pub type_k: Vec<KvType>,
    /// Types of the cached values (`-ctv`).
    pub type_v: Vec<KvType>,
    /// Flash attention (`-fa`).
    pub flash_attention: Vec<FlashAttention>,
    /// Threads (`-t`).
    pub n_threads: Vec<u32>,
    /// Layers on the GPU (`-ngl`); none: all of them.
    pub n_gpu_layers: Vec<Option<u32>>,
    /// Repetitions of every test (`-r`).
    pub repetitions: u32,
    /// Run every test once before counting.
    pub warm_up: bool,
    /// Seconds of rest before every test.
    pub delay_seconds: u32,
    /// Start of every test's random tokens.
    pub seed: u64,
}

impl Parameters {
    /// llama-bench's defaults.
    #[must_use]
    pub fn new(models: Vec<PathBuf>, n_threads: u32) -> Self {
        Self {
            models,
            n_prompt: vec![512],
            n_gen: vec![128],
            n_pg: Vec::new(),
            n_depth: vec![0],
            n_batch: vec![2048],
            n_ubatch: vec![512],
            type_k: vec![KvType::F16],
            type_v: vec![KvType::F16],
            flash_attention: vec![FlashAttention::Auto],
            n_threads: vec![n_threads],
            n_gpu_layers: vec![None],
            repetitions: 5,
            warm_up: true,
            delay_seconds: 0,
            seed: 0,
        }
    }

    /// The tests, grouped by model and GPU layers; a group is one load of the model.
    ///
    /// # Errors
    /// [`MatrixError`], by its argument.
    pub fn groups(&self) -> Result<Vec<Group>, MatrixError> {
        self.check()?;
        let mut tests = Vec::new();
        for context in self.contexts() {
            for n_depth in &self.n_depth {
                for (n_prompt, n_gen) in self.sizes() {
                    tests.push(self.job(&context, n_prompt, n_gen, *n_depth)?);
                }
            }
        }
        let loads = self.models.iter().flat_map(|m| self.n_gpu_layers.iter().map(move |layers| (m.clone(), *layers)));
        Ok(loads.map(|(model, n_gpu_layers)| Group { model, n_gpu_layers, tests: tests.clone() }).collect())
    }

    fn check(&self) -> Result<(), MatrixError> {
        let lists = [("-b", &self.n_batch), ("-ub", &self.n_ubatch), ("-t", &self.n_threads)];
        if let Some((flag, _)) = lists.into_iter().find(|(_, list)| list.contains(&0)) {
            return Err(MatrixError::Zero { flag });
        }
        if self.repetitions == 0 {
            return Err(MatrixError::Zero { flag: "-r" });
        }
        let sizes = self.sizes().count();
        if sizes == 0 {
            return Err(MatrixError::NothingToDo);
        }
        let lengths = [
            sizes,
            self.models.len(),
            self.n_gpu_layers.len(),
            self.n_batch.len(),
            self.n_ubatch.len(),
            self.type_k.len(),
            self.type_v.len(),
            self.flash_attention.len(),
            self.n_threads.len(),
            self.n_depth.len(),
        ];
        let tests = lengths.into_iter().fold(1_usize, usize::saturating_mul);
        if tests > MAX_TESTS { Err(MatrixError::TooMany { tests }) } else { Ok(()) }
    }

    /// All contexts, in llama-bench's order; their size comes with the test.
    fn contexts(&self) -> Vec<ContextParams> {
        let mut contexts = Vec::new();
        for &n_batch in &self.n_batch {
            for &n_ubatch in &self.n_ubatch {
                for &type_k in &self.type_k {
                    for &type_v in &self.type_v {
                        for &flash_attention in &self.flash_attention {
                            for &n_threads in &self.n_threads {
                                let base = ContextParams::new(0, n_threads);
                                contexts.push(ContextParams {
                                    n_batch,
                                    n_ubatch,
                                    type_k,
                                    type_v,
                                    flash_attention,
                                    ..base
                                });
                            }
                        }
                    }
                }
            }
        }
        contexts
    }

    /// (`n_prompt`, `n_gen`) of the tests in one context: prompts, then generations, then both.
    fn sizes(&self) -> impl Iterator<Item = (u32, u32)> {
        let prompts = self.n_prompt.iter().map(|p| (*p, 0));
        let generations = self.n_gen.iter().map(|n| (0, *n));
        prompts.chain(generations).chain(self.n_pg.iter().copied()).filter(|size| *size != (0, 0))
    }

    fn job(&self, context: &ContextParams, n_prompt: u32, n_gen: u32, n_depth: u32) -> Result<Job, MatrixError> {
        let n_ctx = Job::n_ctx_needed(n_prompt, n_gen, n_depth);
        let n_ctx = i32::try_from(n_ctx).map_err(|_| MatrixError::ContextTooLarge { n_ctx })?.unsigned_abs();
        Ok(Job {
            n_prompt,
            n_gen,
            n_depth,
            repetitions: self.repetitions,
            warm_up: self.warm_up,
            delay_seconds: self.delay_seconds,
            seed: self.seed,
            context: ContextParams { n_ctx, ..context.clone() },
        })
    }
}

/// The tests that one load of a model serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The model file.
    pub model: PathBuf,
    /// Layers on the GPU; none: all of them.
    pub n_gpu_layers: Option<u32>,
    /// In the order they run in.
    pub tests: Vec<Job>,
}

/// Why a matrix cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatrixError {
    /// A number that must be at least 1.
    #[error("{flag} is 0; it must be at least 1")]
    Zero {
        /// The argument.
        flag: &'static str,
    },
    /// All sizes are 0.
    #[error("nothing to do: -p and -n are 0 and there is no -pg; give at least one of them tokens")]
    NothingToDo,
    /// More than [`MAX_TESTS`].
    #[error("these lists make {tests} tests; at most {MAX_TESTS} are run at once, shorten the lists")]
    TooMany {
        /// How many.
        tests: usize,
    },
    /// More tokens than llama.cpp can count.
    #[error("a test of -p, -n and -d together needs a context of {n_ctx} tokens; llama.cpp's limit is {}", i32::MAX)]
    ContextTooLarge {
        /// In tokens.
        n_ctx: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Parameters {
        Parameters::new(vec![PathBuf::from("a.gguf")], 2)
    }

    /// (prompt, generation, depth) of each test.
    fn sizes(group: &Group) -> Vec<(u32, u32, u32)> {
        group.tests.iter().map(|t| (t.n_prompt, t.n_gen, t.n_depth)).collect()
    }

    #[test]
    fn the_default_is_pp512_then_tg128_in_a_context_of_just_that_size() {
        let groups = parameters().groups().unwrap();
        assert_eq!(groups.len(), 1);
        assert_eq!(sizes(&groups[0]), [(512, 0, 0), (0, 128, 0)]);
        let contexts: Vec<u32> = groups[0].tests.iter().map(|t| t.context.n_ctx).collect();
        assert_eq!(contexts, [512, 128]);
        assert!(groups[0].tests.iter().all(|t| t.context.n_outputs_max == 1 && t.repetitions == 5 && t.warm_up));
    }

    #[test]
    fn within_a_depth_prompts_come_first_then_generations_then_both() {
        let p = Parameters {
            n_prompt: vec![64, 32],
            n_gen: vec![8, 0],
            n_pg: vec![(16, 4), (0, 0)],
            n_depth: vec![0, 128],
            ..parameters()
        };
        let expected =
            [(64, 0, 0), (32, 0, 0), (0, 8, 0), (16, 4, 0), (64, 0, 128), (32, 0, 128), (0, 8, 128), (16, 4, 128)];
        assert_eq!(sizes(&p.groups().unwrap()[0]), expected);
    }

    #[test]
    fn a_model_and_its_layers_are_the_outer_loops_and_each_is_one_load() {
        let p = Parameters {
            models: vec!["a.gguf".into(), "b.gguf".into()],
            n_gpu_layers: vec![Some(0), None],
            n_gen: vec![0],
            ..parameters()
        };
        let groups = p.groups().unwrap();
        let loads: Vec<_> = groups.iter().map(|g| (g.model.to_str().unwrap(), g.n_gpu_layers)).collect();
        assert_eq!(loads, [("a.gguf", Some(0)), ("a.gguf", None), ("b.gguf", Some(0)), ("b.gguf", None)]);
        assert!(groups.iter().all(|g| g.tests.len() == 1));
    }

    #[test]
    fn batch_is_outside_of_ubatch_key_type_value_type_flash_attention_threads_and_depth() {
        let two = |a, b| vec![a, b];
        let p = Parameters {
            n_prompt: vec![1],
            n_gen: vec![0],
            n_batch: two(64, 32),
            n_ubatch: two(16, 8),
            type_k: vec![KvType::F16, KvType::Q8_0],
            type_v: vec![KvType::F16, KvType::Q4_0],
            flash_attention: vec![FlashAttention::On, FlashAttention::Off],
            n_threads: two(2, 1),
            n_depth: two(0, 4),
            ..parameters()
        };
        let tests = p.groups().unwrap().remove(0).tests;
        assert_eq!(tests.len(), 128);
        // Each list's period is the product of the lengths of the lists inside of it.
        for (i, test) in tests.iter().enumerate() {
            let c = &test.context;
            let second = |period: usize| i / period % 2 == 1;
            assert_eq!(test.n_depth == 4, second(1), "{i}");
            assert_eq!(c.n_threads == 1, second(2), "{i}");
            assert_eq!(c.flash_attention == FlashAttention::Off, second(4), "{i}");
            assert_eq!(c.type_v == KvType::Q4_0, second(8), "{i}");
            assert_eq!(c.type_k == KvType::Q8_0, second(16), "{i}");
            assert_eq!(c.n_ubatch == 8, second(32), "{i}");
            assert_eq!(c.n_batch == 32, second(64), "{i}");
        }
    }

    #[test]
    fn a_zero_where_none_can_be_is_refused_by_its_argument() {
        let zero = |flag| Err(MatrixError::Zero { flag });
        assert_eq!(Parameters { n_threads: vec![2, 0], ..parameters() }.groups(), zero("-t"));
        assert_eq!(Parameters { n_batch: vec![0], ..parameters() }.groups(), zero("-b"));
        assert_eq!(Parameters { n_ubatch: vec![0], ..parameters() }.groups(), zero("-ub"));
        assert_eq!(Parameters { repetitions: 0, ..parameters() }.groups(), zero("-r"));
    }

    #[test]
    fn a_matrix_without_tests_and_one_with_too_many_are_refused() {
        let nothing = Parameters { n_prompt: vec![0], n_gen: vec![0], n_pg: vec![(0, 0)], ..parameters() };
        assert_eq!(nothing.groups(), Err(MatrixError::NothingToDo));
        let all: Vec<u32> = (1..=1000).collect();
        let many = Parameters { n_prompt: all.clone(), n_depth: all, ..parameters() };
        assert_eq!(many.groups(), Err(MatrixError::TooMany { tests: 1_001_000 }));
    }

    #[test]
    fn a_context_that_llama_cpp_cannot_count_is_refused() {
        let largest = i32::MAX.unsigned_abs();
        let p = Parameters { n_prompt: vec![largest], n_gen: vec![0], ..parameters() };
        assert_eq!(p.groups().unwrap()[0].tests[0].context.n_ctx, largest);
        let p = Parameters { n_depth: vec![1], ..p };
        assert_eq!(p.groups(), Err(MatrixError::ContextTooLarge { n_ctx: u64::from(largest) + 1 }));
    }
}
