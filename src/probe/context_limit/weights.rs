//! What is known of a model before anything of it is loaded: which types of the KV cache it can have, and what its weights take.

use std::ops::ControlFlow;

use super::finding::Finding;
use super::narrow::Grid;
use super::predict::Process;
use super::sweep::{Surroundings, Work, private_bytes};
use super::task::Task;
use crate::engine::{ContextParams, EngineError, MemoryBreakdown, Model, ModelParams};
use crate::stats::gigabytes;
use crate::verdict::interpretation::number;

/// What is known before anything is loaded.
pub(super) struct Weights {
    /// The model that is only planned.
    pub(super) planned: Box<dyn Model>,
    /// Bytes of this process's private memory that it takes, mostly for its vocabulary.
    pub(super) planned_bytes: u64,
    pub(super) grid: Grid,
    /// Bytes of main memory that the file's weights take, mapped or read.
    pub(super) host_bytes: u64,
    /// Bytes of those that ggml copies in this CPU's order.
    pub(super) repacked_bytes: u64,
    /// Whether anything lies on a device.
    pub(super) on_devices: bool,
    /// Private memory with the planned model and nothing else: program and vocabulary, in bytes.
    pub(super) program_bytes: u64,
    /// Why no context can be had, where the weights alone are more than the budget.
    pub(super) too_large: Option<String>,
}

impl Weights {
    /// The process as it will be with the real model: the threads that compute are not there yet.
    pub(super) fn estimated(&self, task: &Task) -> Process {
        const STACK_BYTES: u64 = 8 << 20; // glibc's default, where no limit says otherwise
        let threads = u64::from(task.context.n_threads.saturating_sub(1));
        let is_accounted = self.program_bytes > 0;
        let stacks = if is_accounted { threads * STACK_BYTES } else { 0 };
        Process { program_bytes: self.program_bytes + stacks, is_accounted, planned_excess_bytes: 0 }
    }
}

/// Looks at the model without loading it: which types of the KV cache can be had, and what the weights take.
pub(super) fn look(task: &Task, around: &Surroundings<'_>, open: &mut Vec<Work>) -> Result<Weights, String> {
    let before = private_bytes(around).unwrap_or(0);
    let params = ModelParams { no_alloc: true, ..task.model.clone() };
    let model = around.engine.load(&params, Box::new(|_| ControlFlow::Continue(()))).map_err(|e| e.to_string())?;
    let program_bytes = private_bytes(around).unwrap_or(0);
    (around.found)(Finding::Described { model: Box::new(model.info().clone()) });
    let grid = task.grid(model.info().n_ctx_train);
    let mut weights = Weights {
        planned: model,
        planned_bytes: program_bytes.saturating_sub(before),
        grid,
        host_bytes: 0,
        repacked_bytes: 0,
        on_devices: false,
        program_bytes,
        too_large: None,
    };
    open.retain(|work| {
        let params = ContextParams {
            n_ctx: grid.step,
            type_k: work.sweep.kv.k,
            type_v: work.sweep.kv.v,
            ..task.context.clone()
        };
        let counted = weights.planned.session(&params).map(|session| session.memory());
        match counted {
            Ok(memory) => {
                let host = memory.buffers.iter().filter(|buffer| buffer.is_host);
                weights.host_bytes = host.map(|buffer| buffer.weights_bytes).sum();
                weights.on_devices = memory.buffers.iter().any(|buffer| !buffer.is_host);
                weights.repacked_bytes = memory.repacked_bytes();
                let again = if task.model.use_mmap { weights.repacked_bytes } else { 0 };
                let needed = weights.host_bytes + again;
                weights.too_large = (needed > task.budget.host_bytes)
                    .then(|| too_large(task, needed, again))
                    .or_else(|| too_large_for_device(task, &memory));
                true
            }
            Err(error) => {
                let reason = match error {
                    EngineError::ContextNotCreated { reason, .. } => reason,
                    other => other.to_string(),
                };
                (around.found)(Finding::Impossible { sweep: work.place, reason });
                false
            }
        }
    });
    Ok(weights)
}

fn too_large(task: &Task, needed: u64, again: u64) -> String {
    let repacked = match again {
        0 => String::new(),
        bytes => format!(" ({} of them twice, because this CPU wants them in another order)", size(bytes)),
    };
    format!("the weights alone take {}{repacked}, the budget is {}", size(needed), size(task.budget.host_bytes))
}

/// What is said when a device's share of the weights does not fit it.
fn too_large_for_device(task: &Task, memory: &MemoryBreakdown) -> Option<String> {
    task.budget.devices.iter().find_map(|device| {
        let of_it = memory.buffers.iter().filter(|buffer| !buffer.is_host && buffer.device == device.name);
        let needed = of_it.map(|buffer| buffer.weights_bytes).sum();
        let (name, allowed) = (&device.name, device.allowed_bytes);
        (needed > allowed).then(|| {
            let needed = size(needed);
            format!(
                "the weights alone take {needed} of {name}, which may give {}: keep fewer layers there (-ngl)",
                size(allowed)
            )
        })
    })
}

/// Bytes for people: GB, and MB below a tenth of one.
fn size(bytes: u64) -> String {
    let gb = gigabytes(bytes);
    if gb < 0.1 { format!("{} MB", number(1e3 * gb)) } else { format!("{} GB", number(gb)) }
}
