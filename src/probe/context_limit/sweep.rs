//! A whole sweep, in the worker: predict every type of the KV cache, prove what was predicted under a hard cap, then let a
//! cache grow. What is found is told at once.
//!
//! The order matters. The real model is loaded and a computation begun in it before anything is predicted, because program,
//! vocabulary and threads take memory, too; the model that is only planned is gone before anything is proved, because it has
//! a vocabulary of its own.

use std::ops::ControlFlow;
use std::time::Duration;

use super::finding::Finding;
use super::found::{LimitedBy, Prediction, Sweep};
use super::narrow::{self, Grid};
use super::predict::{Planner, Process};
use super::prove::{Filling, Interrupted, Prover};
use super::task::{CEILING, Proof, Task};
use crate::engine::pages::steady_allocator;
use crate::engine::{AbortHandle, ContextParams, Engine, EngineError, LoadProgress, Model, ModelParams, Token};
use crate::machine::vitals::ProcessMemory;
use crate::probe::kv_growth;
use crate::profiles::clock::Clock;
use crate::profiles::divergence;
use crate::stats::gigabytes;

/// What a sweep works with.
pub struct Surroundings<'a> {
    /// Loads the model.
    pub engine: &'a dyn Engine,
    /// Whether this process's memory is the engine's (a scripted engine has none).
    pub is_accounted: bool,
    /// Monotonic time.
    pub clock: &'a dyn Clock,
    /// Stops everything from outside.
    pub abort: AbortHandle,
    /// Told how far loading is.
    pub loading: &'a dyn Fn() -> LoadProgress,
    /// Told that the model is loaded, with the seconds that it took.
    pub loaded: &'a dyn Fn(&dyn Model, f64),
    /// Caps the private memory of this process at so many bytes; says why where it cannot.
    pub cap: &'a dyn Fn(u64) -> Result<(), String>,
    /// Told everything that is found.
    pub found: &'a dyn Fn(Finding),
}

/// Runs what of the task is not known yet.
///
/// # Errors
/// Why the model cannot be loaded, in one line.
pub fn run(task: &Task, around: &Surroundings<'_>) -> Result<(), String> {
    steady_allocator();
    let mut open: Vec<Work> = (0..).zip(&task.sweeps).map(|(place, sweep)| Work::new(place, sweep)).collect();
    let weights = look(task, around, &mut open)?;
    let grid = weights.grid;
    if open.iter().any(|work| work.sweep.prediction.is_none()) && weights.too_large.is_some() {
        predict(task, around, grid, &mut open, weights.estimated(task))?;
    }
    if let Some(reason) = &weights.too_large {
        for work in &open {
            (around.found)(Finding::Unfinished { sweep: work.place, reason: reason.clone() });
        }
        return Ok(());
    }
    if task.proof == Proof::None && task.growth.is_none() {
        return predict(task, around, grid, &mut open, weights.estimated(task));
    }
    Loaded::load(task, around, &weights)?.see_through(grid, &weights, &mut open)
}

/// One type of the KV cache that is being worked on.
struct Work {
    place: usize,
    sweep: Sweep,
}

impl Work {
    fn new(place: usize, sweep: &Sweep) -> Self {
        Self { place, sweep: sweep.clone() }
    }
}

/// What is known before anything is loaded.
struct Weights {
    grid: Grid,
    /// Bytes of main memory that the file's weights take, mapped or read.
    host_bytes: u64,
    /// Bytes of those that ggml copies in this CPU's order.
    repacked_bytes: u64,
    /// Whether anything lies on a device.
    on_devices: bool,
    /// Private memory with the planned model: program and vocabulary, in bytes.
    program_bytes: u64,
    /// Why no context can be had, where the weights alone are more than the budget.
    too_large: Option<String>,
}

impl Weights {
    /// The process as it will be with the real model: the threads that compute are not there yet.
    fn estimated(&self, task: &Task) -> Process {
        const STACK_BYTES: u64 = 8 << 20; // glibc's default, where no limit says otherwise
        let threads = u64::from(task.context.n_threads.saturating_sub(1));
        let is_accounted = self.program_bytes > 0;
        let stacks = if is_accounted { threads * STACK_BYTES } else { 0 };
        Process { program_bytes: self.program_bytes + stacks, is_accounted }
    }
}

/// Looks at the model without loading it: which types of the KV cache can be had, and what the weights take.
fn look(task: &Task, around: &Surroundings<'_>, open: &mut Vec<Work>) -> Result<Weights, String> {
    let model = planned(task, around)?;
    let program_bytes = private_bytes(around).unwrap_or(0);
    let trained = model.info().n_ctx_train;
    (around.found)(Finding::Described { model: Box::new(model.info().clone()) });
    let step = task.granularity;
    let ceiling = task.ceiling.unwrap_or(CEILING.max(trained)).max(step);
    let mut weights = Weights {
        grid: Grid { step, ceiling },
        host_bytes: 0,
        repacked_bytes: 0,
        on_devices: false,
        program_bytes,
        too_large: None,
    };
    open.retain(|work| {
        let params =
            ContextParams { n_ctx: step, type_k: work.sweep.kv.k, type_v: work.sweep.kv.v, ..task.context.clone() };
        match model.session(&params) {
            Ok(session) => {
                let memory = session.memory();
                let host = memory.buffers.iter().filter(|buffer| buffer.is_host);
                weights.host_bytes = host.map(|buffer| buffer.weights_bytes).sum();
                weights.on_devices = memory.buffers.iter().any(|buffer| !buffer.is_host);
                weights.repacked_bytes = memory.repacked_bytes();
                let again = if task.model.use_mmap { weights.repacked_bytes } else { 0 };
                let needed = weights.host_bytes + again;
                weights.too_large = (needed > task.budget.host_bytes).then(|| too_large(task, needed, again));
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
        bytes => format!(" ({:.2} GB of them twice, because this CPU wants them in another order)", gigabytes(bytes)),
    };
    format!(
        "the weights alone take {:.2} GB{repacked}, the budget is {:.2} GB",
        gigabytes(needed),
        gigabytes(task.budget.host_bytes)
    )
}

/// Predicts what is not predicted yet.
fn predict(
    task: &Task,
    around: &Surroundings<'_>,
    grid: Grid,
    open: &mut [Work],
    process: Process,
) -> Result<(), String> {
    if open.iter().all(|work| work.sweep.prediction.is_some()) {
        return Ok(());
    }
    let model = planned(task, around)?;
    let mapped = task.model.use_mmap;
    let planner = Planner { model: &*model, context: &task.context, mapped, process, grid };
    for work in open.iter_mut().filter(|work| work.sweep.prediction.is_none()) {
        if around.abort.is_raised() {
            break;
        }
        match planner.predict(work.sweep.kv, &task.budget, &task.other_budgets) {
            Ok(prediction) => {
                work.sweep.prediction = Some(prediction.clone());
                (around.found)(Finding::Predicted { sweep: work.place, prediction: Box::new(prediction) });
            }
            Err(error) => {
                (around.found)(Finding::Unfinished { sweep: work.place, reason: error.to_string() });
            }
        }
    }
    Ok(())
}

/// The model that is only planned.
fn planned(task: &Task, around: &Surroundings<'_>) -> Result<Box<dyn Model>, String> {
    let params = ModelParams { no_alloc: true, ..task.model.clone() };
    around.engine.load(&params, Box::new(|_| ControlFlow::Continue(()))).map_err(|error| error.to_string())
}

/// The real model at work.
struct Loaded<'a> {
    task: &'a Task,
    around: &'a Surroundings<'a>,
    model: Box<dyn Model>,
    /// Tokens to fill contexts with.
    text: Vec<Token>,
    /// Weights that lie in this process's private memory, in bytes: the repacked ones, and all of them where the file is not
    /// mapped.
    weights_bytes: u64,
}

impl<'a> Loaded<'a> {
    fn load(task: &'a Task, around: &'a Surroundings<'a>, weights: &Weights) -> Result<Self, String> {
        let started = around.clock.now();
        let model = around.engine.load(&task.model, (around.loading)()).map_err(|error| error.to_string())?;
        (around.loaded)(&*model, around.clock.now().saturating_sub(started).as_secs_f64());
        let text = model.tokenize(divergence::text::BUILT_IN, true, false);
        let weights_bytes = if task.model.use_mmap { weights.repacked_bytes } else { weights.host_bytes };
        Ok(Self { task, around, model, text, weights_bytes })
    }

    fn see_through(&self, grid: Grid, weights: &Weights, open: &mut [Work]) -> Result<(), String> {
        let Self { task, around, .. } = self;
        let (process, scratch_bytes) = match open.first() {
            Some(work) => self.process(work),
            None => return Ok(()),
        };
        predict(task, around, grid, open, process)?;
        self.cap(weights);
        for work in open.iter_mut() {
            if task.proof != Proof::None && self.prove(grid, work, scratch_bytes) == Err(Interrupted) {
                return Ok(());
            }
        }
        for work in open.iter() {
            self.grow(grid, work);
        }
        Ok(())
    }

    /// Memory of this process besides weights and context, and the scratch memory of a computation, which is a part of it.
    fn process(&self, work: &Work) -> (Process, u64) {
        let own = || private_bytes(self.around).unwrap_or(0);
        if own() == 0 {
            return (Process::default(), 0);
        }
        let n_ctx = self.task.context.n_ubatch.max(self.task.granularity);
        let begin = || self.prover(0).begin_to_compute(work.sweep.kv, n_ctx, &self.text, &own).unwrap_or(0);
        begin(); // the first one starts the threads, which stay
        let scratch_bytes = begin();
        let program_bytes = own().saturating_sub(self.weights_bytes) + scratch_bytes;
        (Process { program_bytes, is_accounted: true }, scratch_bytes)
    }

    /// The hard cap: what the budget leaves when the mapped weights are taken off. Weights and contexts on devices are limited
    /// by the device itself, and their drivers map more than they use.
    fn cap(&self, weights: &Weights) {
        if weights.on_devices || !self.around.is_accounted {
            return;
        }
        let mapped = if self.task.model.use_mmap { weights.host_bytes } else { 0 };
        if let Err(reason) = (self.around.cap)(self.task.budget.host_bytes.saturating_sub(mapped)) {
            (self.around.found)(Finding::Note { text: format!("no hard cap on the worker's memory: {reason}") });
        }
    }

    fn prover(&self, scratch_bytes: u64) -> Prover<'_> {
        Prover {
            model: &*self.model,
            context: &self.task.context,
            allow_swap: self.task.allow_swap,
            scratch_bytes,
            abort: &self.around.abort,
            clock: self.around.clock,
        }
    }

    /// Probes until the limit is known.
    fn prove(&self, grid: Grid, work: &mut Work, scratch_bytes: u64) -> Result<(), Interrupted> {
        let Some(prediction) = &work.sweep.prediction else { return Ok(()) };
        let predicted = prediction.max_context;
        while let Some(n_ctx) = grid.next(predicted, &work.sweep.probes) {
            (self.around.found)(Finding::Probing { sweep: work.place, n_ctx });
            let mut progress = |tokens| {
                (self.around.found)(Finding::Filling { sweep: work.place, tokens, total: n_ctx });
            };
            let filling = (self.task.proof == Proof::Fill).then(|| Filling {
                text: &self.text,
                limit: Duration::from_secs(self.task.fill_seconds.into()),
                progress: &mut progress,
            });
            let probe = self.prover(scratch_bytes).probe(work.sweep.kv, n_ctx, filling)?;
            work.sweep.probes.push(probe.clone());
            (self.around.found)(Finding::Probed { sweep: work.place, probe });
        }
        Ok(())
    }

    /// Fills a context step by step, no larger than the limit.
    fn grow(&self, _grid: Grid, work: &Work) {
        let _ = (&self.task.growth, work, kv_growth::EndedBy::Target);
    }
}

/// The largest context that is known to fit: proved, else predicted. In tokens; none where there is none.
#[must_use]
pub fn known_limit(sweep: &Sweep) -> Option<u32> {
    if sweep.probes.is_empty() {
        return sweep.prediction.as_ref().map(|prediction| prediction.max_context).filter(|&n_ctx| n_ctx > 0);
    }
    narrow::limit(sweep)
}

/// Whether the search ended because there was nothing more to try.
#[must_use]
pub fn ends_at_ceiling(prediction: &Prediction) -> bool {
    prediction.limited_by == LimitedBy::Ceiling
}

/// Private memory of this process, in bytes; none where it is not accounted or the system does not tell.
fn private_bytes(around: &Surroundings<'_>) -> Option<u64> {
    if around.is_accounted { ProcessMemory::of(std::process::id())?.data_bytes } else { None }
}
