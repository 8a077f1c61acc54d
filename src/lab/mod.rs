//! The run: cell after cell, each in a worker of its own, each outcome on the disk before the next cell begins.
//!
//! Left out on purpose: what to run ([`crate::plan`]), how it is measured ([`crate::profiles`]) and what it means
//! ([`crate::report`], from the run's folder).

pub mod cell;
pub mod checkpoint;
pub mod console;
pub mod context;
pub mod ladder;
pub mod models;
pub mod outcome;
pub mod run_file;
pub mod synthetic;

use tokio::sync::watch;

use crate::plan::matrix::PlannedCell;
use cell::Workers;
use checkpoint::Checkpoint;
use console::Console;
use outcome::Status;

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Cells with samples.
    pub measured: usize,
    /// Cells without.
    pub not_measured: usize,
    /// Somebody asked it to stop.
    pub interrupted: bool,
}

/// Runs every planned cell; each ends as exactly one outcome in the run's folder, also when the run is interrupted.
///
/// # Errors
/// Only when an outcome cannot be kept (disk full, folder gone); those before it are on the disk.
pub async fn run(
    plan: &[PlannedCell],
    workers: &Workers,
    checkpoint: &mut Checkpoint,
    mut cancel: watch::Receiver<bool>,
) -> anyhow::Result<Ended> {
    let mut console = Console::new(plan.len());
    let mut ended = Ended::default();
    for (index, planned) in plan.iter().enumerate() {
        console.cell_started(index + 1, &planned.cell);
        let outcome = if *cancel.borrow() {
            cell::not_begun(planned, "interrupted before it began")
        } else {
            let log_name = checkpoint.log_name(&planned.cell);
            let mut workers = workers.clone();
            workers.options.log = checkpoint.folder().join(&log_name);
            cell::run(planned, &workers, &log_name, &mut cancel, &mut console).await
        };
        console.cell_ended(&outcome);
        checkpoint.append(&outcome).inspect_err(|_| console.finish())?;
        match outcome.status {
            Status::Measured => ended.measured += 1,
            Status::Failed | Status::Skipped => ended.not_measured += 1,
        }
    }
    console.finish();
    ended.interrupted = *cancel.borrow();
    Ok(ended)
}
