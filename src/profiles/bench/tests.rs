//! The loop on an engine that writes down what it is told, with a clock that only the engine moves: every call costs its own,
//! unmistakable time, so that a nanosecond too many says which call got into the clock.

use std::sync::{Arc, Mutex};

use super::super::clock::ManualClock;
use super::*;
use crate::engine::fake::{FakeEngine, Script};
use crate::engine::{AbortHandle, MemoryBreakdown, Model, ModelParams, Sampling};

const APPEND_NS: u64 = 100;
const TOKEN_NS: u64 = 7;
const SYNCHRONIZE_NS: u64 = 1_000;
/// What must stay outside of the clock: clearing, saving, restoring.
const OUTSIDE_NS: u64 = 1_000_000_000;

#[derive(Clone, Debug, PartialEq)]
enum Call {
    Session { n_ctx: u32 },
    Append(Vec<Token>),
    Synchronize,
    Clear,
    Snapshot,
    Restore,
}

#[derive(Clone)]
struct Recorder {
    info: ModelInfo,
    calls: Arc<Mutex<Vec<Call>>>,
    clock: ManualClock,
    restores: bool,
    fails_after: Option<usize>,
}

impl Recorder {
    fn new() -> Self {
        Self {
            info: model_info(),
            calls: Arc::default(),
            clock: ManualClock::default(),
            restores: true,
            fails_after: None,
        }
    }

    fn note(&self, call: Call, nanos: u64) {
        self.calls.lock().unwrap().push(call);
        self.clock.advance(Duration::from_nanos(nanos));
    }

    fn appended(&self) -> Vec<Vec<Token>> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter_map(|c| if let Call::Append(tokens) = c { Some(tokens.clone()) } else { None }).collect()
    }

    /// The calls by name, appends with their length.
    fn names(&self) -> Vec<String> {
        let name = |call: &Call| match call {
            Call::Append(tokens) => format!("append {}", tokens.len()),
            Call::Session { n_ctx } => format!("session {n_ctx}"),
            other => format!("{other:?}").to_lowercase(),
        };
        self.calls.lock().unwrap().iter().map(name).collect()
    }

    fn run(&self, job: &Job) -> (Result<Samples, ProfileError>, Vec<Progress>) {
        let mut seen = Vec::new();
        let mut note = |progress| seen.push(progress);
        let clock = self.clock.clone();
        let abort = AbortHandle::default();
        let (engine, loaded) = (FakeEngine::new(Script::default()), ModelParams::new("m.gguf".as_ref()));
        let (engine, loaded, memory_allowed_bytes) = (&engine, &loaded, None);
        let (model, clock, progress, memory) = (self, &clock, &mut note, None);
        let keep = &mut |_| {};
        let mut rig = Rig { engine, model, loaded, clock, abort, progress, keep, memory, memory_allowed_bytes };
        let samples = run(job, &mut rig);
        (samples, seen)
    }
}

impl Model for Recorder {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn session<'m>(&'m self, params: &ContextParams) -> Result<Box<dyn Session + 'm>, EngineError> {
        self.note(Call::Session { n_ctx: params.n_ctx }, OUTSIDE_NS);
        Ok(Box::new(RecorderSession { recorder: self.clone(), n_ctx: params.n_ctx, n_past: 0 }))
    }

    fn tokenize(&self, _: &str, _: bool, _: bool) -> Vec<Token> {
        panic!("bench tokenizes nothing")
    }

    fn append_piece(&self, _: Token, _: &mut Vec<u8>) {
        panic!("bench detokenizes nothing")
    }

    fn is_end_of_generation(&self, _: Token) -> bool {
        panic!("bench does not stop at a token")
    }
}

struct RecorderSession {
    recorder: Recorder,
    n_ctx: u32,
    n_past: u32,
}

impl Session for RecorderSession {
    fn n_ctx(&self) -> u32 {
        self.n_ctx
    }

    fn n_past(&self) -> u32 {
        self.n_past
    }

    fn append(&mut self, tokens: &[Token]) -> Result<(), EngineError> {
        if self.recorder.fails_after == Some(self.recorder.appended().len()) {
            return Err(EngineError::DecodeFailed { code: -3, reason: "out of memory".to_owned() });
        }
        let length = u32::try_from(tokens.len()).unwrap();
        self.n_past += length;
        assert!(self.n_past <= self.n_ctx, "the test does not fit its context");
        self.recorder.note(Call::Append(tokens.to_vec()), APPEND_NS + TOKEN_NS * u64::from(length));
        Ok(())
    }

    fn append_scored(&mut self, _: &[Token], _: usize) -> Result<(), EngineError> {
        panic!("bench scores nothing")
    }

    fn scored_logits(&mut self) -> &[f32] {
        panic!("bench scores nothing")
    }

    fn synchronize(&mut self) {
        self.recorder.note(Call::Synchronize, SYNCHRONIZE_NS);
    }

    fn set_sampling(&mut self, _: &Sampling) {
        panic!("bench samples nothing")
    }

    fn sample(&mut self) -> Token {
        panic!("bench samples nothing")
    }

    fn logits(&mut self) -> &[f32] {
        panic!("bench reads no logits")
    }

    fn clear(&mut self) {
        self.n_past = 0;
        self.recorder.note(Call::Clear, OUTSIDE_NS);
    }

    fn snapshot(&mut self) -> Vec<u8> {
        self.recorder.note(Call::Snapshot, OUTSIDE_NS);
        self.n_past.to_le_bytes().to_vec()
    }

    fn restore(&mut self, snapshot: &[u8]) -> bool {
        self.recorder.note(Call::Restore, OUTSIDE_NS);
        self.n_past = u32::from_le_bytes(snapshot.try_into().unwrap());
        self.recorder.restores
    }

    fn kv_used_bytes(&self) -> u64 {
        0
    }

    fn memory(&self) -> MemoryBreakdown {
        MemoryBreakdown::default()
    }
}

fn model_info() -> ModelInfo {
    ModelInfo {
        name: "recorder".to_owned(),
        architecture: "llama".to_owned(),
        description: "llama 1B Q4_0".to_owned(),
        quantization: "Q4_0".to_owned(),
        size_bytes: 1,
        n_params: 1,
        n_layer: 1,
        n_embd: 1,
        n_head: 1,
        n_head_kv: 1,
        head_size: 64,
        n_vocab: 50,
        n_ctx_train: 2048,
        bos: Some(1000),
        adds_bos: true,
        bos_text: String::new(),
        eos_text: String::new(),
        chat_template: None,
        named_templates: Vec::new(),
        synthetic: false,
    }
}

fn job(n_prompt: u32, n_gen: u32, n_depth: u32) -> Job {
    Job {
        n_prompt,
        n_gen,
        n_depth,
        repetitions: 2,
        warm_up: false,
        delay_seconds: 0,
        seed: 1,
        context: ContextParams::new(n_prompt + n_gen + n_depth, 2),
    }
}

#[test]
fn a_prompt_takes_its_append_and_one_synchronize_to_the_nanosecond() {
    let recorder = Recorder::new();
    let samples = recorder.run(&job(20, 0, 0)).0.unwrap();
    assert_eq!(samples.prompt_ns, [APPEND_NS + 20 * TOKEN_NS + SYNCHRONIZE_NS; 2]);
    assert!(samples.gen_ns.is_empty());
}

#[test]
fn a_generation_takes_an_append_and_a_synchronize_for_every_token() {
    let recorder = Recorder::new();
    let samples = recorder.run(&job(0, 3, 0)).0.unwrap();
    assert_eq!(samples.gen_ns, [3 * (APPEND_NS + TOKEN_NS + SYNCHRONIZE_NS); 2]);
    assert!(samples.prompt_ns.is_empty());
    let repetition =
        ["clear", "synchronize", "append 1", "synchronize", "append 1", "synchronize", "append 1", "synchronize"];
    assert_eq!(recorder.names(), [&["session 3"][..], &repetition, &repetition].concat());
}

#[test]
fn prompt_and_generation_of_one_run_are_told_apart_and_add_up() {
    let recorder = Recorder::new();
    let samples = recorder.run(&job(20, 3, 0)).0.unwrap();
    let (prompt, generation) =
        (APPEND_NS + 20 * TOKEN_NS + SYNCHRONIZE_NS, 3 * (APPEND_NS + TOKEN_NS + SYNCHRONIZE_NS));
    assert_eq!(samples.prompt_ns, [prompt; 2]);
    assert_eq!(samples.gen_ns, [generation; 2]);
    assert_eq!(samples.nanos(Part::Whole), [prompt + generation; 2]);
}

#[test]
fn the_cache_is_cleared_before_every_repetition_and_outside_of_the_clock() {
    let recorder = Recorder::new();
    recorder.run(&job(20, 1, 0)).0.unwrap();
    let repetition = ["clear", "synchronize", "append 20", "synchronize", "append 1", "synchronize"];
    assert_eq!(recorder.names(), [&["session 21"][..], &repetition, &repetition].concat());
}

#[test]
fn the_warm_up_is_the_whole_prompt_and_one_token_and_is_not_counted() {
    let recorder = Recorder::new();
    let samples = recorder.run(&Job { warm_up: true, repetitions: 1, ..job(20, 3, 0) }).0.unwrap();
    let warm_up = ["session 23", "clear", "append 20", "synchronize", "append 1", "synchronize"];
    assert_eq!(recorder.names()[..6], warm_up);
    assert_eq!(recorder.names()[6], "clear", "the measured run starts from an empty cache");
    assert_eq!((samples.prompt_ns.len(), samples.gen_ns.len()), (1, 1));
}

#[test]
fn depth_is_computed_once_and_then_restored_both_outside_of_the_clock() {
    let recorder = Recorder::new();
    let samples = recorder.run(&Job { repetitions: 3, ..job(0, 1, 30) }).0.unwrap();
    assert_eq!(samples.gen_ns, [APPEND_NS + TOKEN_NS + SYNCHRONIZE_NS; 3]);
    let first = ["clear", "append 30", "synchronize", "snapshot", "synchronize", "append 1", "synchronize"];
    let later = ["clear", "restore", "synchronize", "append 1", "synchronize"];
    assert_eq!(recorder.names(), [&["session 31"][..], &first, &later, &later].concat());
}

#[test]
fn no_copy_of_the_cache_is_made_for_a_single_repetition() {
    let recorder = Recorder::new();
    recorder.run(&Job { repetitions: 1, ..job(0, 1, 30) }).0.unwrap();
    let calls = ["session 31", "clear", "append 30", "synchronize", "synchronize", "append 1", "synchronize"];
    assert_eq!(recorder.names(), calls);
}

#[test]
fn a_test_and_its_parts_have_llama_benchs_names() {
    let samples = Samples { n_prompt: 8, n_gen: 4, n_depth: 2, prompt_ns: vec![1], gen_ns: vec![1] };
    let names = [Part::Whole, Part::Prompt, Part::Generation].map(|part| samples.test_name(part));
    assert_eq!(names, ["pp8+tg4 @ d2", "pp8", "tg4"]);
    assert_eq!([job(8, 0, 0), job(0, 4, 2)].map(|job| job.name()), ["pp8", "tg4 @ d2"]);
}

#[test]
fn a_depth_that_cannot_be_restored_is_computed_again_from_an_empty_cache() {
    let recorder = Recorder { restores: false, ..Recorder::new() };
    let samples = recorder.run(&job(0, 1, 30)).0.unwrap();
    assert_eq!(samples.gen_ns, [APPEND_NS + TOKEN_NS + SYNCHRONIZE_NS; 2]);
    let second = &recorder.names()[8..];
    assert_eq!(
        second,
        ["clear", "restore", "clear", "append 30", "synchronize", "snapshot", "synchronize", "append 1", "synchronize"]
    );
}

#[test]
fn prompt_generation_and_depth_each_begin_with_bos_where_the_model_adds_it() {
    let recorder = Recorder::new();
    recorder.run(&Job { repetitions: 1, ..job(20, 3, 30) }).0.unwrap();
    let appended = recorder.appended();
    let firsts: Vec<Token> = appended.iter().map(|tokens| tokens[0]).collect();
    assert_eq!(firsts[..3], [1000, 1000, 1000], "depth, prompt, first generated token");
    assert!(appended.iter().flatten().filter(|t| **t == 1000).count() == 3, "and nowhere else");

    let mut recorder = Recorder::new();
    recorder.info.adds_bos = false;
    recorder.run(&job(20, 3, 0)).0.unwrap();
    assert!(recorder.appended().iter().flatten().all(|t| (0..50).contains(t)), "all are of the vocabulary");
}

#[test]
fn tokens_are_random_differ_between_repetitions_and_repeat_with_their_seed() {
    let tokens = |seed| {
        let recorder = Recorder::new();
        recorder.run(&Job { seed, ..job(20, 0, 0) }).0.unwrap();
        recorder.appended()
    };
    let once = tokens(1);
    assert_ne!(once[0], once[1], "a cache cannot answer for the engine");
    assert_eq!(once, tokens(1));
    assert_ne!(once, tokens(2));
}

#[test]
fn random_tokens_reach_all_of_the_vocabulary() {
    let mut random = RandomTokens::new(&model_info(), 7).unwrap();
    let mut seen = [0_u32; 50];
    for token in random.sequence(5001).into_iter().skip(1) {
        seen[usize::try_from(token).unwrap()] += 1;
    }
    assert!(seen.iter().all(|n| (50..200).contains(n)), "about 100 of each: {seen:?}");
}

#[test]
fn progress_is_told_before_each_repetition_and_at_the_end() {
    let (_, seen) = Recorder::new().run(&Job { warm_up: true, ..job(4, 0, 0) });
    let told: Vec<String> = seen.iter().map(|p| format!("{}/{} {}", p.done, p.total, p.unit)).collect();
    assert_eq!(told, ["0/1 warm-up runs", "0/2 repetitions", "1/2 repetitions", "2/2 repetitions"]);
}

#[test]
fn a_rest_gives_a_sign_of_life_each_second() {
    let begin = std::time::Instant::now();
    let (_, seen) = Recorder::new().run(&Job { delay_seconds: 1, ..job(4, 0, 0) });
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(seen[0], progress(0, 1, "seconds of rest"));
}

#[test]
fn a_failed_computation_ends_the_test_with_its_reason() {
    let recorder = Recorder { fails_after: Some(1), ..Recorder::new() };
    let error = recorder.run(&job(4, 0, 0)).0.unwrap_err();
    assert_eq!(error.to_string(), "llama_decode failed with code -3: out of memory");
}

#[test]
fn jobs_that_measure_nothing_are_refused_before_a_context_is_made() {
    let recorder = Recorder::new();
    let refused = |job: &Job| recorder.run(job).0.unwrap_err().to_string();
    assert_eq!(refused(&job(0, 0, 8)), "a bench test needs prompt tokens or generated tokens");
    assert_eq!(refused(&Job { repetitions: 0, ..job(1, 0, 0) }), "a bench test needs at least one repetition");
    let small = Job { context: ContextParams::new(11, 2), ..job(4, 4, 4) };
    assert_eq!(refused(&small), "the test needs a context of 12 tokens, its context has 11");
    assert!(recorder.names().is_empty());
}

#[test]
fn speeds_are_tokens_over_time_with_mean_and_sample_deviation() {
    let samples = Samples {
        n_prompt: 100,
        n_gen: 10,
        n_depth: 0,
        prompt_ns: vec![1_000_000_000, 2_000_000_000],
        gen_ns: vec![1_000_000_000, 2_000_000_000],
    };
    assert_eq!(samples.rates(Part::Prompt), [100.0, 50.0]);
    assert_eq!(samples.rates(Part::Generation), [10.0, 5.0]);
    assert_eq!(samples.rates(Part::Whole), [55.0, 27.5]);
    let by_name = |name: &str| metrics(&samples).into_iter().find(|m| m.name == name).unwrap().value.unwrap();
    assert!((by_name("tokens_per_second") - 41.25).abs() < 1e-12);
    assert!((by_name("prompt_tokens_per_second") - 75.0).abs() < 1e-12);
    assert!((by_name("generation_tokens_per_second_stddev") - 12.5_f64.sqrt()).abs() < 1e-12);
}

#[test]
fn a_test_without_a_prompt_has_no_number_for_one() {
    let samples = Samples { n_prompt: 0, n_gen: 1, n_depth: 0, prompt_ns: Vec::new(), gen_ns: vec![5] };
    let names: Vec<String> = metrics(&samples).into_iter().map(|m| m.name).collect();
    assert!(names.iter().all(|name| !name.starts_with("prompt")), "{names:?}");
    assert_eq!(metrics(&samples)[1].value, None, "one repetition has no deviation");
}

#[test]
fn a_job_survives_its_way_to_the_worker() {
    let job = super::super::Job::Bench(Job { delay_seconds: 3, ..job(1, 2, 3) });
    let line = serde_json::to_string(&job).unwrap();
    assert_eq!(serde_json::from_str::<super::super::Job>(&line).unwrap(), job);
}
