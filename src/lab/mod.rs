//! The run: cell after cell, each in a worker of its own, each outcome on the disk before the next cell begins.
//!
//! Before a cell begins, what the cells before it showed decides whether it is worth it ([`crate::plan::termination`]), and its
//! file is made or fetched if it is not there ([`source`]). A run that was stopped goes on where it was ([`resume`]).
//!
//! Left out on purpose: what to run ([`crate::plan`]), how it is measured ([`crate::profiles`]) and what it means
//! ([`crate::report`], from the run's folder).

pub mod assembly;
pub mod cell;
pub mod checkpoint;
pub mod console;
pub mod context;
pub mod fetching;
pub mod ladder;
pub mod learn;
pub mod models;
pub mod outcome;
pub mod resume;
pub mod run_file;
pub mod source;
pub mod stamp;
pub mod synthetic;
pub mod whole;
pub mod wishes;

use tokio::sync::watch;

use crate::engine::need::Need;
use crate::exit_code::Interrupted;
use crate::hub::HubError;
use crate::plan::circuit::Circuit;
use crate::plan::config::{Config, KeepLogs, LoggingConfig, Thresholds};
use crate::plan::matrix::{Limits, PlannedCell};
use crate::plan::termination::{Settings, Skip, Termination, UseCase};
use cell::Workers;
use checkpoint::Checkpoint;
use console::Console;
use outcome::{Outcome, ProfileOutcome, Status};
use source::{Preparing, Source};

/// A planned cell with where its file comes from and what is known of it.
#[derive(Debug)]
pub struct Entry {
    /// What runs on it.
    pub planned: PlannedCell,
    /// How its file comes to be there.
    pub source: Source,
    /// Parameters, where they are known.
    pub n_params: Option<u64>,
    /// Parameters that compute a token, where they are known to be fewer.
    pub n_active_params: Option<u64>,
    /// Context size in tokens that it was trained for, where the file says so.
    pub n_ctx_train: Option<u32>,
    /// What it needs of main memory for its most demanding profile, where that could be counted.
    pub need: Option<Need>,
    /// How long it is expected to take.
    pub expected_seconds: Option<f64>,
}

/// What a run has besides its plan.
pub struct Session<'a> {
    /// How workers are run.
    pub workers: &'a Workers,
    /// Decides what is not worth running; knows nothing yet.
    pub termination: Termination,
    /// Gives up models that fail over and over; knows nothing yet.
    pub circuit: Circuit,
    /// What counts as passed.
    pub thresholds: Thresholds,
    /// What is kept of the workers' logs.
    pub logging: LoggingConfig,
    /// How files are made and fetched.
    pub preparing: Preparing,
    /// What an earlier session of the same run left: cells that ended, and those that were cut off.
    pub earlier: Vec<Outcome>,
    /// The expected times only compare cells with one another: nobody measured how fast this machine is.
    pub expects_roughly: bool,
}

impl<'a> Session<'a> {
    /// A session of a configured run in which nothing is known yet. `limit_bytes` is the memory that a model may take.
    #[must_use]
    pub fn new(config: &Config, limits: &Limits, workers: &'a Workers) -> Self {
        let rules = &config.termination;
        let settings = Settings {
            enabled: rules.enabled,
            max_ttft_seconds: rules.max_ttft_seconds,
            min_tokens_per_second: rules.min_tokens_per_second,
            memory_factor: rules.memory_factor,
            free_bytes: limits.memory_bytes,
            max_memory_bytes: limits.max_memory_bytes,
        };
        let preparing = Preparing { threads: limits.threads, program: workers.options.program.clone() };
        Self {
            workers,
            termination: Termination::new(settings),
            circuit: Circuit::new(if rules.enabled { rules.failures_before_giving_up } else { 0 }),
            thresholds: config.thresholds,
            logging: config.logging,
            preparing,
            earlier: Vec::new(),
            expects_roughly: true,
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Cells with samples, those of earlier sessions included.
    pub measured: usize,
    /// Cells without.
    pub not_measured: usize,
    /// Somebody asked it to stop.
    pub interrupted: bool,
}

/// Runs every planned cell that has not ended yet; each ends as exactly one outcome in the run's folder. When the run is
/// stopped, the cell that was being measured ends as cut off, and those after it stay without an outcome.
///
/// # Errors
/// Only when an outcome cannot be kept (disk full, folder gone); those before it are on the disk.
pub async fn run(
    plan: &mut [Entry],
    mut session: Session<'_>,
    checkpoint: &mut Checkpoint,
    mut cancel: watch::Receiver<bool>,
) -> anyhow::Result<Ended> {
    let expected: Vec<_> = plan.iter().map(|entry| entry.expected_seconds).collect();
    let mut console = Console::for_run(&expected, session.expects_roughly);
    let mut ended = Ended::default();
    for (index, entry) in plan.iter_mut().enumerate() {
        let before = session.earlier.iter().find(|outcome| outcome.cell.is(&entry.planned.cell));
        let outcome = match before {
            Some(done) if !done.cut_off => {
                console.cell_kept(done);
                done.clone()
            }
            _ if *cancel.borrow() => break,
            cut_off => {
                let cut_off = cut_off.cloned();
                console.cell_started(index + 1, &entry.planned.cell);
                let Some(outcome) =
                    session.end_of(entry, cut_off.as_ref(), checkpoint, &mut cancel, &mut console).await
                else {
                    break;
                };
                console.cell_ended(&outcome);
                checkpoint.append(&outcome).inspect_err(|_| console.finish())?;
                outcome
            }
        };
        session.learn(entry, &outcome);
        match outcome.status {
            Status::Measured => ended.measured += 1,
            Status::Failed | Status::Skipped => ended.not_measured += 1,
        }
    }
    console.finish();
    ended.interrupted = *cancel.borrow();
    Ok(ended)
}

impl Session<'_> {
    /// Sees a cell through; none where the run was stopped before it began.
    async fn end_of(
        &self,
        entry: &mut Entry,
        cut_off: Option<&Outcome>,
        checkpoint: &Checkpoint,
        cancel: &mut watch::Receiver<bool>,
        console: &mut Console,
    ) -> Option<Outcome> {
        // what does not come today may come tomorrow: a resumed run tries it again
        let mut is_absent = matches!(entry.source, Source::Absent(_));
        if entry.planned.broken.is_none() {
            if let Some(skip) = self.futile(entry) {
                return Some(cell::not_worth_it(&entry.planned, skip));
            }
            match entry.source.prepare(&mut entry.planned, &self.preparing, cancel, console).await {
                Ok(()) => {}
                Err(error) if error.is::<Interrupted>() => return None,
                Err(error) => {
                    is_absent = error.is::<HubError>();
                    entry.planned.broken = Some(format!("{error:#}"));
                }
            }
        }
        let log_name = cut_off.and_then(|earlier| earlier.log.clone());
        let log_name = log_name.unwrap_or_else(|| checkpoint.log_name(&entry.planned.cell));
        let mut workers = self.workers.clone();
        workers.options.log = checkpoint.folder().join(&log_name);
        workers.options.tail_lines = self.logging.tail_lines;
        let (planned, left_out) = self.worth_it(entry);
        let mut outcome = cell::run(&planned, &workers, &log_name, cut_off, cancel, console).await;
        let all_measured = || outcome.profiles.iter().all(|profile| profile.status == Status::Measured);
        let is_of_no_use = outcome.status == Status::Measured && !outcome.cut_off && all_measured();
        // a log that cannot be removed is no reason to lose the outcome that names it
        if self.logging.keep_worker_logs == KeepLogs::Failed
            && is_of_no_use
            && std::fs::remove_file(&workers.options.log).is_ok()
        {
            outcome.log = None;
        }
        outcome.profiles.extend(left_out);
        outcome.cut_off |= is_absent;
        Some(outcome)
    }

    /// The cell with the profiles that are worth running, and those that are not.
    fn worth_it(&self, entry: &Entry) -> (PlannedCell, Vec<ProfileOutcome>) {
        let mut planned = entry.planned.clone();
        let cases: Vec<_> = planned.jobs.iter().filter_map(|job| UseCase::of(job.name())).collect();
        let decided = self.termination.profiles_to_run(&learn::candidate(entry), &cases);
        let mut left_out = Vec::new();
        planned.jobs.retain(|job| {
            let of_job = decided.iter().find(|(case, _)| Some(*case) == UseCase::of(job.name()));
            let Some(skip) = of_job.and_then(|(_, skip)| skip.as_ref()) else { return true };
            left_out.push(ProfileOutcome::without_samples(job.name(), Status::Skipped, &skip.reason));
            false
        });
        if planned.jobs.is_empty() { (entry.planned.clone(), Vec::new()) } else { (planned, left_out) }
    }

    /// Why it is not worth running, if it is not.
    fn futile(&self, entry: &Entry) -> Option<Skip> {
        let cell = &entry.planned.cell;
        let skip = self.circuit.open(&cell.model).or_else(|| self.termination.decide(&learn::candidate(entry)))?;
        // only seconds that this machine's measured speed speaks for are told as saved
        let expected_seconds = entry.expected_seconds.filter(|_| !self.expects_roughly);
        Some(Skip { expected_seconds, ..skip })
    }

    /// What a cell's end says about those after it.
    fn learn(&mut self, entry: &Entry, outcome: &Outcome) {
        if outcome.cut_off || outcome.decision.is_some() {
            return;
        }
        let seen = learn::seen(entry, outcome, &self.thresholds);
        match learn::trouble(&seen, outcome) {
            Some(reason) => self.circuit.failed(&outcome.cell.model, &outcome.cell.quant, &reason),
            None => self.circuit.succeeded(&outcome.cell.model),
        }
        self.termination.learn(seen);
    }
}
