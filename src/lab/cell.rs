//! One cell: a worker for it, started again for the profiles that remain when it dies, and the outcome at the end.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::engine::{MemoryBreakdown, ModelInfo};
use crate::interrupt::stopped;
use crate::lab::console::Console;
use crate::lab::outcome::{Cell, Outcome, ProfileOutcome, Status};
use crate::lab::stamp::FileStamp;
use crate::machine::vitals::{Snapshot, VitalsSpan};
use crate::plan::config::WorkerConfig;
use crate::plan::matrix::PlannedCell;
use crate::plan::termination::Skip;
use crate::profiles::{Job, ProfileName, Samples};
use crate::worker::exit::{Ending, Exit};
use crate::worker::process::{self, Options, WorkerError};
use crate::worker::protocol::{self, EngineChoice, Event};

/// How often at most the machine's state is read while a profile runs.
const LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_millis(900);

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

/// Starts of a cell's workers, as far as they failed.
struct Starts<'a> {
    failed: u32,
    watched: &'a WorkerConfig,
}

impl<'a> Starts<'a> {
    fn new(workers: &'a Workers) -> Self {
        Self { failed: 0, watched: &workers.watched }
    }

    /// Waits before the next try; false where there is none any more, or somebody stops the run meanwhile. What kept a worker
    /// from starting may pass: a machine out of processes or memory, a program that is just being replaced.
    async fn again(
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

/// An outcome in the making.
struct Record {
    outcome: Outcome,
    planned: Vec<ProfileName>,
    /// What profiles had measured so far, where they said so; the profile that a worker dies of keeps it.
    partials: Vec<(ProfileName, Samples)>,
    begun: Instant,
    /// A worker of this session has loaded the model.
    loaded: bool,
    /// What it took before it was resumed.
    earlier_seconds: f64,
}

impl Record {
    fn new(planned: &PlannedCell) -> Self {
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
    fn take_over(&mut self, earlier: &Outcome) {
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

    fn has(&self, name: ProfileName) -> bool {
        self.outcome.profiles.iter().any(|p| p.profile == name)
    }

    fn add(&mut self, profile: ProfileOutcome) {
        if !self.has(profile.profile) {
            self.outcome.profiles.push(profile);
        }
    }

    fn fail_all(&mut self, names: &[ProfileName], reason: &str, ending: Option<&Ending>) {
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
    fn keep(&mut self, profile: ProfileName, samples: Samples) {
        self.take_partial(profile);
        self.partials.push((profile, samples));
    }

    fn take_partial(&mut self, profile: ProfileName) -> Option<Samples> {
        let place = self.partials.iter().position(|(name, _)| *name == profile)?;
        Some(self.partials.swap_remove(place).1)
    }

    fn skip_all(&mut self, names: &[ProfileName], reason: &str) {
        for &name in names {
            let samples = self.take_partial(name);
            self.add(ProfileOutcome { samples, ..ProfileOutcome::without_samples(name, Status::Skipped, reason) });
        }
    }

    /// Books what a dead worker leaves unsaid. The profile that it died of has failed; those after it are tried again,
    /// unless the worker never began one: then the next worker would not either.
    fn worker_ended(&mut self, ending: &Ending, names: &[ProfileName]) {
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
    fn explain_failures(&mut self, ending: &Ending, names: &[ProfileName]) {
        let failed =
            self.outcome.profiles.iter_mut().filter(|p| p.status == Status::Failed && names.contains(&p.profile));
        for profile in failed.filter(|p| p.log_tail.is_empty()) {
            profile.log_tail.clone_from(&ending.log_tail);
            profile.exit = Some(ending.exit).filter(|&exit| exit != Exit::Success);
        }
    }

    /// Every planned profile has ended: what does that make the cell?
    fn conclude(mut self) -> Outcome {
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

    fn end(mut self, status: Status, reason: Option<&str>) -> Outcome {
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

/// One worker's life, as heard by the parent.
struct Life<'a> {
    record: &'a mut Record,
    names: &'a [ProfileName],
    console: &'a mut Console,
    cancelled: watch::Receiver<bool>,
    looks: Looks,
    /// Its engine has started.
    engine: bool,
}

impl Life<'_> {
    fn hear(&mut self, event: &Event) {
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

    fn loaded(&mut self, model: &ModelInfo, seconds: f64) {
        self.record.loaded = true;
        self.record.outcome.load_seconds.get_or_insert(seconds);
        self.record.outcome.model.get_or_insert_with(|| model.clone());
        self.record.outcome.cell = Cell { synthetic: model.synthetic, ..self.record.outcome.cell.clone() };
    }
}

/// The machine's state at moments of a profile.
#[derive(Default)]
struct Looks {
    pid: u32,
    snapshots: Vec<Snapshot>,
    last: Option<Instant>,
    begun: Option<Instant>,
}

impl Looks {
    fn begin(&mut self) {
        self.begun = Some(Instant::now());
        self.snapshots.clear();
        self.last = None;
        self.look();
    }

    fn seconds(&self) -> f64 {
        self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64())
    }

    fn look(&mut self) {
        if self.last.is_none_or(|last| last.elapsed() >= LOOK_INTERVAL) {
            self.snapshots.push(Snapshot::take(self.pid));
            self.last = Some(Instant::now());
        }
    }

    fn end(&mut self) -> VitalsSpan {
        self.snapshots.push(Snapshot::take(self.pid));
        VitalsSpan::over(&self.snapshots)
    }
}
