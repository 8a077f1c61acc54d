//! What a context sweep finds for one type of the KV cache: a prediction, the probes that prove it, and the cache's growth.

use serde::{Deserialize, Serialize};

use super::task::KvPair;
use crate::engine::MemoryBreakdown;
use crate::machine::vitals::ProcessMemory;
use crate::probe::kv_growth::Growth;

/// All that is known of one type of the KV cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Its types.
    pub kv: KvPair,
    /// Why there is no context of this type with this model, build and setting.
    pub impossible: Option<String>,
    /// What llama.cpp's own count says; none: not counted yet.
    pub prediction: Option<Prediction>,
    /// The probes, in their order.
    pub probes: Vec<Probe>,
    /// What the search for the limit could not finish for (no time, interrupted), where it did not.
    pub unfinished: Option<String>,
    /// The filling of a context, step by step.
    pub growth: Option<Growth>,
}

impl Sweep {
    /// Nothing known yet.
    #[must_use]
    pub fn new(kv: KvPair) -> Self {
        Self { kv, impossible: None, prediction: None, probes: Vec::new(), unfinished: None, growth: None }
    }

    /// The largest context that was proved to fit, in tokens.
    #[must_use]
    pub fn proved(&self) -> Option<u32> {
        self.probes.iter().filter(|probe| probe.fits()).map(|probe| probe.n_ctx).max()
    }

    /// The smallest context that was shown not to fit, with its failure.
    #[must_use]
    pub fn failed(&self) -> Option<(u32, &Failure)> {
        let failures = self.probes.iter().filter_map(|probe| match &probe.result {
            ProbeResult::Failed(failure) => Some((probe.n_ctx, failure)),
            ProbeResult::Fits(_) => None,
        });
        failures.min_by_key(|(n_ctx, _)| *n_ctx)
    }
}

/// A context by llama.cpp's own count; nothing was allocated for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Its size in tokens.
    pub n_ctx: u32,
    /// Bytes per buffer type.
    pub memory: MemoryBreakdown,
    /// Bytes that llama.cpp keeps beside its buffers for a context of this size (one record a cell).
    pub beside_bytes: u64,
}

/// What is predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// Largest context that fits, in tokens; 0: none does.
    pub max_context: u32,
    /// What keeps it from being larger.
    pub limited_by: LimitedBy,
    /// The count at [`Self::max_context`], or at the smallest context where none fits.
    pub at_max: Planned,
    /// The count one step above; none at the search's end.
    pub above: Option<Planned>,
    /// Counts at growing sizes, for the plot of memory against context.
    pub curve: Vec<Planned>,
    /// Bytes of KV cache that one token more takes, far from the beginning (sliding windows are full there); exact.
    pub kv_bytes_per_token: f64,
    /// Bytes of the same by the closed formula 2 · layers · KV heads · head size · bytes of the type, where the model's shape
    /// is known. It holds for plain attention only.
    pub kv_bytes_per_token_formula: Option<f64>,
    /// Bytes of weights that ggml copies in this CPU's order, beside the mapped file.
    pub repacked_bytes: u64,
    /// Whether the weights' file is mapped, so that the repacked copies come on top of it.
    pub mapped: bool,
    /// Bytes of main memory that the process takes besides: program, vocabulary, threads' stacks.
    pub program_bytes: u64,
    /// Largest contexts under other budgets: budget in bytes, context in tokens (0: none).
    pub other_budgets: Vec<(u64, u32)>,
}

impl Prediction {
    /// Main memory that a planned context takes in all: weights (repacked copies beside the mapped file), KV cache, compute
    /// buffers, records of cells, program. Bytes.
    #[must_use]
    pub fn host_bytes(&self, planned: &Planned) -> u64 {
        let again = if self.mapped { self.repacked_bytes } else { 0 };
        planned.memory.host_bytes() + again + planned.beside_bytes + self.program_bytes
    }

    /// Memory that it takes of a device. Bytes.
    #[must_use]
    pub fn device_bytes(planned: &Planned, device: &str) -> u64 {
        let of_it = planned.memory.buffers.iter().filter(|buffer| !buffer.is_host && buffer.device == device);
        of_it.map(|buffer| buffer.weights_bytes + buffer.kv_bytes + buffer.compute_bytes).sum()
    }
}

/// What keeps a context from being larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// Memory.
    Budget,
    /// The end of the search: memory would allow more.
    Ceiling,
}

/// One context that was really made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Its size in tokens.
    pub n_ctx: u32,
    /// What came of it.
    pub result: ProbeResult,
    /// How long it took.
    pub seconds: f64,
}

impl Probe {
    /// Whether the context could be had.
    #[must_use]
    pub fn fits(&self) -> bool {
        matches!(self.result, ProbeResult::Fits(_))
    }
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProbeResult {
    /// The context could be had.
    Fits(Box<Fit>),
    /// It could not.
    Failed(Failure),
}

/// A context that could be had.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// Bytes per buffer type, as they were allocated.
    pub memory: MemoryBreakdown,
    /// The worker's memory before the context was made.
    pub before: Option<ProcessMemory>,
    /// The worker's memory when it was made.
    pub made: Option<ProcessMemory>,
    /// The worker's memory when every page was touched (and the context filled).
    pub touched: Option<ProcessMemory>,
    /// Whether the pages could be touched; else they count as virtual memory only.
    pub pages_touched: bool,
    /// Tokens that were decoded into it ([`super::Proof::Fill`]).
    pub filled_tokens: Option<u32>,
    /// Tokens that were generated at its end.
    pub generated_tokens: Option<u32>,
    /// Why it was not filled to its end, where it was to be.
    pub fill_ended: Option<String>,
}

/// Why a context could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// How it failed.
    pub kind: FailureKind,
    /// The same in a line for people.
    pub reason: String,
}

/// How a context fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// llama.cpp could not allocate it and said so.
    Refused,
    /// It was made, and decoding into it failed.
    DecodeFailed,
    /// The worker died of it: killed by the kernel, aborted by a GPU's library or an assertion.
    WorkerDied,
    /// The worker gave no sign of life any more.
    Stalled,
    /// Memory was swapped out, which is not allowed.
    Swapped,
}

impl FailureKind {
    /// The name in `context.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::DecodeFailed => "decode_failed",
            Self::WorkerDied => "worker_died",
            Self::Stalled => "stalled",
            Self::Swapped => "swapped",
        }
    }
}
