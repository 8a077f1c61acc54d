//! Runs the tests in workers, one for each load of a model, and hands every finished test to the printers.
//!
//! A model that cannot be loaded, a test that fails and a worker that dies are each a line on stderr; what remains goes on,
//! in a new worker where the old one died.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::{EngineInfo, ModelInfo, ModelParams};
use crate::exit_code::Exit;
use crate::plan::bench_matrix::Group;
use crate::profiles::{self, Samples, bench};
use crate::report::llama_bench::{Build, Printer, Row};
use crate::worker::exit::{self, Ending};
use crate::worker::process::{self, Options};
use crate::worker::protocol::{EngineChoice, Event, Job, VERSION};

/// Where a printer writes.
pub type Out = Box<dyn Write>;

/// A prompt on a slow GPU gives no sign of life until it is done, and llama-bench waits for ever.
const STALL_TIMEOUT: Duration = Duration::from_mins(30);

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tests that gave a result.
    pub rows: usize,
    /// What could not be measured and why, a line each, as they were said on stderr.
    pub failures: Vec<String>,
    /// What the reader should know, a line each, as they were said on stderr.
    pub warnings: Vec<String>,
    /// Somebody wanted it to stop.
    pub interrupted: bool,
}

impl Summary {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self { interrupted: true, .. } => Exit::Interrupted,
            Self { rows: 0, .. } => Exit::Nothing,
            Self { .. } => Exit::Success,
        }
    }
}

/// Runs tests and says on stderr what goes wrong.
pub struct Runner {
    engine: EngineChoice,
    options: Options,
    build: Build,
    progress: bool,
}

impl Runner {
    /// A runner of workers with this engine and these options; `progress` says how far they are.
    #[must_use]
    pub fn new(engine: EngineChoice, options: Options, build: Build, progress: bool) -> Self {
        let options = Options { stall_timeout: STALL_TIMEOUT.max(options.stall_timeout), ..options };
        Self { engine, options, build, progress }
    }

    /// Runs all groups; `interrupted` becoming true ends them, with the results so far printed as if they were all.
    ///
    /// # Errors
    /// When a worker cannot be started, or when the results cannot be written.
    pub async fn run(
        &self,
        groups: &[Group],
        printers: &mut [Printer<Out>],
        interrupted: watch::Receiver<bool>,
    ) -> anyhow::Result<Summary> {
        let total = groups.iter().map(|group| group.tests.len()).sum();
        let mut state = State::new(printers, total);
        for group in groups {
            let end_of_group = state.number + group.tests.len();
            if *interrupted.borrow() || !self.run_group(group, &mut state, &interrupted).await? {
                break;
            }
            state.number = end_of_group;
        }
        if let Some(error) = state.unwritten {
            return Err(anyhow::Error::new(error).context("the results cannot be written"));
        }
        for printer in state.printers.iter_mut() {
            printer.finish()?;
        }
        let rows = state.printers.first().map_or(0, Printer::rows);
        let State { failures, warnings, .. } = state;
        Ok(Summary { rows, failures, warnings, interrupted: *interrupted.borrow() })
    }

    /// Runs one group in as many workers as it needs; false when the run is to end.
    async fn run_group(
        &self,
        group: &Group,
        state: &mut State<'_>,
        interrupted: &watch::Receiver<bool>,
    ) -> anyhow::Result<bool> {
        let mut first = 0;
        while first < group.tests.len() {
            let tests = &group.tests[first..];
            let mut life = Life { runner: self, group, tests, state, interrupted, engine: None, model: None };
            let ending = life.see_through().await?;
            let loaded = life.model.is_some();
            if state.unwritten.is_some() || ending.stopped_by_us {
                return Ok(false);
            }
            if ending.done {
                break;
            }
            if !loaded {
                state.fail(&group.model, &whole(&ending)); // no use in trying again
                break;
            }
            // between two tests: the next one is to blame
            let died_of = ending.unfinished_task.unwrap_or_else(|| ending.last_task.map_or(0, |last| last + 1));
            let Some(test) = tests.get(died_of) else {
                let reason = format!("after its last test the worker ended badly: {}", whole(&ending));
                state.warn(&group.model, &reason);
                break;
            };
            state.fail(&group.model, &format!("{}: {}", test.name(), whole(&ending)));
            first += died_of + 1;
            state.number += died_of + 1;
        }
        Ok(true)
    }
}

/// What all workers share.
struct State<'a> {
    printers: &'a mut [Printer<Out>],
    /// Models that were looked at for what to warn of.
    warned: HashSet<PathBuf>,
    failures: Vec<String>,
    warnings: Vec<String>,
    /// Tests before this worker's first one.
    number: usize,
    total: usize,
    /// Why a result could not be written.
    unwritten: Option<io::Error>,
}

impl<'a> State<'a> {
    fn new(printers: &'a mut [Printer<Out>], total: usize) -> Self {
        let (failures, warnings) = (Vec::new(), Vec::new());
        Self { printers, warned: HashSet::new(), failures, warnings, number: 0, total, unwritten: None }
    }

    fn fail(&mut self, model: &Path, reason: &str) {
        let model = model.display().to_string();
        // The engine's own errors begin with the path.
        let reason = reason.strip_prefix(&format!("{model}: ")).unwrap_or(reason);
        let line = format!("{model}: {reason}");
        crate::say!("sweetspot: {line}");
        self.failures.push(line);
    }

    fn warn(&mut self, model: &Path, reason: &str) {
        let line = format!("{}: {reason}", model.display());
        crate::say!("sweetspot: warning: {line}");
        self.warnings.push(line);
    }
}

/// One worker's life.
struct Life<'a, 'b> {
    runner: &'a Runner,
    group: &'a Group,
    tests: &'a [bench::Job],
    state: &'a mut State<'b>,
    interrupted: &'a watch::Receiver<bool>,
    engine: Option<EngineInfo>,
    model: Option<ModelInfo>,
}

impl Life<'_, '_> {
    async fn see_through(&mut self) -> anyhow::Result<Ending> {
        let job = Job {
            version: VERSION,
            engine: self.runner.engine.clone(),
            model: Some(ModelParams { n_gpu_layers: self.group.n_gpu_layers, ..ModelParams::new(&self.group.model) }),
            // None on purpose: a job that exceeds a cap is refused as a whole, and here one test too large must not cost the
            // others. Where memory runs out, the system takes the worker first, which costs the test that it was at.
            memory_cap_bytes: None,
            tasks: self.tests.iter().cloned().map(profiles::Job::Bench).collect(),
        };
        let (stop, mut cancel) = watch::channel(false);
        let relay = relay(self.interrupted.clone(), &stop);
        let options = &self.runner.options;
        let mut test_time = String::new();
        let mut on_event = |event: &Event| {
            self.hear(event, &mut test_time);
            if self.state.unwritten.is_some() {
                stop.send_replace(true);
            }
        };
        let worker = process::run(&job, options, &mut cancel, &mut on_event);
        tokio::select! {
            ending = worker => Ok(ending?),
            never = relay => match never {},
        }
    }

    fn hear(&mut self, event: &Event, test_time: &mut String) {
        match event {
            Event::Engine { info } => {
                self.engine = Some(info.clone());
                self.print(|printer| printer.begin(info));
            }
            Event::Loaded { model, .. } => {
                self.warn_of(model);
                self.model = Some((**model).clone());
            }
            Event::TaskStarted { task, .. } => {
                *test_time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                self.tell(*task, "starting");
            }
            Event::Progress { task, progress } => {
                self.tell(*task, &format!("{}/{} {}", progress.done, progress.total, progress.unit));
            }
            Event::TaskDone { task, samples, .. } => self.row(*task, samples, test_time),
            // A test that is stopped on request has not failed.
            Event::TaskFailed { .. } if *self.interrupted.borrow() || self.state.unwritten.is_some() => {}
            Event::TaskFailed { task, reason } => {
                let test = self.tests.get(*task).map(bench::Job::name).unwrap_or_default();
                self.state.fail(&self.group.model, &format!("{test}: {reason}"));
            }
            Event::Ready { .. }
            | Event::Loading { .. }
            | Event::Quantizing { .. }
            | Event::LoadFailed { .. }
            | Event::Pulse { .. }
            | Event::Partial { .. }
            | Event::Context { .. }
            | Event::Counted { .. }
            | Event::Done => {}
        }
    }

    fn row(&mut self, task: usize, samples: &Samples, test_time: &str) {
        // The protocol has them come in this order: a worker that does not keep it gives no rows.
        let (Some(engine), Some(model)) = (self.engine.take(), self.model.take()) else { return };
        if let (Samples::Bench(samples), Some(job)) = (samples, self.tests.get(task)) {
            let row = Row {
                build: &self.runner.build,
                engine: &engine,
                model_filename: &self.group.model.display().to_string(),
                model: &model,
                n_gpu_layers: self.group.n_gpu_layers,
                job,
                samples,
                test_time,
            };
            self.print(|printer| printer.row(&row));
        }
        (self.engine, self.model) = (Some(engine), Some(model));
    }

    fn print(&mut self, write: impl Fn(&mut Printer<Out>) -> io::Result<()>) {
        for printer in self.state.printers.iter_mut() {
            if let (Err(error), None) = (write(printer), &self.state.unwritten) {
                self.state.unwritten = Some(error);
            }
        }
    }

    fn tell(&self, task: usize, what: &str) {
        let Some(test) = self.tests.get(task).filter(|_| self.runner.progress) else { return };
        let (number, total) = (self.state.number + task + 1, self.state.total);
        crate::say!("sweetspot: test {number}/{total}: {} {}: {what}", self.group.model.display(), test.name());
    }

    /// What a reader of a model's numbers should know, once a model.
    fn warn_of(&mut self, model: &ModelInfo) {
        if !self.state.warned.insert(self.group.model.clone()) {
            return;
        }
        if model.synthetic {
            self.state.warn(&self.group.model, "its weights are synthetic: its speed is real, its words are not");
        }
        let longest = self.group.tests.iter().map(|test| test.context.n_ctx).max().unwrap_or(0);
        let trained = model.n_ctx_train;
        if longest > trained {
            let reason = format!(
                "a test takes {longest} tokens of context, the model was trained for {trained}: its speed holds, but what \
                 it would write there is not to be trusted"
            );
            self.state.warn(&self.group.model, &reason);
        }
    }
}

/// Passes an interruption on; never ends.
async fn relay(mut interrupted: watch::Receiver<bool>, stop: &watch::Sender<bool>) -> std::convert::Infallible {
    if interrupted.wait_for(|is| *is).await.is_ok() {
        stop.send_replace(true);
    }
    std::future::pending().await
}

/// How a worker ended, with the line of its log that says most.
fn whole(ending: &Ending) -> String {
    let reason = ending.reason();
    let tells = |line: &&String| {
        let line = line.to_lowercase();
        ["error", "assert", "failed", "panicked", "terminate"].iter().any(|word| line.contains(word))
            || exit::tells_of_memory(&line)
    };
    let said = ending.load_failure.is_some() || ending.timeout.is_some();
    match ending.log_tail.iter().rev().find(tells).or(ending.log_tail.last()) {
        Some(line) if !said && !reason.contains(line.trim()) => format!("{reason}; last in its log: {}", line.trim()),
        _ => reason,
    }
}

/// The file that llama.cpp's log goes to: one that was named, or one in a folder of its own that goes away at the end.
#[derive(Debug)]
pub struct LogPlace {
    file: PathBuf,
    temporary: Option<PathBuf>,
}

impl LogPlace {
    /// The named file, or a new one in the system's folder for temporary files.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(named: Option<PathBuf>) -> io::Result<Self> {
        if let Some(file) = named {
            return Ok(Self { file, temporary: None });
        }
        // create_dir refuses what is there already, so that nobody can put a link in the way.
        let now = jiff::Timestamp::now().as_nanosecond();
        let folder = std::env::temp_dir().join(format!("sweetspot-bench-{}-{now}", std::process::id()));
        std::fs::create_dir(&folder)?;
        Ok(Self { file: folder.join("llama.cpp.log"), temporary: Some(folder) })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Leaves the file where it is, for somebody to read.
    #[must_use]
    pub fn keep(mut self) -> PathBuf {
        self.temporary = None;
        self.file.clone()
    }
}

impl Drop for LogPlace {
    fn drop(&mut self) {
        if let Some(folder) = &self.temporary {
            let _ = std::fs::remove_dir_all(folder); // what stays behind is small and in a temporary folder
        }
    }
}
