//! The parent's side of a context sweep, over workers in which a script stands in for llama.cpp: what is found is kept, and
//! a worker that dies of a probe is a result.

mod worker_support;

use std::time::Duration;

use sweetspot::engine::fake::{Act, Place, Script};
use sweetspot::engine::{BufferUse, ContextParams, MemoryBreakdown};
use sweetspot::lab::console::Console;
use sweetspot::lab::context::{self, Found, INTERRUPTED};
use sweetspot::probe::context_limit::narrow;
use sweetspot::probe::context_limit::sweep::known_limit;
use sweetspot::probe::context_limit::{Budget, BudgetSource, FailureKind, LimitedBy, ProbeResult, Proof, Sweep, Task};
use sweetspot::probe::kv_growth::{EndedBy, Plan};
use sweetspot::worker::protocol::EngineChoice;
use tokio::sync::watch;
use worker_support::Lab;

/// Bytes of the scripted weights, and of each token's share of the cache.
const WEIGHTS: u64 = 1_000_000;
const PER_TOKEN: u64 = 100;

/// A model of 1 MB whose tokens take 100 bytes each.
fn script() -> Script {
    let buffer = BufferUse {
        name: "CPU".into(),
        device: "CPU".into(),
        is_host: true,
        weights_bytes: WEIGHTS,
        kv_bytes: 0,
        compute_bytes: 0,
    };
    Script { memory: MemoryBreakdown { buffers: vec![buffer] }, kv_bytes_per_token: PER_TOKEN, ..Script::default() }
}

/// A sweep of one type whose predicted limit is `tokens`.
fn task(tokens: u32, proof: Proof) -> Task {
    let lab = Lab::new(script());
    Task {
        model: lab.job.model.clone().unwrap(),
        context: ContextParams { n_ubatch: 64, ..ContextParams::new(256, 1) },
        budget: Budget {
            host_bytes: WEIGHTS + PER_TOKEN * u64::from(tokens),
            source: BudgetSource::Given,
            devices: Vec::new(),
        },
        other_budgets: vec![WEIGHTS + PER_TOKEN * 700, 5],
        granularity: 256,
        ceiling: None,
        proof,
        fill_seconds: 60,
        allow_swap: false,
        growth: None,
        sweeps: vec![Sweep::new("f16".parse().unwrap())],
    }
}

fn run(task: &Task, script: Script) -> Found {
    run_while(task, script, |_| {}, Duration::from_secs(20))
}

fn run_while(task: &Task, script: Script, meanwhile: impl FnOnce(watch::Sender<bool>), stall: Duration) -> Found {
    let mut lab = Lab::new(script.clone());
    lab.options.stall_timeout = stall;
    let (sender, mut cancel) = watch::channel(false);
    meanwhile(sender);
    let mut console = Console::new(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let engine = EngineChoice::Fake(script);
    runtime.block_on(context::run(task, &engine, &lab.options, &mut cancel, &mut console)).unwrap()
}

/// Sizes of all probes, and whether they fitted.
fn probes(found: &Found) -> Vec<(u32, bool)> {
    found.sweeps[0].probes.iter().map(|probe| (probe.n_ctx, probe.fits())).collect()
}

fn kinds(found: &Found) -> Vec<FailureKind> {
    let kind = |result: &ProbeResult| match result {
        ProbeResult::Failed(failure) => Some(failure.kind),
        ProbeResult::Fits(_) => None,
    };
    found.sweeps[0].probes.iter().filter_map(|probe| kind(&probe.result)).collect()
}

#[test]
fn a_right_prediction_is_proved_by_one_context_that_fits_and_one_that_does_not() {
    let script = Script { max_context: Some(8192 + 255), ..script() };
    let found = run(&task(8192 + 100, Proof::Alloc), script);
    let sweep = &found.sweeps[0];
    let prediction = sweep.prediction.as_ref().unwrap();
    assert_eq!((prediction.max_context, prediction.limited_by), (8192, LimitedBy::Budget));
    assert!((prediction.kv_bytes_per_token - 100.0).abs() < 1e-9);
    let others: Vec<u32> = prediction.other_budgets.iter().map(|(_, tokens)| *tokens).collect();
    assert_eq!(others, [512, 0], "700 tokens are two steps; 5 bytes are nothing");
    assert_eq!(probes(&found), [(8192, true), (8448, false)]);
    assert_eq!(kinds(&found), [FailureKind::Refused]);
    assert_eq!((found.deaths, found.load_seconds.len(), found.failure), (0, 1, None));
}

#[test]
fn a_prediction_that_is_wrong_is_narrowed_to_the_truth_within_one_worker() {
    let found = run(&task(8192, Proof::Alloc), Script { max_context: Some(7300), ..script() });
    assert_eq!(found.sweeps[0].prediction.as_ref().unwrap().max_context, 8192);
    assert_eq!(known_limit(&found.sweeps[0]), Some(7168));
    assert_eq!(found.load_seconds.len(), 1);
}

#[test]
fn a_probe_that_kills_its_worker_is_a_result_and_nothing_above_it_is_tried_again() {
    for act in [Act::Abort, Act::Segfault, Act::Exit(3)] {
        let script = script().with(Place::ContextAbove(7300), act.clone());
        let found = run(&task(8192, Proof::Alloc), script);
        assert_eq!(known_limit(&found.sweeps[0]), Some(7168), "{act:?}");
        let mut least_failure = u32::MAX;
        for (n_ctx, fits) in probes(&found) {
            assert!(n_ctx < least_failure, "{act:?}: {n_ctx} after {least_failure} had failed");
            least_failure = if fits { least_failure } else { n_ctx };
        }
        assert!(kinds(&found).iter().all(|kind| *kind == FailureKind::WorkerDied), "{act:?}");
        assert_eq!(found.deaths as usize, kinds(&found).len());
        assert_eq!(found.load_seconds.len(), found.deaths as usize + 1, "one load a death and one more");
        assert_eq!(found.failure, None);
    }
}

#[test]
fn a_probe_that_hangs_is_given_up_and_counts_as_a_failure() {
    let script = script().with(Place::ContextAbove(500), Act::Hang { honours_abort: false });
    let found = run_while(&task(512, Proof::Alloc), script, |_| {}, Duration::from_millis(400));
    assert_eq!(probes(&found), [(512, false), (256, true)]);
    assert_eq!(kinds(&found), [FailureKind::Stalled]);
}

#[test]
fn a_worker_that_dies_in_the_middle_of_a_fill_leaves_a_sweep_that_still_finds_the_limit() {
    // 2 appends measure the scratch memory; then 1024 tokens take 16 batches and 16 single tokens, 768 tokens 12 and 16
    let last_words = Act::Log(vec!["ggml: failed to allocate buffer of size 99".into()]);
    let script = script().with(Place::Append(31), last_words).with(Place::Append(31), Act::Abort);
    let found = run(&task(1024, Proof::Fill), script);
    assert_eq!(probes(&found), [(1024, false), (768, true)]);
    assert_eq!(kinds(&found), [FailureKind::WorkerDied]);
    let ProbeResult::Failed(failure) = &found.sweeps[0].probes[0].result else { panic!("{found:?}") };
    assert_eq!(failure.reason, "out of memory: ggml: failed to allocate buffer of size 99");
    let ProbeResult::Fits(fit) = &found.sweeps[0].probes[1].result else { panic!("{found:?}") };
    assert_eq!((fit.filled_tokens, fit.generated_tokens, &fit.fill_ended), (Some(768), Some(16), &None));
}

#[test]
fn a_fill_that_takes_too_long_is_stopped_and_says_how_far_it_came() {
    let mut slow = script();
    slow.delays.prefill_per_token = Duration::from_millis(5);
    let found = run(&Task { fill_seconds: 1, ceiling: Some(1024), ..task(1024, Proof::Fill) }, slow);
    let ProbeResult::Fits(fit) = &found.sweeps[0].probes[0].result else { panic!("{found:?}") };
    assert!(fit.filled_tokens.is_some_and(|tokens| (64..1024).contains(&tokens)), "{fit:?}");
    assert_eq!(fit.fill_ended.as_deref(), Some("stopped after 1 s"));
    assert_eq!(fit.generated_tokens, None);
}

#[test]
fn an_interrupt_in_the_middle_keeps_what_was_found_and_says_what_is_missing() {
    let mut slow = script();
    slow.delays.prefill_per_token = Duration::from_millis(5);
    let mut both = task(8192, Proof::Fill);
    both.sweeps.push(Sweep::new("q8_0".parse().unwrap()));
    let stop_later = |sender: watch::Sender<bool>| {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(2));
            let _ = sender.send(true);
        });
    };
    let found = run_while(&both, slow, stop_later, Duration::from_secs(20));
    assert!(found.interrupted);
    for sweep in &found.sweeps {
        assert_eq!(sweep.prediction.as_ref().unwrap().max_context, 8192);
        assert_eq!(sweep.unfinished.as_deref(), Some(INTERRUPTED));
    }
    assert_eq!(found.failure, None);
}

#[test]
fn weights_that_do_not_fit_the_budget_are_said_so_and_never_loaded() {
    let mut tight = task(0, Proof::Alloc);
    tight.budget.host_bytes = WEIGHTS - 1;
    let found = run(&tight, script());
    let sweep = &found.sweeps[0];
    assert!(sweep.unfinished.as_ref().unwrap().starts_with("the weights alone take"), "{sweep:?}");
    assert_eq!(sweep.prediction.as_ref().unwrap().max_context, 0);
    assert!(found.load_seconds.is_empty());
    assert!(found.model.is_some(), "the file was looked at");
}

#[test]
fn a_budget_for_the_weights_and_nothing_else_shows_that_not_even_one_step_fits() {
    let mut tight = task(0, Proof::Alloc);
    tight.budget.host_bytes = WEIGHTS + 10;
    let found = run(&tight, Script { max_context: Some(10), ..script() });
    assert_eq!(found.sweeps[0].prediction.as_ref().unwrap().max_context, 0);
    assert_eq!(probes(&found), [(256, false)]);
    assert_eq!(narrow::limit(&found.sweeps[0]), None);
}

#[test]
fn a_cache_that_takes_nothing_is_limited_by_the_end_of_the_search_alone() {
    let stateless = Script { kv_bytes_per_token: 0, ..script() };
    let found = run(&Task { ceiling: Some(4096), ..task(8192, Proof::Alloc) }, stateless);
    let prediction = found.sweeps[0].prediction.as_ref().unwrap();
    assert_eq!((prediction.max_context, prediction.limited_by), (4096, LimitedBy::Ceiling));
    assert_eq!(prediction.above, None);
    assert_eq!(probes(&found), [(4096, true)]);
}

#[test]
fn without_a_proof_nothing_is_loaded() {
    let found = run(&task(8192, Proof::None), script().with(Place::Load, Act::Abort));
    assert_eq!(known_limit(&found.sweeps[0]), Some(8192));
    assert!(found.load_seconds.is_empty() && found.sweeps[0].probes.is_empty());
    assert_eq!((found.failure, found.sweeps[0].unfinished.clone()), (None, None));
}

#[test]
fn a_model_that_cannot_be_loaded_leaves_every_type_with_the_reason() {
    let script = Script { load_failure: Some("the file is gone".into()), ..script() };
    let found = run(&task(8192, Proof::Alloc), script);
    assert!(found.failure.as_ref().unwrap().contains("the file is gone"));
    assert!(found.sweeps[0].unfinished.as_ref().unwrap().contains("the file is gone"));
}

#[test]
fn a_worker_that_dies_while_a_cache_grows_leaves_the_points_before() {
    let mut growing = task(8192, Proof::Alloc);
    growing.growth = Some(Plan { to_tokens: 1024, steps: 8, gen_tokens: 2, seconds: 60 });
    growing.ceiling = Some(2048);
    let whole = run(&growing, script());
    let growth = whole.sweeps[0].growth.as_ref().unwrap();
    assert_eq!((growth.points.len(), growth.n_ctx, &growth.ended_by), (8, 1024, &EndedBy::Target));
    assert!(growth.points.iter().all(|point| point.kv_used_bytes == PER_TOKEN * u64::from(point.tokens)));

    let found = run(&growing, script().with(Place::Append(15), Act::Abort));
    let growth = found.sweeps[0].growth.as_ref().unwrap();
    assert!((1..8).contains(&growth.points.len()), "{growth:?}");
    assert!(matches!(&growth.ended_by, EndedBy::Failed(reason) if reason.contains("aborted")), "{growth:?}");
    assert_eq!(known_limit(&found.sweeps[0]), Some(2048));
    assert_eq!(found.deaths, 1);
}
