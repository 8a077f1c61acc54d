//! A worker's life as its parent sees it, when nothing goes wrong or only the task does.
#![cfg(target_os = "linux")]

mod worker_support;

use std::time::Duration;

use sweetspot::engine::fake::{Act, Delays, Place, Script};
use sweetspot::engine::{BufferUse, MemoryBreakdown};
use sweetspot::profiles::Samples;
use sweetspot::worker::exit::Exit;
use sweetspot::worker::protocol::{EngineChoice, Event, VERSION};
use worker_support::{Lab, Seen, task};

fn without_progress(seen: &Seen) -> Vec<&'static str> {
    seen.names().into_iter().filter(|name| !["loading", "progress", "pulse"].contains(name)).collect()
}

#[test]
fn a_worker_loads_runs_its_tasks_in_their_order_and_ends() {
    let mut lab = Lab::new(Script::default());
    lab.job.tasks = vec![task(8, 0), task(0, 4)];
    let seen = lab.run();
    let expected = ["ready", "engine", "loaded", "task_started", "task_done", "task_started", "task_done", "done"];
    assert_eq!(without_progress(&seen), expected);
    assert_eq!(seen.events[0], Event::Ready { version: VERSION, pid: seen.ending.pid.unwrap() });
    assert_eq!(seen.ending.exit, Exit::Success);
    assert!(seen.ending.done && !seen.ending.stopped_by_us && !seen.ending.killed_by_us);
    assert_eq!((seen.ending.last_task, seen.ending.unfinished_task), (Some(1), None));
    let prompts: Vec<(u32, u32)> = (seen.events.iter())
        .filter_map(|event| match event {
            Event::TaskDone { samples, .. } => match &**samples {
                Samples::Bench(samples) => Some((samples.n_prompt, samples.n_gen)),
                Samples::Interactive(_) => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(prompts, [(8, 0), (0, 4)]);
}
