//! A worker that dies, starves, hangs, is stopped, or is no worker at all.
#![cfg(target_os = "linux")]

mod worker_support;

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sweetspot::engine::fake::{Act, Delays, Place, Script};
use sweetspot::worker::exit::Exit;
use sweetspot::worker::process::{Options, WorkerError};
use sweetspot::worker::protocol::Event;
use worker_support::{Lab, Seen, name, oom_kills, task};

/// What the parent may need to notice a death, with a busy machine in mind; what it does not notice takes 20 s at least.
const NOTICE: Duration = Duration::from_secs(3);
/// A whole life on a busy machine; without what ends it, it takes 20 s (a timeout) to a minute.
const A_LIFE: Duration = Duration::from_secs(10);
const MIB: u64 = 1 << 20;

fn dies_in_the_task(act: Act) -> Seen {
    let mut lab = Lab::breaking(Place::Append(2), act);
    lab.job.tasks.push(task(8, 4));
    let seen = lab.run();
    assert!(seen.after_last_event() < NOTICE, "{:?}", seen.after_last_event());
    assert_eq!(seen.ending.unfinished_task, Some(0), "{:?}", seen.names());
    assert!(!seen.ending.stopped_by_us && !seen.ending.killed_by_us && !seen.ending.done);
    seen
}

#[test]
fn a_segmentation_fault_is_that_signal() {
    let ending = dies_in_the_task(Act::Segfault).ending;
    assert_eq!(ending.exit, Exit::Signal(11));
    assert_eq!(ending.reason(), "killed by signal 11 (segmentation fault)");
}

#[test]
fn a_failed_assertion_is_that_signal() {
    let ending = dies_in_the_task(Act::Abort).ending;
    assert_eq!(ending.exit, Exit::Signal(6));
    assert_eq!(ending.reason(), "killed by signal 6 (aborted)");
}

#[test]
fn an_exit_of_the_engine_is_its_code() {
    let ending = dies_in_the_task(Act::Exit(7)).ending;
    assert_eq!(ending.exit, Exit::Code(7));
    assert_eq!(ending.reason(), "ended with exit code 7");
}

#[test]
fn an_exit_with_code_0_before_the_end_is_not_a_worker_that_is_done() {
    let ending = dies_in_the_task(Act::Exit(0)).ending;
    assert_eq!(ending.exit, Exit::Success);
    assert!(!ending.done);
    assert_eq!(ending.reason(), "ended by itself before it was done");
}

#[test]
fn a_crash_comes_with_the_last_lines_of_the_log() {
    let lines: Vec<String> = (0..100).map(|n| format!("ggml: line {n}")).collect();
    let lab = Lab::new(Script::default().with(Place::Load, Act::Log(lines)).with(Place::Load, Act::Abort));
    let seen = lab.run();
    assert_eq!(seen.ending.exit, Exit::Signal(6));
    assert_eq!(seen.ending.log_tail.len(), 20);
    assert_eq!(seen.ending.log_tail[19], "ggml: line 99");
    assert_eq!(seen.ending.last_task, None);
}

#[test]
fn no_debugger_is_started_for_a_crash() {
    let lab = Lab::shell("echo \"no backtrace: $GGML_NO_BACKTRACE\" >&2; kill -ABRT $$");
    assert_eq!(lab.run().ending.log_tail, ["no backtrace: 1"]);
}

#[test]
fn more_memory_than_the_cap_ends_the_worker_alone() {
    let mut lab = Lab::breaking(Place::Append(1), Act::Allocate(4096 * MIB));
    lab.job.memory_cap_bytes = Some(256 * MIB);
    let seen = lab.run();
    assert_eq!(seen.ending.exit, Exit::OutOfMemory, "{:?}", seen.ending);
    assert!(seen.ending.reason().starts_with("out of memory: memory allocation of"), "{}", seen.ending.reason());
    assert!(seen.ending.peak_resident_bytes.is_none_or(|peak| peak < 512 * MIB));
    let mine = vec![1_u8; 512 << 20];
    assert_eq!(mine.iter().step_by(4096).map(|&byte| usize::from(byte)).sum::<usize>(), mine.len() / 4096);
}

#[test]
fn less_memory_than_the_cap_is_no_trouble() {
    let mut lab = Lab::breaking(Place::Append(1), Act::Allocate(64 * MIB));
    lab.job.memory_cap_bytes = Some(256 * MIB);
    assert!(lab.run().ending.done);
}

#[test]
fn contexts_that_all_cannot_be_had_are_a_lack_of_memory() {
    let mut lab = Lab::new(Script { max_context: Some(1), ..Script::default() });
    lab.job.memory_cap_bytes = Some(256 * MIB);
    let seen = lab.run();
    assert_eq!(seen.ending.exit, Exit::OutOfMemory);
    assert!(seen.ending.done, "the worker itself went on");
}

#[test]
fn a_kill_from_outside_is_not_taken_for_the_kernels_which_counts_its_own() {
    let lab = Lab::breaking(Place::Append(1), Act::Hang { honours_abort: false });
    let kills_before = oom_kills();
    let seen = lab.run_until(|event| {
        if let Event::Ready { pid, .. } = event {
            let pid = Pid::from_raw(i32::try_from(*pid).unwrap());
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(100));
                kill(pid, Signal::SIGKILL).unwrap();
            });
        }
        false
    });
    assert!(!seen.ending.killed_by_us);
    if oom_kills() != kills_before {
        return; // the kernel really took something at that time, so that this worker may rightly be taken for it
    }
    assert_eq!(seen.ending.exit, Exit::Signal(9));
    assert!(seen.ending.reason().contains("signal 9"), "{}", seen.ending.reason());
}

#[test]
fn a_worker_without_a_sign_of_life_is_given_up_after_the_stall_timeout() {
    let mut lab = Lab::breaking(Place::Append(2), Act::Hang { honours_abort: false });
    // Not shorter: between two events of a worker that starts, a busy machine may do something else.
    let timeout = Duration::from_millis(2500);
    lab.options.stall_timeout = timeout;
    let seen = lab.run();
    assert_eq!(seen.ending.exit, Exit::Stalled);
    assert_eq!(seen.ending.reason(), "no sign of life for 2.5 s");
    assert!(seen.ending.killed_by_us && !seen.ending.stopped_by_us);
    assert_eq!(seen.ending.unfinished_task, Some(0));
    let waited = seen.after_last_event();
    assert!(waited + Duration::from_millis(10) >= timeout && waited < timeout + NOTICE, "{waited:?}");
}

#[test]
fn a_model_that_never_loads_is_given_up_after_the_load_timeout() {
    let mut lab = Lab::breaking(Place::Load, Act::Hang { honours_abort: false });
    lab.options.load_timeout = Duration::from_millis(400);
    let seen = lab.run();
    assert_eq!(seen.ending.exit, Exit::Timeout);
    assert_eq!(seen.ending.reason(), "the model was not loaded within 0.4 s");
    assert!(seen.took < A_LIFE, "{:?}", seen.took);
}

#[test]
fn a_long_computation_that_only_pulses_is_not_stalled() {
    let delays = Delays { decode: vec![Duration::from_secs(5)], ..Delays::default() };
    let mut lab = Lab::new(Script { delays, ..Script::default() });
    lab.job.tasks = vec![task(0, 1)];
    lab.options.stall_timeout = Duration::from_secs(3);
    let seen = lab.run();
    assert_eq!(seen.ending.exit, Exit::Success, "{:?}", seen.names());
    let questions: Vec<u64> = (seen.events.iter())
        .filter_map(|event| if let Event::Pulse { questions, .. } = event { Some(*questions) } else { None })
        .collect();
    assert!(questions.len() >= 2 && questions.is_sorted_by(|a, b| a < b), "{questions:?}");
}

fn a_minute() -> Script {
    let delays = Delays { prefill_per_token: Duration::from_mins(1), ..Delays::default() };
    Script { delays, ..Script::default() }
}

#[test]
fn a_worker_that_is_asked_to_stop_aborts_its_task_starts_no_other_and_ends_by_itself() {
    let mut lab = Lab::new(a_minute());
    lab.job.tasks.push(task(8, 4));
    let seen = lab.run_until(|event| name(event) == "task_started");
    assert_eq!(seen.names()[seen.names().len() - 2..], ["task_failed", "done"]);
    assert_eq!(seen.task_failures(), ["aborted"]);
    assert_eq!(seen.ending.exit, Exit::Success);
    assert!(seen.ending.stopped_by_us && !seen.ending.killed_by_us);
    assert_eq!(seen.ending.last_task, Some(0));
    assert_eq!(seen.ending.reason(), "stopped on request");
    assert!(seen.took < A_LIFE, "{:?}", seen.took);
}

#[test]
fn a_worker_that_is_loading_can_be_stopped_too() {
    let delays = Delays { load: Duration::from_mins(1), ..Delays::default() };
    let seen = Lab::new(Script { delays, ..Script::default() }).run_until(|event| name(event) == "loading");
    assert_eq!(seen.names().last(), Some(&"load_failed"));
    assert!(seen.ending.stopped_by_us && !seen.ending.killed_by_us);
    assert!(seen.took < A_LIFE, "{:?}", seen.took);
}

#[test]
fn a_stop_that_was_wanted_before_the_start_is_not_missed() {
    let seen = Lab::new(a_minute()).run_until(|event| name(event) == "ready");
    assert!(seen.ending.stopped_by_us && !seen.ending.killed_by_us && seen.took < A_LIFE, "{:?}", seen.took);
    let log = seen.ending.log_tail.concat();
    assert!(!log.contains("did not stop"), "{log}");
}

#[test]
fn a_worker_that_ignores_the_request_to_stop_is_killed_after_the_grace() {
    let mut lab = Lab::breaking(Place::Append(1), Act::Hang { honours_abort: false });
    lab.options.stop_grace = Duration::from_millis(300);
    let seen = lab.run_until(|event| name(event) == "task_started");
    assert_eq!(seen.ending.exit, Exit::Signal(9));
    assert!(seen.ending.stopped_by_us && seen.ending.killed_by_us);
    let reason = "stopped on request: it did not end by itself within 0.3 s and was killed";
    assert_eq!(seen.ending.reason(), reason);
    assert!(seen.after_last_event() < Duration::from_millis(300) + NOTICE, "{:?}", seen.after_last_event());
}

#[test]
fn a_worker_whose_engine_does_not_answer_ends_itself_before_the_usual_grace_is_over() {
    let lab = Lab::breaking(Place::Append(1), Act::Hang { honours_abort: false });
    assert!(Options::new(lab.path("log")).stop_grace > Duration::from_secs(2));
    let seen = lab.run_until(|event| name(event) == "task_started");
    assert!(seen.ending.stopped_by_us && !seen.ending.killed_by_us, "{:?}", seen.ending);
    assert_eq!(seen.ending.reason(), "stopped on request");
    assert!(seen.ending.log_tail.concat().contains("did not stop within 2 s"), "{:?}", seen.ending.log_tail);
}

#[test]
fn a_line_that_is_no_event_is_quoted_and_ends_the_worker() {
    let seen = Lab::shell("echo 'Segmentation fault, they say'; sleep 60").run();
    let reason = seen.ending.reason();
    assert!(reason.contains("no event") && reason.contains("\"Segmentation fault, they say\""), "{reason}");
    assert!(seen.ending.killed_by_us && seen.took < A_LIFE, "{:?}", seen.took);
}

#[test]
fn a_worker_of_another_version_is_refused() {
    let seen = Lab::shell(r#"echo '{"event":"ready","version":1,"pid":1}'; sleep 60"#).run();
    assert!(seen.ending.reason().contains("speaks version 1 of the protocol, this program version 4"));
    assert!(seen.events.is_empty());
}

#[test]
fn a_task_that_the_job_does_not_have_is_a_protocol_error() {
    let seen = Lab::shell(r#"echo '{"event":"task_failed","task":1,"reason":"x"}'; sleep 60"#).run();
    assert_eq!(seen.ending.reason(), "the worker speaks of task 1; its job has 1");
}

#[test]
fn an_event_that_was_cut_by_death_is_not_a_protocol_error() {
    let ending = Lab::shell(r#"printf '{"event":"loa'; kill -SEGV $$"#).run().ending;
    assert_eq!((ending.exit, ending.protocol_error), (Exit::Signal(11), None));
}

#[test]
fn a_worker_that_closes_its_output_and_goes_on_is_killed() {
    let mut lab = Lab::shell("exec >&-; sleep 60");
    lab.options.stop_grace = Duration::from_millis(200);
    let seen = lab.run();
    assert_eq!(seen.ending.reason(), "the worker closed its output and went on");
    assert!(seen.took < A_LIFE, "{:?}", seen.took);
}

#[test]
fn a_worker_that_does_not_end_when_it_is_done_is_killed_and_counts_as_done() {
    let mut lab = Lab::shell(r#"echo '{"event":"done"}'; sleep 60"#);
    lab.options.stop_grace = Duration::from_millis(200);
    let ending = lab.run().ending;
    assert_eq!(ending.exit, Exit::Success);
    assert!(ending.done && ending.killed_by_us);
}

#[test]
fn something_that_a_dead_worker_left_behind_neither_delays_the_parent_nor_stays() {
    let lab = Lab::shell("sleep 60 & echo $! > \"$(dirname \"$0\")/left\"; kill -ABRT $$");
    let seen = lab.run();
    assert_eq!(seen.ending.exit, Exit::Signal(6));
    assert!(seen.took < Duration::from_secs(5), "{:?}", seen.took);
    let left: u32 = std::fs::read_to_string(lab.path("left")).unwrap().trim().parse().unwrap();
    assert!(worker_support::gone_within(left, NOTICE));
}

#[test]
fn a_large_job_that_is_never_read_does_not_hang_the_parent() {
    let mut lab = Lab::shell("sleep 60");
    lab.job.tasks = vec![task(8, 4); 10_000];
    lab.options.load_timeout = Duration::from_millis(300);
    let started = Instant::now();
    assert_eq!(lab.run().ending.exit, Exit::Timeout);
    assert!(started.elapsed() < A_LIFE);
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    let mut lab = Lab::new(Script::default());
    lab.options.program = Some(lab.path("missing"));
    let Err(error) = lab.try_run_until(|_| false) else { panic!("it ran") };
    assert!(matches!(&error, WorkerError::Spawn { .. }) && error.to_string().contains("missing"), "{error}");
}

#[test]
fn a_full_disk_under_the_log_is_said_before_anything_is_started() {
    let mut lab = Lab::new(Script::default());
    lab.options.log = "/dev/full".into();
    let Err(error) = lab.try_run_until(|_| false) else { panic!("it ran") };
    assert!(matches!(error, WorkerError::Log { .. }));
    let text = error.to_string();
    assert!(text.starts_with("/dev/full: cannot write the worker's log: No space left"), "{text}");
}
