//! What a cell will take, before anything of it was measured: for the plan and for the time that is left.
//!
//! Generating reads all active weights for every token, so its speed is memory bandwidth ÷ active weight bytes; a prompt takes
//! two operations a token and active parameter, so its speed is arithmetic ÷ (2 × active parameters). Both are the limits
//! of [`crate::probe::roofline`] (after Williams, Waterman and Patterson, 2009): a lower bound of the time, which
//! [`Expected::calibrated`] corrects by what earlier cells took. Left out on purpose: the cache's bytes and attention's own
//! operations, which grow with the context, and measurements that end early because their numbers settled.

use crate::plan::order::Level;
use crate::plan::termination::Candidate;
use crate::profiles::{Job, ProfileName, bench, divergence, interactive, long_context, quality};
use crate::stats::{float, median, ratio};

/// Bytes of English text that a token stands for.
const BYTES_PER_TOKEN: f64 = 4.0;
/// Tokens that a chat template adds to a message.
const TEMPLATE_TOKENS: f64 = 16.0;
/// Tokens that warm up the interactive profile.
const WARM_UP_TOKENS: f64 = 8.0;
/// The share of the tokens allowed that an answer has. Models end most answers early; nobody knows how early beforehand.
const ANSWER_SHARE: f64 = 0.5;

/// How fast the machine is; numbers above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Memory that is read, in bytes per second.
    pub memory_bytes_per_second: f64,
    /// Arithmetic of prompts, in operations per second; a multiplication and an addition are two.
    pub operations_per_second: f64,
    /// A model file that is read and set up, in bytes per second.
    pub load_bytes_per_second: f64,
}

impl Rates {
    /// Tokens per second that a model generates at most.
    #[must_use]
    pub fn generated_tokens_per_second(&self, model: &Candidate) -> f64 {
        let share =
            model.n_active_params.zip(model.n_params).and_then(|(active, all)| ratio(float(active), float(all)));
        let active_bytes = float(model.size_bytes) * share.unwrap_or(1.0).clamp(0.0, 1.0);
        self.memory_bytes_per_second / active_bytes.max(1.0)
    }

    /// Tokens per second of a prompt that a model processes at most.
    #[must_use]
    pub fn prompt_tokens_per_second(&self, model: &Candidate) -> f64 {
        let by_size = || float(model.size_bytes) * 8.0 / bits(Level::of(&model.quant));
        let params = model.n_active_params.or(model.n_params).map_or_else(by_size, float);
        self.operations_per_second / (2.0 * params.max(1.0))
    }
}

/// About how many bits a weight has at a level, scales included.
fn bits(level: Level) -> f64 {
    match level {
        Level::Q2 => 2.9,
        Level::Q3 => 3.9,
        Level::Q4 | Level::Unknown => 4.8,
        Level::Q5 => 5.7,
        Level::Q6 => 6.6,
        Level::Q8 => 8.5,
        Level::Float => 16.0,
    }
}

/// What a cell is expected to take.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Loading the model, in seconds.
    pub load_seconds: f64,
    /// Each profile, in seconds, in the order of the jobs.
    pub profiles: Vec<(ProfileName, f64)>,
}

impl Expected {
    /// What these jobs take on a model that was trained for `n_ctx_train` tokens, where that is known.
    #[must_use]
    pub fn of(model: &Candidate, n_ctx_train: Option<u32>, jobs: &[Job], rates: &Rates) -> Self {
        let load_seconds = float(model.size_bytes) / rates.load_bytes_per_second;
        let pace = Pace {
            prompt_seconds: 1.0 / rates.prompt_tokens_per_second(model),
            token_seconds: 1.0 / rates.generated_tokens_per_second(model),
            load_seconds,
        };
        let seconds = |job: &Job| match job {
            Job::Interactive(job) => pace.interactive(job),
            Job::Quality(job) => pace.quality(job),
            Job::LongContext(job) => pace.long_context(job, n_ctx_train),
            Job::Bench(job) => pace.bench(job),
        };
        Self { load_seconds, profiles: jobs.iter().map(|job| (job.name(), seconds(job))).collect() }
    }

    /// Loading and all profiles, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.load_seconds + self.profiles.iter().map(|(_, seconds)| seconds).sum::<f64>()
    }

    /// The same, in seconds, times the median of actual ÷ expected of the cells `measured` so far, each given as expected and
    /// actual seconds. Without any it is [`Self::seconds`].
    #[must_use]
    pub fn calibrated(&self, measured: &[(f64, f64)]) -> f64 {
        self.seconds() * calibration(measured)
    }
}

/// The median of actual ÷ expected, of pairs of expected and actual seconds; 1 without any.
#[must_use]
pub fn calibration(measured: &[(f64, f64)]) -> f64 {
    let ratios = measured.iter().filter(|(expected, _)| *expected > 0.0);
    let ratios: Vec<f64> = ratios.filter_map(|(expected, actual)| ratio(*actual, *expected)).collect();
    median(&ratios).unwrap_or(1.0)
}

/// Seconds a token on one model.
#[derive(Clone, Copy)]
struct Pace {
    prompt_seconds: f64,
    token_seconds: f64,
    load_seconds: f64,
}

impl Pace {
    fn of(self, prompt_tokens: f64, tokens: f64) -> f64 {
        prompt_tokens * self.prompt_seconds + tokens * self.token_seconds
    }

    /// All repetitions, and first tokens as often as is allowed.
    fn interactive(self, job: &interactive::Job) -> f64 {
        let length = |prompt: &interactive::Prompt| text_tokens(&[prompt.system.as_deref(), Some(&prompt.user)]);
        let prompt = mean(job.prompts.iter().map(length));
        let repetitions = f64::from(job.max_repetitions);
        let requests = repetitions.max(f64::from(job.max_first_tokens)) + 1.0; // one warms up
        self.of(requests * prompt, repetitions * f64::from(job.tokens) + WARM_UP_TOKENS)
    }

    /// The largest load on the way to which the others lie, no longer than loading may take, and what is generated after each.
    fn long_context(self, job: &long_context::Job, n_ctx_train: Option<u32>) -> f64 {
        let end = n_ctx_train.filter(|_| !job.beyond_trained).unwrap_or(u32::MAX);
        let loads = || job.loads.iter().chain([&job.target_tokens]).map(|&tokens| tokens.min(end));
        let largest = loads().max().unwrap_or(0);
        let loading = (f64::from(largest) * self.prompt_seconds).min(f64::from(job.seconds));
        // a load that there is no time for generates nothing
        let reached = loads().filter(|&tokens| f64::from(tokens) * self.prompt_seconds <= f64::from(job.seconds));
        let generated: f64 = reached.map(|_| f64::from(job.gen_tokens)).sum();
        loading + self.of(0.0, generated)
    }

    /// Every prompt's answer, the repeated answers, and the text that is read for divergence.
    fn quality(self, job: &quality::Job) -> f64 {
        let asked = job.questions.as_ref().map_or(0.0, |questions| self.questions(questions));
        asked + job.divergence.as_ref().map_or(0.0, |job| self.divergence(job))
    }

    fn questions(self, questions: &quality::Questions) -> f64 {
        let answer = |prompt: &str, limit: u32| {
            let seconds = self.of(text_tokens(&[Some(prompt)]), f64::from(limit) * ANSWER_SHARE);
            seconds.min(questions.max_answer_seconds)
        };
        let prompts = questions.set.prompts.iter();
        let each =
            prompts.flat_map(|prompt| prompt.turns.iter().map(move |turn| answer(&turn.user, prompt.max_tokens)));
        let repeated = questions.consistency.map_or(0.0, |again| {
            let prompts = f64::from(again.prompts).min(float(questions.set.prompts.len() as u64));
            prompts * 2.0 * f64::from(again.times) * self.of(0.0, f64::from(again.max_tokens))
        });
        each.sum::<f64>() + repeated
    }

    /// The whole text, read by the model and by its reference, which has as many parameters and is loaded for it.
    fn divergence(self, job: &divergence::Job) -> f64 {
        let reading = 2.0 * self.of(float(job.text.len() as u64) / BYTES_PER_TOKEN, 0.0);
        reading + if job.reference.is_some() { self.load_seconds } else { 0.0 }
    }

    fn bench(self, job: &bench::Job) -> f64 {
        let rounds = f64::from(job.repetitions) + f64::from(u8::from(job.warm_up));
        let prompt = f64::from(job.n_depth) + f64::from(job.n_prompt);
        let rest = f64::from(job.delay_seconds);
        rest + rounds * self.of(prompt, f64::from(job.n_gen))
    }
}

/// Tokens of a message with its template.
fn text_tokens(texts: &[Option<&str>]) -> f64 {
    texts.iter().flatten().map(|text| float(text.len() as u64) / BYTES_PER_TOKEN + TEMPLATE_TOKENS).sum()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    crate::stats::mean(&values.collect::<Vec<_>>()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{ContextParams, ModelParams, Sampling};

    /// 40 GB/s, 400 billion operations a second, 2 GB/s from the disk.
    const RATES: Rates =
        Rates { memory_bytes_per_second: 40e9, operations_per_second: 400e9, load_bytes_per_second: 2e9 };

    fn model(size_bytes: u64, n_params: u64, n_active_params: u64) -> Candidate {
        Candidate {
            model: "m".into(),
            quant: "Q4_K_M".into(),
            size_bytes,
            n_params: Some(n_params),
            n_active_params: Some(n_active_params),
            need_bytes: None,
        }
    }

    fn chat(tokens: u32, repetitions: u32, first_tokens: u32, prompt_bytes: usize) -> Job {
        Job::Interactive(interactive::Job {
            tokens,
            max_repetitions: repetitions,
            max_first_tokens: first_tokens,
            interval_width_percent: 5.0,
            sampling: Sampling::Greedy,
            context: ContextParams::new(2048, 1),
            prompts: vec![interactive::Prompt { id: "p".into(), system: None, user: "x".repeat(prompt_bytes) }],
        })
    }

    fn long(loads: &[u32], seconds: u32) -> Job {
        Job::LongContext(long_context::Job {
            context: ContextParams::new(0, 1),
            loads: loads.to_vec(),
            target_tokens: loads[0],
            gen_tokens: 10,
            seconds,
            beyond_trained: false,
            seed: 0,
        })
    }

    #[track_caller]
    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn four_gigabytes_are_ten_tokens_a_second_and_their_load_takes_two_seconds() {
        let model = model(4_000_000_000, 8_000_000_000, 8_000_000_000);
        close(RATES.generated_tokens_per_second(&model), 10.0);
        close(RATES.prompt_tokens_per_second(&model), 25.0);
        // 2 repetitions of 100 tokens and 8 that warm up: 20.8 s; 5 prompts and a warm-up of (36 / 4 + 16) tokens: 6 s
        let expected = Expected::of(&model, None, &[chat(100, 2, 5, 36)], &RATES);
        close(expected.load_seconds, 2.0);
        assert_eq!(expected.profiles[0].0, ProfileName::Interactive);
        close(expected.seconds(), 2.0 + 20.8 + 6.0);
    }

    #[test]
    fn a_mixture_of_experts_reads_its_active_weights_and_loads_all() {
        let mixture = model(16_000_000_000, 32_000_000_000, 4_000_000_000);
        close(RATES.generated_tokens_per_second(&mixture), 20.0);
        close(RATES.prompt_tokens_per_second(&mixture), 50.0);
        close(Expected::of(&mixture, None, &[], &RATES).seconds(), 8.0);
    }

    #[test]
    fn without_parameters_the_files_size_tells_them() {
        let mut model = model(6_000_000_000, 1, 1);
        (model.n_params, model.n_active_params) = (None, None);
        close(RATES.prompt_tokens_per_second(&model), 20.0); // 6 GB at 4.8 bits: 10 billion
        close(RATES.generated_tokens_per_second(&model), 40.0 / 6.0);
    }

    #[test]
    fn a_long_context_takes_no_longer_than_loading_may_and_ends_where_the_training_did() {
        let model = model(4_000_000_000, 8_000_000_000, 8_000_000_000);
        let seconds = |job: Job, trained| Expected::of(&model, trained, &[job], &RATES).profiles[0].1;
        close(seconds(long(&[1000, 2000], 120), None), 80.0 + 3.0); // 25 tokens/s; three times 10 tokens
        close(seconds(long(&[1000, 8000], 120), None), 120.0 + 2.0); // the larger one is not reached
        close(seconds(long(&[1000, 8000], 120), Some(500)), 20.0 + 3.0);
    }

    #[test]
    fn quality_counts_answers_repetitions_and_the_text_that_two_models_read() {
        let model = model(4_000_000_000, 8_000_000_000, 8_000_000_000);
        let text = "x".repeat(4000);
        let set = quality::prompts::PromptSet { name: "s".into(), prompts: Vec::new() };
        let mut questions = quality::Questions {
            set,
            thresholds: std::collections::BTreeMap::new(),
            sampling: Sampling::Greedy,
            max_answer_seconds: 30.0,
            consistency: None,
        };
        let turn = |bytes: usize| quality::prompts::Turn { user: "x".repeat(bytes), score: None };
        let prompt = |max_tokens, turns| quality::prompts::Prompt {
            id: format!("{max_tokens}"),
            category: quality::prompts::Category::new("math").unwrap(),
            system: None,
            turns,
            max_tokens,
        };
        // 25 tokens of a prompt and half of 100: 1 + 5 s, twice; half of 2000 is cut at 30 s
        questions.set.prompts = vec![prompt(100, vec![turn(36), turn(36)]), prompt(2000, vec![turn(36)])];
        // one prompt, twice 3 times, 20 tokens
        questions.consistency = Some(quality::Repetition { prompts: 1, times: 3, max_tokens: 20 });
        let mut divergence = divergence::Job::new("t", &text, 1);
        divergence.reference = Some(ModelParams::new(std::path::Path::new("r.gguf")));
        let job = quality::Job {
            context: ContextParams::new(2048, 1),
            questions: Some(questions),
            divergence: Some(divergence),
        };
        let expected = Expected::of(&model, None, &[Job::Quality(job)], &RATES);
        // 1000 tokens twice, and the reference's load
        close(expected.profiles[0].1, 12.0 + 30.0 + 12.0 + 80.0 + 2.0);
    }

    #[test]
    fn what_earlier_cells_took_corrects_what_the_next_ones_will() {
        let expected = Expected { load_seconds: 1.0, profiles: vec![(ProfileName::Interactive, 9.0)] };
        close(expected.calibrated(&[]), 10.0);
        close(expected.calibrated(&[(10.0, 20.0), (1.0, 1.5), (1.0, 90.0)]), 20.0);
        close(expected.calibrated(&[(0.0, 5.0)]), 10.0);
    }
}
