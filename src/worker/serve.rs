//! The child: reads one job, loads its model, runs its tasks, sends events. No tokio here: the measuring thread is the
//! main thread, beside it there are a thread that listens to the parent and one that shows that the engine moves.
//!
//! Left out on purpose: what to do about a failure. A task that fails is an event, and the next one follows.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::output::{Output, note};
use super::protocol::{Command, Counting, EngineChoice, Event, Job, Order, Quantizing, Sweeping, VERSION};
use super::{budget, control, limits};
use crate::engine::fake::FakeEngine;
use crate::engine::llama::LlamaEngine;
use crate::engine::{AbortHandle, Engine, EngineError, LoadProgress, Model, ModelParams};
use crate::engine::{need, quantize};
use crate::exit_code::{Exit, UsageError};
use crate::probe::context_limit::{self, sweep::Surroundings};
use crate::profiles::clock::{Clock, ManualClock, Monotonic};
use crate::profiles::{self, Rig};

/// How often the engine is looked at for a sign of life.
const PULSE: Duration = Duration::from_secs(1);
/// How long an engine may take to stop when it is asked to. Shorter than a parent's usual patience.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// Least time between two events about a loading model.
const LOADING: Duration = Duration::from_millis(100);

/// Runs one job from stdin; `parent` is the process to die with.
///
/// # Errors
/// When stdin holds no job of this version.
pub fn serve(parent: Option<u32>) -> anyhow::Result<Exit> {
    let there = limits::die_with(parent).context("cannot tie the worker's life to its parent's")?;
    if !there {
        return Ok(Exit::Nothing);
    }
    let output = Output::take().context("cannot keep stdout for events")?;
    output.send(&Event::Ready { version: VERSION, pid: std::process::id() });
    let Some(order) = read_order()? else { return Ok(Exit::Nothing) };
    warn("oom_score_adj", limits::die_first());
    warn("core dumps", limits::leave_no_core());
    let abort = AbortHandle::default();
    Ok(match order {
        Order::Measure(job) => {
            listen(abort.clone(), STOP_GRACE);
            pulse(abort.clone(), output.clone());
            Worker { job, output, abort }.run()
        }
        Order::Context(sweeping) => {
            listen(abort.clone(), STOP_GRACE);
            pulse(abort.clone(), output.clone());
            sweep(&sweeping, &output, &abort)
        }
        Order::Count(counting) => {
            listen(abort, Duration::ZERO); // nothing is computed: there is nothing to stop gently
            count(&counting, &output)
        }
        Order::Quantize(quantizing) => {
            listen(abort, Duration::ZERO); // llama.cpp's quantizer cannot be interrupted, and has nothing to tell
            quantize(&quantizing, &output)
        }
    })
}

/// Makes one quantized file.
fn quantize(quantizing: &Quantizing, output: &Output) -> Exit {
    let events = output.clone();
    let progress = Box::new(move |progress| events.send(&Event::Quantizing { progress }));
    let result = caught(|| quantize::run(&quantizing.task, progress)).and_then(|result| result);
    end(result, output)
}

/// Counts what models would need.
fn count(counting: &Counting, output: &Output) -> Exit {
    let result = caught(|| {
        let Started { engine, .. } = start(&counting.engine).map_err(|error| error.to_string())?;
        output.send(&Event::Engine { info: engine.describe() });
        for (task, lists) in counting.models.iter().enumerate() {
            output.send(&Event::Counted { task, need: need::largest(&*engine, lists) });
        }
        Ok(())
    });
    end(result.and_then(|result| result), output)
}

/// Finds the limit of a model's context.
fn sweep(sweeping: &Sweeping, output: &Output, abort: &AbortHandle) -> Exit {
    let result = caught(|| {
        let Started { engine, clock } = start(&sweeping.engine).map_err(|error| error.to_string())?;
        output.send(&Event::Engine { info: engine.describe() });
        let around = Surroundings {
            engine: &*engine,
            is_accounted: sweeping.engine == EngineChoice::Llama,
            clock: &*clock,
            abort: abort.clone(),
            loading: &|| load_progress(output, abort),
            loaded: &|model, seconds| {
                output.send(&Event::Loaded { model: Box::new(model.info().clone()), seconds });
            },
            cap: &|bytes| {
                if limits::CAPS_MEMORY {
                    limits::cap_memory(bytes).map_err(|error| error.to_string())
                } else {
                    Err("this system cannot limit the memory of one process".to_owned())
                }
            },
            found: &|finding| output.send(&Event::Context { finding: Box::new(finding) }),
        };
        context_limit::sweep::run(&sweeping.task, &around)
    });
    end(result.and_then(|result| result), output)
}

/// How an order ends that gives all or nothing.
fn end(result: Result<(), String>, output: &Output) -> Exit {
    match result {
        Ok(()) => {
            output.send(&Event::Done);
            Exit::Success
        }
        Err(reason) => {
            output.send(&Event::LoadFailed { reason: one_line(reason) });
            Exit::Nothing
        }
    }
}

/// A limit that protects others, not the measurement: the worker goes on without it and says so.
fn warn(what: &str, result: io::Result<()>) {
    if let Err(error) = result {
        note(&format!("{what} cannot be set: {error}"));
    }
}

/// What to do; none when the parent went away instead.
fn read_order() -> anyhow::Result<Option<Order>> {
    let mut line = String::new();
    if io::stdin().read_line(&mut line).context("cannot read the job from stdin")? == 0 {
        return Ok(None);
    }
    // The version first: a job of another version need not be readable.
    let value: serde_json::Value = serde_json::from_str(&line)
        .map_err(|error| UsageError::new(format!("stdin's first line is not a job: {error}")))?;
    let version = value.get("version").and_then(serde_json::Value::as_u64);
    if version != Some(VERSION.into()) {
        let version = version.map_or("no version".into(), |v| format!("version {v}"));
        return Err(UsageError::new(format!(
            "the job has {version}, this worker speaks version {VERSION}: was the program replaced while it ran?"
        )));
    }
    let order = serde_json::from_value(value).map_err(|error| UsageError::new(format!("not a job: {error}")))?;
    Ok(Some(order))
}

/// Raises the abort handle when the parent says stop or goes away, and ends the process if the engine does not answer
/// within `grace`.
fn listen(abort: AbortHandle, grace: Duration) {
    thread::spawn(move || {
        loop {
            let mut line = String::new();
            match io::stdin().read_line(&mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => match serde_json::from_str(&line) {
                    Ok(Command::Stop) => break,
                    Err(error) => note(&format!("not a command: {error}: {}", line.trim_end())),
                },
            }
        }
        abort.raise();
        thread::sleep(grace);
        note(&format!("the engine did not stop within {} s", grace.as_secs()));
        control::vanish();
    });
}

/// Shows that the engine computes, without the measuring thread doing anything for it.
fn pulse(abort: AbortHandle, output: Output) {
    thread::spawn(move || {
        let mut before = abort.questions();
        loop {
            thread::sleep(PULSE);
            let questions = abort.questions();
            if questions != before {
                output.send(&Event::Pulse { questions, tokens: abort.tokens() });
                before = questions;
            }
        }
    });
}

/// A job at work.
struct Worker {
    job: Job,
    output: Output,
    abort: AbortHandle,
}

impl Worker {
    fn run(&self) -> Exit {
        match caught(|| self.start()).and_then(|started| started.map_err(|e| e.to_string())) {
            Ok(started) => self.run_on(&started),
            Err(reason) => self.load_failed(reason),
        }
    }

    /// The engine, and what it is.
    fn start(&self) -> Result<Started, EngineError> {
        let started = start(&self.job.engine)?;
        self.output.send(&Event::Engine { info: started.engine.describe() });
        Ok(started)
    }

    fn run_on(&self, started: &Started) -> Exit {
        let (engine, clock) = (&*started.engine, &*started.clock);
        let Some(params) = &self.job.model else {
            self.output.send(&Event::Done);
            return Exit::Success;
        };
        if let Some(reason) = self.job.memory_cap_bytes.and_then(|bytes| self.limit_memory(engine, params, bytes)) {
            return self.load_failed(reason);
        }
        let begun = clock.now();
        let model = match caught(|| engine.load(params, load_progress(&self.output, &self.abort))) {
            Ok(Ok(model)) => model,
            Ok(Err(error)) => return self.load_failed(error.to_string()),
            Err(panic) => return self.load_failed(panic),
        };
        let seconds = clock.now().saturating_sub(begun).as_secs_f64();
        self.output.send(&Event::Loaded { model: Box::new(model.info().clone()), seconds });
        for (task, job) in self.job.tasks.iter().enumerate() {
            if self.abort.is_raised() {
                break;
            }
            self.run_task(task, job, started, params, &*model);
        }
        self.output.send(&Event::Done);
        Exit::Success
    }

    /// First the exact count, which says in numbers what is missing, then the cap for what the count does not know.
    fn limit_memory(&self, engine: &dyn Engine, params: &ModelParams, bytes: u64) -> Option<String> {
        budget::exceeded(engine, params, &self.job.tasks, bytes).or_else(|| {
            let error = limits::cap_memory(bytes).err()?;
            Some(format!("memory cannot be capped at {bytes} bytes: {error}"))
        })
    }

    fn load_failed(&self, reason: String) -> Exit {
        self.output.send(&Event::LoadFailed { reason: one_line(reason) });
        Exit::Nothing
    }

    fn run_task(&self, task: usize, job: &profiles::Job, started: &Started, loaded: &ModelParams, model: &dyn Model) {
        let (engine, clock) = (&*started.engine, &*started.clock);
        self.output.send(&Event::TaskStarted { task, profile: job.name() });
        self.abort.reset_tokens();
        let begun = clock.now();
        let mut progress = |progress| self.output.send(&Event::Progress { task, progress });
        let mut keep = |samples| self.output.send(&Event::Partial { task, samples: Box::new(samples) });
        let mut rig = Rig {
            engine,
            loaded,
            model,
            clock,
            abort: self.abort.clone(),
            progress: &mut progress,
            keep: &mut keep,
            memory: None,
            memory_allowed_bytes: self.job.memory_cap_bytes,
        };
        let result = caught(|| job.run(&mut rig)).and_then(|result| result.map_err(|error| error.to_string()));
        let memory = rig.memory.take();
        let seconds = clock.now().saturating_sub(begun).as_secs_f64();
        self.output.send(&match result {
            Ok(samples) => Event::TaskDone { task, seconds, samples: Box::new(samples), memory },
            Err(reason) => Event::TaskFailed { task, reason: one_line(reason) },
        });
    }
}

/// Tells how far loading is, and gives it up when somebody wants that.
fn load_progress(output: &Output, abort: &AbortHandle) -> LoadProgress {
    let (output, abort) = (output.clone(), abort.clone());
    let last: Cell<Option<(u8, Instant)>> = Cell::new(None);
    Box::new(move |share| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 100
        let percent = (share.clamp(0.0, 1.0) * 100.0) as u8;
        if last.get().is_none_or(|(p, at)| p != percent && at.elapsed() >= LOADING) {
            output.send(&Event::Loading { percent });
            last.set(Some((percent, Instant::now())));
        }
        if abort.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

/// An engine, and the clock that its work is measured by for as long as the worker lives.
struct Started {
    engine: Box<dyn Engine>,
    clock: Box<dyn Clock>,
}

fn start(choice: &EngineChoice) -> Result<Started, EngineError> {
    let clock = Box::new(Monotonic::start());
    Ok(match choice {
        EngineChoice::Llama => Started { engine: Box::new(LlamaEngine::new()?), clock },
        EngineChoice::Fake(script) if script.virtual_time => {
            let clock = ManualClock::default();
            let engine = FakeEngine::with_clock(script.clone(), clock.clone());
            Started { engine: Box::new(engine), clock: Box::new(clock) }
        }
        EngineChoice::Fake(script) => Started { engine: Box::new(FakeEngine::new(script.clone())), clock },
    })
}

/// Runs it; a panic becomes its message (where it happened is in the log, from the standard hook).
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| format!("the program panicked: {}", message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

fn one_line(text: String) -> String {
    if text.contains(['\n', '\r']) { text.split_whitespace().collect::<Vec<_>>().join(" ") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(caught(|| 5), Ok(5));
        assert_eq!(caught(|| panic!("of {}", 1)), Err::<(), _>("the program panicked: of 1".into()));
        assert_eq!(caught(|| panic!("plain")), Err::<(), _>("the program panicked: plain".into()));
    }

    #[test]
    fn a_reason_is_one_line() {
        assert_eq!(one_line("left  == right\n  left: 1\n right: 2".into()), "left == right left: 1 right: 2");
        assert_eq!(one_line("two  spaces".into()), "two  spaces");
    }
}
