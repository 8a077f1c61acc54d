//! The largest context that fits a budget, by llama.cpp's own count: a model and contexts made with `no_alloc`, which lay out
//! everything and allocate nothing. No formula: sliding windows, recurrent states, latent attention and experts come out right
//! because llama.cpp itself is asked.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::formula;
use super::found::{LimitedBy, Planned, Prediction};
use super::narrow::{self, Grid};
use super::task::{Budget, DeviceBudget, KvPair};
use crate::engine::pages::trim_heap;
use crate::engine::{BufferUse, ContextParams, EngineError, Model};
use crate::machine::vitals::ProcessMemory;
use crate::stats::float;

/// Points of the curve of memory against context.
const CURVE_POINTS: u32 = 12;

/// What is known of the process that will hold the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Private memory without weights and contexts, in bytes: program, vocabulary, threads' stacks, scratch of a computation.
    pub program_bytes: u64,
    /// Bytes that making a planned context takes beyond what a real one takes besides its buffers.
    pub planned_excess_bytes: i64,
    /// Whether this process's memory tells what contexts take beside their buffers.
    pub is_accounted: bool,
}

/// Counts contexts of one model.
pub struct Planner<'a> {
    /// A model that is only planned (`no_alloc`).
    pub model: &'a dyn Model,
    /// How contexts are made, but for size and KV types.
    pub context: &'a ContextParams,
    /// Whether the weights' file is mapped.
    pub mapped: bool,
    /// The process that will hold the context.
    pub process: Process,
    /// The search's grid.
    pub grid: Grid,
}

/// One type of the KV cache with the counts that were made for it.
struct Counts<'a> {
    planner: &'a Planner<'a>,
    kv: KvPair,
    made: RefCell<BTreeMap<u32, Planned>>,
}

impl Planner<'_> {
    /// Predicts the limit under a budget. With `others` (bytes of main memory each, or of all devices together where the weights
    /// lie on devices) also theirs, and the curve of memory against context.
    ///
    /// # Errors
    /// [`EngineError::ContextNotCreated`] where there is no context of this kind at all, whatever its size.
    pub fn predict(&self, kv: KvPair, budget: &Budget, others: Option<&[u64]>) -> Result<Prediction, EngineError> {
        let counts = Counts { planner: self, kv, made: RefCell::default() };
        let smallest = counts.at(self.grid.step)?;
        let on_devices = smallest.memory.buffers.iter().any(|buffer| !buffer.is_host);
        let mut prediction = self.empty(kv, smallest.clone());
        let max_context = counts.largest(|planned| room(&prediction, planned, budget))?;
        let other_budgets = others.unwrap_or_default().iter().map(|&bytes| {
            let other = budget.of(bytes, on_devices);
            Ok((bytes, counts.largest(|planned| room(&prediction, planned, &other))?))
        });
        prediction.other_budgets = other_budgets.collect::<Result<_, EngineError>>()?;
        prediction.max_context = max_context;
        if max_context > 0 {
            prediction.at_max = counts.at(max_context)?;
        }
        let above = max_context + self.grid.step;
        if above > self.grid.last() {
            prediction.limited_by = LimitedBy::Ceiling;
        } else {
            prediction.above = Some(counts.at(above)?);
        }
        prediction.kv_bytes_per_token = counts.slope(max_context)?;
        if others.is_some() {
            prediction.curve = counts.curve(max_context)?;
        }
        Ok(prediction)
    }

    fn empty(&self, kv: KvPair, smallest: Planned) -> Prediction {
        Prediction {
            max_context: 0,
            limited_by: LimitedBy::Budget,
            repacked_bytes: smallest.memory.repacked_bytes(),
            at_max: smallest,
            above: None,
            curve: Vec::new(),
            kv_bytes_per_token: 0.0,
            kv_bytes_per_token_formula: formula::kv_bytes_per_token(self.model.info(), kv),
            mapped: self.mapped,
            program_bytes: self.process.program_bytes,
            other_budgets: Vec::new(),
        }
    }
}

impl Counts<'_> {
    /// The count of one size; each size is counted once.
    fn at(&self, n_ctx: u32) -> Result<Planned, EngineError> {
        if let Some(planned) = self.made.borrow().get(&n_ctx) {
            return Ok(planned.clone());
        }
        let Planner { model, context, process, .. } = *self.planner;
        let params = ContextParams { n_ctx, type_k: self.kv.k, type_v: self.kv.v, ..context.clone() };
        if process.is_accounted {
            trim_heap(); // what an earlier context left there, this one would find
        }
        let before = private_bytes(process);
        let session = model.session(&params)?;
        let taken = private_bytes(process).saturating_sub(before);
        let beside_bytes = taken.saturating_add_signed(process.planned_excess_bytes.saturating_neg());
        let planned = Planned { n_ctx, memory: session.memory(), beside_bytes };
        self.made.borrow_mut().insert(n_ctx, planned.clone());
        Ok(planned)
    }

    /// The largest context with room.
    fn largest(&self, room: impl Fn(&Planned) -> i128) -> Result<u32, EngineError> {
        let grid = self.planner.grid;
        narrow::largest(grid.step, grid.last(), |n_ctx| self.at(n_ctx).map(|planned| room(&planned)))
    }

    /// Bytes of KV cache for one token more, between the limit and twice as much: sliding windows are full there.
    fn slope(&self, max_context: u32) -> Result<f64, EngineError> {
        // whatever the search's end is: counting takes no memory
        let step = self.planner.grid.step;
        let high = (max_context / step).max(64) * step;
        let low = high / step / 2 * step;
        let bytes = self.at(high)?.memory.kv_bytes().saturating_sub(self.at(low)?.memory.kv_bytes());
        Ok(float(bytes) / f64::from(high - low))
    }

    /// Counts at equal distances up to a quarter beyond the limit.
    fn curve(&self, max_context: u32) -> Result<Vec<Planned>, EngineError> {
        let grid = self.planner.grid;
        let last = grid.floor(u64::from(max_context) * 5 / 4).max(grid.floor(u64::from(16 * grid.step)));
        let mut sizes: Vec<u32> = (0..=CURVE_POINTS)
            .map(|point| grid.floor(u64::from(last) * u64::from(point) / u64::from(CURVE_POINTS)).max(grid.step))
            .collect();
        sizes.dedup();
        sizes.into_iter().map(|n_ctx| self.at(n_ctx)).collect()
    }
}

/// Bytes that a planned context leaves where it leaves least: of main memory or a device. Below 0 it does not fit; a device
/// without a budget holds nothing.
pub(super) fn room(prediction: &Prediction, planned: &Planned, budget: &Budget) -> i128 {
    let left = |allowed: u64, taken: u64| i128::from(allowed) - i128::from(taken);
    let of_device = |device: &DeviceBudget| left(device.allowed_bytes, Prediction::device_bytes(planned, &device.name));
    let is_unknown =
        |buffer: &&BufferUse| !buffer.is_host && budget.devices.iter().all(|device| device.name != buffer.device);
    let unknown = planned.memory.buffers.iter().filter(is_unknown);
    let unknown: u64 = unknown.map(|buffer| buffer.weights_bytes + buffer.kv_bytes + buffer.compute_bytes).sum();
    let host = left(budget.host_bytes, prediction.host_bytes(planned));
    let nowhere = (unknown > 0).then(|| left(0, unknown));
    budget.devices.iter().map(of_device).chain(nowhere).fold(host, i128::min)
}

/// Private memory of this process now, in bytes; 0 where it is not accounted.
fn private_bytes(process: Process) -> u64 {
    let own = || ProcessMemory::of(std::process::id())?.data_bytes;
    if process.is_accounted { own().unwrap_or(0) } else { 0 }
}
