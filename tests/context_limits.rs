//! Predicted against proved: for every kind of model, three types of the KV cache and two budgets, the largest context that is
//! predicted is the largest that can be made, to the granule. The table is printed.
#![cfg(target_os = "linux")]

mod context_support;

use std::path::PathBuf;

use context_support::{shapes, sweeps};
use sweetspot::probe::context_limit::sweep::known_limit;
use sweetspot::probe::context_limit::{FailureKind, LimitedBy, Proof, Sweep};
use sweetspot::stats::float;

const BUDGETS: [u64; 2] = [350_000_000, 800_000_000];

fn types() -> [&'static str; 3] {
    ["f16", "q8_0", "q4_0"]
}

fn check(kind: &str) {
    check_on(1, kind);
}

fn check_on(threads: u32, kind: &str) {
    let folder = tempfile::tempdir().unwrap();
    let model = shapes::write(folder.path(), kind);
    for budget in BUDGETS {
        let mut task = sweeps::task(&model, &types(), budget, Proof::Alloc);
        task.context.n_threads = threads;
        let found = sweeps::run(&task, PathBuf::from(sweeps::SWEETSPOT));
        assert_eq!((found.failure.as_deref(), found.deaths), (None, 0), "{:?}", found.log_tail);
        assert_eq!(found.load_seconds.len(), 1, "the model is loaded once for all types");
        for sweep in &found.sweeps {
            is_proved(kind, budget, sweep, threads);
        }
    }
}

/// The proof: it fits, and one step more does not; growing models alone have such a step.
fn is_proved(kind: &str, budget: u64, sweep: &Sweep, threads: u32) {
    let prediction = sweep.prediction.as_ref().unwrap();
    let predicted = prediction.max_context;
    let proved = known_limit(sweep);
    let failed = sweep.failed().map(|(n_ctx, failure)| (n_ctx, failure.kind));
    println!(
        "| {kind} | {:.0} MB | {} | {predicted} | {} | {} | {} |",
        float(budget) / 1e6,
        sweep.kv,
        proved.map_or("none".to_owned(), |n| n.to_string()),
        failed.map_or("–".to_owned(), |(n_ctx, kind)| format!("{n_ctx}: {}", kind.name())),
        sweep.probes.len(),
    );
    let case = || format!("{kind}, {budget} bytes, {}: {:#?}", sweep.kv, sweep.probes);
    if threads > 1 {
        // when its threads begin, a process takes some memory sooner or later: a step more or less, where stacks are several
        assert!(proved.is_some_and(|proved| proved.abs_diff(predicted) <= 256), "{}", case());
        return;
    }
    assert_eq!(proved, Some(predicted), "{}", case());
    if prediction.limited_by == LimitedBy::Ceiling {
        assert!(kind == "recurrent" && failed.is_none(), "{}", case());
    } else {
        assert_eq!(failed, Some((predicted + 256, FailureKind::Refused)), "{}", case());
    }
}

#[test]
fn with_grouped_heads_the_predicted_limit_is_the_proved_one() {
    check("dense");
}

#[test]
fn with_several_threads_their_stacks_are_counted() {
    check_on(3, "dense");
}

#[test]
fn with_a_sliding_window_the_predicted_limit_is_the_proved_one() {
    check("window");
}

#[test]
fn with_experts_the_predicted_limit_is_the_proved_one() {
    check("experts");
}

#[test]
fn of_a_hybrid_the_predicted_limit_is_the_proved_one() {
    check("hybrid");
}

#[test]
fn of_a_recurrent_model_the_predicted_limit_is_the_end_of_the_search() {
    check("recurrent");
}
