//! How a KV cache grows and what it costs as it fills: a context is filled in steps, and at each its bytes, the process's
//! memory and the speeds are taken.

use serde::{Deserialize, Serialize};

use crate::machine::vitals::ProcessMemory;

/// How a context is filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Tokens at which it ends.
    pub to_tokens: u32,
    /// Steps until there, equally large.
    pub steps: u32,
    /// Tokens that are generated after each step, to measure their speed at that depth.
    pub gen_tokens: u32,
    /// Seconds after which no further step is begun, and a step that has begun is cut off.
    pub seconds: u32,
}

/// A context that was filled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Its size in tokens.
    pub n_ctx: u32,
    /// The steps that were finished.
    pub points: Vec<Point>,
    /// What ended it.
    pub ended_by: EndedBy,
}

/// What ended the filling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EndedBy {
    /// All steps were made.
    Target,
    /// The time was over.
    Time,
    /// Somebody stopped it.
    Interrupted,
    /// It failed, or the worker died of it.
    Failed(String),
}

/// One step of the filling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Tokens in the cache when the step and its generation were done.
    pub tokens: u32,
    /// Tokens of the prompt that the step added.
    pub prefill_tokens: u32,
    /// Nanoseconds that they took.
    pub prefill_ns: u64,
    /// Nanoseconds of each token that was generated after it.
    pub gen_ns: Vec<u64>,
    /// Bytes of KV cache (and recurrent state) that these tokens use.
    pub kv_used_bytes: u64,
    /// The process's memory.
    pub process: Option<ProcessMemory>,
    /// Memory in use of each GPU by all processes, in NVML's order.
    pub gpu_used_bytes: Vec<Option<u64>>,
}
