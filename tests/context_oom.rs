//! A worker that the kernel kills because its memory is at an end: the sweep still ends with the right answer.
//!
//! The limit is a control group's. Where none can be made, these tests say so and check nothing.
#![cfg(target_os = "linux")]

mod context_support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use context_support::group::Group;
use context_support::{shapes, sweeps};
use sweetspot::lab::context::Found;
use sweetspot::probe::context_limit::sweep::known_limit;
use sweetspot::probe::context_limit::{FailureKind, Proof};

const MIB: u64 = 1 << 20;

/// What the sweep may believe that it has.
const BUDGET: u64 = 300 * MIB;

/// Checks that the limit is one step below a context that the kernel killed a worker for; gives the limit in tokens.
fn killed_above(found: &Found) -> u32 {
    let sweep = &found.sweeps[0];
    let limit = known_limit(sweep).expect("some context fits");
    let (failed_at, failure) = sweep.failed().expect("some context does not fit");
    assert_eq!(failed_at, limit + 256, "{:#?}", sweep.probes);
    assert_eq!(failure.kind, FailureKind::WorkerDied, "{failure:?}");
    assert!(failure.reason.starts_with("out of memory: "), "{failure:?}");
    assert_eq!((sweep.unfinished.as_deref(), found.failure.as_deref()), (None, None));
    assert_eq!(found.deaths as usize, sweeps::failures(sweep).len());
    assert_eq!(found.load_seconds.len(), found.deaths as usize + 1, "a load for each worker");
    limit
}

#[test]
fn a_budget_that_the_system_does_not_give_is_narrowed_to_what_it_gives() {
    let Some(group) = Group::limited_to(BUDGET - 40 * MIB) else { return };
    let folder = tempfile::tempdir().unwrap();
    let model = shapes::write(folder.path(), "dense");
    let program = group.program(folder.path(), &folder.path().join("events"));
    let task = sweeps::task(&model, &["f16"], BUDGET, Proof::Alloc);
    let found = sweeps::run(&task, program);
    let predicted = found.sweeps[0].prediction.as_ref().unwrap().max_context;
    let limit = killed_above(&found);
    println!("predicted {predicted}, proved {limit}; {} workers died", found.deaths);
    assert!(limit < predicted, "{limit}");
}

#[test]
fn a_worker_killed_in_the_middle_of_a_fill_leaves_a_sweep_that_ends_with_the_right_answer() {
    let Some(group) = Group::limited_to(BUDGET + 20 * MIB) else { return };
    let folder = tempfile::tempdir().unwrap();
    let model = shapes::write(folder.path(), "dense");
    let events = folder.path().join("events");
    fs::write(&events, "").unwrap();
    let program = group.program(folder.path(), &events);
    let mut task = sweeps::task(&model, &["f16"], BUDGET, Proof::Fill);
    task.fill_seconds = 2; // the first one is killed before
    let (found, occupied) = std::thread::scope(|scope| {
        let squeeze = scope.spawn(|| {
            wait_for_filling(&events);
            group.occupy(80 * MIB)
        });
        (sweeps::run(&task, program.clone()), squeeze.join().unwrap())
    });
    let limit = killed_above(&found);
    let first = &found.sweeps[0].probes[0];
    assert!(!first.fits() && first.n_ctx == found.sweeps[0].prediction.as_ref().unwrap().max_context, "{first:?}");
    assert!(died_while_filling(&events), "{}", fs::read_to_string(&events).unwrap());
    // The same memory asked for again, without being filled.
    let again = sweeps::run(&sweeps::task(&model, &["f16"], BUDGET, Proof::Alloc), program);
    println!("filled: {limit} after {} deaths; allocated: {}", found.deaths, killed_above(&again));
    assert_eq!(limit, killed_above(&again));
    drop(occupied);
}

/// Waits until tokens have been decoded into a context.
fn wait_for_filling(events: &Path) {
    for _ in 0..3000 {
        if fs::read_to_string(events).unwrap().lines().any(is_filling) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nothing was filled within 30 s");
}

fn is_filling(line: &str) -> bool {
    let event: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    event["finding"]["finding"] == "filling" && event["finding"]["tokens"].as_u64() > Some(0)
}

/// Whether the first worker's last finding was that it filled a context.
fn died_while_filling(events: &Path) -> bool {
    let text = fs::read_to_string(events).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let second = lines.iter().rposition(|line| line.contains("\"ready\"")).unwrap_or(0);
    let starts: Vec<usize> = (0..lines.len()).filter(|&place| lines[place].contains("\"ready\"")).collect();
    let end = starts.get(1).copied().unwrap_or(second);
    let last = lines[..end].iter().rev().find(|line| line.contains("\"finding\""));
    last.is_some_and(|line| is_filling(line))
}
