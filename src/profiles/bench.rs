//! pp/tg tests as llama-bench runs them: random tokens, BOS first, a warm-up, the KV cache cleared outside the clock, and the
//! clock stopped after the engine is synchronized.
//!
//! Inside the clock are [`Session::append`] and [`Session::synchronize`] and nothing else; the random tokens are made before
//! it starts. Sampling and detokenizing are left out on purpose, and so is a judgement: bench has no thresholds.

use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::{Metric, ProfileError, Progress, Rig};
use crate::engine::{ContextParams, EngineError, ModelInfo, Session, Token};
use crate::stats::random::SplitMix64;
use crate::stats::{Summary, float};

/// One test: `n_prompt` tokens at once, then `n_gen` tokens one by one, with `n_depth` tokens already in the cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Prompt tokens; 0: generation only.
    pub n_prompt: u32,
    /// Generated tokens; 0: prompt only.
    pub n_gen: u32,
    /// Tokens in the cache beforehand.
    pub n_depth: u32,
    /// How often.
    pub repetitions: u32,
    /// Run once before counting.
    pub warm_up: bool,
    /// Seconds to rest before the test, for the hardware to cool.
    pub delay_seconds: u32,
    /// Start of the random tokens.
    pub seed: u64,
    /// The context; `n_ctx` holds prompt, generation and depth.
    pub context: ContextParams,
}

impl Job {
    /// llama-bench's name of the test.
    #[must_use]
    pub fn name(&self) -> String {
        test_name(self.n_prompt, self.n_gen, self.n_depth, Part::Whole)
    }

    /// The context size that a test needs, in tokens.
    #[must_use]
    pub fn n_ctx_needed(n_prompt: u32, n_gen: u32, n_depth: u32) -> u64 {
        u64::from(n_prompt) + u64::from(n_gen) + u64::from(n_depth)
    }
}

/// One test's samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// Prompt tokens.
    pub n_prompt: u32,
    /// Generated tokens.
    pub n_gen: u32,
    /// Tokens in the cache beforehand.
    pub n_depth: u32,
    /// Nanoseconds for the prompt, one a repetition; empty without a prompt.
    pub prompt_ns: Vec<u64>,
    /// Nanoseconds for the generation, one a repetition; empty without a generation. Begins where `prompt_ns` ends, so that
    /// the two add up to the time of the whole run.
    pub gen_ns: Vec<u64>,
}

/// llama-bench's name of a test or of a part of it: `pp512`, `tg128`, `pp512+tg128 @ d4096`. The depth is the whole test's.
#[must_use]
pub fn test_name(n_prompt: u32, n_gen: u32, n_depth: u32, part: Part) -> String {
    let whole = match (part, n_prompt, n_gen) {
        (Part::Prompt, ..) => return format!("pp{n_prompt}"),
        (Part::Generation, ..) => return format!("tg{n_gen}"),
        (Part::Whole, _, 0) => format!("pp{n_prompt}"),
        (Part::Whole, 0, _) => format!("tg{n_gen}"),
        (Part::Whole, ..) => format!("pp{n_prompt}+tg{n_gen}"),
    };
    if n_depth == 0 { whole } else { format!("{whole} @ d{n_depth}") }
}

/// The part of a test that a speed is wanted of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The whole run, as llama-bench counts it.
    Whole,
    /// Its prompt alone.
    Prompt,
    /// Its generation alone.
    Generation,
}

impl Samples {
    /// llama-bench's name of the test or of a part of it.
    #[must_use]
    pub fn test_name(&self, part: Part) -> String {
        test_name(self.n_prompt, self.n_gen, self.n_depth, part)
    }

    /// Tokens that a part processes in one repetition.
    #[must_use]
    pub fn tokens(&self, part: Part) -> u64 {
        match part {
            Part::Whole => u64::from(self.n_prompt) + u64::from(self.n_gen),
            Part::Prompt => u64::from(self.n_prompt),
            Part::Generation => u64::from(self.n_gen),
        }
    }

    /// Nanoseconds of each repetition.
    #[must_use]
    pub fn nanos(&self, part: Part) -> Vec<u64> {
        match part {
            Part::Prompt => self.prompt_ns.clone(),
            Part::Generation => self.gen_ns.clone(),
            Part::Whole if self.prompt_ns.is_empty() => self.gen_ns.clone(),
            Part::Whole if self.gen_ns.is_empty() => self.prompt_ns.clone(),
            Part::Whole => self.prompt_ns.iter().zip(&self.gen_ns).map(|(p, g)| p.saturating_add(*g)).collect(),
        }
    }

    /// Tokens per second of each repetition. A repetition too short for the clock counts as one nanosecond.
    #[must_use]
    pub fn rates(&self, part: Part) -> Vec<f64> {
        let tokens = float(self.tokens(part));
        self.nanos(part).into_iter().map(|ns| 1e9 * tokens / float(ns.max(1))).collect()
    }
}

/// Runs the test.
///
/// # Errors
/// [`ProfileError`] when the context cannot be had or a computation fails.
pub fn run(job: &Job, rig: &mut Rig<'_>) -> Result<Samples, ProfileError> {
    check(job)?;
    let mut random = RandomTokens::new(rig.model.info(), job.seed)?;
    let params = ContextParams { abort: rig.abort.clone(), ..job.context.clone() };
    let mut session = rig.model.session(&params)?;
    rig.note_memory(&*session);
    rest(job.delay_seconds, rig.progress);
    if job.warm_up {
        (rig.progress)(progress(0, 1, "warm-up runs"));
        warm_up(job, &mut *session, &mut random)?;
    }
    let mut depth = Depth { n_tokens: job.n_depth, comes_again: job.repetitions > 1, snapshot: None };
    let mut samples = Samples {
        n_prompt: job.n_prompt,
        n_gen: job.n_gen,
        n_depth: job.n_depth,
        prompt_ns: Vec::with_capacity(job.repetitions as usize),
        gen_ns: Vec::with_capacity(job.repetitions as usize),
    };
    for done in 0..job.repetitions {
        (rig.progress)(progress(done, job.repetitions, "repetitions"));
        session.clear();
        depth.reach(&mut *session, &mut random)?;
        let prompt = random.sequence(job.n_prompt);
        let generation = random.sequence(job.n_gen);
        session.synchronize();
        measure(&prompt, &generation, &mut *session, rig.clock, &mut samples)?;
    }
    (rig.progress)(progress(job.repetitions, job.repetitions, "repetitions"));
    Ok(samples)
}

/// Tokens per second: mean and standard deviation (n − 1) over the repetitions, of each part that the test has.
#[must_use]
pub fn metrics(samples: &Samples) -> Vec<Metric> {
    let parts = [
        ("tokens_per_second", Part::Whole, true),
        ("prompt_tokens_per_second", Part::Prompt, samples.n_prompt > 0),
        ("generation_tokens_per_second", Part::Generation, samples.n_gen > 0),
    ];
    let mut metrics = Vec::new();
    for (name, part, _) in parts.into_iter().filter(|(_, _, there)| *there) {
        let summary = Summary::of(&samples.rates(part));
        metrics.push(Metric { name: name.to_owned(), value: summary.map(|s| s.mean) });
        metrics.push(Metric { name: format!("{name}_stddev"), value: summary.and_then(|s| s.stdev) });
    }
    metrics
}

fn check(job: &Job) -> Result<(), ProfileError> {
    let needed = Job::n_ctx_needed(job.n_prompt, job.n_gen, job.n_depth);
    if job.n_prompt == 0 && job.n_gen == 0 {
        return Err(ProfileError::Impossible("a bench test needs prompt tokens or generated tokens".to_owned()));
    }
    if job.repetitions == 0 {
        return Err(ProfileError::Impossible("a bench test needs at least one repetition".to_owned()));
    }
    if needed > u64::from(job.context.n_ctx) {
        return Err(ProfileError::Impossible(format!(
            "the test needs a context of {needed} tokens, its context has {}",
            job.context.n_ctx
        )));
    }
    Ok(())
}

/// The one place with a clock: three readings, so that the prompt's time and the generation's add up to the run's.
fn measure(
    prompt: &[Token],
    generation: &[Token],
    session: &mut dyn Session,
    clock: &dyn Clock,
    samples: &mut Samples,
) -> Result<(), EngineError> {
    let start = clock.now();
    if !prompt.is_empty() {
        append_prompt(prompt, session)?;
    }
    let middle = clock.now();
    append_generation(generation, session)?;
    let end = clock.now();
    if !prompt.is_empty() {
        samples.prompt_ns.push(nanos(middle.saturating_sub(start)));
    }
    if !generation.is_empty() {
        samples.gen_ns.push(nanos(end.saturating_sub(middle)));
    }
    Ok(())
}

fn append_prompt(tokens: &[Token], session: &mut dyn Session) -> Result<(), EngineError> {
    session.append(tokens)?;
    session.synchronize();
    Ok(())
}

fn append_generation(tokens: &[Token], session: &mut dyn Session) -> Result<(), EngineError> {
    for token in tokens {
        session.append(std::slice::from_ref(token))?;
        session.synchronize();
    }
    Ok(())
}

/// The whole prompt and one generated token, at an empty cache: the graphs, buffers and pages of both are then in place.
fn warm_up(job: &Job, session: &mut dyn Session, random: &mut RandomTokens) -> Result<(), EngineError> {
    session.clear();
    if job.n_prompt > 0 {
        append_prompt(&random.sequence(job.n_prompt), session)?;
    }
    append_generation(&random.sequence(job.n_gen.min(1)), session)
}

/// Rests second by second, so that whoever watches sees a sign of life.
fn rest(seconds: u32, report: &mut dyn FnMut(Progress)) {
    for done in 0..seconds {
        report(progress(done, seconds, "seconds of rest"));
        thread::sleep(Duration::from_secs(1));
    }
}

fn progress(done: u32, total: u32, unit: &str) -> Progress {
    Progress { done: u64::from(done), total: u64::from(total), unit: unit.to_owned() }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The tokens that are in the cache before the clock starts: computed once, then restored.
struct Depth {
    n_tokens: u32,
    /// A copy of the cache may be as large as the cache: none is made for a single repetition.
    comes_again: bool,
    snapshot: Option<Vec<u8>>,
}

impl Depth {
    /// Fills an empty cache up to the depth.
    fn reach(&mut self, session: &mut dyn Session, random: &mut RandomTokens) -> Result<(), EngineError> {
        if self.n_tokens == 0 {
            return Ok(());
        }
        if let Some(snapshot) = &self.snapshot {
            if session.restore(snapshot) {
                return Ok(());
            }
            session.clear(); // what a refused restore leaves behind is not to be measured on
        }
        append_prompt(&random.sequence(self.n_tokens), session)?;
        if self.comes_again {
            self.snapshot = Some(session.snapshot());
        }
        Ok(())
    }
}

/// Random tokens of a model's vocabulary, repeatable by their seed.
struct RandomTokens {
    numbers: SplitMix64,
    n_vocab: u64,
    bos: Option<Token>,
}

impl RandomTokens {
    fn new(model: &ModelInfo, seed: u64) -> Result<Self, ProfileError> {
        if model.n_vocab == 0 {
            return Err(ProfileError::Impossible(format!("{} has no vocabulary to take tokens from", model.name)));
        }
        let bos = model.bos.filter(|_| model.adds_bos);
        Ok(Self { numbers: SplitMix64::new(seed), n_vocab: u64::from(model.n_vocab), bos })
    }

    /// `length` tokens that begin a text: BOS first where the model adds it.
    fn sequence(&mut self, length: u32) -> Vec<Token> {
        (0..length).map(|i| self.bos.filter(|_| i == 0).unwrap_or_else(|| self.next())).collect()
    }

    fn next(&mut self) -> Token {
        Token::try_from(self.numbers.next_u64() % self.n_vocab).unwrap_or(0) // a vocabulary's size fits a token
    }
}

#[cfg(test)]
mod tests;
