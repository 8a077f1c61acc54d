//! Which cells of the matrix are not worth running, each with the rule and the evidence. `docs/termination.md` explains the
//! rules with examples.
//!
//! Pure: what was seen of earlier cells comes in, decisions come out. Left out on purpose: cells that cannot be run because
//! their worker dies ([`super::circuit`]), and the order they run in ([`super::order`]).

mod lower_quants;
mod memory;
mod speed;
mod stress;
mod too_large;
mod trend;
mod use_case;
mod words;

use serde::{Deserialize, Serialize};

pub use stress::{Passing, StressChoice, stress_choice};
pub use use_case::UseCase;

/// When a cell counts as futile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// False: nothing is ever skipped, so that the saving can be measured.
    pub enabled: bool,
    /// A first token that takes longer fails a cell, in seconds.
    pub max_ttft_seconds: f64,
    /// A slower generation fails a cell, in tokens per second.
    pub min_tokens_per_second: f64,
    /// What a model needs, as a multiple of its file, where it was not counted exactly.
    pub memory_factor: f64,
    /// Memory in bytes that a model could have without swapping; none: unknown.
    pub free_bytes: Option<u64>,
    /// Memory in bytes that the person allows; none: no such limit.
    pub max_memory_bytes: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            max_ttft_seconds: 30.0,
            min_tokens_per_second: 2.0,
            memory_factor: 1.2,
            free_bytes: None,
            max_memory_bytes: None,
        }
    }
}

/// A cell as far as it is known before it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The model's name, without its quantization.
    pub model: String,
    /// The quantization's short name, such as `Q4_K_M`.
    pub quant: String,
    /// Bytes of the file or files.
    pub size_bytes: u64,
    /// Parameters, where known.
    pub n_params: Option<u64>,
    /// Parameters that each token reads, where known: all of a dense model, few of a mixture of experts.
    pub n_active_params: Option<u64>,
    /// Bytes of weights, KV cache and compute buffers, where they were counted exactly.
    pub need_bytes: Option<u64>,
}

/// Whether a model could be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// It was.
    Yes,
    /// It took too much memory or too much time, with the reason.
    TooLarge(String),
    /// Something else was wrong with it, with the reason.
    Broken(String),
}

/// What came of a cell that was run.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Which.
    pub candidate: Candidate,
    /// Whether it could be loaded.
    pub loaded: Loaded,
    /// What its interactive profile measured; none: it was not tried, or somebody stopped it.
    pub interactive: Option<Interactive>,
    /// Bytes of weights, KV cache and compute buffers that it took.
    pub memory_bytes: Option<u64>,
}

/// The interactive profile's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interactive {
    /// Median time to first token, where there was one.
    pub ttft_seconds: Option<f64>,
    /// Median speed after it, where there was one.
    pub tokens_per_second: Option<f64>,
    /// Its rating is not `failed`.
    pub passed: bool,
}

/// Why something is not tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// Which rule says so.
    pub rule: Rule,
    /// One line, with the numbers.
    pub reason: String,
    /// The cells that it rests on; none where the cell's own size is enough.
    pub evidence: Vec<Evidence>,
    /// What it was expected to take, in seconds, where whoever decided could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_seconds: Option<f64>,
}

/// A cell that a decision rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The model's name.
    pub model: String,
    /// The quantization's short name; empty where all of the model's are meant.
    pub quant: String,
    /// What was seen of it, with the numbers.
    pub what: String,
}

/// The rules, in the order they are asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// It needs more memory than there is.
    NotEnoughMemory,
    /// A file of the same model that is no larger could not be loaded.
    TooLargeForHardware,
    /// A smaller model is too slow at the same quantization.
    SmallerWasTooSlow,
    /// The model's smaller quantizations all failed.
    LowerQuantsFailed,
    /// The memory that the cells before it took foretells more than there is.
    MemoryTrend,
    /// The model's cells failed one after the other.
    CircuitOpen,
}

impl Rule {
    /// The rule as the start of a sentence for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NotEnoughMemory => "not enough memory",
            Self::TooLargeForHardware => "too large for this hardware",
            Self::SmallerWasTooSlow => "a smaller model was too slow already",
            Self::LowerQuantsFailed => "its lower quantizations failed",
            Self::MemoryTrend => "more memory than there is, by the trend of the cells before it",
            Self::CircuitOpen => "its cells failed one after the other",
        }
    }
}

impl Skip {
    fn new(rule: Rule, reason: String, evidence: Vec<Evidence>) -> Self {
        Self { rule, reason, evidence, expected_seconds: None }
    }
}

/// Decides which cells are not worth running, from those that were.
#[derive(Clone, Debug)]
pub struct Termination {
    settings: Settings,
    seen: Vec<Seen>,
}

impl Termination {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, seen: Vec::new() }
    }

    /// When a cell counts as futile.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Why a cell is not worth running; none: it is to be run. The first rule that speaks against it says why.
    #[must_use]
    pub fn decide(&self, candidate: &Candidate) -> Option<Skip> {
        if !self.settings.enabled {
            return None;
        }
        memory::decide(&self.settings, candidate)
            .or_else(|| too_large::decide(&self.seen, candidate))
            .or_else(|| speed::decide(&self.settings, &self.seen, candidate))
            .or_else(|| lower_quants::decide(&self.settings, &self.seen, candidate))
            .or_else(|| trend::decide(&self.settings, &self.seen, candidate))
    }

    /// The wanted use cases of a cell that is run, in their order, each with the reason where it is left out. A chat that
    /// fails never stops batch, quality and long contexts.
    #[must_use]
    pub fn profiles_to_run(&self, candidate: &Candidate, wanted: &[UseCase]) -> Vec<(UseCase, Option<Skip>)> {
        let skip = |case| self.settings.enabled.then(|| use_case::decide(&self.seen, candidate, case)).flatten();
        wanted.iter().map(|&case| (case, skip(case))).collect()
    }

    /// Takes note of a cell that was run.
    pub fn learn(&mut self, seen: Seen) {
        self.seen.push(seen);
    }
}
