//! What a worker arranges for itself so that nobody else suffers: it dies first, dies with its parent, and is capped.
#![cfg(target_os = "linux")]

mod worker_support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sweetspot::engine::fake::{Act, Place};
use sweetspot::worker::protocol::{Event, Job, Order};
use worker_support::{Lab, SWEETSPOT, gone_within, name};

/// Far more than a death takes, and far less than something that does not come at all: the machine may be busy.
const SOON: Duration = Duration::from_secs(5);

fn hanging() -> Lab {
    Lab::breaking(Place::Append(1), Act::Hang { honours_abort: true })
}

fn of(pid: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
}

#[test]
fn a_worker_is_the_first_to_go_leaves_no_core_and_is_capped_and_its_parent_is_as_before() {
    let before = (of(std::process::id(), "oom_score_adj"), of(std::process::id(), "limits"));
    let mut lab = hanging();
    lab.job.memory_cap_bytes = Some(512 << 20);
    let seen_by = std::cell::RefCell::new(None);
    let pid = std::cell::Cell::new(0);
    lab.run_until(|event| {
        if let Event::Ready { pid: worker, .. } = event {
            pid.set(*worker);
        }
        let running = name(event) == "task_started";
        if running {
            let stat = of(pid.get(), "stat");
            let group = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(2)).unwrap().to_owned();
            seen_by.replace(Some((of(pid.get(), "oom_score_adj"), of(pid.get(), "limits"), group)));
        }
        running
    });
    let (score, limits, group) = seen_by.into_inner().unwrap();
    assert_eq!(score.trim(), "1000");
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limit("Max core file size"), ["0", "0"]);
    assert_eq!(limit("Max data size"), [(512 << 20).to_string(), (512 << 20).to_string()]);
    assert_eq!(group, pid.get().to_string(), "a group of its own");
    assert_eq!((of(std::process::id(), "oom_score_adj"), of(std::process::id(), "limits")), before);
}

/// A worker that was started by hand, with its first event read.
struct ByHand {
    child: Child,
    worker: u32,
    events: BufReader<std::process::ChildStdout>,
}

fn start(mut command: Command) -> ByHand {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut events = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    events.read_line(&mut line).unwrap();
    let Event::Ready { pid, .. } = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
    ByHand { child, worker: pid, events }
}

impl ByHand {
    fn send(&mut self, job: &Job) {
        let mut line = serde_json::to_vec(&Order::from(job)).unwrap();
        line.push(b'\n');
        self.child.stdin.as_mut().unwrap().write_all(&line).unwrap();
    }

    fn wait_for(&mut self, wanted: &str) {
        let mut line = String::new();
        while self.events.read_line(&mut line).unwrap() > 0 {
            if name(&serde_json::from_str(&line).unwrap()) == wanted {
                return;
            }
            line.clear();
        }
        panic!("the worker ended before {wanted}");
    }
}

fn worker() -> Command {
    let mut command = Command::new(SWEETSPOT);
    command.arg("worker");
    command
}

#[test]
fn a_worker_whose_parent_is_killed_dies_although_its_stdin_stays_open() {
    let mut shell = Command::new("sh");
    // The second command keeps the shell from becoming the worker.
    shell.args(["-c", "\"$0\" worker; true", SWEETSPOT]);
    shell.process_group(0);
    let mut by_hand = start(shell);
    by_hand.send(&Lab::breaking(Place::Append(1), Act::Hang { honours_abort: false }).job);
    by_hand.wait_for("task_started");
    assert_ne!(by_hand.child.id(), by_hand.worker);
    by_hand.child.kill().unwrap();
    // stdin is still held here, so that only the kernel's signal can have ended it.
    assert!(gone_within(by_hand.worker, SOON));
    by_hand.child.wait().unwrap();
}

#[test]
fn a_worker_whose_parent_is_gone_already_does_not_even_start() {
    let output = worker().args(["--parent", "1"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
}

#[test]
fn a_worker_that_waits_for_its_job_ends_with_its_stdin() {
    let mut by_hand = start(worker());
    drop(by_hand.child.stdin.take());
    assert!(gone_within(by_hand.worker, SOON));
    assert_eq!(by_hand.child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_worker_at_work_stops_when_its_stdin_ends() {
    let mut by_hand = start(worker());
    by_hand.send(&hanging().job);
    by_hand.wait_for("task_started");
    drop(by_hand.child.stdin.take());
    by_hand.wait_for("task_failed");
    assert!(gone_within(by_hand.worker, SOON));
    by_hand.child.wait().unwrap();
}

#[test]
fn a_worker_whose_engine_hangs_ends_all_the_same_when_its_stdin_ends() {
    let mut by_hand = start(worker());
    by_hand.send(&Lab::breaking(Place::Append(1), Act::Hang { honours_abort: false }).job);
    by_hand.wait_for("task_started");
    let started = Instant::now();
    drop(by_hand.child.stdin.take());
    by_hand.child.wait().unwrap();
    assert!((2..10).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[test]
fn a_worker_that_nobody_listens_to_ends() {
    let ByHand { mut child, worker, events } = start(worker());
    drop(events);
    let mut line = serde_json::to_vec(&hanging().job).unwrap();
    line.push(b'\n');
    child.stdin.as_mut().unwrap().write_all(&line).unwrap();
    assert!(gone_within(worker, SOON));
    child.wait().unwrap();
}

#[test]
fn what_is_no_job_is_refused_in_one_line_with_exit_code_2() {
    let mut child = worker().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"{\"version\":4,\"tasks\":7}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("not a job"), "{said}");
}
