//! Runs over scripted workers that are killed without warning at any moment, and gone on with: the same report as that of a run
//! that nobody disturbed, no finished cell lost, none run twice.
#![cfg(target_os = "linux")]

mod scripted_run;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sweetspot::lab::outcome::Outcome;
use sweetspot::report::folder::OUTCOMES;

/// Set in a process that is a run; its value is the run's folder.
const FOLDER: &str = "SWEETSPOT_TEST_RUN_FOLDER";

/// How many runs are killed.
const KILLED: u32 = 200;

/// Not a test: the run itself, in a process of its own that can be killed.
#[test]
#[ignore = "started by the other tests of this file"]
fn the_run_itself() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("started by a test"));
    let came = scripted_run::run(&folder);
    came.ended.unwrap();
    assert!(came.written.errors.is_empty(), "{:?}", came.written.errors);
}

fn start(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["the_run_itself", "--exact", "--ignored", "--nocapture"]).env(FOLDER, folder);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Lines that are whole, each with its cell's name.
fn finished(folder: &Path) -> Vec<(String, Outcome)> {
    let text = fs::read_to_string(folder.join(OUTCOMES)).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let outcomes = whole.filter_map(|line| serde_json::from_str::<Outcome>(line).ok());
    outcomes.map(|outcome| (format!("{} {}", outcome.cell.model, outcome.cell.quant), outcome)).collect()
}

fn logs(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder.join("logs")).into_iter().flatten();
    entries.map(|e| e.unwrap().path()).map(|p| (p.display().to_string(), fs::read(&p).unwrap())).collect()
}

/// A report without what no two runs have in common: times and speeds.
fn report(folder: &Path) -> String {
    let report: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap();
    let cell = |result: &serde_json::Value| {
        let profiles = result["profiles"].as_object().unwrap().iter();
        let profiles: Vec<_> = profiles.map(|(name, profile)| format!("{name} {}", profile["status"])).collect();
        let reason: String =
            result["reason"].to_string().chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
        format!(
            "{} {}: {} {} {reason} {} rule {}\n",
            result["model"],
            result["quantization"],
            result["status"],
            result["verdict"],
            profiles.join(" "),
            result["decision"]["rule"],
        )
    };
    let interrupted = &report["metadata"]["interrupted"];
    report["results"].as_array().unwrap().iter().map(cell).collect::<String>() + &format!("interrupted {interrupted}\n")
}

fn finish(folder: &Path) {
    let status = start(folder).wait().unwrap();
    assert!(status.success(), "{status}; {}", folder.display());
}

/// Kills a run after so long, goes on with it, and checks what came of it; says whether there was anything to go on with.
fn kill_and_go_on(after: Duration, undisturbed: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut child = start(&run);
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    let before = finished(&run);
    // its worker dies with it, but writes to its log until it has
    let log_of = |outcome: &Outcome| outcome.log.as_ref().map(|log| fs::read(run.join(log)).unwrap());
    let logs_before: Vec<_> = before.iter().map(|(_, outcome)| log_of(outcome)).collect();
    finish(&run);
    let after: Vec<_> = finished(&run);
    for ((name, outcome), log) in before.iter().zip(logs_before) {
        let kept: Vec<_> = after.iter().filter(|(other, _)| other == name).collect();
        assert_eq!(kept.len(), 1, "{name} was finished and has {} outcomes", kept.len());
        assert_eq!(&kept[0].1, outcome, "{name} was finished and is another one now");
        assert_eq!(log_of(outcome), log, "{name} was finished and ran again");
    }
    assert_eq!(after.len(), scripted_run::CELLS, "{after:#?}");
    assert_eq!(report(&run), undisturbed);
    !before.is_empty() && before.len() < scripted_run::CELLS
}

#[test]
fn two_hundred_runs_that_are_killed_at_any_moment_end_with_the_report_of_an_undisturbed_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let begun = Instant::now();
    finish(&run);
    let whole = begun.elapsed();
    let undisturbed = report(&run);
    assert!(undisturbed.contains("it would swap") && undisturbed.contains("one after the other"), "{undisturbed}");
    assert_eq!(undisturbed.matches("\"measured\"").count(), scripted_run::MEASURED, "{undisturbed}");
    let (next, in_the_middle) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let number @ 0..KILLED = next.fetch_add(1, Ordering::Relaxed) {
                    // spread evenly over a run, a little at random
                    let moment = (f64::from(number) + rand(number)) / f64::from(KILLED);
                    if kill_and_go_on(whole.mul_f64(1.1 * moment), &undisturbed) {
                        in_the_middle.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let in_the_middle = in_the_middle.into_inner();
    println!("{in_the_middle} of {KILLED} were killed between their first and their last outcome; one takes {whole:?}");
    assert!(in_the_middle >= KILLED / 5, "too few were killed in the middle to mean anything: {in_the_middle}");
}

/// 0 to 1, another one for each number and each time.
fn rand(number: u32) -> f64 {
    use std::hash::{BuildHasher, RandomState};
    f64::from((RandomState::new().hash_one(number) >> 33) as u32) / f64::from(u32::MAX >> 1)
}

#[test]
fn an_outcome_that_a_crash_cut_is_the_only_one_that_is_measured_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    finish(&run);
    let undisturbed = report(&run);
    let path = run.join(OUTCOMES);
    let text = fs::read_to_string(&path).unwrap();
    let whole: Vec<&str> = text.split_inclusive('\n').collect();
    let last = whole.iter().rposition(|line| line.contains("\"status\":\"measured\"")).unwrap();
    fs::write(&path, whole[..last].concat() + &whole[last][..whole[last].len() / 2]).unwrap();
    let logs_before = logs(&run);
    finish(&run);
    assert_eq!(report(&run), undisturbed);
    let changed = logs(&run).into_iter().filter(|(path, text)| logs_before.get(path) != Some(text)).count();
    assert_eq!(changed, 1, "one worker was started");
    assert!(fs::read_to_string(&path).unwrap().starts_with(&whole[..last].concat()), "what was whole stays as it was");
}
