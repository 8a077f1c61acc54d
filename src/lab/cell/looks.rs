//! How the machine is doing while a profile runs.

use std::time::{Duration, Instant};

use crate::machine::vitals::{Snapshot, VitalsSpan};

/// How often at most its state is read.
const LOOK_INTERVAL: Duration = Duration::from_millis(900);

/// The machine's state at moments of a profile.
#[derive(Default)]
pub(super) struct Looks {
    pub(super) pid: u32,
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) last: Option<Instant>,
    pub(super) begun: Option<Instant>,
}

impl Looks {
    pub(super) fn begin(&mut self) {
        self.begun = Some(Instant::now());
        self.snapshots.clear();
        self.last = None;
        self.look();
    }

    pub(super) fn seconds(&self) -> f64 {
        self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64())
    }

    pub(super) fn look(&mut self) {
        if self.last.is_none_or(|last| last.elapsed() >= LOOK_INTERVAL) {
            self.snapshots.push(Snapshot::take(self.pid));
            self.last = Some(Instant::now());
        }
    }

    pub(super) fn end(&mut self) -> VitalsSpan {
        self.snapshots.push(Snapshot::take(self.pid));
        VitalsSpan::over(&self.snapshots)
    }
}
