//! What models and contexts need of main memory together, by exact count and before anything is allocated: they are planned
//! with `no_alloc`, which takes some 40 ms a model and no memory.
//!
//! Only main memory is counted: what lies on a GPU is not this process's to limit.

use std::ops::{Add, ControlFlow};

use serde::{Deserialize, Serialize};

use super::{BufferUse, ContextParams, Engine, MemoryBreakdown, ModelParams};
use crate::stats::gigabytes;

/// Contexts of a model that exist at the same time as other demands.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand<'a> {
    /// The model; its weights count once for all demands that name it.
    pub model: &'a ModelParams,
    /// The contexts' parameters; their rows of logits are limited by [`ContextParams::with_outputs_for`].
    pub context: &'a ContextParams,
    /// How many contexts.
    pub copies: u32,
}

impl<'a> Demand<'a> {
    /// One context.
    #[must_use]
    pub fn one(model: &'a ModelParams, context: &'a ContextParams) -> Self {
        Self { model, context, copies: 1 }
    }
}

/// A [`Demand`] that owns what it names, to be sent to another process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnedDemand {
    /// The model.
    pub model: ModelParams,
    /// The contexts' parameters.
    pub context: ContextParams,
    /// How many contexts.
    pub copies: u32,
}

impl From<&Demand<'_>> for OwnedDemand {
    fn from(demand: &Demand<'_>) -> Self {
        Self { model: demand.model.clone(), context: demand.context.clone(), copies: demand.copies }
    }
}

impl OwnedDemand {
    /// The demand.
    #[must_use]
    pub fn as_demand(&self) -> Demand<'_> {
        Demand { model: &self.model, context: &self.context, copies: self.copies }
    }
}

/// Bytes of main memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// Weights as they lie in the file or are read from it.
    pub weights_bytes: u64,
    /// Those that lie in memory a second time, in the order that this CPU prefers.
    pub repacked_bytes: u64,
    /// KV caches.
    pub kv_bytes: u64,
    /// Scratch space, logits included.
    pub compute_bytes: u64,
}

impl Add for Need {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            weights_bytes: self.weights_bytes + other.weights_bytes,
            repacked_bytes: self.repacked_bytes + other.repacked_bytes,
            kv_bytes: self.kv_bytes + other.kv_bytes,
            compute_bytes: self.compute_bytes + other.compute_bytes,
        }
    }
}

impl Need {
    /// Everything.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.weights_bytes + self.repacked_bytes + self.kv_bytes + self.compute_bytes
    }
}

/// Counts each demand; weights that an earlier demand has counted are 0 in a later one. None where one cannot be planned:
/// loading it will tell why.
#[must_use]
pub fn count(engine: &dyn Engine, demands: &[Demand<'_>]) -> Option<Vec<Need>> {
    let mut needs = Vec::with_capacity(demands.len());
    for (place, demand) in demands.iter().enumerate() {
        let planned = ModelParams { no_alloc: true, ..demand.model.clone() };
        let model = engine.load(&planned, Box::new(|_| ControlFlow::Continue(()))).ok()?;
        let n_vocab = model.info().n_vocab;
        let context = demand.context.with_outputs_for(n_vocab);
        let memory = model.session(&context).ok()?.memory();
        // A context is made with room for one row of logits and grows when more are asked for.
        let rows_bytes = 4 * u64::from(n_vocab) * u64::from(context.n_outputs_max.saturating_sub(1));
        let seen = demands[..place].iter().any(|earlier| earlier.model == demand.model);
        let weights = |bytes| if seen { 0 } else { bytes };
        let copies = u64::from(demand.copies);
        needs.push(Need {
            weights_bytes: weights(host(&memory, |b| b.weights_bytes)),
            repacked_bytes: weights(twice(demand.model, &memory)),
            kv_bytes: copies * host(&memory, |b| b.kv_bytes),
            compute_bytes: copies * (host(&memory, |b| b.compute_bytes) + rows_bytes),
        });
    }
    Some(needs)
}

/// What the most demanding of several lists of demands needs together; none where none of them can be planned.
#[must_use]
pub fn largest(engine: &dyn Engine, lists: &[Vec<OwnedDemand>]) -> Option<Need> {
    let together = |list: &Vec<OwnedDemand>| {
        let demands: Vec<_> = list.iter().map(OwnedDemand::as_demand).collect();
        Some(count(engine, &demands)?.into_iter().fold(Need::default(), Need::add))
    };
    lists.iter().filter_map(together).max_by_key(Need::total_bytes)
}

/// Says what the demands need together if it is more than `allowed_bytes`.
#[must_use]
pub fn exceeded(engine: &dyn Engine, demands: &[Demand<'_>], allowed_bytes: u64) -> Option<String> {
    let needs = count(engine, demands)?;
    let total: u64 = needs.iter().map(Need::total_bytes).sum();
    if total <= allowed_bytes {
        return None;
    }
    let (total, allowed) = (gb(total), gb(allowed_bytes));
    if let ([need], [demand]) = (needs.as_slice(), demands) {
        return Some(format!(
            "it needs {total} of memory: weights {}, KV cache {} for a context of {} tokens, computing {}; {allowed} are allowed",
            weights(need),
            gb(need.kv_bytes),
            demand.context.n_ctx,
            gb(need.compute_bytes),
        ));
    }
    let each: Vec<_> = (needs.iter().zip(demands))
        .filter(|(need, _)| need.weights_bytes > 0)
        .map(|(need, demand)| {
            let file = demand.model.path.file_name().unwrap_or_default().to_string_lossy();
            format!("weights of {file} {}", weights(need))
        })
        .collect();
    let sum = |part: fn(&Need) -> u64| gb(needs.iter().map(part).sum());
    Some(format!(
        "candidate and reference together need {total} of memory: {}, KV caches {}, computing {}; {allowed} are allowed: take a \
         smaller reference or a shorter chunk (-c), or allow more (--max-memory-gb)",
        each.join(", "),
        sum(|need| need.kv_bytes),
        sum(|need| need.compute_bytes),
    ))
}

/// Weights that lie in memory a second time: a plan has no mapped file, so it counts the repacked ones once.
fn twice(params: &ModelParams, memory: &MemoryBreakdown) -> u64 {
    if params.use_mmap { memory.repacked_bytes() } else { 0 }
}

fn host(memory: &MemoryBreakdown, part: fn(&BufferUse) -> u64) -> u64 {
    memory.buffers.iter().filter(|buffer| buffer.is_host).map(part).sum()
}

fn weights(need: &Need) -> String {
    let repacked = match need.repacked_bytes {
        0 => String::new(),
        bytes => format!(" (and {} of them again, repacked for this CPU)", gb(bytes)),
    };
    format!("{}{repacked}", gb(need.weights_bytes))
}

fn gb(bytes: u64) -> String {
    if bytes < 100_000_000 {
        format!("{:.1} MB", 1e3 * gigabytes(bytes))
    } else {
        format!("{:.2} GB", gigabytes(bytes))
    }
}
