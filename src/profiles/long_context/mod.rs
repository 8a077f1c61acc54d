//! The long-context profile: what it is to load a long text. One context is filled once from empty; on the way, at each of the
//! wanted sizes, the time until there is the load time of that size, and some tokens are generated to see how fast they come
//! at that depth.
//!
//! Left out on purpose: whether the model finds anything in what it was given. That is a question of its answers.

mod loads;
mod measure;
mod metrics;
pub mod text;
mod thresholds;

use serde::{Deserialize, Serialize};

use crate::engine::{ContextParams, MemoryBreakdown};
use crate::machine::vitals::ProcessMemory;
use crate::probe::kv_growth::Growth;

pub use measure::run;
pub use metrics::{LoadSummary, Summary, metrics, summarize};
pub use thresholds::{Criterion, Thresholds, criteria, interpretation, rating, undecided};

/// What the loop needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The context. Its size follows from the loads and from memory; the one named here is what must fit for the job to begin.
    pub context: ContextParams,
    /// Sizes in tokens whose loading is timed.
    pub loads: Vec<u32>,
    /// The size that the rating is about; joins the loads.
    pub target_tokens: u32,
    /// Tokens that are generated after each load.
    pub gen_tokens: u32,
    /// Seconds for loading in all; generating does not count. What is not loaded by then is stopped.
    pub seconds: u32,
    /// Whether loads that are more than the model was trained for are made, too.
    pub beyond_trained: bool,
    /// Start of the text's random numbers.
    pub seed: u64,
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// All sizes that were wanted, and one for the end of what the model was trained for; the smallest first.
    pub loads: Vec<Load>,
    /// The size that the rating is about: the wanted one, or the largest that the model was trained for.
    pub target_tokens: u32,
    /// The one that was wanted.
    pub wanted_target_tokens: u32,
    /// Tokens that were to be generated after each load.
    pub gen_tokens: u32,
    /// Seconds that loading was allowed in all.
    pub seconds: u32,
    /// Context size in tokens that the model was trained for.
    pub n_ctx_train: u32,
    /// Exact bytes of the context that was filled.
    pub memory: MemoryBreakdown,
    /// The process's memory before it was filled.
    pub before: Option<ProcessMemory>,
    /// The filling. Its points have the size of a batch; those at which a load was complete have generated tokens. The tokens of
    /// the text alone count for a load: those that were generated on the way lie in the context besides.
    pub growth: Growth,
}

/// A size whose loading is timed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Tokens of the text.
    pub tokens: u32,
    /// Why it was not tried, where it was not.
    pub left_out: Option<LeftOut>,
}

/// Why a load was not tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LeftOut {
    /// The model was trained for less: what it says there would mean nothing.
    Untrained,
    /// There is no memory for such a context, with the reason.
    Memory(String),
}

impl LeftOut {
    /// In words.
    #[must_use]
    pub fn words(&self) -> &str {
        match self {
            Self::Untrained => "more than the model was trained for",
            Self::Memory(reason) => reason,
        }
    }
}
