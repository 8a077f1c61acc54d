//! A worker's life as its parent sees it, when nothing goes wrong or only the task does.
#![cfg(target_os = "linux")]

mod worker_support;

use std::time::Duration;

use sweetspot::engine::fake::{Act, Delays, Place, Script};
use sweetspot::engine::{BufferUse, MemoryBreakdown};
use sweetspot::profiles::Samples;
use sweetspot::stats::float;
use sweetspot::worker::exit::Exit;
use sweetspot::worker::protocol::{Event, VERSION};
use worker_support::{Lab, Seen, task};

fn main_events(seen: &Seen) -> Vec<&'static str> {
    seen.names().into_iter().filter(|name| !["loading", "progress", "pulse"].contains(name)).collect()
}

const ONE_TASK: [&str; 6] = ["ready", "engine", "loaded", "task_started", "task_done", "done"];

#[test]
fn a_worker_loads_runs_its_tasks_in_their_order_and_ends() {
    let mut lab = Lab::new(Script::default());
    lab.job.tasks = vec![task(8, 0), task(0, 4)];
    let seen = lab.run();
    let expected = ["ready", "engine", "loaded", "task_started", "task_done", "task_started", "task_done", "done"];
    assert_eq!(main_events(&seen), expected);
    assert_eq!(seen.events[0], Event::Ready { version: VERSION, pid: seen.ending.pid.unwrap() });
    assert_eq!(seen.ending.exit, Exit::Success);
    assert!(seen.ending.done && !seen.ending.stopped_by_us && !seen.ending.killed_by_us);
    assert_eq!((seen.ending.last_task, seen.ending.unfinished_task), (Some(1), None));
    let prompts: Vec<(u32, u32)> = (seen.events.iter())
        .filter_map(|event| match event {
            Event::TaskDone { samples, .. } => match &**samples {
                Samples::Bench(samples) => Some((samples.n_prompt, samples.n_gen)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(prompts, [(8, 0), (0, 4)]);
}

#[test]
fn a_worker_without_a_model_says_what_its_engine_is_and_ends() {
    let mut lab = Lab::new(Script::default());
    lab.job.model = None;
    let seen = lab.run();
    assert_eq!(seen.names(), ["ready", "engine", "done"]);
    assert_eq!(seen.ending.exit, Exit::Success);
}

#[test]
fn a_model_that_cannot_be_loaded_is_reported_with_its_reason() {
    let lab = Lab::new(Script { load_failure: Some("unknown model architecture: 'x'".into()), ..Script::default() });
    let seen = lab.run();
    assert_eq!(main_events(&seen), ["ready", "engine", "load_failed"]);
    assert_eq!(seen.ending.exit, Exit::Code(1));
    assert_eq!(seen.ending.reason(), "fake.gguf: llama.cpp cannot load it: unknown model architecture: 'x'");
    assert_eq!(seen.ending.load_failure.as_deref(), Some(seen.ending.reason().as_str()));
}

#[test]
fn a_panic_while_loading_is_a_model_that_cannot_be_loaded() {
    let seen = Lab::breaking(Place::Load, Act::Panic("no such tensor".into())).run();
    assert_eq!(main_events(&seen), ["ready", "engine", "load_failed"]);
    assert_eq!(seen.ending.reason(), "the program panicked: no such tensor");
}

#[test]
fn a_task_that_fails_does_not_stop_the_next_one() {
    let mut lab = Lab::new(Script { max_context: Some(100), ..Script::default() });
    lab.job.tasks = vec![task(128, 0), task(64, 0)];
    let seen = lab.run();
    assert_eq!(main_events(&seen)[3..], ["task_started", "task_failed", "task_started", "task_done", "done"]);
    let reason = seen.task_failures()[0];
    assert!(
        reason.starts_with("no context of ") && reason.ends_with("failed to allocate buffer for kv cache"),
        "{reason}"
    );
    assert_eq!(seen.ending.exit, Exit::Success, "something was measured");
}

#[test]
fn a_panic_in_a_task_is_that_tasks_failure_alone() {
    let mut lab = Lab::breaking(Place::Append(1), Act::Panic("index out of bounds:\n the len is 3".into()));
    lab.job.tasks = vec![task(8, 0), task(8, 0)];
    let seen = lab.run();
    assert_eq!(main_events(&seen)[3..], ["task_started", "task_failed", "task_started", "task_done", "done"]);
    assert_eq!(seen.task_failures(), ["the program panicked: index out of bounds: the len is 3"]);
    assert!(lab.log().contains("misbehave.rs"), "the place of the panic is in the log:\n{}", lab.log());
}

#[test]
fn an_error_of_the_engine_is_that_tasks_failure() {
    let seen = Lab::breaking(Place::Append(2), Act::Fail("no KV slot".into())).run();
    assert_eq!(seen.task_failures(), ["llama_decode failed with code -3: no KV slot"]);
    assert_eq!(seen.ending.exit, Exit::Success);
}

#[test]
fn loading_is_told_about_ten_times_a_second() {
    let delays = Delays { load: Duration::from_millis(600), ..Delays::default() };
    let seen = Lab::new(Script { delays, ..Script::default() }).run();
    let percents: Vec<u8> = (seen.events.iter())
        .filter_map(|event| if let Event::Loading { percent } = event { Some(*percent) } else { None })
        .collect();
    let Some(Event::Loaded { seconds, .. }) = seen.events.iter().find(|event| matches!(event, Event::Loaded { .. }))
    else {
        panic!("{:?}", seen.names())
    };
    assert!((0.6..60.0).contains(seconds), "{seconds}"); // on a busy machine each of the hundred steps takes longer
    let at_most = 10.0 * seconds + 3.0;
    assert!(percents.is_sorted() && !percents.is_empty(), "{percents:?}");
    assert!(float(percents.len() as u64) < at_most, "{seconds} s: {percents:?}");
}

#[test]
fn what_c_code_prints_to_stdout_goes_to_the_log_and_not_between_the_events() {
    let lab = Lab::breaking(Place::Append(1), Act::Print("{\"event\":\"done\"}\nggml: hello ".into()));
    let seen = lab.run();
    assert_eq!(main_events(&seen), ONE_TASK);
    assert!(lab.log().contains("ggml: hello"), "{}", lab.log());
    assert_eq!(seen.ending.exit, Exit::Success);
}

#[test]
fn a_library_that_closes_stdout_does_not_end_the_events() {
    let seen = Lab::breaking(Place::Load, Act::CloseStdout).run();
    assert_eq!(main_events(&seen), ONE_TASK);
}

#[test]
fn the_log_holds_each_workers_command_and_what_its_engine_said() {
    let lab = Lab::breaking(Place::Load, Act::Log(vec!["llama_model_loader: one".into(), "two".into()]));
    assert_eq!(lab.run().ending.log_tail, ["llama_model_loader: one", "two"]);
    lab.run();
    let log = lab.log();
    let headers = log.lines().filter(|line| line.starts_with("# 2") && line.contains("worker --parent="));
    assert_eq!(headers.count(), 2, "the second worker's log follows the first one's:\n{log}");
    assert_eq!(log.matches("llama_model_loader: one\ntwo\n").count(), 2, "{log}");
}

#[test]
fn the_memory_of_the_largest_context_comes_with_the_task() {
    let buffer = BufferUse {
        name: "CPU".into(),
        device: String::new(),
        is_host: true,
        weights_bytes: 1000,
        kv_bytes: 0,
        compute_bytes: 10,
    };
    let memory = MemoryBreakdown { buffers: vec![buffer] };
    let seen = Lab::new(Script { memory, kv_bytes_per_token: 7, ..Script::default() }).run();
    let memory = seen
        .events
        .iter()
        .find_map(|event| if let Event::TaskDone { memory, .. } = event { memory.clone() } else { None });
    assert_eq!(memory.map(|memory| (memory.kv_bytes(), memory.total_bytes())), Some((7 * 12, 1010 + 7 * 12)));
}

#[test]
fn the_largest_resident_memory_is_known_afterwards() {
    const BYTES: u64 = 200 << 20;
    let seen = Lab::breaking(Place::Append(1), Act::Allocate(BYTES)).run();
    assert_eq!(seen.ending.exit, Exit::Success);
    let peak = seen.ending.peak_resident_bytes.unwrap();
    assert!((BYTES..BYTES + (100 << 20)).contains(&peak), "{peak}");
    let peak = Lab::new(Script::default()).run().ending.peak_resident_bytes.unwrap();
    assert!((1 << 20..BYTES).contains(&peak), "{peak}");
}

#[test]
fn a_job_of_another_version_is_refused_with_both_versions() {
    let mut lab = Lab::new(Script::default());
    lab.job.version = VERSION + 41;
    let seen = lab.run();
    assert_eq!(seen.names(), ["ready"]);
    assert_eq!(seen.ending.exit, Exit::Code(2));
    let said = seen.ending.log_tail.join("\n");
    assert!(
        said.contains(&format!("version {}", VERSION + 41)) && said.contains(&format!("speaks version {VERSION}")),
        "{said}"
    );
}
