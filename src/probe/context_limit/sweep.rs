//! A whole sweep, in the worker: predict every type of the KV cache, prove what was predicted under a hard cap, then let a
//! cache grow. What is found is told at once.
//!
//! The order matters. The real model is loaded and a computation begun in it before anything is predicted, because program,
//! vocabulary and threads take memory, too. The model that is only planned stays to the end: if it went, its vocabulary would
//! leave holes in the heap that later contexts find or not. What it takes is known and left out of the cap.

use std::time::Duration;

use super::finding::Finding;
use super::found::{Failure, FailureKind, Planned, Prediction, Probe, ProbeResult, Sweep};
use super::narrow;
use super::predict::{Planner, Process, room};
use super::prove::{Filling, Interrupted, Prover};
use super::task::{Proof, Task};
use super::weights::{Weights, look};
use crate::engine::pages::{steady_allocator, trim_heap};
use crate::engine::{AbortHandle, ContextParams, Engine, EngineError, LoadProgress, Model, Token};
use crate::machine::vitals::ProcessMemory;
use crate::probe::kv_growth::{self, Means, Point};
use crate::profiles::clock::Clock;
use crate::profiles::long_context::text;

/// Tokens of prose and records that contexts are filled with, over and over.
const FILL_TOKENS: usize = 32 << 10;

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
    if open.is_empty() {
        return Ok(());
    }
    // told before anything is loaded, which may take minutes or fail; what is loaded then refines it
    let predicted_only = task.proof == Proof::None && task.growth.is_none();
    let is_final = predicted_only || weights.too_large.is_some();
    let others = is_final.then_some(&task.other_budgets[..]);
    let predicted = predict(task, around, &weights, &open, weights.estimated(task), others);
    tell(around, &mut open, predicted, is_final);
    if let Some(reason) = &weights.too_large {
        for work in &open {
            (around.found)(Finding::Unfinished { sweep: work.place, reason: reason.clone() });
        }
        return Ok(());
    }
    if predicted_only {
        let text =
            "without a proof the scratch memory of a computation is not known: a few MB more are taken".to_owned();
        (around.found)(Finding::Note { text });
        return Ok(());
    }
    Loaded::load(task, around, &weights)?.see_through(&mut open);
    Ok(())
}

/// One type of the KV cache that is being worked on.
pub(super) struct Work {
    pub(super) place: usize,
    pub(super) sweep: Sweep,
}

impl Work {
    fn new(place: usize, sweep: &Sweep) -> Self {
        Self { place, sweep: sweep.clone() }
    }
}

/// Predicts what is not predicted yet; gives the predictions by their places in `open`.
fn predict(
    task: &Task,
    around: &Surroundings<'_>,
    weights: &Weights,
    open: &[Work],
    process: Process,
    others: Option<&[u64]>,
) -> Predicted {
    let mapped = task.model.use_mmap;
    let planner = Planner { model: &*weights.planned, context: &task.context, mapped, process, grid: weights.grid };
    let wanted = open.iter().enumerate().filter(|(_, work)| work.sweep.prediction.is_none());
    let wanted = wanted.take_while(|_| !around.abort.is_raised());
    wanted.map(|(at, work)| (at, planner.predict(work.sweep.kv, &task.budget, others))).collect()
}

/// Predictions by the places of their types.
type Predicted = Vec<(usize, Result<Prediction, EngineError>)>;

/// Tells predictions, and keeps them where they are final.
fn tell(around: &Surroundings<'_>, open: &mut [Work], predicted: Predicted, are_final: bool) {
    for (at, prediction) in predicted {
        let work = &mut open[at];
        (around.found)(match prediction {
            Ok(prediction) => {
                work.sweep.prediction = are_final.then(|| prediction.clone());
                Finding::Predicted { sweep: work.place, prediction: Box::new(prediction) }
            }
            Err(error) => Finding::Unfinished { sweep: work.place, reason: error.to_string() },
        });
    }
}

/// The real model at work.
struct Loaded<'a> {
    task: &'a Task,
    around: &'a Surroundings<'a>,
    weights: &'a Weights,
    model: Box<dyn Model>,
    /// Tokens to fill contexts with.
    text: Vec<Token>,
    /// Weights that lie in this process's private memory, in bytes: the repacked ones, and all of them where the file is not
    /// mapped.
    weights_bytes: u64,
}

impl<'a> Loaded<'a> {
    fn load(task: &'a Task, around: &'a Surroundings<'a>, weights: &'a Weights) -> Result<Self, String> {
        let started = around.clock.now();
        let model = around.engine.load(&task.model, (around.loading)()).map_err(|error| error.to_string())?;
        (around.loaded)(&*model, around.clock.now().saturating_sub(started).as_secs_f64());
        let fills = task.proof == Proof::Fill || task.growth.is_some();
        let wanted = if fills { FILL_TOKENS } else { task.context.n_ubatch as usize };
        let text = text::tokens(&*model, wanted, 0);
        let weights_bytes = if task.model.use_mmap { weights.repacked_bytes } else { weights.host_bytes };
        Ok(Self { task, around, weights, model, text, weights_bytes })
    }

    fn see_through(&self, open: &mut [Work]) {
        let Some(first) = open.first() else { return };
        self.begin_to_compute(first); // the first one starts the threads, which stay
        let scratch_bytes = open.iter().map(|work| self.begin_to_compute(work)).max().unwrap_or(0);
        let planned_excess_bytes = self.planned_excess(first).unwrap_or(0);
        self.predict(open, scratch_bytes, planned_excess_bytes);
        let is_capped = self.cap();
        // First what should fit, of every type: a context that is refused leaves holes in the heap.
        for most_probes in [1, usize::MAX] {
            for work in open.iter_mut().filter(|_| self.task.proof != Proof::None) {
                if self.prove(work, scratch_bytes, is_capped, most_probes) == Err(Interrupted) {
                    return;
                }
            }
        }
        for work in open.iter().filter(|_| !self.around.abort.is_raised()) {
            self.grow(work);
        }
    }

    /// Predicts with the memory that this process takes when the prediction is over: counting needs some itself, which does
    /// not all come back.
    fn predict(&self, open: &mut [Work], scratch_bytes: u64, planned_excess_bytes: i64) {
        const ATTEMPTS: u32 = 3;
        const SETTLED_BYTES: u64 = 128 << 10;
        let others = Some(&self.task.other_budgets[..]);
        let mut process = Process { planned_excess_bytes, ..self.process(scratch_bytes) };
        for _ in 1..ATTEMPTS {
            predict(self.task, self.around, self.weights, open, process, None);
            let before = process.program_bytes;
            process.program_bytes = self.process(scratch_bytes).program_bytes;
            if process.program_bytes.abs_diff(before) <= SETTLED_BYTES {
                break;
            }
        }
        let predicted = predict(self.task, self.around, self.weights, open, process, others);
        tell(self.around, open, predicted, true);
    }

    /// What a computation takes besides a context, in bytes: started and stopped at once.
    fn begin_to_compute(&self, work: &Work) -> u64 {
        let own = || private_bytes(self.around).unwrap_or(0);
        let n_ctx = self.task.context.n_ubatch.max(self.task.granularity);
        self.prover(0).begin_to_compute(work.sweep.kv, n_ctx, &self.text, &own).unwrap_or(0)
    }

    /// Memory of this process besides weights and context, the scratch memory of a computation included.
    fn process(&self, scratch_bytes: u64) -> Process {
        if self.weights.on_devices {
            // a GPU's driver maps far more than it uses
            let resident = ProcessMemory::of(std::process::id()).and_then(|memory| memory.rss_anon_bytes);
            let program_bytes = resident.unwrap_or(0).saturating_sub(self.weights_bytes);
            return Process { program_bytes, ..Process::default() };
        }
        private_bytes(self.around).map_or_else(Process::default, |own| Process {
            program_bytes: own.saturating_sub(self.weights_bytes + self.weights.planned_bytes) + scratch_bytes,
            is_accounted: true,
            planned_excess_bytes: 0,
        })
    }

    /// Bytes that making a planned context takes beyond what making a real one takes besides its buffers. llama.cpp really
    /// allocates a recurrent state for a planned one, which would count twice. None where there is no such context.
    fn planned_excess(&self, work: &Work) -> Option<i64> {
        let kv = work.sweep.kv;
        let params = ContextParams { type_k: kv.k, type_v: kv.v, ..self.task.context.clone() };
        let taken = |model: &dyn Model, is_real: bool| -> Option<u64> {
            drop(model.session(&params).ok()?); // the first one makes the heap larger
            let before = private_bytes(self.around)?;
            let session = model.session(&params).ok()?;
            let all = private_bytes(self.around)?.saturating_sub(before);
            let memory = session.memory();
            let host = memory.buffers.iter().filter(|buffer| buffer.is_host && is_real);
            Some(all.saturating_sub(host.map(|buffer| buffer.kv_bytes + buffer.compute_bytes).sum()))
        };
        let (planned, real) = (taken(&*self.weights.planned, false)?, taken(&*self.model, true)?);
        Some(planned.cast_signed() - real.cast_signed())
    }

    /// The hard cap: what the budget leaves when the mapped weights are taken off, and the planned model besides, which a user
    /// of the context does not have. Weights and contexts on devices are limited by the device itself, and their drivers map
    /// more than they use; false where there is no cap.
    fn cap(&self) -> bool {
        let weights = self.weights;
        if !self.around.is_accounted {
            return true; // a scripted engine's own limit
        }
        let capped = if weights.on_devices {
            Err("its model lies on a GPU".to_owned())
        } else {
            let mapped = if self.task.model.use_mmap { weights.host_bytes } else { 0 };
            (self.around.cap)(self.task.budget.host_bytes.saturating_sub(mapped) + weights.planned_bytes)
        };
        if let Err(reason) = &capped {
            let text =
                format!("the worker's memory is not capped ({reason}): contexts above the budget are refused by count");
            (self.around.found)(Finding::Note { text });
        }
        capped.is_ok()
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

    /// Probes until the limit is known, or there are so many probes.
    fn prove(
        &self,
        work: &mut Work,
        scratch_bytes: u64,
        is_capped: bool,
        most_probes: usize,
    ) -> Result<(), Interrupted> {
        let Some(prediction) = work.sweep.prediction.clone() else { return Ok(()) };
        while let Some(n_ctx) = self.weights.grid.next(prediction.max_context, &work.sweep.probes) {
            if work.sweep.probes.len() >= most_probes {
                break;
            }
            if !is_capped && let Some(reason) = self.exceeded(&prediction, work, n_ctx) {
                let result = ProbeResult::Failed(Failure { kind: FailureKind::Refused, reason });
                let probe = Probe { n_ctx, result, seconds: 0.0 };
                work.sweep.probes.push(probe.clone());
                (self.around.found)(Finding::Probed { sweep: work.place, probe });
                continue;
            }
            (self.around.found)(Finding::Probing { sweep: work.place, n_ctx });
            let mut progress = |tokens| {
                (self.around.found)(Finding::Filling { sweep: work.place, tokens, total: n_ctx });
            };
            // once the time did not suffice, a context of about the same size need not show it again
            let is_slow = |probe: &Probe| matches!(&probe.result, ProbeResult::Fits(fit) if fit.fill_ended.is_some());
            let fills = self.task.proof == Proof::Fill && !work.sweep.probes.iter().any(is_slow);
            let filling = fills.then(|| Filling {
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

    /// Why a context is refused where no cap of the system refuses it: by count it is more than the budget.
    fn exceeded(&self, prediction: &Prediction, work: &Work, n_ctx: u32) -> Option<String> {
        let (type_k, type_v) = (work.sweep.kv.k, work.sweep.kv.v);
        let params = ContextParams { n_ctx, type_k, type_v, ..self.task.context.clone() };
        let memory = self.weights.planned.session(&params).ok()?.memory();
        let planned = Planned { n_ctx, memory, beside_bytes: prediction.at_max.beside_bytes };
        (room(prediction, &planned, &self.task.budget) < 0).then(|| "by count it is more than the budget".to_owned())
    }

    /// Fills a context step by step, no larger than the limit.
    fn grow(&self, work: &Work) {
        let Some(plan) = self.task.growth.as_ref().filter(|_| work.sweep.growth.is_none()) else { return };
        let Some(limit) = known_limit(&work.sweep) else { return };
        let n_ctx = self.weights.grid.floor(limit.into()).min(plan.to_tokens.next_multiple_of(self.weights.grid.step));
        let sweep = work.place;
        (self.around.found)(Finding::Growing { sweep, n_ctx });
        let (type_k, type_v, abort) = (work.sweep.kv.k, work.sweep.kv.v, self.around.abort.clone());
        let params = ContextParams { n_ctx, type_k, type_v, abort, ..self.task.context.clone() };
        let ended_by = match self.model.session(&params) {
            Ok(mut session) => {
                let means =
                    Means { clock: self.around.clock, abort: &self.around.abort, n_ubatch: self.task.context.n_ubatch };
                let mut on_point = |point: &Point| {
                    (self.around.found)(Finding::Grown { sweep, point: point.clone() });
                };
                kv_growth::grow(&mut *session, &self.text, plan, &means, &mut on_point).ended_by
            }
            Err(error) => kv_growth::EndedBy::Failed(error.to_string()),
        };
        (self.around.found)(Finding::GrowthEnded { sweep, ended_by });
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

/// Private memory of this process, in bytes; none where it is not accounted or the system does not tell.
pub(super) fn private_bytes(around: &Surroundings<'_>) -> Option<u64> {
    trim_heap();
    if around.is_accounted { ProcessMemory::of(std::process::id())?.data_bytes } else { None }
}
