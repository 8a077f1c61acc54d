//! What every report of a context sweep shows, and `context.json` word for word. Names are a contract
//! (`docs/context-report.md` explains them); fields may be added. What is not known is `null`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::usage::Usage;
use crate::engine::{EngineInfo, FlashAttention};
use crate::machine::Machine;
use crate::machine::vitals::ProcessMemory;
use crate::probe::context_limit::found::{FailureKind, LimitedBy, Probe};
use crate::probe::context_limit::task::{Budget, KvPair, Proof};
use crate::probe::kv_growth::{EndedBy, Trends};
use crate::report::metadata::Hardware;

/// The contents of `context.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextReport {
    /// Version of these fields.
    pub schema_version: u32,
    /// Where the numbers come from.
    pub metadata: Metadata,
    /// The model's name; its file's where it was never loaded.
    pub model: String,
    /// Its quantization's short name.
    pub quantization: Option<String>,
    /// Its architecture's name in llama.cpp.
    pub architecture: Option<String>,
    /// The file.
    pub model_path: PathBuf,
    /// Its parameters.
    pub n_params: Option<u64>,
    /// Tokens of context that it was trained for.
    pub n_ctx_train: Option<u32>,
    /// Its weights are made up.
    pub synthetic: bool,
    /// Bytes of main memory that model and context may take.
    pub budget_bytes: u64,
    /// The same with its source, and what GPUs may give.
    pub budget: Budget,
    /// Step of the search in tokens.
    pub granularity: u32,
    /// How limits were to be proved.
    pub proof: Proof,
    /// Tokens that a request of the user's service adds to a conversation.
    pub tokens_per_request: u32,
    /// Whether more than the model was trained for is handed over.
    pub beyond_training_wanted: bool,
    /// How the contexts were made.
    pub settings: Settings,
    /// One for each type of the KV cache, in the order in which they were asked for.
    pub sweeps: Vec<SweepReport>,
}

/// Where a report's numbers come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// When it began, RFC 3339 in UTC.
    pub timestamp: String,
    /// The machine's network name.
    pub hostname: String,
    /// The hardware in short.
    pub hardware: Hardware,
    /// The engine; absent when it never started.
    pub engine: Option<EngineInfo>,
    /// Everything that was configured.
    pub config: serde_json::Value,
    /// How long it took.
    pub test_duration_seconds: f64,
    /// What measured.
    pub program: String,
    /// The command line, without the program's name.
    pub arguments: Vec<String>,
    /// The person stopped it before its end.
    pub interrupted: bool,
    /// Seconds that each load of the model took.
    #[serde(default)]
    pub load_seconds: Vec<f64>,
    /// What the reader should know besides.
    pub notes: Vec<String>,
    /// Everything that is known of the machine.
    pub machine: Machine,
}

/// How the contexts were made, but for their size and types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Tokens in one call of the engine (`-b`).
    pub n_batch: u32,
    /// Tokens that are computed at once (`-ub`).
    pub n_ubatch: u32,
    /// Threads that compute (`-t`).
    pub n_threads: u32,
    /// Flash attention (`-fa`).
    pub flash_attention: FlashAttention,
    /// Layers on GPUs (`-ngl`); none: all of them.
    pub n_gpu_layers: Option<u32>,
    /// The file is mapped, not read.
    pub use_mmap: bool,
}

/// What is known of one type of the KV cache. Bytes are those at `memory_at_context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepReport {
    /// The type's name; `keys/values` where they differ.
    pub kv_type: String,
    /// The same apart.
    pub kv: KvPair,
    /// Why there is no context of this type.
    pub impossible: Option<String>,
    /// All tensors of the model, once.
    pub weights_bytes: Option<u64>,
    /// Copies of weights in this CPU's order, beside the mapped file.
    pub repacked_bytes: Option<u64>,
    /// KV cache and recurrent state.
    pub kv_bytes: Option<u64>,
    /// What one token more takes of it, by llama.cpp's own count; exact.
    pub kv_bytes_per_token: Option<f64>,
    /// The same by the cache's growth while it was filled.
    pub kv_bytes_per_token_measured: Option<f64>,
    /// The same by 2 · layers · KV heads · head size · bytes of the type.
    pub kv_bytes_per_token_formula: Option<f64>,
    /// Scratch space of the computation.
    pub compute_bytes: Option<u64>,
    /// Program, vocabulary, threads' stacks, llama.cpp's records of the cache's cells.
    pub program_bytes: Option<u64>,
    /// All of these together, main memory and GPUs.
    pub memory_bytes: Option<u64>,
    /// The context, in tokens, that these bytes are of: the largest predicted, or the smallest there is where none fits.
    pub memory_at_context: Option<u32>,
    /// Largest context that fits by llama.cpp's count; 0: none does.
    pub predicted_max_context: Option<u32>,
    /// What keeps it from being larger.
    pub limited_by: Option<LimitedBy>,
    /// Largest context that was really made; 0: none could be.
    pub proved_max_context: Option<u32>,
    /// Proved less predicted, where the search for the limit was finished.
    pub prediction_error_tokens: Option<i64>,
    /// What the proved maximum rests on: `fill` where it was filled to its last token.
    pub proof: Proof,
    /// Smallest context that was shown not to fit.
    pub failed_at: Option<u32>,
    /// How it failed.
    pub failure: Option<FailureKind>,
    /// The same in words.
    pub failure_reason: Option<String>,
    /// What kept the search for the limit from its end.
    pub unfinished: Option<String>,
    /// Why the largest context was not filled to its end, where it was to be.
    pub fill_ended: Option<String>,
    /// Whether every page of the proved context was touched; false where the system cannot do that without writing to them.
    #[serde(default)]
    pub pages_touched: bool,
    /// Tokens of context that the model was trained for.
    pub n_ctx_train: Option<u32>,
    /// The maximum is more than that.
    pub beyond_training: bool,
    /// The proved maximum, else the predicted one; absent where no context fits.
    pub max_context: Option<u32>,
    /// 80 % of it, in whole granules.
    pub safe_context: Option<u32>,
    /// What is handed over: the safe context, but no more than the model was trained for unless that was asked for.
    pub recommended_context: Option<u32>,
    /// A conversation of more tokens is to be trimmed; see [`super::trim`].
    pub trim_threshold: Option<u32>,
    /// Tokens that a trim leaves.
    pub trim_to: Option<u32>,
    /// Requests from one trim to the next.
    pub trim_interval: Option<u32>,
    /// Contexts by the time of a first answer.
    pub usable_context: Vec<Usable>,
    /// Largest contexts under other budgets.
    pub other_budgets: Vec<OtherBudget>,
    /// Memory at growing sizes, the largest contexts among them.
    pub curve: Vec<Usage>,
    /// The contexts that were made or failed, in their order.
    pub probes: Vec<Probe>,
    /// The filling of a context, step by step.
    pub growth: Vec<GrowthPoint>,
    /// The size of the context that was filled.
    pub growth_context: Option<u32>,
    /// What ended the filling.
    pub growth_ended_by: Option<EndedBy>,
    /// Lines through the steps.
    pub trends: Option<Trends>,
}

/// The context whose first answer comes within a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usable {
    /// The time.
    pub seconds: f64,
    /// Tokens of the prompt; the largest context where that is less.
    pub tokens: u32,
    /// It is more than was measured.
    pub is_forecast: bool,
    /// Memory ends before the time does.
    pub limited_by_memory: bool,
}

/// The largest context under another budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherBudget {
    /// Bytes that model and context may take.
    pub budget_bytes: u64,
    /// Tokens; 0: no context fits.
    pub max_context: u32,
    /// What keeps it from being larger.
    pub limited_by: LimitedBy,
}

/// A step of filling a context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrowthPoint {
    /// Tokens in the cache when the step and its generation were done.
    pub tokens: u32,
    /// Tokens of the prompt that the step added.
    pub prefill_tokens: u32,
    /// What they took.
    pub prefill_seconds: f64,
    /// All tokens of the prompt until here; those that were generated in between are not among them.
    pub prefill_tokens_in_all: u32,
    /// What they took.
    pub prefill_seconds_in_all: f64,
    /// Speed of the step.
    pub prefill_tokens_per_second: Option<f64>,
    /// Speed of the tokens that were generated after it: their number ÷ the sum of their times.
    pub tokens_per_second: Option<f64>,
    /// Nanoseconds of each of these.
    pub gen_ns: Vec<u64>,
    /// KV cache and recurrent state in use.
    pub kv_used_bytes: u64,
    /// The worker's memory.
    pub process: Option<ProcessMemory>,
    /// Memory in use of each GPU by all processes.
    pub gpu_used_bytes: Vec<Option<u64>>,
    /// The point was kept out of the lines and tells their error.
    pub held_out: bool,
}

impl SweepReport {
    /// What the largest context takes, place by place.
    #[must_use]
    pub fn usage_at_largest(&self) -> Option<&Usage> {
        self.curve.iter().find(|usage| Some(usage.n_ctx) == self.memory_at_context)
    }
}

impl ContextReport {
    /// The version that this program writes.
    pub const SCHEMA_VERSION: u32 = 1;

    /// `context.json`, pretty printed, with a newline at its end.
    ///
    /// # Errors
    /// None that a report can cause.
    pub fn to_json(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The sweep to hand over: that of the named type, else the first that has a context.
    ///
    /// # Errors
    /// In a line, where the named type was not swept or has no context, or where none has one.
    pub fn choice(&self, kv: Option<KvPair>) -> Result<&SweepReport, String> {
        let usable = |sweep: &&SweepReport| sweep.max_context.is_some();
        let Some(kv) = kv else {
            return self.sweeps.iter().find(usable).ok_or_else(|| {
                let mut reasons = self.sweeps.iter().filter_map(|s| s.impossible.as_ref().or(s.unfinished.as_ref()));
                let reason = reasons.next().map(|reason| format!(": {reason}")).unwrap_or_default();
                format!("{} has no context that could be handed over{reason}", self.model)
            });
        };
        let named = self.sweeps.iter().find(|sweep| sweep.kv == kv);
        let named = named.ok_or_else(|| format!("no sweep of the KV cache type {kv}; name it in --kv-types"))?;
        let reason = named.impossible.as_ref().or(named.unfinished.as_ref());
        let reason = reason.map_or_else(|| "within the budget".to_owned(), |reason| format!("here: {reason}"));
        Some(named).filter(usable).ok_or_else(|| format!("no context with the KV cache type {kv} {reason}"))
    }
}
