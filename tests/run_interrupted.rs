//! Runs that somebody stops, in every phase: a partial report within two seconds, and a run that can be gone on with.
#![cfg(target_os = "linux")]

mod common;
mod hub_support;
#[allow(dead_code)]
mod scripted_run;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Program;
use hub_support::server::Faults;
use hub_support::{Rig, one};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sweetspot::engine::fake::{Delays, Script};

/// Set in a process that is a run: the run's folder, and where its engine is slow.
const FOLDER: &str = "SWEETSPOT_TEST_RUN_FOLDER";
const SLOW: &str = "SWEETSPOT_TEST_SLOW";

/// From the signal to the program's end, its report written.
const LONGEST: Duration = Duration::from_secs(2);

/// Not a test: the run itself, in a process of its own.
#[test]
#[ignore = "started by the other tests of this file"]
fn the_run_itself() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("started by a test"));
    let slow = Duration::from_secs(30);
    let delays = match std::env::var(SLOW).as_deref() {
        Ok("load") => Delays { load: slow, ..Delays::default() },
        Ok("prefill") => Delays { prefill_per_token: slow, ..Delays::default() },
        Ok("decode") => Delays { decode: vec![slow], ..Delays::default() },
        _ => Delays::default(),
    };
    let came = scripted_run::run_with(&folder, Script { delays, ..scripted_run::script() });
    let ended = came.ended.unwrap();
    assert!(came.written.errors.is_empty(), "{:?}", came.written.errors);
    std::process::exit(if ended.interrupted { 130 } else { 0 });
}

fn start(folder: &Path, slow: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["the_run_itself", "--exact", "--ignored", "--nocapture"]).env(FOLDER, folder).env(SLOW, slow);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the program says something that holds these words.
fn wait_for_words(child: &mut Child, words: &str) -> Box<dyn BufRead + Send> {
    let mut said = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    loop {
        let begin = said.len();
        assert!(lines.read_line(&mut said).unwrap() > 0, "it ended before it said '{words}': {said}");
        if said[begin..].contains(words) {
            return Box::new(lines);
        }
    }
}

/// Stops it, and checks that it ends in time; the time and the exit code.
fn stop(mut child: Child, signal: Signal, mut said: Box<dyn BufRead + Send>) -> Option<i32> {
    let begun = Instant::now();
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    let drain = std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    let status = child.wait().unwrap();
    let took = begun.elapsed();
    drain.join().unwrap().unwrap();
    println!("{signal}: ended {took:?} later");
    assert!(took < LONGEST, "{took:?}");
    status.code()
}

fn report(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(folder.join("report.json")).expect("no report")).expect("half a report")
}

#[test]
fn a_run_that_is_stopped_while_it_loads_prefills_or_decodes_reports_at_once_and_can_be_gone_on_with() {
    for (slow, words, signal) in [
        ("load", "loading", Signal::SIGINT),
        ("prefill", "interactive", Signal::SIGTERM),
        ("decode", "interactive", Signal::SIGINT),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let mut child = start(&run, slow);
        let said = wait_for_words(&mut child, words);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(stop(child, signal, said), Some(130), "{slow}");
        let partial = report(&run);
        assert_eq!(partial["results"].as_array().unwrap().len(), scripted_run::CELLS, "every planned cell is there");
        assert!(partial["results"].as_array().unwrap().iter().all(|result| result["status"] != "measured"), "{slow}");
        assert_eq!(start(&run, "").wait().unwrap().code(), Some(0), "{slow}");
        let whole = report(&run);
        let measured = whole["results"].as_array().unwrap().iter().filter(|result| result["status"] == "measured");
        assert_eq!(measured.count(), scripted_run::MEASURED, "{slow}");
    }
}

#[test]
fn a_signal_at_the_very_end_leaves_a_whole_report() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut child = start(&run, "");
    let said = wait_for_words(&mut child, "large Q8_0 skipped");
    let code = stop(child, Signal::SIGINT, said);
    assert!(matches!(code, Some(0 | 130)), "{code:?}");
    let measured = report(&run);
    let measured = measured["results"].as_array().unwrap().iter().filter(|result| result["status"] == "measured");
    assert_eq!(measured.count(), scripted_run::MEASURED);
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut child = start(&run, "load");
    let mut said = wait_for_words(&mut child, "loading");
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGINT).unwrap();
    let mut line = String::new();
    while !line.contains("once more to end at once") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it never answered");
    }
    kill(pid, Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_run_that_is_stopped_while_it_downloads_reports_at_once_and_goes_on_where_the_download_was() {
    let program = Program::new();
    let rig = Rig::new(one(), Faults { slow: Duration::from_millis(20), ..Faults::default() });
    let repository = format!("{}:Q4_0", hub_support::server::REPOSITORY);
    let command = || {
        let mut command = program.command();
        command.env("HF_ENDPOINT", &rig.server.endpoint).env_remove("HF_TOKEN");
        command
    };
    let mut child = command()
        .args(["run", "--config", "quick.toml", "--profiles", "interactive", "--out", "out", &repository])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = wait_for_words(&mut child, "downloading");
    assert_eq!(stop(child, Signal::SIGINT, said), Some(130));
    assert!(report(&program.path("out"))["results"][0]["reason"].as_str().unwrap().contains("not reached"));
    *rig.server.faults() = Faults::default();
    let ran = command().args(["run", "--resume", "out"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(report(&program.path("out"))["results"][0]["status"], "measured");
}

#[test]
fn a_model_that_does_not_come_is_tried_again_when_the_run_goes_on() {
    let program = Program::new();
    let here = common::synthetic(program.folder.path(), "tiny", sweetspot::engine::quantize::Quant::Q8_0);
    let rig = Rig::new(one(), Faults { gone: true, ..Faults::default() });
    let repository = format!("{}:Q4_0", hub_support::server::REPOSITORY);
    // a hub that is not there when the run is planned, and one that has lost the file when its turn comes
    for (out, endpoint) in [("away", "http://127.0.0.1:1"), ("gone", rig.server.endpoint.as_str())] {
        let command = |endpoint: &str, args: &[&str]| {
            let mut command = program.command();
            command.env("HF_ENDPOINT", endpoint).args(args);
            common::Ran::of(&command.output().unwrap())
        };
        let args = ["run", "--config", "quick.toml", "--profiles", "interactive", "--out", out, &repository];
        *rig.server.faults() = Faults { gone: true, ..Faults::default() };
        let ran = command(endpoint, &[&args[..], &[here.to_str().unwrap()]].concat());
        assert_eq!(ran.code, Some(0), "the model that is here is measured: {ran:#?}");
        assert_eq!(statuses(&program.path(out)), ["failed", "measured"], "{ran:#?}");
        *rig.server.faults() = Faults::default();
        let ran = command(&rig.server.endpoint, &["run", "--resume", out]);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert!(ran.stderr.contains("going on: 1 of 2 cells are done"), "{ran:#?}");
        assert_eq!(statuses(&program.path(out)), ["measured", "measured"], "{ran:#?}");
        fs::remove_dir_all(program.path("huggingface")).unwrap();
    }
}

fn statuses(folder: &Path) -> Vec<String> {
    let report = report(folder);
    let results = report["results"].as_array().unwrap();
    results.iter().map(|result| result["status"].as_str().unwrap().to_owned()).collect()
}
