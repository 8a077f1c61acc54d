//! How a KV cache grows and what it costs as it fills: a context is filled in steps, and at each its bytes, the process's
//! memory and the speeds are taken.
//!
//! Runs in a worker, on the measuring thread. Left out on purpose: whose text it is and what the numbers mean for a person.

mod fill;
#[cfg(test)]
mod tests;
mod trends;
mod watchdog;

use serde::{Deserialize, Serialize};

use crate::engine::{Session, Token};
use crate::machine::vitals::ProcessMemory;

pub use fill::{Filler, Means, Stop};
pub use trends::{Reach, Trends, USELESS_ERROR_PERCENT};

/// How a context is filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Tokens at which it ends.
    pub to_tokens: u32,
    /// Steps until there: equally large, and of whole batches where that changes their number by little.
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
    /// Tokens of the text that the step added.
    pub prefill_tokens: u32,
    /// Nanoseconds that they took, until all was computed.
    pub prefill_ns: u64,
    /// Nanoseconds of each token that was generated after it: picked from the logits, appended and computed.
    pub gen_ns: Vec<u64>,
    /// Bytes of KV cache (and recurrent state) that these tokens use.
    pub kv_used_bytes: u64,
    /// The process's memory.
    pub process: Option<ProcessMemory>,
    /// Memory in use of each GPU by all processes, in NVML's order.
    pub gpu_used_bytes: Vec<Option<u64>>,
}

impl Point {
    /// Tokens in the cache before the step.
    #[must_use]
    pub fn tokens_before(&self) -> u32 {
        self.tokens.saturating_sub(self.prefill_tokens).saturating_sub(self.generated())
    }

    /// Tokens that were generated after the step.
    #[must_use]
    pub fn generated(&self) -> u32 {
        u32::try_from(self.gen_ns.len()).unwrap_or(u32::MAX)
    }
}

impl From<Stop> for EndedBy {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Time => Self::Time,
            Stop::Interrupted => Self::Interrupted,
            Stop::Failed(reason) => Self::Failed(reason),
        }
    }
}

/// Fills a context from empty, with the tokens of `source` over and over, and tells of each step that was made. Never fails:
/// what ended it is in the growth. A step that could not be made whole leaves no point.
pub fn grow(
    session: &mut dyn Session,
    source: &[Token],
    plan: &Plan,
    means: &Means<'_>,
    on_point: &mut dyn FnMut(&Point),
) -> Growth {
    let mut growth = Growth { n_ctx: session.n_ctx(), points: Vec::new(), ended_by: EndedBy::Target };
    let to_tokens = plan.to_tokens.min(growth.n_ctx);
    let step = step_tokens(plan, to_tokens, means.n_ubatch);
    let mut filler = Filler::new(session, source, means);
    filler.limit(Some(std::time::Duration::from_secs(plan.seconds.into())));
    let mut make_steps = || -> Result<(), Stop> {
        filler.warm_up(step)?;
        loop {
            // What is left for the text: the last tokens are generated.
            let left = to_tokens.saturating_sub(filler.n_past()).saturating_sub(plan.gen_tokens);
            if left == 0 {
                return Ok(());
            }
            // A short rest would be a step of its own kind: the last step takes it along.
            let tokens = if left < step + step.div_ceil(2) { left } else { step };
            let prefill_ns = filler.prefill(tokens)?;
            let mut gen_ns = Vec::new();
            filler.generate(plan.gen_tokens, &mut gen_ns)?;
            let point = filler.point(tokens, prefill_ns, gen_ns);
            on_point(&point);
            growth.points.push(point);
        }
    };
    if let Err(stop) = make_steps() {
        growth.ended_by = stop.into();
    }
    growth
}

/// Tokens of the text in a step: the plan's share, in whole batches where it is at least half a batch.
fn step_tokens(plan: &Plan, to_tokens: u32, n_ubatch: u32) -> u32 {
    let share = (to_tokens / plan.steps.max(1)).saturating_sub(plan.gen_tokens).max(1);
    match (share + n_ubatch / 2).checked_div(n_ubatch) {
        Some(batches @ 1..) => batches * n_ubatch,
        _ => share,
    }
}
