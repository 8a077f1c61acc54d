//! A cell's life in the lab, over scripted workers: what died is an outcome, and what is left goes on.
#![cfg(target_os = "linux")]

#[allow(dead_code)]
mod scripted_run;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use scripted_run::{bench_job, interactive_job};
use sweetspot::engine::fake::{Act, Place, Script};
use sweetspot::engine::{ContextParams, ModelParams};
use sweetspot::lab::cell::{self, Workers};
use sweetspot::lab::console::Console;
use sweetspot::lab::outcome::{Cell, Outcome, Status};
use sweetspot::plan::config::WorkerConfig;
use sweetspot::plan::matrix::PlannedCell;
use sweetspot::plan::termination::{Rule, Skip};
use sweetspot::profiles::{Job, ProfileName, Samples, long_context};
use sweetspot::worker::exit::Exit;
use sweetspot::worker::process::Options;
use sweetspot::worker::protocol::EngineChoice;
use tokio::sync::watch;

fn planned(jobs: Vec<Job>) -> PlannedCell {
    let cell =
        Cell { model: "fake".into(), quant: "Q4_0".into(), path: "fake.gguf".into(), size_bytes: 1, synthetic: false };
    let model = ModelParams::new(Path::new("fake.gguf"));
    PlannedCell { cell, broken: None, model, jobs, warnings: Vec::new() }
}

/// Both workers' lives with their starts, on a busy machine. That a run goes on within 3 s of a crash is asserted in
/// `run_survives.rs`, where the time is taken from the crash.
const WHOLE_CELL: Duration = Duration::from_secs(10);

struct Ran {
    outcome: Outcome,
    took: Duration,
    _folder: tempfile::TempDir,
}

/// What the log says when the second profile has begun.
const BEGUN: &str = "the second profile has begun";

/// What a test about something else never waits for, on a busy machine neither.
const NEVER: Duration = Duration::from_secs(20);

fn run(script: Script, jobs: Vec<Job>) -> Ran {
    run_until(script, jobs, NEVER, None)
}

/// The cell is cancelled as soon as its log holds the given line.
fn run_until(script: Script, jobs: Vec<Job>, stall_timeout: Duration, cancel_at: Option<&'static str>) -> Ran {
    run_on(script, jobs, stall_timeout, cancel_at, None)
}

/// As [`run_until`]; goes on with what was cut off.
fn run_on(
    script: Script,
    jobs: Vec<Job>,
    stall_timeout: Duration,
    cancel_at: Option<&'static str>,
    earlier: Option<&Outcome>,
) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        program: Some(PathBuf::from(env!("CARGO_BIN_EXE_sweetspot"))),
        load_timeout: NEVER,
        stall_timeout,
        stop_grace: Duration::from_secs(1),
        ..Options::new(folder.path().join("cell.log"))
    };
    let log = options.log.clone();
    let workers = Workers::new(options, EngineChoice::Fake(script));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let started = Instant::now();
    let outcome = runtime.block_on(async {
        let (sender, mut cancel) = watch::channel(false);
        let mut console = Console::new(1);
        let canceller = tokio::spawn(async move {
            let Some(line) = cancel_at else { return std::future::pending().await };
            while !std::fs::read_to_string(&log).is_ok_and(|text| text.contains(line)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let _ = sender.send(true);
            std::future::pending::<()>().await; // a sender that is gone is no cancellation
        });
        let outcome = cell::run(&planned(jobs), &workers, "cell.log", earlier, &mut cancel, &mut console).await;
        canceller.abort();
        outcome
    });
    Ran { outcome, took: started.elapsed(), _folder: folder }
}

fn statuses(outcome: &Outcome) -> Vec<(ProfileName, Status)> {
    outcome.profiles.iter().map(|p| (p.profile, p.status)).collect()
}

#[test]
fn a_profile_that_kills_the_worker_is_failed_and_the_next_one_is_measured_in_a_new_worker_at_once() {
    for (act, exit) in [(Act::Segfault, Exit::Signal(11)), (Act::Abort, Exit::Signal(6)), (Act::Exit(7), Exit::Code(7))]
    {
        let ran = run(Script::default().with(Place::Append(5), act), vec![interactive_job(), bench_job()]);
        let expected = [(ProfileName::Interactive, Status::Failed), (ProfileName::Bench, Status::Measured)];
        assert_eq!(statuses(&ran.outcome), expected, "{exit:?}");
        assert_eq!(ran.outcome.status, Status::Measured);
        assert_eq!(ran.outcome.profiles[0].exit, Some(exit));
        assert!(
            ran.outcome.reason.as_ref().is_some_and(|r| r.starts_with("interactive: ")),
            "{:?}",
            ran.outcome.reason
        );
        assert!(ran.took < WHOLE_CELL, "{exit:?} took {:?}", ran.took);
    }
}

#[test]
fn a_profile_that_hangs_is_failed_after_the_stall_timeout_and_the_next_one_is_measured() {
    const STALL: Duration = Duration::from_secs(3);
    let ran = run_until(
        Script::default().with(Place::Append(5), Act::Hang { honours_abort: false }),
        vec![interactive_job(), bench_job()],
        STALL,
        None,
    );
    assert_eq!(ran.outcome.profiles[0].exit, Some(Exit::Stalled));
    assert_eq!(ran.outcome.profiles[1].status, Status::Measured);
    assert!(ran.took >= STALL && ran.took < STALL + WHOLE_CELL, "{:?}", ran.took);
}

#[test]
fn a_panic_in_one_profile_fails_that_one_and_keeps_the_worker() {
    let ran = run(
        Script::default().with(Place::Append(5), Act::Panic("of its own".into())),
        vec![interactive_job(), bench_job()],
    );
    let expected = [(ProfileName::Interactive, Status::Failed), (ProfileName::Bench, Status::Measured)];
    assert_eq!(statuses(&ran.outcome), expected);
    assert!(ran.outcome.profiles[0].reason.as_ref().unwrap().contains("panicked"));
    assert_eq!(ran.outcome.profiles[0].exit, None);
}

#[test]
fn a_model_that_does_not_load_fails_every_profile_once_and_is_not_tried_again() {
    let script = Script { load_failure: Some("it is upside down".into()), ..Script::default() };
    let ran = run(script, vec![interactive_job(), bench_job()]);
    assert_eq!(ran.outcome.status, Status::Failed);
    assert_eq!(ran.outcome.profiles.len(), 2);
    assert!(ran.outcome.reason.as_ref().unwrap().ends_with("it is upside down"), "{:?}", ran.outcome.reason);
    let ran = run(Script::default().with(Place::Load, Act::Segfault), vec![interactive_job(), bench_job()]);
    assert_eq!(ran.outcome.status, Status::Failed);
    assert!(ran.outcome.profiles.iter().all(|p| p.exit == Some(Exit::Signal(11))));
}

#[test]
fn a_worker_that_dies_in_every_profile_ends_the_cell_with_one_failure_each() {
    let script = Script::default().with(Place::Append(1), Act::Abort);
    let ran = run(script, vec![interactive_job(), bench_job()]);
    let expected = [(ProfileName::Interactive, Status::Failed), (ProfileName::Bench, Status::Failed)];
    assert_eq!(statuses(&ran.outcome), expected);
    assert_eq!(ran.outcome.status, Status::Failed);
    assert!(ran.outcome.profiles.iter().all(|p| p.exit == Some(Exit::Signal(6))));
}

#[test]
fn an_interrupted_cell_says_so_for_what_was_not_measured() {
    let second = Place::Append(3); // after the two of the first profile
    let script =
        Script::default().with(second, Act::Log(vec![BEGUN.into()])).with(second, Act::Hang { honours_abort: true });
    let ran = run_until(script, vec![bench_job(), interactive_job()], NEVER, Some(BEGUN));
    let expected = [(ProfileName::Bench, Status::Measured), (ProfileName::Interactive, Status::Skipped)];
    assert_eq!(statuses(&ran.outcome), expected);
    assert_eq!(ran.outcome.reason.as_deref(), Some("interactive: interrupted"));
    assert!(ran.took < WHOLE_CELL, "{:?}", ran.took);
}

/// Runs a cell with a program that cannot be started.
fn run_without_program(planned: &PlannedCell, watched: WorkerConfig) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { program: Some("/does/not/exist".into()), ..Options::new(folder.path().join("cell.log")) };
    let workers = Workers { watched, ..Workers::new(options, EngineChoice::Llama) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_sender, mut cancel) = watch::channel(false);
    runtime.block_on(cell::run(planned, &workers, "cell.log", None, &mut cancel, &mut Console::new(1)))
}

#[test]
fn a_cell_that_is_broken_never_starts_a_worker() {
    let planned = PlannedCell { broken: Some("cut".into()), ..planned(vec![bench_job()]) };
    let outcome = run_without_program(&planned, WorkerConfig::default());
    assert_eq!((outcome.status, outcome.reason.as_deref()), (Status::Failed, Some("cut")));
    assert_eq!((outcome.profiles.len(), outcome.log), (1, None));
}

#[test]
fn a_cell_that_is_not_worth_running_is_skipped_with_the_rule_and_its_numbers() {
    let decision =
        Skip { rule: Rule::NotEnoughMemory, reason: "too large".into(), evidence: Vec::new(), expected_seconds: None };
    let outcome = cell::not_worth_it(&planned(vec![bench_job()]), decision.clone());
    assert_eq!((outcome.status, outcome.reason.as_deref()), (Status::Skipped, Some("too large")));
    assert_eq!((outcome.decision, outcome.profiles.len()), (Some(decision), 1));
}

/// A worker's program that dies at once until it has been started as often as `deaths` says; then it is the real one.
fn dying_program(folder: &Path, deaths: u32) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let (program, count) = (folder.join("dying"), folder.join("starts"));
    let real = env!("CARGO_BIN_EXE_sweetspot");
    let text = format!(
        "#!/bin/sh\necho x >> '{0}'\n[ $(wc -l < '{0}') -gt {deaths} ] && exec '{real}' \"$@\"\nkill -SEGV $$\n",
        count.display()
    );
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// The outcome, and how often a worker was started.
fn run_with_deaths_on_start(deaths: u32) -> (Outcome, usize) {
    let folder = tempfile::tempdir().unwrap();
    let program = Some(dying_program(folder.path(), deaths));
    let options = Options { program, ..Options::new(folder.path().join("cell.log")) };
    let watched = WorkerConfig { start_retry_wait_seconds: 0.01, ..WorkerConfig::default() };
    let workers = Workers { watched, ..Workers::new(options, EngineChoice::Fake(Script::default())) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_sender, mut cancel) = watch::channel(false);
    let planned = planned(vec![bench_job()]);
    let outcome = runtime.block_on(cell::run(&planned, &workers, "x", None, &mut cancel, &mut Console::new(1)));
    (outcome, std::fs::read_to_string(folder.path().join("starts")).unwrap().lines().count())
}

#[test]
fn a_worker_that_dies_on_start_is_started_three_times_more() {
    let (outcome, starts) = run_with_deaths_on_start(3);
    assert_eq!((outcome.status, starts), (Status::Measured, 4), "{outcome:#?}");
    let (outcome, starts) = run_with_deaths_on_start(4);
    assert_eq!((outcome.status, starts), (Status::Failed, 4), "{outcome:#?}");
    assert!(outcome.reason.as_ref().unwrap().contains("killed by signal 11"), "{:?}", outcome.reason);
}

#[test]
fn a_program_that_cannot_be_started_at_all_is_tried_again_too_and_then_a_failure() {
    let watched = WorkerConfig { start_retries: 1, start_retry_wait_seconds: 0.01, ..WorkerConfig::default() };
    let outcome = run_without_program(&planned(vec![bench_job()]), watched);
    assert_eq!(outcome.status, Status::Failed);
    assert!(outcome.reason.as_ref().unwrap().contains("/does/not/exist"), "{:?}", outcome.reason);
}

#[test]
fn a_cell_that_was_cut_off_keeps_its_finished_profiles_and_runs_the_others() {
    let second = Place::Append(3); // after the two of the first profile
    let hang =
        Script::default().with(second, Act::Log(vec![BEGUN.into()])).with(second, Act::Hang { honours_abort: true });
    let jobs = || vec![bench_job(), interactive_job()];
    let cut = run_until(hang, jobs(), NEVER, Some(BEGUN)).outcome;
    assert!(cut.cut_off);
    let again = run_on(Script::default(), jobs(), NEVER, None, Some(&cut)).outcome;
    assert!(!again.cut_off);
    let expected = [(ProfileName::Bench, Status::Measured), (ProfileName::Interactive, Status::Measured)];
    assert_eq!(statuses(&again), expected);
    assert_eq!(again.profiles[0], cut.profiles[0], "measured once");
    assert!(again.duration_seconds > cut.duration_seconds);
}

#[test]
fn a_worker_that_dies_in_the_middle_of_a_load_leaves_the_loads_before_it() {
    let job = Job::LongContext(long_context::Job {
        context: ContextParams { n_ubatch: 64, ..ContextParams::new(0, 1) },
        loads: vec![128, 256],
        target_tokens: 512,
        gen_tokens: 4,
        seconds: 60,
        beyond_trained: false,
        seed: 1,
    });
    // appends: the warm-up, two for 128 tokens and four for its answer, two and four more for 256; then it dies
    let ran = run(Script::default().with(Place::Append(15), Act::Segfault), vec![job, bench_job()]);
    let expected = [(ProfileName::LongContext, Status::Failed), (ProfileName::Bench, Status::Measured)];
    assert_eq!(statuses(&ran.outcome), expected);
    let profile = &ran.outcome.profiles[0];
    assert_eq!(profile.exit, Some(Exit::Signal(11)));
    let Some(Samples::LongContext(samples)) = &profile.samples else {
        panic!("what was measured is lost: {profile:?}")
    };
    let summary = long_context::summarize(samples);
    assert_eq!(summary.largest().map(|load| load.tokens), Some(256));
    assert_eq!(
        long_context::rating(&summary, &long_context::Thresholds::default()),
        Some(sweetspot::verdict::Rating::Failed)
    );
    assert!(long_context::interpretation(&summary).contains("the worker ended while the context was filled"));
}
