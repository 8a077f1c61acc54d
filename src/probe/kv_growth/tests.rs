//! Tests of the filling over the scripted engine, and of the lines over growths made by hand.

use std::ops::ControlFlow;
use std::time::Duration;

use super::*;
use crate::engine::fake::{Act, Delays, FakeEngine, Place, Script};
use crate::engine::{AbortHandle, ContextParams, Engine, ModelParams};
use crate::profiles::clock::ManualClock;

const MS: Duration = Duration::from_millis(1);
const NS_PER_MS: u64 = 1_000_000;

/// Grows a context of the scripted engine, whose batches have 64 tokens; `on_point` may raise the handle.
fn grown(script: Script, n_ctx: u32, plan: &Plan, on_point: impl Fn(&Point, &AbortHandle)) -> Growth {
    let clock = ManualClock::default();
    let engine = FakeEngine::with_clock(script, clock.clone());
    let model = engine.load(&ModelParams::new("m.gguf".as_ref()), Box::new(|_| ControlFlow::Continue(()))).unwrap();
    let params = ContextParams { n_ubatch: 64, ..ContextParams::new(n_ctx, 1) };
    let mut session = model.session(&params).unwrap();
    let means = Means { clock: &clock, abort: &params.abort, n_ubatch: params.n_ubatch };
    let text = model.tokenize("abc", false, false);
    grow(&mut *session, &text, plan, &means, &mut |point| on_point(point, &params.abort))
}

fn plan(to_tokens: u32, steps: u32, gen_tokens: u32) -> Plan {
    Plan { to_tokens, steps, gen_tokens, seconds: 3600 }
}

fn script() -> Script {
    let delays = Delays {
        prefill_per_token: MS,
        decode: vec![5 * MS],
        sample: 2 * MS,
        asynchronous: true, // a loop that does not wait for the engine would see none of its time
        ..Delays::default()
    };
    Script { delays, kv_bytes_per_token: 1000, ..Script::default() }
}

#[test]
fn every_step_has_its_tokens_its_exact_times_and_the_bytes_in_use() {
    let growth = grown(script(), 1024, &plan(544, 4, 8), |_, _| ());
    assert_eq!((growth.n_ctx, &growth.ended_by), (1024, &EndedBy::Target));
    let tokens: Vec<_> = growth.points.iter().map(|p| (p.tokens_before(), p.prefill_tokens, p.tokens)).collect();
    assert_eq!(tokens, [(0, 128, 136), (136, 128, 272), (272, 128, 408), (408, 128, 544)]);
    for point in &growth.points {
        assert_eq!(point.prefill_ns, u64::from(point.prefill_tokens) * NS_PER_MS);
        assert_eq!(point.gen_ns, [7 * NS_PER_MS; 8]);
        assert_eq!(point.kv_used_bytes, 1000 * u64::from(point.tokens));
        assert!(!cfg!(target_os = "linux") || point.process.is_some_and(|p| p.rss_bytes > 0));
    }
}

#[test]
fn a_step_is_whole_batches_where_its_share_is_about_one_and_the_last_takes_a_short_rest_along() {
    let prefills = |plan: &Plan| -> Vec<u32> {
        grown(script(), 1024, plan, |_, _| ()).points.iter().map(|p| p.prefill_tokens).collect()
    };
    assert_eq!(prefills(&plan(388, 5, 8)), [64, 64, 64, 64, 64 + 28], "five of 69 would cut every batch");
    assert_eq!(prefills(&plan(40, 4, 2)), [8, 8, 8, 8], "far smaller than a batch");
    assert_eq!(prefills(&plan(2000, 1, 24)), [1000], "no more than the context holds");
    assert_eq!(prefills(&plan(8, 4, 8)), [0_u32; 0], "all of it would be generated");
}

#[test]
fn the_time_limit_ends_it_between_two_batches_and_a_cut_step_leaves_no_point() {
    // a step takes 128 + 8 · 7 ms, the first one's warm-up 64 more; the fourth second ends in the middle of a step
    let limited = Plan { seconds: 2, ..plan(100_000, 781, 8) };
    let growth = grown(
        Script { delays: Delays { asynchronous: false, ..script().delays }, ..script() },
        100_000,
        &limited,
        |_, _| (),
    );
    assert_eq!(growth.ended_by, EndedBy::Time);
    assert_eq!(growth.points.len(), (2000 - 64) / (128 + 8 * 7));
}

#[test]
fn the_time_limit_reaches_into_a_computation_that_takes_for_ever() {
    // really sleeps: 50 ms a token, questions every 10 ms
    let delays = Delays { prefill_per_token: 50 * MS, ..Delays::default() };
    let engine = FakeEngine::new(Script { delays, ..Script::default() });
    let model = engine.load(&ModelParams::new("m.gguf".as_ref()), Box::new(|_| ControlFlow::Continue(()))).unwrap();
    let params = ContextParams { n_ubatch: 2048, ..ContextParams::new(4096, 1) };
    let mut session = model.session(&params).unwrap();
    let clock = crate::profiles::clock::Monotonic::start();
    let means = Means { clock: &clock, abort: &params.abort, n_ubatch: params.n_ubatch };
    let plan = Plan { seconds: 1, ..plan(4096, 2, 0) };
    let begun = std::time::Instant::now();
    let growth = grow(&mut *session, &[1], &plan, &means, &mut |_| ());
    assert_eq!((growth.ended_by, growth.points.len()), (EndedBy::Time, 0));
    assert!(begun.elapsed() < Duration::from_secs(20), "a batch alone takes 100 s");
    assert!(!params.abort.is_raised() && !params.abort.ask(), "the handle can be used again");
    session.append(&[1]).unwrap();
}

#[test]
fn an_interruption_is_told_from_the_time_limit_and_keeps_the_points_before_it() {
    let growth = grown(script(), 1024, &plan(1000, 5, 8), |point, abort| {
        if point.tokens > 300 {
            abort.raise();
        }
    });
    assert_eq!((growth.ended_by, growth.points.len()), (EndedBy::Interrupted, 2));
}

#[test]
fn a_failure_of_the_engine_is_the_end_with_its_reason() {
    let script = script().with(Place::Append(6), Act::Fail("no slot".into()));
    let growth = grown(script, 1024, &plan(1000, 8, 0), |_, _| ());
    let EndedBy::Failed(reason) = growth.ended_by else { panic!("{:?}", growth.ended_by) };
    assert!(reason.ends_with("no slot"), "{reason}");
    assert_eq!(growth.points.len(), 2, "the sixth is the third step's first");
}

/// A growth whose prompt tokens take `a` + `b`·depth ns and whose generated ones 5 ms + `c`·depth.
fn by_law(a: f64, b: f64, c: f64, points: u32) -> Growth {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small positive times
    let point = |place: u32| {
        let before = f64::from(place * 512);
        let prefill_ns = 504.0 * (a + b * (before + 252.0));
        let gen_ns = 5e6 + c * (before + 508.0);
        Point {
            tokens: (place + 1) * 512,
            prefill_tokens: 504,
            prefill_ns: prefill_ns.round() as u64,
            gen_ns: vec![gen_ns.round() as u64; 8],
            kv_used_bytes: 100 + 32_768 * u64::from((place + 1) * 512),
            process: None,
            gpu_used_bytes: Vec::new(),
        }
    };
    Growth { n_ctx: 65_536, points: (0..points).map(point).collect(), ended_by: EndedBy::Target }
}

fn near(value: Option<f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() <= 3e-4 * expected.abs())
}

#[test]
fn the_lines_give_back_the_law_that_made_the_growth() {
    let trends = Trends::of(&by_law(1e6, 100.0, 20.0, 16));
    assert!(near(trends.kv_bytes_per_token(), 32_768.0));
    // 10 000 · 1 ms + 100 ns · 10 000² ÷ 2
    assert!(near(trends.prefill_seconds(10_000), 15.0), "{:?}", trends.prefill_seconds(10_000));
    assert!(near(trends.tokens_per_second(50_000), 1e9 / 6e6));
    let held_out = trends.prefill_ns_per_token.unwrap().held_out.unwrap();
    assert!(held_out.points == 4 && held_out.max_error_percent < 0.01, "{held_out:?}");
}

#[test]
fn a_context_for_a_first_answer_takes_that_long_and_says_whether_it_was_measured() {
    let trends = Trends::of(&by_law(1e6, 100.0, 0.0, 16));
    for (seconds, is_forecast) in [(5.0, false), (8.0, false), (15.0, true), (60.0, true)] {
        let reach = trends.context_for_first_answer(seconds).unwrap();
        assert!(near(trends.prefill_seconds(reach.tokens), seconds), "{reach:?}");
        assert_eq!(reach.is_forecast, is_forecast, "{reach:?}");
    }
    assert!(near(Some(f64::from(trends.context_for_first_answer(15.0).unwrap().tokens)), 10_000.0));
    let flat = Trends::of(&by_law(1e6, 0.0, 0.0, 16));
    assert!(flat.context_for_first_answer(5.0).unwrap().tokens.abs_diff(5000) <= 1);
}

#[test]
fn too_few_points_foretell_nothing_and_times_that_fall_are_taken_for_level() {
    let few = Trends::of(&by_law(1e6, 100.0, 0.0, 2));
    assert_eq!((few.prefill_seconds(512), few.context_for_first_answer(5.0)), (None, None));
    assert_eq!((few.kv_bytes_per_token(), few.tokens_per_second(1)), (None, None));
    let falling = Trends::of(&by_law(1e6, -50.0, -300.0, 16));
    let (near, far) = (falling.prefill_seconds(1000).unwrap(), falling.prefill_seconds(20_000).unwrap());
    assert!((far / near - 20.0).abs() < 1e-9, "{near} and {far}");
    assert_eq!(falling.tokens_per_second(10), falling.tokens_per_second(30_000));
}

#[test]
fn a_line_that_misses_by_more_than_half_foretells_nothing() {
    let mut growth = by_law(1e6, 100.0, 20.0, 16);
    for point in growth.points.iter_mut().skip(2).step_by(4) {
        point.prefill_ns *= 10; // those that are held out
        point.gen_ns.iter_mut().for_each(|ns| *ns *= 10);
    }
    let trends = Trends::of(&growth);
    assert!(trends.prefill_ns_per_token.is_some(), "it is still shown");
    assert_eq!((trends.prefill_seconds(512), trends.tokens_per_second(512)), (None, None));
    assert_eq!(trends.context_for_first_answer(5.0), None);
}

#[test]
fn a_plan_and_a_growth_survive_their_way_through_a_file() {
    let growth = by_law(1e6, 100.0, 20.0, 3);
    let json = serde_json::to_string(&growth).unwrap();
    assert_eq!(serde_json::from_str::<Growth>(&json).unwrap(), growth);
}
