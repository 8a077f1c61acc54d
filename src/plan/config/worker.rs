//! The configuration's section `[worker]`: how the worker is watched and started again.

use serde::{Deserialize, Serialize};

use super::check::Problems;

/// Longest timeout: a year.
const LONGEST_SECONDS: u64 = 365 * 24 * 3600;

/// How the worker is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerConfig {
    /// A model that is not loaded after so long is given up.
    pub load_timeout_seconds: u64,
    /// A worker without a sign of life for so long is given up.
    pub stall_timeout_seconds: u64,
    /// How long a worker that was asked to stop may take before it is killed.
    pub stop_grace_seconds: u64,
    /// How often a worker that dies while it starts is started again.
    pub start_retries: u32,
    /// How long is waited before the first such start; before each further one twice as long.
    pub start_retry_wait_seconds: f64,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            load_timeout_seconds: 300,
            stall_timeout_seconds: 120,
            // an interrupted run is to have its partial report within two seconds
            stop_grace_seconds: 1,
            start_retries: 3,
            start_retry_wait_seconds: 0.5,
        }
    }
}

impl WorkerConfig {
    /// The wait before the start number `retry` (1: the first one after the first death); doubles from one to the next.
    #[must_use]
    pub fn start_retry_wait(&self, retry: u32) -> std::time::Duration {
        let doublings = i32::try_from(retry.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.start_retry_wait_seconds * 2_f64.powi(doublings);
        std::time::Duration::try_from_secs_f64(seconds).unwrap_or(std::time::Duration::MAX)
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let (load, stall) = (self.load_timeout_seconds, self.stall_timeout_seconds);
        problems.within("worker.load_timeout_seconds", load, 1, LONGEST_SECONDS);
        problems.within("worker.stall_timeout_seconds", stall, 1, LONGEST_SECONDS);
        problems.within("worker.stop_grace_seconds", self.stop_grace_seconds, 0, LONGEST_SECONDS);
        problems.within("worker.start_retries", self.start_retries, 0, 10);
        problems.within("worker.start_retry_wait_seconds", self.start_retry_wait_seconds, 0.0, 60.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn waits_between_starts_double() {
        let waits = [1, 2, 3].map(|retry| WorkerConfig::default().start_retry_wait(retry).as_secs_f64());
        assert_eq!(waits.map(|w| w.to_string()), ["0.5", "1", "2"]);
    }

    #[test]
    fn timeouts_without_sense_are_named() {
        let error = Config::parse("[worker]\nload_timeout_seconds = 9223372036854775807").unwrap_err();
        assert_eq!(
            error, "worker.load_timeout_seconds is 9223372036854775807; it must be 1 to 31536000",
            "no timeout is longer than a year"
        );
        let error = Config::parse("[worker]\nstart_retries = 11").unwrap_err();
        assert_eq!(error, "worker.start_retries is 11; it must be 0 to 10");
        let error = Config::parse("[worker]\nstart_retry_wait_seconds = nan").unwrap_err();
        assert_eq!(error, "worker.start_retry_wait_seconds is NaN; it must be 0 to 60");
    }
}
