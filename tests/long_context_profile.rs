//! The long-context profile's loop over the scripted engine and a clock that only the script moves, and what its numbers then
//! say.

mod scripted_rig;

use std::time::Duration;

use sweetspot::engine::fake::{Act, Delays, Place, Script};
use sweetspot::engine::{BufferUse, ContextParams, MemoryBreakdown, ModelInfo};
use sweetspot::machine::vitals::ProcessMemory;
use sweetspot::probe::kv_growth::EndedBy;
use sweetspot::profiles::long_context::{self, Job, LeftOut, Samples, Summary, Thresholds, interpretation, summarize};
use sweetspot::profiles::{self, ProfileError, Progress};
use sweetspot::verdict::Rating;

const MS: Duration = Duration::from_millis(1);

/// Batches of 64 tokens.
fn job(loads: &[u32], target_tokens: u32) -> Job {
    Job {
        context: ContextParams { n_ubatch: 64, ..ContextParams::new(0, 1) },
        loads: loads.to_vec(),
        target_tokens,
        gen_tokens: 4,
        seconds: 120,
        beyond_trained: false,
        seed: 1,
    }
}

/// 1 ms a token of the text, 40 ms a generated one.
fn script() -> Script {
    let delays = Delays {
        prefill_per_token: MS,
        decode: vec![30 * MS],
        sample: 10 * MS,
        asynchronous: true, // a loop that does not wait for the engine would see none of its time
        ..Delays::default()
    };
    let model = ModelInfo { n_ctx_train: 131_072, ..Script::default().model };
    Script { model, delays, kv_bytes_per_token: 500, ..Script::default() }
}

fn run(script: Script, job: Job) -> Result<Samples, ProfileError> {
    run_until(script, job, |_| false)
}

fn run_until(script: Script, job: Job, stop: impl Fn(&Progress) -> bool) -> Result<Samples, ProfileError> {
    match scripted_rig::run(script, stop, |rig| profiles::Job::LongContext(job).run(rig))? {
        profiles::Samples::LongContext(samples) => Ok(samples),
        _ => panic!("a long-context job gave other samples"),
    }
}

fn rating(summary: &Summary) -> Option<Rating> {
    long_context::rating(summary, &Thresholds::default())
}

fn undecided(summary: &Summary) -> Option<String> {
    long_context::undecided(summary, &Thresholds::default())
}

fn near(value: Option<f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() < 1e-6)
}

fn load(summary: &Summary, tokens: u32) -> &long_context::LoadSummary {
    summary.loads.iter().find(|load| load.tokens == tokens).unwrap()
}

#[test]
fn a_load_takes_the_time_of_its_own_tokens_and_generating_counts_apart() {
    let samples = run(script(), job(&[128, 1000], 512)).unwrap();
    let summary = summarize(&samples);
    for (tokens, seconds) in [(128, 0.128), (512, 0.512), (1000, 1.0)] {
        assert!(near(load(&summary, tokens).seconds, seconds), "{tokens}: {:?}", load(&summary, tokens));
        assert!(near(load(&summary, tokens).tokens_per_second, 25.0));
    }
    // what was generated on the way lies in the context besides
    assert_eq!(load(&summary, 1000).kv_used_bytes, Some(500 * (1000 + 3 * 4)));
    assert!(near(summary.trends.kv_bytes_per_token(), 500.0));
    assert_eq!((samples.growth.n_ctx, samples.growth.ended_by), (1000 + 3 * 4, EndedBy::Target));
    assert_eq!(rating(&summary), Some(Rating::Good), "0.5 s are excellent, 25 tokens/s are good");
    let words = interpretation(&summary);
    assert!(
        words.starts_with("Loading 512 tokens (about 384 words of English) takes 0.51 s; answers then come with 25")
    );
    assert!(words.ends_with("The largest load was 1000 tokens, in 1.0 s; 25.0 tokens/s after it."), "{words}");
}

#[test]
fn what_cannot_finish_in_its_time_is_stopped_and_forecast_by_the_fit() {
    let samples = run(script(), Job { seconds: 2, ..job(&[512, 8192], 4096) }).unwrap();
    assert_eq!(samples.growth.ended_by, EndedBy::Time);
    let summary = summarize(&samples);
    assert!(near(load(&summary, 512).seconds, 0.512));
    let target = load(&summary, 4096);
    assert_eq!((target.seconds, target.tokens_per_second), (None, None), "a forecast is no measurement");
    assert!(near(target.forecast_seconds, 4.096) && near(load(&summary, 8192).forecast_seconds, 8.192), "{target:?}");
    // two seconds say nothing of whether a minute would do
    assert_eq!(rating(&summary), None);
    assert!(undecided(&summary).unwrap().contains("by the fit it would take 4.1 s (a forecast"));
    let words = interpretation(&summary);
    assert!(words.contains("It ended before 2 loads, because the 2 s for loading were over."), "{words}");
    assert!(words.contains("Forecast of the fit: 8192 tokens: 8.2 s"), "{words}");
    let metric = |name: &str| long_context::metrics(&samples).into_iter().find(|m| m.name == name).unwrap().value;
    assert_eq!((metric("load_seconds"), metric("max_tokens")), (None, Some(512.0)));
    assert!(near(metric("load_forecast_seconds"), 4.096));
}

#[test]
fn a_target_that_is_not_loaded_in_more_than_a_minute_has_failed() {
    let slow = Script { delays: Delays { prefill_per_token: 100 * MS, ..script().delays }, ..script() };
    let summary = summarize(&run(slow.clone(), Job { seconds: 61, ..job(&[4096], 4096) }).unwrap());
    assert_eq!((rating(&summary), undecided(&summary)), (Some(Rating::Failed), None));
    // 700 tokens take 70 s
    let complete = summarize(&run(slow, job(&[700], 700)).unwrap());
    assert!(near(complete.target().unwrap().seconds, 70.0));
    assert_eq!(rating(&complete), Some(Rating::Failed));
}

#[test]
fn a_model_is_loaded_with_no_more_than_it_was_trained_for_unless_somebody_wants_it() {
    let model = ModelInfo { n_ctx_train: 1024, ..script().model };
    let small = Script { model, ..script() };
    let samples = run(small.clone(), job(&[4096, 8192], 4096)).unwrap();
    let summary = summarize(&samples);
    assert_eq!((samples.growth.n_ctx, summary.target_tokens), (1024, 1020));
    assert!(near(summary.target().unwrap().seconds, 1.02));
    assert_eq!(load(&summary, 4096).left_out, Some(LeftOut::Untrained));
    let words = interpretation(&summary);
    assert!(
        words.contains("The model was trained for 1024 tokens, so 1020 are asked of it instead of 4096."),
        "{words}"
    );
    let beyond = run(small, Job { beyond_trained: true, ..job(&[4096], 4096) }).unwrap();
    assert!(near(summarize(&beyond).target().unwrap().seconds, 4.096));
}

#[test]
fn loads_that_no_memory_is_there_for_are_given_up_one_by_one_and_a_missing_target_fails() {
    let small = Script { max_context: Some(1500), ..script() };
    let summary = summarize(&run(small.clone(), job(&[512, 1024, 2048], 4096)).unwrap());
    assert_eq!(summary.largest().map(|load| load.tokens), Some(1024));
    assert!(matches!(&load(&summary, 2048).left_out, Some(LeftOut::Memory(reason)) if reason.contains("kv cache")));
    assert_eq!(rating(&summary), Some(Rating::Failed));
    let words = interpretation(&summary);
    assert!(words.starts_with("There is no memory to load 4096 tokens"), "{words}");
    assert!(words.contains("2048 tokens and more do not fit: no context of 2060 tokens"), "{words}");
    let none = run(Script { max_context: Some(100), ..small }, job(&[512], 512)).unwrap_err();
    assert!(none.to_string().contains("no context of 516 tokens"), "{none}");
}

#[test]
fn an_interruption_keeps_the_loads_before_it() {
    let job = job(&[128, 256], 512);
    let samples = run_until(script(), job.clone(), |progress| progress.done >= 384).unwrap();
    assert_eq!(samples.growth.ended_by, EndedBy::Interrupted);
    let summary = summarize(&samples);
    assert_eq!(summary.largest().map(|load| load.tokens), Some(256));
    assert_eq!(rating(&summary), None, "nobody knows how the target would have been");
    let before_the_first = run_until(script(), job, |progress| progress.done >= 64).unwrap_err();
    assert_eq!(before_the_first.to_string(), "aborted");
}

#[test]
fn a_failure_on_the_way_keeps_what_was_loaded_and_an_answer_that_fails_fails_the_target() {
    // appends: 1 the warm-up, 2 and 3 the first load, 4 to 7 its answer, 8 and 9 the second, 10 its answer's first
    let at = |append| script().with(Place::Append(append), Act::Fail("no slot".into()));
    let loading = run(at(9), job(&[128], 256)).unwrap();
    let summary = summarize(&loading);
    assert!(matches!(&loading.growth.ended_by, EndedBy::Failed(reason) if reason.ends_with("no slot")));
    assert!(load(&summary, 128).is_complete() && load(&summary, 256).seconds.is_none());
    assert_eq!(rating(&summary), Some(Rating::Failed));
    let answering = summarize(&run(at(10), job(&[128], 256)).unwrap());
    assert!(near(load(&answering, 256).seconds, 0.256));
    assert_eq!(rating(&answering), Some(Rating::Failed));
    assert!(interpretation(&answering).contains("but no answer came after it"));
    let at_once = run(at(2), job(&[128], 256)).unwrap_err().to_string();
    assert!(at_once.ends_with("no slot"), "{at_once}");
}

#[test]
fn memory_that_was_swapped_out_fails_the_profile_however_fast_it_was() {
    let mut samples = run(script(), job(&[128], 256)).unwrap();
    for point in &mut samples.growth.points {
        point.process = Some(ProcessMemory { swap_bytes: Some(0), ..ProcessMemory::default() });
    }
    assert_eq!(rating(&summarize(&samples)), Some(Rating::Good));
    samples.growth.points[1].process.as_mut().unwrap().swap_bytes = Some(3_000_000_000);
    let summary = summarize(&samples);
    assert_eq!(rating(&summary), Some(Rating::Failed));
    assert!(
        long_context::criteria(&summary, &Thresholds::default())
            .iter()
            .any(|c| c.metric == "swapped_gb" && c.rating == Rating::Failed)
    );
    assert!(interpretation(&summary).ends_with("Memory ran out: 3.00 GB of the process were swapped out."));
}

#[test]
fn a_filling_takes_no_more_than_is_allowed_by_exact_count() {
    let buffer = BufferUse {
        name: "CPU".into(),
        device: String::new(),
        is_host: true,
        weights_bytes: 1000,
        kv_bytes: 0,
        compute_bytes: 0,
    };
    let script = Script { memory: MemoryBreakdown { buffers: vec![buffer] }, ..script() };
    let allowed = 1000 + 500 * 600;
    let samples = scripted_rig::run(
        script,
        |_| false,
        |rig| {
            rig.memory_allowed_bytes = Some(allowed);
            long_context::run(&job(&[512, 1024], 512), rig)
        },
    );
    let samples = samples.unwrap();
    assert!(samples.memory.total_bytes() <= allowed, "{:?}", samples.memory);
    assert!(matches!(&samples.loads[1].left_out, Some(LeftOut::Memory(reason)) if reason.starts_with("it needs")));
    assert!(samples.loads[0].left_out.is_none());
}
