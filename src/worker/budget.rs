//! Whether a job fits the memory it is allowed, by exact count and before anything is allocated: the model and each task's
//! context are planned with `no_alloc`, which takes some 40 ms and no memory.
//!
//! Only main memory is counted: what lies on a GPU is not this process's to limit. Memory beyond the plan (a CUDA runtime,
//! this program itself) is left to the cap that the operating system enforces.

use std::ops::ControlFlow;

use crate::engine::{BufferUse, Engine, MemoryBreakdown, ModelParams};
use crate::profiles::Job;
use crate::stats::gigabytes;

/// Says what is needed if it is more than `allowed_bytes`. A job that cannot be planned passes: loading it will tell why.
pub(super) fn exceeded(engine: &dyn Engine, params: &ModelParams, tasks: &[Job], allowed_bytes: u64) -> Option<String> {
    let planned = ModelParams { no_alloc: true, ..params.clone() };
    let model = engine.load(&planned, Box::new(|_| ControlFlow::Continue(()))).ok()?;
    let contexts = tasks.iter().map(Job::context);
    let needs = contexts.filter_map(|context| Some((context, model.session(context).ok()?.memory())));
    let bytes = |memory: &MemoryBreakdown| memory.host_bytes() + twice(params, memory);
    let (context, need) = needs.max_by_key(|(_, memory)| bytes(memory))?;
    if bytes(&need) <= allowed_bytes {
        return None;
    }
    let repacked = match twice(params, &need) {
        0 => String::new(),
        bytes => format!(" (and {} of them again, repacked for this CPU)", gb(bytes)),
    };
    let host = |part: fn(&BufferUse) -> u64| need.buffers.iter().filter(|b| b.is_host).map(part).sum();
    Some(format!(
        "it needs {} of memory: weights {}{repacked}, KV cache {} for a context of {} tokens, computing {}; {} are allowed",
        gb(bytes(&need)),
        gb(host(|b| b.weights_bytes)),
        gb(host(|b| b.kv_bytes)),
        context.n_ctx,
        gb(host(|b| b.compute_bytes)),
        gb(allowed_bytes),
    ))
}

/// Weights that lie in memory a second time: a plan has no mapped file, so it counts the repacked ones once.
fn twice(params: &ModelParams, memory: &MemoryBreakdown) -> u64 {
    if params.use_mmap { memory.repacked_bytes() } else { 0 }
}

fn gb(bytes: u64) -> String {
    if bytes < 100_000_000 {
        format!("{:.1} MB", 1e3 * gigabytes(bytes))
    } else {
        format!("{:.2} GB", gigabytes(bytes))
    }
}
