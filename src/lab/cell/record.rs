//! An outcome while its cell runs: what is heard of each profile, and what the end of a worker means for those unheard of.

use std::time::Instant;

use jiff::Timestamp;

use super::INTERRUPTED;
use crate::lab::outcome::{Outcome, ProfileOutcome, Status};
use crate::plan::matrix::PlannedCell;
use crate::profiles::{Job, ProfileName, Samples};
use crate::worker::exit::{Ending, Exit};

/// An outcome in the making.
pub(super) struct Record {
    pub(super) outcome: Outcome,
    pub(super) planned: Vec<ProfileName>,
    /// What profiles had measured so far, where they said so; the profile that a worker dies of keeps it.
    pub(super) partials: Vec<(ProfileName, Samples)>,
    pub(super) begun: Instant,
    /// A worker of this session has loaded the model.
    pub(super) loaded: bool,
    /// What it took before it was resumed.
    pub(super) earlier_seconds: f64,
}

impl Record {
    pub(super) fn new(planned: &PlannedCell) -> Self {
        let outcome = Outcome {
            schema_version: Outcome::SCHEMA_VERSION,
            cell: planned.cell.clone(),
            status: Status::Failed,
            reason: None,
            decision: None,
            model: None,
            memory: None,
            peak_resident_bytes: None,
            load_seconds: None,
            profiles: Vec::new(),
            warnings: planned.warnings.clone(),
            log: None,
            started_at: format!("{:.0}", Timestamp::now()),
            duration_seconds: 0.0,
            cut_off: false,
            files: Vec::new(),
        };
        Self {
            outcome,
            planned: planned.jobs.iter().map(Job::name).collect(),
            partials: Vec::new(),
            begun: Instant::now(),
            loaded: false,
            earlier_seconds: 0.0,
        }
    }

    /// Keeps what came to its end before the run was stopped.
    pub(super) fn take_over(&mut self, earlier: &Outcome) {
        for profile in &earlier.profiles {
            let is_done = profile.status == Status::Measured || earlier.model.is_some();
            if is_done && profile.reason.as_deref() != Some(INTERRUPTED) && self.planned.contains(&profile.profile) {
                self.add(profile.clone());
            }
        }
        self.outcome.model.clone_from(&earlier.model);
        self.outcome.memory.clone_from(&earlier.memory);
        self.outcome.peak_resident_bytes = earlier.peak_resident_bytes;
        self.outcome.load_seconds = earlier.load_seconds;
        self.outcome.log.clone_from(&earlier.log);
        self.outcome.started_at.clone_from(&earlier.started_at);
        self.earlier_seconds = earlier.duration_seconds;
    }

    pub(super) fn has(&self, name: ProfileName) -> bool {
        self.outcome.profiles.iter().any(|p| p.profile == name)
    }

    pub(super) fn add(&mut self, profile: ProfileOutcome) {
        if !self.has(profile.profile) {
            self.outcome.profiles.push(profile);
        }
    }

    pub(super) fn fail_all(&mut self, names: &[ProfileName], reason: &str, ending: Option<&Ending>) {
        for &name in names {
            let samples = self.take_partial(name);
            self.add(ProfileOutcome {
                samples,
                exit: ending.map(|e| e.exit),
                log_tail: ending.map(|e| e.log_tail.clone()).unwrap_or_default(),
                ..ProfileOutcome::without_samples(name, Status::Failed, reason)
            });
        }
    }

    /// Keeps the newest.
    pub(super) fn keep(&mut self, profile: ProfileName, samples: Samples) {
        self.take_partial(profile);
        self.partials.push((profile, samples));
    }

    pub(super) fn take_partial(&mut self, profile: ProfileName) -> Option<Samples> {
        let place = self.partials.iter().position(|(name, _)| *name == profile)?;
        Some(self.partials.swap_remove(place).1)
    }

    pub(super) fn skip_all(&mut self, names: &[ProfileName], reason: &str) {
        for &name in names {
            let samples = self.take_partial(name);
            self.add(ProfileOutcome { samples, ..ProfileOutcome::without_samples(name, Status::Skipped, reason) });
        }
    }

    /// Books what a dead worker leaves unsaid. The profile that it died of has failed; those after it are tried again,
    /// unless the worker never began one: then the next worker would not either.
    pub(super) fn worker_ended(&mut self, ending: &Ending, names: &[ProfileName]) {
        let peak = &mut self.outcome.peak_resident_bytes;
        *peak = (*peak).max(ending.peak_resident_bytes);
        if ending.stopped_by_us {
            return;
        }
        if ending.done && ending.exit == Exit::Success {
            return self.explain_failures(ending, names);
        }
        let reason = ending.reason();
        self.explain_failures(ending, names);
        match ending.unfinished_task.and_then(|task| names.get(task)) {
            Some(&name) => self.fail_all(&[name], &reason, Some(ending)),
            // every profile has its own event; one that failed for want of memory says so itself
            None if ending.done && ending.exit == Exit::OutOfMemory => {}
            None if ending.done => {
                self.outcome.warnings.push(format!("after its last profile the worker ended badly: {reason}"));
            }
            None => {
                let unheard: Vec<_> = names.iter().copied().filter(|&n| !self.has(n)).collect();
                // between two profiles: the next one is to blame, the others are tried again
                let blamed = if self.loaded { &unheard[..1.min(unheard.len())] } else { &unheard };
                self.fail_all(blamed, &reason, Some(ending));
            }
        }
    }

    /// Gives the profiles that failed in this worker's life the end of its log.
    pub(super) fn explain_failures(&mut self, ending: &Ending, names: &[ProfileName]) {
        let failed =
            self.outcome.profiles.iter_mut().filter(|p| p.status == Status::Failed && names.contains(&p.profile));
        for profile in failed.filter(|p| p.log_tail.is_empty()) {
            profile.log_tail.clone_from(&ending.log_tail);
            profile.exit = Some(ending.exit).filter(|&exit| exit != Exit::Success);
        }
    }

    /// Every planned profile has ended: what does that make the cell?
    pub(super) fn conclude(mut self) -> Outcome {
        self.outcome.profiles.sort_by_key(|p| self.planned.iter().position(|&name| name == p.profile));
        let failed = self.outcome.profiles.iter().find(|p| p.status == Status::Failed);
        let skipped = self.outcome.profiles.iter().find(|p| p.status == Status::Skipped);
        let describe = |p: &ProfileOutcome| match &p.reason {
            Some(reason) if self.outcome.model.is_some() => format!("{}: {reason}", p.profile.name()),
            Some(reason) => reason.clone(),
            None => p.profile.name().to_owned(),
        };
        let reason = failed.or(skipped).map(describe);
        let status = if self.outcome.profiles.iter().any(|p| p.status == Status::Measured) {
            Status::Measured
        } else if failed.is_none() && skipped.is_some() {
            Status::Skipped
        } else {
            Status::Failed
        };
        self.end(status, reason.as_deref())
    }

    pub(super) fn end(mut self, status: Status, reason: Option<&str>) -> Outcome {
        if self.outcome.profiles.is_empty() {
            let names = self.planned.clone();
            for name in names {
                self.add(ProfileOutcome::without_samples(name, status, reason.unwrap_or_default()));
            }
        }
        self.outcome.status = status;
        self.outcome.reason = reason.map(str::to_owned);
        self.outcome.duration_seconds = self.earlier_seconds + self.begun.elapsed().as_secs_f64();
        self.outcome.cut_off = self.outcome.profiles.iter().any(|p| p.reason.as_deref() == Some(INTERRUPTED));
        self.outcome
    }
}
