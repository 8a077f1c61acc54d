//! `sweetspot run` with real workers on llama.cpp that are killed, crashed, frozen and starved from outside; and with folders
//! and disks that do not take what it writes.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Program, Ran, synthetic};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sweetspot::engine::quantize::{self, Quant};

/// A long first cell, which a test disturbs, and a short second one, which must be measured all the same. Both models have
/// the same configuration, so the second one is only quicker because it is a hundred times smaller.
const LONG: &str = "\
[interactive]
tokens = 1500
max_repetitions = 1
max_first_tokens = 1
n_ctx = 2048
sampling = 'greedy'
[worker]
stall_timeout_seconds = 3
stop_grace_seconds = 1
";

struct Running {
    program: Program,
    child: Child,
}

impl Running {
    /// Starts a run over a large and a tiny model, and waits until the first one is being measured.
    fn start() -> Self {
        quantize::silence_llama_cpp();
        let program = Program::new();
        program.write("long.toml", LONG);
        let large = synthetic(program.folder.path(), "mamba-130m", Quant::Q4_0);
        let small = synthetic(program.folder.path(), "tiny", Quant::Q8_0);
        let mut command = program.command();
        command.args(["run", "--config", "long.toml", "--out", "out", "-t", "1"]);
        command.args(["--profiles", "interactive"]).args([large, small]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let running = Self { program, child };
        let log = running.program.path("out/logs/mamba-130m_Q4_0.log");
        wait_for("the first model's context", || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains("compute buffer size"))
        });
        std::thread::sleep(Duration::from_millis(300));
        running
    }

    /// The worker's process: the only child of the run's.
    fn worker(&self) -> Pid {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        Pid::from_raw(children.split_whitespace().next().expect("no worker runs").parse().unwrap())
    }

    fn end(self) -> (Program, Ran) {
        let output = self.child.wait_with_output().unwrap();
        (self.program, Ran::of(&output))
    }
}

fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_there() {
        assert!(started.elapsed() < Duration::from_mins(1), "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The first cell's reason, once it has failed and the second one was measured.
fn first_failed_second_measured(program: &Program, ran: &Ran) -> String {
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let outcomes = program.outcomes();
    assert_eq!(outcomes[0]["status"], "failed", "{outcomes:#?}");
    assert_eq!(outcomes[1]["status"], "measured", "{outcomes:#?}");
    let tail = outcomes[0]["profiles"][0]["log_tail"].as_array().unwrap();
    assert!(!tail.is_empty(), "the log's tail is not in the outcome");
    outcomes[0]["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_worker_that_is_killed_or_crashes_is_a_failed_outcome_and_the_next_model_follows_within_three_seconds() {
    for (signal, says) in [
        (Signal::SIGKILL, "killed by signal 9"),
        (Signal::SIGSEGV, "killed by signal 11"),
        (Signal::SIGABRT, "killed by signal 6"),
    ] {
        let running = Running::start();
        let worker = running.worker();
        kill(worker, signal).unwrap();
        // Rust's own handler takes the first SIGSEGV and waits for the fault to come again, which one that was sent does
        // not: it is sent until the worker is gone.
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(20));
            if signal != Signal::SIGSEGV || kill(worker, signal).is_err() {
                break;
            }
        }
        let killed = Instant::now();
        let next = running.program.path("out/logs/tiny_Q8_0.log");
        wait_for("the next worker", || next.exists());
        assert!(killed.elapsed() < Duration::from_secs(3), "the next model began {:?} later", killed.elapsed());
        let (program, ran) = running.end();
        let reason = first_failed_second_measured(&program, &ran);
        assert!(reason.contains(says), "{signal}: {reason}");
        let markdown = fs::read_to_string(program.path("out/report.md")).unwrap();
        assert!(markdown.contains(says), "the report does not say how the worker ended");
    }
}

#[test]
fn a_worker_that_is_frozen_is_given_up_after_the_stall_timeout_and_reaped() {
    let running = Running::start();
    let worker = running.worker();
    kill(worker, Signal::SIGSTOP).unwrap();
    let (program, ran) = running.end();
    let reason = first_failed_second_measured(&program, &ran);
    assert!(reason.contains("no sign of life for 3 s"), "{reason}");
    assert!(!Path::new(&format!("/proc/{worker}")).exists(), "the frozen worker is still there");
}

#[test]
fn an_interrupted_run_reports_what_it_has_and_ends_with_code_130() {
    let running = Running::start();
    kill(Pid::from_raw(running.child.id().cast_signed()), Signal::SIGINT).unwrap();
    let interrupted = Instant::now();
    let (program, ran) = running.end();
    assert_eq!(ran.code, Some(130), "{ran:#?}");
    assert!(interrupted.elapsed() < Duration::from_secs(2), "{:?}", interrupted.elapsed());
    let outcomes = program.outcomes();
    let ended: Vec<_> =
        outcomes.iter().map(|o| (o["status"].as_str().unwrap(), o["reason"].as_str().unwrap())).collect();
    assert_eq!(ended, [("skipped", "interactive: interrupted")], "what was not begun has no outcome yet");
    assert!(program.path("out/report.md").exists(), "no partial report");
    let run: serde_json::Value = serde_json::from_slice(&fs::read(program.path("out/run.json")).unwrap()).unwrap();
    assert_eq!(run["interrupted"], true);
}

#[test]
fn a_run_that_is_killed_takes_its_worker_along_and_can_be_reported() {
    let mut running = Running::start();
    let worker = running.worker();
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let gone = || {
        let state = fs::read_to_string(format!("/proc/{worker}/stat"));
        state.map_or(true, |s| s.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
    };
    wait_for("the worker's death", gone);
    let ran = running.program.sweetspot(&["report", "out"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_before_anything_runs() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    program.write("file", "");
    for out in ["file/out", "/proc/out"] {
        let ran = program.sweetspot(&["run", "--config", "quick.toml", "--out", out, model.to_str().unwrap()]);
        let error = ran.error(1);
        assert!(error.contains(out) && error.contains("--out"), "{error}");
        assert!(!ran.stderr.contains("loading"), "{ran:#?}");
    }
}

#[test]
fn a_run_whose_messages_nobody_can_read_is_measured_and_reported_all_the_same() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    let mut command = program.command();
    command.args(["run", "--config", "quick.toml", "--out", "out"]).arg(&model);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = Ran::of(&command.stderr(full).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.contains("tiny") && program.path("out/report.json").exists());
}

#[test]
fn a_run_is_not_written_over_another() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    assert_eq!(program.run(&[model.to_str().unwrap()]).code, Some(0));
    let before = fs::read(program.path("out/outcomes.jsonl")).unwrap();
    let ran = program.run(&[model.to_str().unwrap()]);
    assert!(ran.error(1).contains("a run is in this folder already"));
    assert_eq!(fs::read(program.path("out/outcomes.jsonl")).unwrap(), before);
}

#[test]
fn a_disk_that_fills_up_is_one_clear_error_and_what_was_measured_before_is_kept() {
    let program = Program::new();
    let models: Vec<_> = [Quant::Q4_0, Quant::Q8_0, Quant::Q6K, Quant::F16]
        .into_iter()
        .map(|quant| synthetic(program.folder.path(), "tiny", quant))
        .collect();
    let disk = program.path("disk");
    fs::create_dir(&disk).unwrap();
    let Some(mounted) = SmallDisk::mount(&disk) else {
        eprintln!("skipped: a small disk cannot be mounted here (it takes root)");
        return;
    };
    let mut command = program.command();
    command.args(["run", "--config", "quick.toml", "--out", "disk/out"]).args(&models);
    let ran = Ran::of(&command.output().unwrap());
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let error = ran.stderr.lines().find(|l| l.starts_with("sweetspot: ")).expect("no error line");
    assert!(error.contains("disk/out") && error.contains("No space left"), "{error}");
    let kept = fs::read_to_string(disk.join("out/outcomes.jsonl")).unwrap();
    assert!(kept.lines().count() >= 1, "nothing was kept");
    // with room again it goes on: what was kept stays, and the rest is measured
    mounted.remount("size=64m");
    let ran = program.sweetspot(&["run", "--resume", "disk/out"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let whole = kept.split_inclusive('\n').filter(|line| line.ends_with('\n')).collect::<String>();
    let now = fs::read_to_string(disk.join("out/outcomes.jsonl")).unwrap();
    assert!(now.starts_with(&whole), "what was kept has changed");
    assert_eq!(measured(&now), models.len(), "{now}");
    drop(mounted);
}

/// Cells of an `outcomes.jsonl`, all of them measured, each once.
fn measured(outcomes: &str) -> usize {
    let outcomes: Vec<serde_json::Value> =
        outcomes.lines().map(|line| serde_json::from_str(line).expect("a cut line in the middle")).collect();
    let cells: std::collections::BTreeSet<_> = outcomes.iter().map(|o| o["cell"].to_string()).collect();
    assert_eq!(cells.len(), outcomes.len(), "a cell ran twice");
    assert!(outcomes.iter().all(|outcome| outcome["status"] == "measured"), "{outcomes:#?}");
    outcomes.len()
}

#[test]
fn a_folder_that_may_only_be_read_is_one_clear_error_and_stays_as_it_is() {
    let program = Program::new();
    let models = [Quant::Q4_0, Quant::Q8_0].map(|quant| synthetic(program.folder.path(), "tiny", quant));
    let disk = program.path("disk");
    fs::create_dir(&disk).unwrap();
    let Some(mounted) = SmallDisk::mount(&disk) else {
        eprintln!("skipped: a small disk cannot be mounted here (it takes root)");
        return;
    };
    mounted.remount("size=64m");
    let mut command = program.command();
    command.args(["run", "--config", "quick.toml", "--out", "disk/out"]).args(&models);
    assert_eq!(Ran::of(&command.output().unwrap()).code, Some(0));
    let path = disk.join("out/outcomes.jsonl");
    let all = fs::read_to_string(&path).unwrap();
    let first = &all[..=all.find('\n').unwrap()];
    fs::write(&path, format!("{first}{{\"schema_ver")).unwrap(); // as a crash leaves it
    let before = fs::read(&path).unwrap();
    mounted.remount("ro");
    let ran = program.sweetspot(&["run", "--resume", "disk/out"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("disk/out/run.lock: cannot be written: Read-only file system"), "{ran:#?}");
    let mut command = program.command();
    command.args(["run", "--config", "quick.toml", "--out", "disk/other"]).args(&models);
    let ran = Ran::of(&command.output().unwrap());
    assert!(ran.error(1).contains("disk/other: the run's folder cannot be made; name another with --out"), "{ran:#?}");
    assert_eq!(fs::read(&path).unwrap(), before, "nothing was changed");
    mounted.remount("rw");
    assert_eq!(program.sweetspot(&["run", "--resume", "disk/out"]).code, Some(0));
    assert_eq!(measured(&fs::read_to_string(&path).unwrap()), 2);
    drop(mounted);
}

/// So few KiB that they fill up with the first logs.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(folder: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=96k", "tmpfs"]).arg(folder).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Self(folder))
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(self.0).status().unwrap();
        assert!(status.success(), "{options}");
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}
