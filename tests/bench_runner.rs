//! `bench` over real workers with a scripted engine: rows as they finish, models that fail, workers that die, interruptions.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sweetspot::cmd::bench::runner::{Out, Runner, Summary};
use sweetspot::engine::ModelInfo;
use sweetspot::engine::fake::{Act, Delays, Place, Script};
use sweetspot::exit_code::Exit;
use sweetspot::plan::bench_matrix::Parameters;
use sweetspot::report::llama_bench::{Build, Columns, Format, Printer};
use sweetspot::worker::process::Options;
use sweetspot::worker::protocol::EngineChoice;
use tokio::sync::watch;

/// Something to write to and to read from.
#[derive(Clone, Default)]
struct Paper(Rc<RefCell<Vec<u8>>>);

impl Paper {
    fn read(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }

    /// The column `test` of every row.
    fn tests(&self) -> Vec<String> {
        let read = self.read();
        let rows = read.lines().filter(|line| line.starts_with('|')).skip(2);
        rows.map(|row| row.split('|').nth_back(2).unwrap().trim().to_owned()).collect()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe whose reader has gone.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn parameters() -> Parameters {
    let defaults = Parameters::new(vec![PathBuf::from("fake.gguf")], 2);
    Parameters { n_prompt: vec![8], n_gen: vec![4], repetitions: 2, ..defaults }
}

struct Bench {
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, folder: tempfile::tempdir().unwrap(), program: env!("CARGO_BIN_EXE_sweetspot").into() }
    }

    /// With workers that die of SIGABRT after they said this (a pattern of sed) for the first time.
    #[cfg(unix)]
    fn with_workers_that_die_after(said: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;

        let mut bench = Self::new();
        let program = bench.folder.path().join("worker.sh");
        let worker = env!("CARGO_BIN_EXE_sweetspot");
        let script = format!("#!/bin/sh\n'{worker}' worker | sed '/{said}/q'\nkill -ABRT $$\n");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        bench.program = program;
        bench
    }

    fn run(
        &self,
        script: Script,
        parameters: &Parameters,
        out: Out,
        interrupt: Option<Duration>,
    ) -> anyhow::Result<Summary> {
        let program = Some(self.program.clone());
        let options = Options { program, ..Options::new(self.folder.path().join("log")) };
        let runner = Runner::new(EngineChoice::Fake(script), options, Build::this(), false);
        let columns = Columns::of(parameters, 2);
        let mut printers = [Printer::new(Format::Markdown, columns, Build::this(), out)];
        let groups = parameters.groups().unwrap();
        self.runtime.block_on(async {
            let (stop, stopped) = watch::channel(false);
            tokio::spawn(async move {
                match interrupt {
                    Some(after) => tokio::time::sleep(after).await,
                    None => std::future::pending().await,
                }
                stop.send_replace(true);
            });
            runner.run(&groups, &mut printers, stopped).await
        })
    }

    fn write(&self, script: Script, parameters: &Parameters) -> (Summary, Paper) {
        let paper = Paper::default();
        let summary = self.run(script, parameters, Box::new(paper.clone()), None).unwrap();
        (summary, paper)
    }
}

#[test]
fn every_test_is_a_row_in_its_order_with_a_header_and_a_footer() {
    let p = Parameters { n_depth: vec![0, 16], n_pg: vec![(8, 4)], ..parameters() };
    let (summary, paper) = Bench::new().write(Script::default(), &p);
    assert_eq!(
        paper.tests(),
        [
            "pp8",
            "tg4",
            "pp8+tg4",
            "pp8 (of pp8+tg4)",
            "tg4 (of pp8+tg4)",
            "pp8 @ d16",
            "tg4 @ d16",
            "pp8+tg4 @ d16",
            "pp8 (of pp8+tg4 @ d16)",
            "tg4 (of pp8+tg4 @ d16)",
        ]
    );
    assert!(paper.read().starts_with("| model ") && paper.read().contains("\n\nbuild: "));
    assert_eq!(summary, Summary { rows: 6, ..Summary::default() });
    assert_eq!(summary.exit(), Exit::Success);
}

#[test]
fn a_speed_is_the_engines_own_pace() {
    let delays = Delays { prefill_per_token: Duration::from_millis(10), ..Delays::default() };
    let (_, paper) = Bench::new().write(Script { delays, ..Script::default() }, &parameters());
    let read = paper.read();
    let pp8 = read.lines().find(|line| line.contains("pp8")).unwrap();
    let speed: f64 = pp8.split('|').nth_back(1).unwrap().trim().split(' ').next().unwrap().parse().unwrap();
    assert!((50.0..=100.0).contains(&speed), "10 ms a token are 100 tokens a second: {pp8}");
}

#[test]
fn a_model_that_cannot_be_loaded_is_one_line_and_the_others_are_still_tried() {
    let script = Script { load_failure: Some("unknown architecture".to_owned()), ..Script::default() };
    let p = Parameters { models: vec!["a.gguf".into(), "b.gguf".into()], ..parameters() };
    let (summary, paper) = Bench::new().write(script, &p);
    assert_eq!(summary.failures.len(), 2, "{:?}", summary.failures);
    assert!(summary.failures[1].starts_with("b.gguf: ") && summary.failures[1].contains("unknown architecture"));
    assert_eq!(summary.failures[1].matches("b.gguf").count(), 1, "the path is said once: {}", summary.failures[1]);
    assert_eq!(summary.exit(), Exit::Nothing);
    assert!(paper.tests().is_empty());
}

#[test]
fn a_test_whose_context_cannot_be_had_is_one_line_and_the_next_one_runs() {
    let script = Script { max_context: Some(100), ..Script::default() };
    let p = Parameters { n_prompt: vec![8, 101], ..parameters() };
    let (summary, paper) = Bench::new().write(script, &p);
    assert_eq!(paper.tests(), ["pp8", "tg4"]);
    assert_eq!(summary.failures.len(), 1);
    assert!(summary.failures[0].starts_with("fake.gguf: pp101: no context of 101 tokens: "), "{}", summary.failures[0]);
    assert_eq!(summary.exit(), Exit::Success);
}

#[cfg(unix)]
#[test]
fn a_worker_that_dies_in_a_test_costs_that_test_alone() {
    // Without a warm-up each test appends once a repetition for a prompt. The second test of the worker's life dies, and in
    // the next worker the test after that.
    let script = Script::default().with(Place::Append(3), Act::Abort);
    let p = Parameters { n_prompt: vec![1, 2, 3, 4], n_gen: vec![0], warm_up: false, ..parameters() };
    let (summary, paper) = Bench::new().write(script, &p);
    assert_eq!(paper.tests(), ["pp1", "pp3"]);
    let lines: Vec<&str> = summary.failures.iter().map(String::as_str).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("fake.gguf: pp2: ") && lines[0].contains("signal 6"), "{lines:?}");
    assert!(lines[1].starts_with("fake.gguf: pp4: "), "{lines:?}");
    assert_eq!(summary.exit(), Exit::Success);
}

#[cfg(unix)]
#[test]
fn a_worker_that_dies_between_two_tests_costs_the_next_one_alone() {
    let p = Parameters { n_prompt: vec![1, 2, 3, 4, 5], n_gen: vec![0], ..parameters() };
    let (summary, paper) = Bench::with_workers_that_die_after("\"task_done\"").write(Script::default(), &p);
    assert_eq!(paper.tests(), ["pp1", "pp3", "pp5"]);
    let lines: Vec<&str> = summary.failures.iter().map(String::as_str).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("fake.gguf: pp2: ") && lines[1].starts_with("fake.gguf: pp4: "), "{lines:?}");
    assert!(summary.warnings[0].contains("after its last test the worker ended badly"), "{:?}", summary.warnings);
}

#[cfg(unix)]
#[test]
fn workers_that_die_as_soon_as_they_have_loaded_cost_a_test_each_and_the_run_ends() {
    let (summary, paper) = Bench::with_workers_that_die_after("\"loaded\"").write(Script::default(), &parameters());
    assert!(paper.tests().is_empty());
    let lines: Vec<&str> = summary.failures.iter().map(String::as_str).collect();
    assert!(lines[0].starts_with("fake.gguf: pp8: ") && lines[1].starts_with("fake.gguf: tg4: "), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn synthetic_weights_are_warned_of_once_a_model_and_named_in_the_footer() {
    let script = Script::default();
    let script = Script { model: ModelInfo { synthetic: true, ..script.model.clone() }, ..script };
    let p = Parameters { n_gpu_layers: vec![Some(0), Some(1)], ..parameters() };
    let (summary, paper) = Bench::new().write(script, &p);
    let warnings = ["fake.gguf: its weights are synthetic: its speed is real, its words are not"];
    assert_eq!(summary.warnings, warnings);
    let footer = "\n\nsynthetic weights, whose speed is real and whose words are not: fake.gguf\n";
    assert!(paper.read().ends_with(footer), "{}", paper.read());
    let (summary, paper) = Bench::new().write(Script::default(), &parameters());
    assert!(summary.warnings.is_empty() && !paper.read().contains("synthetic"));
}

#[cfg(unix)]
#[test]
fn what_a_dying_worker_said_last_is_in_the_line() {
    let said = vec!["ggml.c:1: GGML_ASSERT(a == b) failed".to_owned(), "some backtrace".to_owned()];
    let script = Script::default().with(Place::Append(1), Act::Log(said)).with(Place::Append(2), Act::Abort);
    let p = Parameters { n_prompt: vec![0], ..parameters() };
    let (summary, _) = Bench::new().write(script, &p);
    assert!(summary.failures[0].contains("GGML_ASSERT(a == b) failed"), "{:?}", summary.failures);
    assert_eq!(summary.exit(), Exit::Nothing);
}

#[test]
fn a_context_beyond_the_training_is_warned_of_once_a_model() {
    let p = Parameters { n_depth: vec![4090, 5000], n_gpu_layers: vec![Some(0), Some(1)], ..parameters() };
    let (summary, paper) = Bench::new().write(Script::default(), &p);
    assert_eq!(paper.tests().len(), 8);
    assert_eq!(summary.warnings.len(), 1, "{:?}", summary.warnings);
    assert!(summary.warnings[0].contains("5008") && summary.warnings[0].contains("4096"), "{:?}", summary.warnings);
}

#[test]
fn an_interruption_keeps_the_rows_so_far_and_writes_the_footer() {
    let delays = Delays { decode: vec![Duration::from_millis(200)], ..Delays::default() };
    let p = Parameters { n_gen: vec![200], warm_up: false, ..parameters() };
    let paper = Paper::default();
    let begin = Instant::now();
    let script = Script { delays, ..Script::default() };
    let summary = Bench::new().run(script, &p, Box::new(paper.clone()), Some(Duration::from_secs(1))).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10), "it does not wait for the 40 s of the test");
    assert_eq!(paper.tests(), ["pp8"]);
    assert!(paper.read().contains("\nbuild: "));
    assert_eq!(summary.exit(), Exit::Interrupted);
    assert!(summary.failures.is_empty(), "to be stopped is no failure: {:?}", summary.failures);
}

#[test]
fn a_reader_that_has_gone_ends_the_run() {
    let delays = Delays { decode: vec![Duration::from_millis(200)], ..Delays::default() };
    let p = Parameters { n_gen: vec![200], ..parameters() };
    let begin = Instant::now();
    let error = Bench::new().run(Script { delays, ..Script::default() }, &p, Box::new(Gone), None).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(error.to_string().contains("cannot be written"), "{error:#}");
}
