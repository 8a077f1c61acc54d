//! A worker in a scratch folder: the real binary, a script in the place of llama.cpp.
#![allow(dead_code)] // each test binary uses some of it

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sweetspot::engine::fake::{Act, Place, Script};
use sweetspot::engine::{ContextParams, ModelParams};
use sweetspot::profiles;
use sweetspot::worker::exit::Ending;
use sweetspot::worker::process::{self, Options, WorkerError};
use sweetspot::worker::protocol::{EngineChoice, Event, Job, VERSION};
use tempfile::TempDir;
use tokio::sync::watch;

/// The program under test.
pub const SWEETSPOT: &str = env!("CARGO_BIN_EXE_sweetspot");

/// A job, options with short timeouts, and where the log goes.
pub struct Lab {
    pub job: Job,
    pub options: Options,
    folder: TempDir,
}

/// What became of a worker.
pub struct Seen {
    pub ending: Ending,
    pub events: Vec<Event>,
    /// When each event came, since the start.
    pub times: Vec<Duration>,
    /// From the start until the ending was known.
    pub took: Duration,
}

impl Lab {
    /// One small task on a script.
    pub fn new(script: Script) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let job = Job {
            version: VERSION,
            engine: EngineChoice::Fake(script),
            model: Some(ModelParams::new(Path::new("fake.gguf"))),
            memory_cap_bytes: None,
            tasks: vec![task(8, 4)],
        };
        let mut options = Options::new(folder.path().join("logs").join("fake_Q4_0.log"));
        options.program = Some(SWEETSPOT.into());
        options.load_timeout = Duration::from_secs(20);
        options.stall_timeout = Duration::from_secs(20);
        options.stop_grace = Duration::from_secs(8);
        Self { job, options, folder }
    }

    /// One small task on a script in which one thing goes wrong.
    pub fn breaking(at: Place, act: Act) -> Self {
        Self::new(Script::default().with(at, act))
    }

    /// A worker whose program is a shell script.
    pub fn shell(script: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let mut lab = Self::new(Script::default());
        let program = lab.path("program");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a program");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("to be run");
        lab.options.program = Some(program);
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.options.log).expect("a log")
    }

    pub fn run(&self) -> Seen {
        self.run_until(|_| false)
    }

    /// Runs the worker; it is asked to stop at the first event that `stop` says yes to.
    pub fn run_until(&self, stop: impl Fn(&Event) -> bool) -> Seen {
        self.try_run_until(stop).expect("a worker")
    }

    pub fn try_run_until(&self, stop: impl Fn(&Event) -> bool) -> Result<Seen, WorkerError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (cancel, mut cancelled) = watch::channel(false);
        let (mut events, mut times) = (Vec::new(), Vec::new());
        let started = Instant::now();
        let mut on_event = |event: &Event| {
            times.push(started.elapsed());
            events.push(event.clone());
            if stop(event) {
                cancel.send_replace(true);
            }
        };
        let ending = runtime.block_on(process::run(&self.job, &self.options, &mut cancelled, &mut on_event))?;
        let took = started.elapsed();
        assert!(!exists(ending.pid.expect("a pid")), "the worker is still there, or was not reaped");
        Ok(Seen { ending, events, times, took })
    }
}

impl Seen {
    /// The events' names in their order.
    pub fn names(&self) -> Vec<&'static str> {
        self.events.iter().map(name).collect()
    }

    /// From the last event to the known ending: what the parent needed to notice a death that followed it at once.
    pub fn after_last_event(&self) -> Duration {
        self.took.saturating_sub(self.times.last().copied().unwrap_or_default())
    }

    pub fn task_failures(&self) -> Vec<&str> {
        self.events.iter().filter_map(failure).collect()
    }
}

fn failure(event: &Event) -> Option<&str> {
    if let Event::TaskFailed { reason, .. } = event { Some(reason) } else { None }
}

pub fn name(event: &Event) -> &'static str {
    match event {
        Event::Ready { .. } => "ready",
        Event::Engine { .. } => "engine",
        Event::Loading { .. } => "loading",
        Event::Loaded { .. } => "loaded",
        Event::Quantizing { .. } => "quantizing",
        Event::LoadFailed { .. } => "load_failed",
        Event::TaskStarted { .. } => "task_started",
        Event::Progress { .. } => "progress",
        Event::Pulse { .. } => "pulse",
        Event::Partial { .. } => "partial",
        Event::TaskDone { .. } => "task_done",
        Event::TaskFailed { .. } => "task_failed",
        Event::Context { .. } => "context",
        Event::Counted { .. } => "counted",
        Event::Done => "done",
    }
}

/// A bench task: one append of `n_prompt` tokens, then `n_gen` of one token.
pub fn task(n_prompt: u32, n_gen: u32) -> profiles::Job {
    profiles::Job::Bench(profiles::bench::Job {
        n_prompt,
        n_gen,
        n_depth: 0,
        repetitions: 1,
        warm_up: false,
        delay_seconds: 0,
        seed: 1,
        context: ContextParams::new(n_prompt + n_gen, 1),
    })
}

/// How many processes the kernel's out-of-memory killer has taken on the whole machine; none where nobody counts.
pub fn oom_kills() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// Whether there is such a process, dead but not reaped ones included.
pub fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether a process that is not a child of this one is dead (and be it a zombie that its new parent leaves lying) in time.
pub fn gone_within(pid: u32, time: Duration) -> bool {
    let started = Instant::now();
    let dead = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X'])),
        Err(_) => true,
    };
    while !dead() {
        if started.elapsed() > time {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}
