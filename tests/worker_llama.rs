//! llama.cpp in a real worker, at the limits that the worker sets and the parent watches.
#![cfg(target_os = "linux")]

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sweetspot::engine::quantize::Quant;
use sweetspot::engine::{ContextParams, ModelParams};
use sweetspot::profiles::{self, bench};
use sweetspot::worker::exit::{Ending, Exit};
use sweetspot::worker::process::{self, Options};
use sweetspot::worker::protocol::{EngineChoice, Event, Job, VERSION};
use tokio::sync::watch;

fn job(model: ModelParams, tasks: Vec<profiles::Job>) -> Job {
    Job { version: VERSION, engine: EngineChoice::Llama, model: Some(model), memory_cap_bytes: None, tasks }
}

fn bench_job(n_prompt: u32, n_ctx: u32) -> profiles::Job {
    profiles::Job::Bench(bench::Job {
        n_prompt,
        n_gen: 4,
        n_depth: 0,
        repetitions: 1,
        warm_up: false,
        seed: 1,
        delay_seconds: 0,
        context: ContextParams::new(n_ctx, 1),
    })
}

struct Seen {
    ending: Ending,
    events: Vec<Event>,
    took: Duration,
    log: String,
}

/// Runs the job; asks the worker to stop when `stop` says so of an event.
fn run(folder: &Path, job: &Job, stop: impl Fn(&Event) -> bool) -> Seen {
    let options = Options {
        program: Some(PathBuf::from(env!("CARGO_BIN_EXE_sweetspot"))),
        ..Options::new(folder.join("worker.log"))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (sender, mut cancel) = watch::channel(false);
    let mut events = Vec::new();
    let started = Instant::now();
    let ending = runtime
        .block_on(process::run(job, &options, &mut cancel, &mut |event| {
            if stop(event) {
                sender.send_replace(true);
            }
            events.push(event.clone());
        }))
        .unwrap();
    let log = std::fs::read_to_string(&options.log).unwrap();
    Seen { ending, events, took: started.elapsed(), log }
}

#[test]
fn a_model_is_loaded_and_measured_and_llama_cpps_log_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let model = ModelParams::new(&common::synthetic(folder.path(), "tiny", Quant::Q4_0));
    let seen = run(folder.path(), &job(model, vec![bench_job(64, 128), bench_job(32, 64)]), |_| false);
    assert_eq!(seen.ending.exit, Exit::Success, "{:?}", seen.ending);
    let memory: Vec<_> = (seen.events.iter())
        .filter_map(|event| match event {
            Event::TaskDone { memory, .. } => Some(memory.as_ref().unwrap().total_bytes()),
            _ => None,
        })
        .collect();
    assert_eq!(memory.len(), 2);
    assert!(memory.iter().all(|&bytes| bytes > 500_000), "{memory:?}");
    assert!(seen.log.contains("general.architecture"), "llama.cpp's log is not in the file");
    assert!(seen.ending.peak_resident_bytes.is_some_and(|bytes| bytes > 1_000_000));
}

#[test]
fn weights_above_the_memory_cap_end_the_worker_with_a_lack_of_memory_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = common::synthetic(folder.path(), "small-40m", Quant::Q8_0); // 45 MB
    let read = ModelParams { use_mmap: false, ..ModelParams::new(&path) };
    // without a task there is nothing to plan: the operating system's cap alone is at work
    let capped = Job { memory_cap_bytes: Some(40_000_000), ..job(read.clone(), Vec::new()) };
    let seen = run(folder.path(), &capped, |_| false);
    assert_eq!(seen.ending.exit, Exit::OutOfMemory, "{:?}", seen.ending);
    assert!(seen.ending.reason().starts_with("out of memory: "), "{}", seen.ending.reason());
    let roomy = Job { memory_cap_bytes: Some(400_000_000), ..job(read, Vec::new()) };
    assert_eq!(run(folder.path(), &roomy, |_| false).ending.exit, Exit::Success);
}

#[test]
fn a_context_above_the_memory_allowed_is_refused_by_count_before_the_model_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = common::synthetic(folder.path(), "small-40m", Quant::Q4_0);
    let tasks = vec![bench_job(8, 64), bench_job(8, 1_000_000)];
    let capped = Job { memory_cap_bytes: Some(1_000_000_000), ..job(ModelParams::new(&path), tasks) };
    let seen = run(folder.path(), &capped, |_| false);
    let reason = seen.ending.reason();
    assert!(reason.contains("KV cache 8.19 GB for a context of 1000000 tokens"), "{reason}");
    assert!(!seen.events.iter().any(|event| matches!(event, Event::Loaded { .. })));
}

#[test]
fn a_long_prefill_shows_that_it_is_alive_and_stops_when_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = common::synthetic(folder.path(), "small-40m", Quant::Q8_0);
    let long = job(ModelParams::new(&path), vec![bench_job(30_000, 32_000)]);
    let seen = run(folder.path(), &long, |event| matches!(event, Event::Pulse { .. }));
    assert!(seen.ending.stopped_by_us && !seen.ending.killed_by_us, "{:?}", seen.ending);
    assert!(seen.took < Duration::from_secs(20), "{:?}", seen.took);
    assert!(seen.events.iter().any(|event| matches!(event, Event::TaskFailed { reason, .. } if reason == "aborted")));
}
