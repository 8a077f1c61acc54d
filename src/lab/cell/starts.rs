//! Workers that die on start, started again.

use tokio::sync::watch;

use super::Workers;
use crate::interrupt::stopped;
use crate::lab::console::Console;
use crate::plan::config::WorkerConfig;
use crate::worker::exit::Ending;
use crate::worker::process::WorkerError;

/// Starts of a cell's workers, as far as they failed.
pub(super) struct Starts<'a> {
    pub(super) failed: u32,
    pub(super) watched: &'a WorkerConfig,
}

impl<'a> Starts<'a> {
    pub(super) fn new(workers: &'a Workers) -> Self {
        Self { failed: 0, watched: &workers.watched }
    }

    /// Waits before the next try; false where there is none any more, or somebody stops the run meanwhile. What kept a worker
    /// from starting may pass: a machine out of processes or memory, a program that is just being replaced.
    pub(super) async fn again(
        &mut self,
        ending: &Result<Ending, WorkerError>,
        cancel: &mut watch::Receiver<bool>,
        console: &Console,
    ) -> bool {
        let all = self.watched.start_retries;
        if self.failed >= all || *cancel.borrow() {
            return false;
        }
        self.failed += 1;
        let reason = match ending {
            Ok(ending) => ending.reason(),
            Err(error) => error.to_string(),
        };
        let (wait, number) = (self.watched.start_retry_wait(self.failed), self.failed);
        let seconds = wait.as_secs_f64();
        console.note(&format!("the worker died on start ({reason}); again in {seconds} s ({number} of {all})"));
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = stopped(cancel) => false,
        }
    }
}
