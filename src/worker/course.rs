//! What the parent has heard of a worker, and what the worker's end then means. Pure: no process, no clock.

use std::time::Duration;

use super::exit::{Ending, Exit, tells_of_memory};
use super::protocol::{Event, VERSION};

/// SIGABRT: a failed assertion, an uncaught C++ exception, an allocation that Rust gives up on. The same on every Unix.
const SIGABRT: i32 = 6;
/// SIGKILL. The same on every Unix.
pub(super) const SIGKILL: i32 = 9;

/// How far a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not loaded yet.
    Loading,
    /// Loaded.
    Running,
    /// Nothing more is to come but its end.
    Ending,
}

/// Why the parent did not let a worker go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The caller wanted it to stop.
    Cancelled,
    /// Not loaded in time.
    LoadTimeout,
    /// No sign of life.
    Stalled,
    /// It speaks another language.
    Protocol,
    /// It had said everything and did not end.
    Lingering,
}

/// How a process ended, as the system says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Code(i32),
    Signal(i32),
    /// By SIGKILL that nobody here sent, while the kernel took processes for want of memory.
    OomKilled,
    /// Not known: killed, but not reaped in time.
    Unknown,
}

/// What was heard so far.
#[derive(Debug)]
pub(super) struct Course {
    tasks: usize,
    pub(super) phase: Phase,
    done: bool,
    load_failure: Option<String>,
    last_task: Option<usize>,
    unfinished_task: Option<usize>,
    tasks_done: usize,
    task_failures: Vec<String>,
    pub(super) protocol_error: Option<String>,
}

impl Course {
    /// Nothing heard yet from a worker with this many tasks.
    pub(super) fn new(tasks: usize) -> Self {
        Self {
            tasks,
            phase: Phase::Loading,
            done: false,
            load_failure: None,
            last_task: None,
            unfinished_task: None,
            tasks_done: 0,
            task_failures: Vec::new(),
            protocol_error: None,
        }
    }

    /// Takes one line; what is wrong with it when it is no event of a worker of this version.
    pub(super) fn hear(&mut self, line: &[u8]) -> Result<Event, String> {
        let event: Event = serde_json::from_slice(line)
            .map_err(|error| format!("the worker said something that is no event ({error}): {}", quote(line)))?;
        match &event {
            Event::Ready { version, .. } if *version != VERSION => {
                return Err(format!(
                    "the worker speaks version {version} of the protocol, this program version {VERSION}: \
                     was the program replaced while it ran?"
                ));
            }
            Event::Loaded { .. } | Event::Quantizing { .. } => self.phase = Phase::Running,
            Event::Counted { task, .. } => {
                self.known(*task)?;
                self.phase = Phase::Running;
            }
            Event::LoadFailed { reason } => {
                self.load_failure = Some(reason.clone());
                self.phase = Phase::Ending;
            }
            Event::TaskStarted { task, .. } => {
                self.known(*task)?;
                self.last_task = Some(*task);
                self.unfinished_task = Some(*task);
            }
            Event::TaskDone { task, .. } => {
                self.known(*task)?;
                self.unfinished_task = None;
                self.tasks_done += 1;
            }
            Event::TaskFailed { task, reason } => {
                self.known(*task)?;
                self.unfinished_task = None;
                self.task_failures.push(reason.clone());
            }
            Event::Context { finding } => finding.sweep().map_or(Ok(()), |sweep| self.known(sweep))?,
            Event::Done => {
                self.done = true;
                self.phase = Phase::Ending;
            }
            Event::Progress { task, .. } | Event::Partial { task, .. } => self.known(*task)?,
            Event::Ready { .. } | Event::Engine { .. } | Event::Loading { .. } | Event::Pulse { .. } => {}
        }
        Ok(event)
    }

    /// Whether it said that nothing more is to come.
    pub(super) fn has_ended(&self) -> bool {
        self.done || self.load_failure.is_some()
    }

    fn known(&self, task: usize) -> Result<(), String> {
        if task < self.tasks {
            return Ok(());
        }
        Err(format!("the worker speaks of task {task}; its job has {}", self.tasks))
    }

    /// What the end means.
    pub(super) fn end(self, status: Status, cut: Option<Cut>, log_tail: Vec<String>) -> Ending {
        let exit = self.exit(status, cut, &log_tail);
        Ending {
            exit,
            stopped_by_us: cut == Some(Cut::Cancelled),
            killed_by_us: false,
            done: self.done,
            load_failure: self.load_failure,
            protocol_error: self.protocol_error,
            last_task: self.last_task,
            unfinished_task: self.unfinished_task,
            log_tail,
            peak_resident_bytes: None,
            pid: None,
            lived: Duration::ZERO,
            timeout: None,
        }
    }

    fn exit(&self, status: Status, cut: Option<Cut>, log_tail: &[String]) -> Exit {
        match (cut, status) {
            (Some(Cut::LoadTimeout), _) => Exit::Timeout,
            (Some(Cut::Stalled), _) => Exit::Stalled,
            (None | Some(Cut::Lingering), _) if self.starved(status, log_tail) => Exit::OutOfMemory,
            (Some(Cut::Lingering), _) if self.done => Exit::Success,
            (None, Status::OomKilled) => Exit::OutOfMemory,
            (_, Status::Code(0)) => Exit::Success,
            (_, Status::Code(code)) => Exit::Code(code),
            (_, Status::Signal(number)) => Exit::Signal(number),
            (_, Status::OomKilled | Status::Unknown) => Exit::Signal(SIGKILL),
        }
    }

    /// Whether it ended for want of memory: nothing came out, and the last that it said is that it could not have some.
    fn starved(&self, status: Status, log_tail: &[String]) -> bool {
        let nothing_came = self.tasks_done == 0 && !self.task_failures.is_empty();
        let ended_itself =
            matches!(status, Status::Signal(SIGABRT)) || matches!(status, Status::Code(code) if code != 0);
        let gave_up = self.load_failure.is_some() || ended_itself || nothing_came;
        let reasons = self.load_failure.iter().chain(&self.task_failures);
        gave_up && log_tail.iter().chain(reasons).any(|line| tells_of_memory(line))
    }
}

/// The beginning of a line, fit to be shown.
fn quote(line: &[u8]) -> String {
    const CHARACTERS: usize = 200;
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * CHARACTERS)]);
    let short: String = text.chars().take(CHARACTERS).collect();
    if short.len() < line.len() { format!("{short:?}…") } else { format!("{short:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles::{Samples, bench};

    fn heard(lines: &[&str]) -> Course {
        let mut course = Course::new(2);
        for line in lines {
            course.hear(line.as_bytes()).unwrap();
        }
        course
    }

    fn exit(course: &Course, status: Status, cut: Option<Cut>, log: &[&str]) -> Exit {
        course.exit(status, cut, &log.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    const STARVING: &str = "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 99";
    const TASK_FAILED: &str = r#"{"event":"task_failed","task":0,"reason":"no context of 9 tokens"}"#;
    const LOAD_FAILED: &str = r#"{"event":"load_failed","reason":"unable to allocate CPU buffer"}"#;

    #[test]
    fn a_signal_is_a_lack_of_memory_when_the_kernel_counted_it_or_the_log_of_an_abort_says_so() {
        let course = heard(&[]);
        assert_eq!(exit(&course, Status::OomKilled, None, &[]), Exit::OutOfMemory);
        assert_eq!(exit(&course, Status::Signal(9), None, &[]), Exit::Signal(9));
        assert_eq!(exit(&course, Status::Signal(9), Some(Cut::Cancelled), &[]), Exit::Signal(9));
        assert_eq!(exit(&course, Status::Signal(6), None, &[STARVING]), Exit::OutOfMemory);
        assert_eq!(exit(&course, Status::Signal(6), None, &["GGML_ASSERT(n > 0) failed"]), Exit::Signal(6));
        assert_eq!(exit(&course, Status::Signal(11), None, &[STARVING]), Exit::Signal(11));
    }

    #[test]
    fn a_failure_for_want_of_memory_counts_unless_another_task_was_done() {
        assert_eq!(exit(&heard(&[LOAD_FAILED]), Status::Code(1), None, &[]), Exit::OutOfMemory);
        assert_eq!(exit(&heard(&[TASK_FAILED]), Status::Code(0), None, &[STARVING]), Exit::OutOfMemory);
        assert_eq!(exit(&heard(&[TASK_FAILED]), Status::Code(0), None, &["all is well"]), Exit::Success);
        let samples = bench::Samples { n_prompt: 1, n_gen: 0, n_depth: 0, prompt_ns: vec![1], gen_ns: Vec::new() };
        let samples = Box::new(Samples::Bench(samples));
        let done = Event::TaskDone { task: 1, seconds: 1.0, samples, memory: None };
        let course = heard(&[TASK_FAILED, &serde_json::to_string(&done).unwrap()]);
        assert_eq!(exit(&course, Status::Code(0), None, &[STARVING]), Exit::Success);
    }

    #[test]
    fn what_was_cut_off_ends_as_the_cut_says() {
        let course = heard(&[]);
        assert_eq!(exit(&course, Status::Signal(9), Some(Cut::LoadTimeout), &[STARVING]), Exit::Timeout);
        assert_eq!(exit(&course, Status::Signal(9), Some(Cut::Stalled), &[]), Exit::Stalled);
        assert_eq!(exit(&course, Status::Unknown, Some(Cut::Stalled), &[]), Exit::Stalled);
        assert_eq!(exit(&course, Status::Signal(9), Some(Cut::Lingering), &[]), Exit::Signal(9));
        let done = heard(&[r#"{"event":"done"}"#]);
        assert_eq!(exit(&done, Status::Signal(9), Some(Cut::Lingering), &[]), Exit::Success);
    }

    #[test]
    fn the_phase_follows_the_events() {
        assert_eq!(heard(&[r#"{"event":"loading","percent":5}"#]).phase, Phase::Loading);
        assert_eq!(heard(&[LOAD_FAILED]).phase, Phase::Ending);
        assert_eq!(heard(&[r#"{"event":"done"}"#]).phase, Phase::Ending);
        let started = r#"{"event":"task_started","task":1,"profile":"bench"}"#;
        let course = heard(&[started]);
        assert_eq!((course.last_task, course.unfinished_task), (Some(1), Some(1)));
    }

    #[test]
    fn a_long_line_that_is_no_event_is_quoted_in_part() {
        let said = Course::new(1).hear("ä".repeat(5000).as_bytes()).unwrap_err();
        assert!(said.len() < 700 && said.ends_with("\"…"), "{said}");
        let said = Course::new(1).hear(b"\xff\x00").unwrap_err();
        assert!(said.contains("\\0"), "{said}");
    }
}
