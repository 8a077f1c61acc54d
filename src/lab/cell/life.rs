//! What a worker says becomes its cell's outcome and the progress that is shown.

use tokio::sync::watch;

use super::INTERRUPTED;
use super::looks::Looks;
use super::record::Record;
use crate::engine::{MemoryBreakdown, ModelInfo};
use crate::lab::console::Console;
use crate::lab::outcome::{Cell, ProfileOutcome, Status};
use crate::profiles::ProfileName;
use crate::worker::protocol::Event;

/// One worker's life, as heard by the parent.
pub(super) struct Life<'a> {
    pub(super) record: &'a mut Record,
    pub(super) names: &'a [ProfileName],
    pub(super) console: &'a mut Console,
    pub(super) cancelled: watch::Receiver<bool>,
    pub(super) looks: Looks,
    /// Its engine has started.
    pub(super) engine: bool,
}

impl Life<'_> {
    pub(super) fn hear(&mut self, event: &Event) {
        match event {
            Event::Ready { pid, .. } => self.looks.pid = *pid,
            Event::Loading { percent } => self.console.loading(*percent),
            Event::Loaded { model, seconds } => self.loaded(model, *seconds),
            Event::TaskStarted { profile, .. } => {
                self.looks.begin();
                self.console.profile(*profile, None);
            }
            Event::Progress { task, progress } => {
                self.looks.look();
                if let Some(&name) = self.names.get(*task) {
                    self.console.profile(name, Some(progress));
                }
            }
            Event::Pulse { tokens, .. } => {
                self.looks.look();
                self.console.tokens(*tokens);
            }
            Event::Partial { task, samples } => {
                if let Some(&name) = self.names.get(*task) {
                    self.record.keep(name, (**samples).clone());
                }
            }
            Event::TaskDone { task, seconds, samples, memory } => {
                let Some(&profile) = self.names.get(*task) else { return };
                let vitals = self.looks.end();
                // what was whole when somebody stopped it is shown, and measured again when the run is resumed
                let reason = self.cancelled.borrow().then(|| INTERRUPTED.to_owned());
                let total = |m: &Option<MemoryBreakdown>| m.as_ref().map(MemoryBreakdown::total_bytes);
                if total(memory) > total(&self.record.outcome.memory) {
                    self.record.outcome.memory.clone_from(memory);
                }
                self.record.add(ProfileOutcome {
                    samples: Some((**samples).clone()),
                    vitals: Some(vitals),
                    duration_seconds: *seconds,
                    reason,
                    ..ProfileOutcome::without_samples(profile, Status::Measured, "")
                });
            }
            Event::TaskFailed { task, reason } => {
                let Some(&profile) = self.names.get(*task) else { return };
                // what was aborted on request did not fail
                let interrupted = *self.cancelled.borrow();
                let (status, reason) =
                    if interrupted { (Status::Skipped, INTERRUPTED) } else { (Status::Failed, reason.as_str()) };
                let (duration_seconds, vitals) = (self.looks.seconds(), Some(self.looks.end()));
                let samples = self.record.take_partial(profile);
                self.record.add(ProfileOutcome {
                    samples,
                    vitals,
                    duration_seconds,
                    ..ProfileOutcome::without_samples(profile, status, reason)
                });
            }
            Event::Engine { .. } => self.engine = true,
            Event::Quantizing { .. }
            | Event::Context { .. }
            | Event::Counted { .. }
            | Event::LoadFailed { .. }
            | Event::Done => {}
        }
    }

    pub(super) fn loaded(&mut self, model: &ModelInfo, seconds: f64) {
        self.record.loaded = true;
        self.record.outcome.load_seconds.get_or_insert(seconds);
        self.record.outcome.model.get_or_insert_with(|| model.clone());
        self.record.outcome.cell = Cell { synthetic: model.synthetic, ..self.record.outcome.cell.clone() };
    }
}
