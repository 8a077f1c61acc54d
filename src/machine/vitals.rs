//! How the machine is doing right now: a [`Snapshot`] before and one after a measurement tell what disturbed it.
//!
//! ```no_run
//! use sweetspot::machine::vitals::Snapshot;
//! let worker = std::process::id();
//! let start = Snapshot::take(worker);
//! // … the measurement …
//! let span = start.until(&Snapshot::take(worker));
//! for warning in span.warnings() {
//!     eprintln!("{warning}");
//! }
//! ```
//!
//! Left out on purpose: judging a measurement by it; the reports only show what was there.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{gpu, platform};

pub use super::span::{NoiseWarning, VitalsSpan};

/// One reading. What cannot be read is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vitals {
    /// Degrees Celsius of the hottest sensor of the processor.
    pub temperature_c: Option<f64>,
    /// Clock of the processor, mean over its cores.
    pub frequency_mhz: Option<f64>,
    /// What is used of the swap areas.
    pub swap_used_bytes: Option<u64>,
    /// Memory of the watched process.
    pub process: Option<ProcessMemory>,
    /// Graphics processors, in the driver's order.
    pub gpus: Vec<GpuVitals>,
}

/// RAM that a process takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessMemory {
    /// Resident now, mapped files included (`VmRSS`).
    pub rss_bytes: u64,
    /// The most that ever was resident (`VmHWM`).
    pub rss_peak_bytes: Option<u64>,
    /// The part of it that no file backs (`RssAnon`): the memory that a model takes besides its file.
    pub rss_anon_bytes: Option<u64>,
    /// The part of it that files back (`RssFile`): mapped weights, as far as they were read.
    #[serde(default)]
    pub rss_file_bytes: Option<u64>,
    /// What was swapped out of it (`VmSwap`).
    #[serde(default)]
    pub swap_bytes: Option<u64>,
    /// Private memory that it may write to, touched or not (`VmData`): what Linux' `RLIMIT_DATA` limits.
    #[serde(default)]
    pub data_bytes: Option<u64>,
}

impl ProcessMemory {
    /// Of a process now; none where it is gone or the system does not tell.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        platform::process_memory(pid)
    }
}

/// How a graphics processor is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuVitals {
    /// Degrees Celsius of the chip.
    pub temperature_c: Option<f64>,
    /// Clock of the multiprocessors.
    pub clock_mhz: Option<f64>,
    /// Power drawn.
    pub power_watts: Option<f64>,
    /// Memory in use, by all processes.
    pub memory_used_bytes: Option<u64>,
    /// Why the clock is held back; empty when it is not.
    pub throttle_reasons: Vec<String>,
}

/// Counters that only grow; two readings of them tell what happened in between. `None` where the system has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// CPU time of all processes, interrupts and stolen time, in ticks over all CPUs.
    pub(super) busy_ticks: Option<u64>,
    /// The same and idle time.
    pub(super) all_ticks: Option<u64>,
    /// CPU time of this process, the watched one and what they reaped, in the same ticks.
    pub(super) own_ticks: Option<u64>,
    /// Pages read from swap, by anyone.
    pub(super) swap_in_pages: Option<u64>,
    /// Pages written to swap, by anyone.
    pub(super) swap_out_pages: Option<u64>,
    /// Times that the processor slowed itself down because of heat or power.
    pub(super) throttle_events: Option<u64>,
    /// Time that a control group's CPU quota held threads back.
    pub(super) quota_throttled: Option<Duration>,
}

/// A reading at a moment. Takes well under 1 ms on Linux (a GPU's driver may need more).
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) at: Instant,
    pub(super) vitals: Vitals,
    pub(super) counters: Counters,
}

impl Snapshot {
    /// Reads everything now. `pid` is the process that computes; its CPU time and this process's own count as ours, all
    /// other CPU time as other load. Give this process's own id where it computes itself.
    #[must_use]
    pub fn take(pid: u32) -> Self {
        let (mut vitals, counters) = platform::reading(pid);
        vitals.gpus = gpu::vitals();
        Self { at: Instant::now(), vitals, counters }
    }

    /// The reading.
    #[must_use]
    pub fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// What happened from this reading to a later one.
    #[must_use]
    pub fn until(&self, later: &Self) -> VitalsSpan {
        VitalsSpan::over(&[self.clone(), later.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_knows_the_memory_of_the_watched_process() {
        let ballast = std::hint::black_box(vec![1_u8; 32 << 20]);
        let process = Snapshot::take(std::process::id()).vitals.process.expect("this process exists");
        assert!(process.rss_bytes >= ballast.len() as u64, "{process:?}");
        assert!(process.rss_peak_bytes.is_none_or(|peak| peak >= process.rss_bytes), "{process:?}");
    }

    #[test]
    fn a_process_that_is_gone_has_no_memory_and_the_rest_is_read_all_the_same() {
        let vitals = Snapshot::take(u32::MAX - 1).vitals;
        assert_eq!(vitals.process, None);
        assert_eq!(
            vitals.swap_used_bytes.is_some(),
            Snapshot::take(std::process::id()).vitals.swap_used_bytes.is_some()
        );
    }
}
