//! A context sweep as the parent sees it: workers are started again as long as there is something left to find, and what was
//! found is kept whatever becomes of them.
//!
//! A probe that kills its worker is a result: the context that was being made does not fit. The next worker is told so and
//! goes on below it.

use tokio::sync::watch;

use super::console::Console;
use crate::engine::{EngineInfo, ModelInfo};
use crate::probe::context_limit::{Failure, FailureKind, Finding, Probe, ProbeResult, Proof, Sweep, Task};
use crate::probe::kv_growth::{EndedBy, Growth, Point};
use crate::worker::exit::{Ending, Exit};
use crate::worker::process::{self, Options, WorkerError};
use crate::worker::protocol::{EngineChoice, Event, Sweeping, VERSION};

/// More deaths than this, and something else than memory is wrong.
const MOST_DEATHS: u32 = 24;

/// The signal that the kernel sends when memory runs out, and anybody else.
const SIGKILL: i32 = 9;

/// Why something is not known when somebody stopped the sweep.
pub const INTERRUPTED: &str = "interrupted";

/// All that came of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// One for each type of the KV cache, in the task's order.
    pub sweeps: Vec<Sweep>,
    /// What the file says of itself, where it was loaded.
    pub model: Option<ModelInfo>,
    /// What the engine is.
    pub engine: Option<EngineInfo>,
    /// Seconds that each load of the model took.
    pub load_seconds: Vec<f64>,
    /// Workers that died of a probe or of filling a context.
    pub deaths: u32,
    /// What the reader should know.
    pub notes: Vec<String>,
    /// Why nothing more could be found, where that is so.
    pub failure: Option<String>,
    /// Somebody stopped it.
    pub interrupted: bool,
    /// The last lines of the last worker's log, where it ended badly.
    pub log_tail: Vec<String>,
}

/// Runs a sweep to its end.
///
/// # Errors
/// When no worker can be started, or its log cannot be written.
pub async fn run(
    task: &Task,
    engine: &EngineChoice,
    options: &Options,
    cancel: &mut watch::Receiver<bool>,
    console: &mut Console,
) -> Result<Found, WorkerError> {
    let mut state = State::new(task);
    loop {
        let task = Task { sweeps: state.found.sweeps.clone(), ..task.clone() };
        let order = Sweeping { version: VERSION, engine: engine.clone(), task };
        state.doing = Doing::Nothing;
        let mut on_event = |event: &Event| state.hear(event, console);
        let ending = match process::run(&order, options, cancel, &mut on_event).await {
            Ok(ending) => ending,
            Err(error) if state.found.deaths == 0 => return Err(error),
            Err(error) => {
                // what earlier workers found is not lost
                state.found.failure = Some(format!("no further worker: {error}"));
                break;
            }
        };
        if !state.goes_on(&ending) || *cancel.borrow() {
            break;
        }
        console.note(&format!("the worker died ({}); the sweep goes on with another", ending.reason()));
    }
    state.found.interrupted = *cancel.borrow();
    state.explain_unfinished(task);
    console.finish();
    Ok(state.found)
}

/// What the worker is at; the context in the making is what it dies of.
enum Doing {
    Nothing,
    Probing { sweep: usize, n_ctx: u32 },
    Growing { sweep: usize, n_ctx: u32, points: Vec<Point> },
}

struct State {
    found: Found,
    doing: Doing,
    /// The context that is tried once more.
    retried: Option<u32>,
}

impl State {
    fn new(task: &Task) -> Self {
        let found = Found {
            sweeps: task.sweeps.clone(),
            model: None,
            engine: None,
            load_seconds: Vec::new(),
            deaths: 0,
            notes: Vec::new(),
            failure: None,
            interrupted: false,
            log_tail: Vec::new(),
        };
        Self { found, doing: Doing::Nothing, retried: None }
    }

    fn hear(&mut self, event: &Event, console: &mut Console) {
        match event {
            Event::Engine { info } => self.found.engine = Some(info.clone()),
            Event::Loading { percent } => console.loading(*percent),
            Event::Loaded { model, seconds } => {
                self.found.load_seconds.push(*seconds);
                self.found.model = Some((**model).clone());
                console.step("counting", 0, 0, "");
            }
            Event::Context { finding } => self.learn(finding, console),
            _ => {}
        }
    }

    fn learn(&mut self, finding: &Finding, console: &mut Console) {
        let kv = finding.sweep().and_then(|place| self.found.sweeps.get(place)).map(|sweep| sweep.kv.to_string());
        let kv = kv.unwrap_or_default();
        match finding {
            Finding::Probing { n_ctx, .. } => {
                console.step(&format!("{kv}: making a context of {n_ctx} tokens"), 0, 0, "");
            }
            Finding::Filling { tokens, total, .. } => {
                console.step(&format!("{kv}: filling"), (*tokens).into(), (*total).into(), "tokens");
            }
            Finding::Grown { point, .. } => {
                let total = if let Doing::Growing { n_ctx, .. } = &self.doing { *n_ctx } else { 0 };
                console.step(&format!("{kv}: growing"), point.tokens.into(), total.into(), "tokens");
            }
            _ => {}
        }
        self.keep(finding);
    }

    /// Keeps what was found.
    fn keep(&mut self, finding: &Finding) {
        match finding {
            Finding::Note { text } if !self.found.notes.contains(text) => self.found.notes.push(text.clone()),
            Finding::Described { model } => self.found.model = Some((**model).clone()),
            _ => {}
        }
        // the course of the worker has refused a sweep that is not there
        let Some(sweep) = finding.sweep().and_then(|place| self.found.sweeps.get_mut(place)) else { return };
        match finding.clone() {
            Finding::Note { .. } | Finding::Described { .. } | Finding::Filling { .. } => {}
            Finding::Impossible { reason, .. } => sweep.impossible = Some(reason),
            Finding::Predicted { prediction, .. } => sweep.prediction = Some(*prediction),
            Finding::Probing { sweep, n_ctx } => self.doing = Doing::Probing { sweep, n_ctx },
            Finding::Probed { probe, .. } => {
                sweep.probes.push(probe);
                self.doing = Doing::Nothing;
            }
            Finding::Unfinished { reason, .. } => sweep.unfinished = Some(reason),
            Finding::Growing { sweep, n_ctx } => self.doing = Doing::Growing { sweep, n_ctx, points: Vec::new() },
            Finding::Grown { point, .. } => {
                if let Doing::Growing { points, .. } = &mut self.doing {
                    points.push(point);
                }
            }
            Finding::GrowthEnded { ended_by, .. } => {
                if let Doing::Growing { n_ctx, points, .. } = std::mem::replace(&mut self.doing, Doing::Nothing) {
                    sweep.growth = Some(Growth { n_ctx, points, ended_by });
                }
            }
        }
    }

    /// Books a worker's end; true when another one should go on.
    fn goes_on(&mut self, ending: &Ending) -> bool {
        let doing = std::mem::replace(&mut self.doing, Doing::Nothing);
        if ending.stopped_by_us {
            if let Doing::Growing { sweep, n_ctx, points } = doing {
                self.end_growth(sweep, Growth { n_ctx, points, ended_by: EndedBy::Interrupted });
            }
            return false;
        }
        if ending.done {
            return false;
        }
        let reason = ending.reason();
        self.found.log_tail.clone_from(&ending.log_tail);
        match doing {
            // one that could still say why is not dead of memory: a damaged file, a mistake in this program
            _ if ending.load_failure.is_some() => {
                self.found.failure = Some(reason);
                return false;
            }
            Doing::Nothing => {
                self.found.failure = Some(reason);
                return false;
            }
            // a kill that no lack of memory explains: somebody's, most likely; once more
            Doing::Probing { n_ctx, .. } if ending.exit == Exit::Signal(SIGKILL) && self.retried != Some(n_ctx) => {
                self.retried = Some(n_ctx);
            }
            Doing::Probing { sweep, n_ctx } => {
                let kind = if ending.exit == Exit::Stalled { FailureKind::Stalled } else { FailureKind::WorkerDied };
                let result = ProbeResult::Failed(Failure { kind, reason });
                if let Some(sweep) = self.found.sweeps.get_mut(sweep) {
                    sweep.probes.push(Probe { n_ctx, result, seconds: 0.0 });
                }
            }
            Doing::Growing { sweep, n_ctx, points } => {
                self.end_growth(sweep, Growth { n_ctx, points, ended_by: EndedBy::Failed(reason) });
            }
        }
        self.found.deaths += 1;
        if self.found.deaths > MOST_DEATHS {
            self.found.failure = Some(format!("given up after {MOST_DEATHS} workers have died"));
        }
        self.found.failure.is_none()
    }

    fn end_growth(&mut self, sweep: usize, growth: Growth) {
        if let Some(sweep) = self.found.sweeps.get_mut(sweep) {
            sweep.growth = Some(growth);
        }
    }

    /// Says of each search that did not end why it did not.
    fn explain_unfinished(&mut self, task: &Task) {
        let trained = self.found.model.as_ref().map_or(0, |model| model.n_ctx_train);
        let grid = task.grid(trained);
        let reason = match &self.found.failure {
            _ if self.found.interrupted => INTERRUPTED.to_owned(),
            Some(reason) => reason.clone(),
            None => return,
        };
        for sweep in &mut self.found.sweeps {
            let is_proved = |predicted| task.proof == Proof::None || grid.next(predicted, &sweep.probes).is_none();
            let is_over = sweep.prediction.as_ref().is_some_and(|prediction| is_proved(prediction.max_context));
            if sweep.impossible.is_none() && sweep.unfinished.is_none() && !is_over {
                sweep.unfinished = Some(reason.clone());
            }
        }
    }
}
