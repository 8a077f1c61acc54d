//! One cell: a worker for it, started again for the profiles that remain when it dies, and the outcome at the end.

mod life;
mod looks;
mod record;
mod starts;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

use crate::lab::console::Console;
use crate::lab::outcome::{Outcome, Status};
use crate::lab::stamp::FileStamp;
use crate::plan::config::WorkerConfig;
use crate::plan::matrix::PlannedCell;
use crate::plan::termination::Skip;
use crate::profiles::Job;
use crate::worker::exit::Exit;
use crate::worker::process::{self, Options, WorkerError};
use crate::worker::protocol::{self, EngineChoice};
use life::Life;
use looks::Looks;
use record::Record;
use starts::Starts;

/// Why a profile has no samples when somebody stopped the run.
const INTERRUPTED: &str = "interrupted";

/// What every worker of a run has in common.
#[derive(Clone, Debug)]
pub struct Workers {
    /// Timeouts; the log's path is replaced by the cell's.
    pub options: Options,
    /// Which engine.
    pub engine: EngineChoice,
    /// Most bytes of its own that a worker may take.
    pub memory_cap_bytes: Option<u64>,
    /// How often and when a worker that dies before its engine has started is started again.
    pub watched: WorkerConfig,
}

impl Workers {
    /// Workers without a cap, watched as usual.
    #[must_use]
    pub fn new(options: Options, engine: EngineChoice) -> Self {
        Self { options, engine, memory_cap_bytes: None, watched: WorkerConfig::default() }
    }

    /// As a configuration wants them.
    #[must_use]
    pub fn configured(watched: &WorkerConfig, engine: EngineChoice, memory_cap_bytes: Option<u64>) -> Self {
        let options = Options {
            load_timeout: Duration::from_secs(watched.load_timeout_seconds),
            stall_timeout: Duration::from_secs(watched.stall_timeout_seconds),
            stop_grace: Duration::from_secs(watched.stop_grace_seconds),
            ..Options::new(PathBuf::new())
        };
        Self { options, engine, memory_cap_bytes, watched: watched.clone() }
    }
}

/// Runs a cell to its end. Never fails: what goes wrong is in the outcome. Of `earlier`, which was cut off, the profiles that had
/// come to their end are kept.
pub async fn run(
    planned: &PlannedCell,
    workers: &Workers,
    log_name: &str,
    earlier: Option<&Outcome>,
    cancel: &mut watch::Receiver<bool>,
    console: &mut Console,
) -> Outcome {
    let mut record = Record::new(planned);
    record.outcome.files = FileStamp::of_model(&planned.model.path);
    if let Some(reason) = &planned.broken {
        return record.end(Status::Failed, Some(reason));
    }
    earlier.inspect(|earlier| record.take_over(earlier));
    let mut remaining: Vec<&Job> = planned.jobs.iter().filter(|job| !record.has(job.name())).collect();
    let mut starts = Starts::new(workers);
    while !remaining.is_empty() && !*cancel.borrow() {
        let job = protocol::Job {
            version: protocol::VERSION,
            engine: workers.engine.clone(),
            model: Some(planned.model.clone()),
            memory_cap_bytes: workers.memory_cap_bytes,
            tasks: remaining.iter().copied().cloned().collect(),
        };
        let names: Vec<_> = remaining.iter().map(|job| job.name()).collect();
        let cancelled = cancel.clone();
        let mut life =
            Life { record: &mut record, names: &names, console, cancelled, looks: Looks::default(), engine: false };
        let ending = process::run(&job, &workers.options, cancel, &mut |event| life.hear(event)).await;
        let had_engine = life.engine;
        record.outcome.log = Some(log_name.to_owned());
        let died_on_start = match &ending {
            Ok(ending) => !had_engine && !ending.stopped_by_us && ending.exit != Exit::Timeout,
            Err(error) => matches!(error, WorkerError::Spawn { .. }),
        };
        if died_on_start && starts.again(&ending, cancel, console).await {
            continue;
        }
        if died_on_start && *cancel.borrow() {
            break; // nobody knows whether it would have started
        }
        match ending {
            Ok(ending) => record.worker_ended(&ending, &names),
            Err(error) => {
                record.fail_all(&names, &error.to_string(), None);
                break;
            }
        }
        if !record.loaded {
            break; // it does not load: no use in trying again
        }
        let before = remaining.len();
        remaining.retain(|job| !record.has(job.name()));
        if remaining.len() == before && !*cancel.borrow() {
            record.fail_all(&names, "the worker ended without a word about it", None); // or it would be started for ever
            break;
        }
    }
    if *cancel.borrow() {
        let names: Vec<_> = remaining.iter().map(|job| job.name()).collect();
        record.skip_all(&names, INTERRUPTED);
    }
    record.conclude()
}

/// The outcome of a cell that was never begun.
#[must_use]
pub fn not_begun(planned: &PlannedCell, reason: &str) -> Outcome {
    Record::new(planned).end(Status::Skipped, Some(reason))
}

/// The outcome of a cell that is not worth running, after all that is known.
#[must_use]
pub fn not_worth_it(planned: &PlannedCell, decision: Skip) -> Outcome {
    let outcome = Record::new(planned).end(Status::Skipped, Some(&decision.reason));
    Outcome { decision: Some(decision), ..outcome }
}
