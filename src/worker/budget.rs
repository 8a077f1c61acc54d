//! Whether a job fits the memory it is allowed, by exact count and before anything is allocated.
//!
//! Memory beyond the plan (a CUDA runtime, this program itself) is left to the cap that the operating system enforces.

use crate::engine::{Engine, ModelParams, need};
use crate::profiles::Job;

/// Says what is needed if one of the tasks needs more than `allowed_bytes`: the largest such task. A task that cannot be
/// planned passes: loading its models will tell why.
pub(super) fn exceeded(engine: &dyn Engine, params: &ModelParams, tasks: &[Job], allowed_bytes: u64) -> Option<String> {
    let total = |task: &&Job| {
        let needs = need::count(engine, &task.demands(params)).unwrap_or_default();
        needs.iter().map(need::Need::total_bytes).sum::<u64>()
    };
    let largest = if let [task] = tasks { task } else { tasks.iter().max_by_key(total)? };
    need::exceeded(engine, &largest.demands(params), allowed_bytes)
}
