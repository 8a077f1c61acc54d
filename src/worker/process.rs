//! The parent: starts a worker, listens to it, gives it up when it shows no sign of life, and says how it ended.
//!
//! Must be polled on one thread for the whole of the worker's life (a `current_thread` runtime, or `block_on`): Linux kills
//! the worker when the *thread* that started it ends.
//!
//! Left out on purpose: starting a worker again. That is the lab's decision.

use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::course::{Course, Cut, Phase, SIGKILL, Status};
use super::exit::Ending;
use super::lines::Lines;
use super::log::Log;
use super::protocol::{self, Event, Order};
use super::{control, limits};
use crate::interrupt::stopped;

/// How long the end of a dead worker's pipe is waited for; something that it started may keep it open.
const DRAIN: Duration = Duration::from_millis(200);
/// How long a killed worker is waited for; one that hangs in the kernel is left to be reaped later.
const REAP: Duration = Duration::from_secs(10);
/// How often the worker's memory is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How a worker is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program; none: this one.
    pub program: Option<PathBuf>,
    /// The file that the worker's stderr is appended to.
    pub log: PathBuf,
    /// From the start to the loaded model, at most.
    pub load_timeout: Duration,
    /// From one event to the next, at most, once the model is loaded.
    pub stall_timeout: Duration,
    /// How long a worker that is asked to stop may take, and one that is done to end.
    pub stop_grace: Duration,
    /// Lines of the log's end that are told of a worker.
    pub tail_lines: usize,
}

impl Options {
    /// The usual timeouts: 300 s to load, 120 s without a sign of life, 3 s to stop.
    #[must_use]
    pub fn new(log: PathBuf) -> Self {
        Self {
            program: None,
            log,
            load_timeout: Duration::from_mins(5),
            stall_timeout: Duration::from_mins(2),
            stop_grace: Duration::from_secs(3),
            tail_lines: super::log::LINES,
        }
    }
}

/// Why there was no worker.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The log cannot be written: no such folder, no right to, disk full.
    #[error("{}: cannot write the worker's log: {source}", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The worker cannot be started.
    #[error("{}: cannot start it as a worker: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The job has no JSON form (a path that is not UTF-8).
    #[error("the job cannot be handed to a worker: {0}")]
    Job(#[from] serde_json::Error),
    /// The system does not say how the worker ended.
    #[error("cannot wait for the worker: {0}")]
    Wait(io::Error),
}

/// Runs one worker from its start to its end. `cancel` becoming true stops it; `on_event` is told every event at once.
/// Whatever happens to the worker is an [`Ending`]; it is dead and reaped then.
///
/// # Errors
/// [`WorkerError`] when there was no worker to begin with.
pub async fn run(
    order: impl Into<Order>,
    options: &Options,
    cancel: &mut watch::Receiver<bool>,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Ending, WorkerError> {
    let order = order.into();
    let mut job_line = serde_json::to_vec(&order)?;
    job_line.push(b'\n');
    let program = match &options.program {
        Some(program) => program.clone(),
        None => std::env::current_exe()
            .map_err(|source| WorkerError::Spawn { program: PathBuf::from("sweetspot"), source })?,
    };
    let arguments = ["worker".to_owned(), format!("--parent={}", std::process::id())];
    let log_error = |source| WorkerError::Log { path: options.log.clone(), source };
    let log = Log::open(&options.log, &format!("{} {}", program.display(), arguments.join(" "))).map_err(log_error)?;
    let mut command = Command::new(&program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log.stderr().map_err(log_error)?);
    // ggml would start a debugger to print a backtrace: seconds and pages between a crash and its notice.
    command.env("GGML_NO_BACKTRACE", "1").kill_on_drop(true);
    control::own_group(&mut command);
    let mut child = command.spawn().map_err(|source| WorkerError::Spawn { program, source })?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(WorkerError::Wait(io::Error::other("the worker has no pipes")));
    };
    let stop = Notify::new();
    let feed = pin!(feed(stdin, job_line, &stop));
    let watch = Watch::new(child, stdout, options, Course::new(order.tasks()), &stop);
    watch.see_through(feed, cancel, on_event, &log).await
}

/// Hands the job over, then the command to stop when it is due; keeps stdin open, as its end means that the parent is gone.
async fn feed(mut stdin: ChildStdin, job: Vec<u8>, stop: &Notify) {
    // A worker that does not read is dead or dying: its end will say more than the broken pipe.
    let _ = stdin.write_all(&job).await;
    stop.notified().await;
    if let Ok(mut line) = serde_json::to_vec(&protocol::Command::Stop) {
        line.push(b'\n');
        let _ = stdin.write_all(&line).await;
    }
    pending::<()>().await;
}

/// A worker that is being watched.
struct Watch<'a> {
    child: Child,
    pid: Option<u32>,
    lines: Lines<ChildStdout>,
    options: &'a Options,
    course: Course,
    stop: &'a Notify,
    started: Instant,
    /// When the last event came.
    heard: Instant,
    /// The pipe's end was seen.
    silent: bool,
    cut: Option<Cut>,
    /// When it was asked to stop.
    asked: Option<Instant>,
    killed: Option<Instant>,
    died: Option<(Instant, ExitStatus)>,
    peak_resident_bytes: Option<u64>,
    oom_kills_before: Option<u64>,
}

impl<'a> Watch<'a> {
    fn new(child: Child, stdout: ChildStdout, options: &'a Options, course: Course, stop: &'a Notify) -> Self {
        let (now, pid) = (Instant::now(), child.id());
        Self {
            child,
            pid,
            lines: Lines::new(stdout),
            options,
            course,
            stop,
            started: now,
            heard: now,
            silent: false,
            cut: None,
            asked: None,
            killed: None,
            died: None,
            peak_resident_bytes: None,
            oom_kills_before: limits::oom_kills(),
        }
    }

    async fn see_through(
        mut self,
        mut feed: Pin<&mut impl Future<Output = ()>>,
        cancel: &mut watch::Receiver<bool>,
        on_event: &mut dyn FnMut(&Event),
        log: &Log,
    ) -> Result<Ending, WorkerError> {
        let mut cancelled = pin!(stopped(cancel));
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let deadline = self.deadline();
            tokio::select! {
                biased;
                () = &mut cancelled, if self.cut.is_none() && self.died.is_none() => self.ask_to_stop(),
                () = &mut feed => {}
                line = self.lines.next(), if !self.silent => self.hear(line, on_event),
                status = self.child.wait(), if self.died.is_none() => {
                    self.died = Some((Instant::now(), status.map_err(WorkerError::Wait)?));
                }
                _ = look.tick(), if self.died.is_none() => self.look_at_memory(),
                () = sleep_until(deadline) => if self.too_late() { break },
            }
            if self.silent && self.died.is_some() {
                break;
            }
        }
        Ok(self.end(log))
    }

    /// When something must have happened at the latest.
    fn deadline(&self) -> Instant {
        let Options { load_timeout, stall_timeout, stop_grace, .. } = *self.options;
        match (self.died, self.killed, self.asked, self.course.phase) {
            (Some((at, _)), ..) => at + DRAIN,
            (_, Some(at), ..) => at + REAP,
            (_, _, Some(at), _) => at + stop_grace,
            (.., Phase::Loading) => self.started + load_timeout,
            (.., Phase::Running) => self.heard + stall_timeout,
            (.., Phase::Ending) => self.heard + stop_grace,
        }
    }

    /// The deadline has passed; true when there is nothing more to wait for.
    fn too_late(&mut self) -> bool {
        if self.died.is_some() || self.killed.is_some() {
            // Somebody else holds the pipe: something that the worker started and that is of no more use.
            self.pid.inspect(|pid| control::kill_rest(*pid));
            return true;
        }
        if self.silent && !self.course.has_ended() {
            self.course.protocol_error.get_or_insert("the worker closed its output and went on".into());
        }
        self.kill(match self.course.phase {
            _ if self.asked.is_some() => Cut::Cancelled,
            Phase::Loading => Cut::LoadTimeout,
            Phase::Running => Cut::Stalled,
            Phase::Ending => Cut::Lingering,
        });
        false
    }

    fn ask_to_stop(&mut self) {
        self.cut = Some(Cut::Cancelled);
        self.asked = Some(Instant::now());
        self.stop.notify_one();
    }

    fn kill(&mut self, cut: Cut) {
        self.look_at_memory();
        self.cut.get_or_insert(cut);
        self.killed = Some(Instant::now());
        control::kill_group(&mut self.child);
    }

    fn hear(&mut self, line: io::Result<Option<Vec<u8>>>, on_event: &mut dyn FnMut(&Event)) {
        let heard = match line {
            Ok(Some(line)) => self.course.hear(&line),
            Ok(None) => {
                self.silent = true;
                self.heard = Instant::now();
                self.course.phase = Phase::Ending;
                return;
            }
            Err(error) => Err(format!("the worker cannot be understood: {error}")),
        };
        match heard {
            Ok(event) => {
                if let Event::Loaded { .. } | Event::LoadFailed { .. } | Event::TaskDone { .. } | Event::Done = event {
                    self.look_at_memory();
                }
                on_event(&event);
                self.heard = Instant::now();
            }
            Err(error) => {
                // What follows would be as little understood.
                self.silent = true;
                self.course.protocol_error.get_or_insert(error);
                if self.died.is_none() && self.killed.is_none() {
                    self.kill(Cut::Protocol);
                }
            }
        }
    }

    fn look_at_memory(&mut self) {
        let peak = self.pid.and_then(limits::peak_resident_bytes);
        self.peak_resident_bytes = self.peak_resident_bytes.max(peak);
    }

    /// Whether the out-of-memory killer was at work since the worker started. Where nobody counts, a SIGKILL from nowhere is
    /// taken for it.
    fn kernel_took_processes(&self) -> bool {
        match (self.oom_kills_before, limits::oom_kills()) {
            (Some(before), Some(now)) => now > before,
            _ => true,
        }
    }

    fn end(self, log: &Log) -> Ending {
        let status = match self.died {
            None => Status::Unknown,
            Some((_, status)) => match (status.code(), control::signal_of(status)) {
                (Some(code), _) => Status::Code(code),
                (None, Some(SIGKILL)) if self.killed.is_none() && self.kernel_took_processes() => Status::OomKilled,
                (None, Some(signal)) => Status::Signal(signal),
                (None, None) => Status::Unknown,
            },
        };
        let end = self.died.map_or_else(Instant::now, |(at, _)| at);
        let timeout = match self.cut {
            Some(Cut::LoadTimeout) => Some(self.options.load_timeout),
            Some(Cut::Stalled) => Some(self.options.stall_timeout),
            Some(Cut::Cancelled | Cut::Lingering) if self.killed.is_some() => Some(self.options.stop_grace),
            _ => None,
        };
        Ending {
            killed_by_us: self.killed.is_some(),
            peak_resident_bytes: self.peak_resident_bytes,
            pid: self.pid,
            lived: end - self.started,
            timeout,
            ..self.course.end(status, self.cut, log.tail(self.options.tail_lines))
        }
    }
}
