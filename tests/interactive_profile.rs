//! The interactive profile's loop over the scripted engine and a clock that only the script moves: every nanosecond is known.

mod scripted_rig;

use std::time::Duration;

use sweetspot::engine::fake::{Delays, FakeEngine, Piece, Script};
use sweetspot::engine::{AbortHandle, ContextParams, Engine, ModelInfo, ModelParams, Sampling};
use sweetspot::profiles::clock::ManualClock;
use sweetspot::profiles::interactive::{self, Job, Prompt, Purpose, Request, Samples, Stop};
use sweetspot::profiles::{self, EndedBy, ProfileError, Progress, Rig};

const MS: u64 = 1_000_000;

fn job(tokens: u32) -> Job {
    let prompt = |id: &str| Prompt { id: id.into(), system: None, user: format!("Tell of the {id}.") };
    Job {
        tokens,
        max_repetitions: 1,
        max_first_tokens: 1,
        interval_width_percent: 5.0,
        sampling: Sampling::Greedy,
        context: ContextParams::new(1024, 1),
        prompts: vec![prompt("sea"), prompt("hill"), prompt("wood")],
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn run(script: Script, job: Job) -> Result<Samples, ProfileError> {
    run_until(script, job, |_| false)
}

/// Raises the abort handle when `stop` says so of the progress.
fn run_until(script: Script, job: Job, stop: impl Fn(&Progress) -> bool) -> Result<Samples, ProfileError> {
    match scripted_rig::run(script, stop, |rig| profiles::Job::Interactive(job).run(rig))? {
        profiles::Samples::Interactive(samples) => Ok(samples),
        _ => panic!("an interactive job gave other samples"),
    }
}

fn of(samples: &Samples, purpose: Purpose) -> Vec<&Request> {
    samples.requests.iter().filter(|r| r.purpose == purpose).collect()
}

#[test]
fn the_time_to_first_token_is_the_sum_of_its_parts_and_gaps_are_decode_sample_and_detokenize() {
    let delays = Delays {
        prefill_per_token: ms(1),
        decode: vec![ms(20)],
        sample: ms(2),
        tokenize: ms(5),
        detokenize: ms(3),
        asynchronous: true, // a loop that does not wait for the engine would see none of its time
        ..Delays::default()
    };
    let samples = run(Script { delays, ..Script::default() }, job(4)).unwrap();
    let generation = of(&samples, Purpose::Generation);
    assert_eq!(generation.len(), 1);
    let request = generation[0];
    assert_eq!(request.tokenize_ns, 5 * MS);
    assert_eq!(request.prefill_ns, u64::from(request.prompt_tokens) * MS);
    assert_eq!((request.first_sample_ns, request.first_detokenize_ns), (2 * MS, 3 * MS));
    assert_eq!(request.ttft_ns(), Some((5 + u64::from(request.prompt_tokens) + 2 + 3) * MS));
    assert_eq!(request.gaps_ns().collect::<Vec<_>>(), [25 * MS; 3]);
    assert_eq!((request.sample_ns, request.detokenize_ns), (6 * MS, 9 * MS));
    assert_eq!(request.stop, Stop::TokenCount);
}

#[test]
fn a_model_that_ends_early_is_asked_other_prompts_until_the_tokens_are_there() {
    let answer = |n: usize| [vec![Piece::Text("word ".into()); n], vec![Piece::End]].concat();
    let script = Script { answers: vec![answer(3)], ..Script::default() };
    let samples = run(script, job(8)).unwrap();
    let generation = of(&samples, Purpose::Generation);
    let tokens: Vec<_> = generation.iter().map(|r| r.token_at_ns.len()).collect();
    assert_eq!(tokens, [3, 3, 2]);
    let stops: Vec<_> = generation.iter().map(|r| r.stop).collect();
    assert_eq!(stops, [Stop::EndOfGeneration, Stop::EndOfGeneration, Stop::TokenCount]);
    let prompts: Vec<_> = samples.requests.iter().map(|r| r.prompt.as_str()).collect();
    assert_eq!(prompts, ["sea", "hill", "wood", "sea"], "a request repeats the one before it");
    let metrics = profiles::Samples::Interactive(samples).metrics();
    let early = metrics.iter().find(|m| m.name == "requests_ended_early").and_then(|m| m.value);
    assert_eq!(early, Some(2.0));
}

#[test]
fn a_model_that_never_says_anything_is_given_up() {
    let script = Script { answers: vec![vec![Piece::End]], ..Script::default() };
    let error = run(script, job(8)).unwrap_err().to_string();
    assert!(error.starts_with("the model ended 8 answers in a row without a single token"), "{error}");
}

#[test]
fn repeating_ends_when_the_interval_is_narrow_or_at_the_limit_and_says_which() {
    let steady = Script { delays: Delays { decode: vec![ms(20)], ..Delays::default() }, ..Script::default() };
    let many = Job { max_repetitions: 9, max_first_tokens: 9, ..job(16) };
    let samples = run(steady, many.clone()).unwrap();
    assert_eq!(samples.generations_ended_by, EndedBy::Confidence);
    assert_eq!(of(&samples, Purpose::Generation).len(), 6, "an interval needs six speeds");
    assert!(interactive::summarize(&samples).tokens_per_second_interval.is_some());
    let restless: Vec<_> = (0..16).map(|n| ms(if n % 2 == 0 { 5 } else { 50 })).collect();
    let script = Script { delays: Delays { decode: restless, ..Delays::default() }, ..Script::default() };
    let samples = run(script, Job { tokens: 17, max_repetitions: 5, ..many }).unwrap();
    assert_eq!(samples.generations_ended_by, EndedBy::Limit);
    assert_eq!(of(&samples, Purpose::Generation).len(), 5);
}

#[test]
fn an_interrupted_measurement_keeps_the_repetitions_that_are_whole() {
    let many = Job { max_repetitions: 5, ..job(8) };
    let answer = [vec![Piece::Text("a ".into()); 5], vec![Piece::End]].concat();
    let script = Script { answers: vec![answer], ..Script::default() };
    // the third repetition has five of its eight tokens when it is stopped
    let samples = run_until(script.clone(), many.clone(), |progress| progress.done == 2 * 8 + 5).unwrap();
    assert_eq!(samples.generations_ended_by, EndedBy::Interrupted);
    let tokens: usize = of(&samples, Purpose::Generation).iter().map(|r| r.token_at_ns.len()).sum();
    assert_eq!(tokens, 2 * 8);
    assert_eq!(interactive::summarize(&samples).repetitions, 2);
    let nothing_whole = run_until(script, many, |progress| progress.done == 5).unwrap_err();
    assert_eq!(nothing_whole.to_string(), "aborted");
}

#[test]
fn first_tokens_are_asked_for_until_there_are_enough_for_an_interval() {
    let delays = Delays { prefill_per_token: ms(2), ..Delays::default() };
    let few = Job { max_first_tokens: 20, prompts: vec![job(1).prompts.remove(0)], ..job(4) };
    let samples = run(Script { delays, ..Script::default() }, few).unwrap();
    assert_eq!(samples.first_tokens_ended_by, EndedBy::Confidence);
    assert_eq!(of(&samples, Purpose::FirstToken).len(), 5, "with the generation's six, which an interval needs");
    assert!(of(&samples, Purpose::FirstToken).iter().all(|r| r.token_at_ns.len() == 1));
}

#[test]
fn a_character_split_over_two_tokens_is_whole_in_the_text() {
    let pieces = vec![Piece::Bytes(b"caf\xc3".to_vec()), Piece::Bytes(b"\xa9 ".to_vec())];
    let samples = run(Script { answers: vec![pieces], ..Script::default() }, job(5)).unwrap();
    assert_eq!(of(&samples, Purpose::Generation)[0].text, "café café caf");
}

#[test]
fn a_prompt_that_does_not_fit_the_context_is_refused_with_the_numbers() {
    let small = Job { context: ContextParams::new(16, 1), ..job(4) };
    let error = run(Script::default(), small).unwrap_err().to_string();
    assert!(error.contains("prompt 'sea'") && error.contains("this one has 16"), "{error}");
}

#[test]
fn a_template_without_a_system_role_gets_the_system_text_before_the_users() {
    let strict = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}\
                  {% for m in messages %}<{{ m.content }}>{% endfor %}";
    let model = ModelInfo { chat_template: Some(strict.into()), ..Script::default().model };
    let mut asked = job(2);
    asked.prompts[0].system = Some("Be brief.".into());
    let samples = run(Script { model: model.clone(), ..Script::default() }, asked.clone()).unwrap();
    let text = format!("<Be brief.\n\n{}>", asked.prompts[0].user);
    let with_bos = u32::from(model.adds_bos);
    assert_eq!(samples.requests[0].prompt_tokens, u32::try_from(text.len()).unwrap() + with_bos);
    assert!(!samples.fallback_template);
}

#[test]
fn a_model_without_a_template_is_marked() {
    let model = ModelInfo { chat_template: None, ..Script::default().model };
    assert!(run(Script { model, ..Script::default() }, job(2)).unwrap().fallback_template);
}

#[test]
fn a_job_without_prompts_or_tokens_is_impossible() {
    for job in [Job { prompts: Vec::new(), ..job(2) }, job(0), Job { max_repetitions: 0, ..job(2) }] {
        assert!(matches!(interactive::run(&job, &mut rig_of_nothing()), Err(ProfileError::Impossible(_))));
    }
}

/// A rig that is never used.
fn rig_of_nothing() -> Rig<'static> {
    let clock = Box::leak(Box::new(ManualClock::default()));
    let engine = Box::leak(Box::new(FakeEngine::with_clock(Script::default(), clock.clone())));
    let loaded = Box::leak(Box::new(ModelParams::new(std::path::Path::new("fake.gguf"))));
    let model = engine.load(loaded, Box::new(|_| std::ops::ControlFlow::Continue(()))).unwrap();
    Rig {
        engine,
        loaded,
        memory_allowed_bytes: None,
        model: Box::leak(model),
        clock,
        abort: AbortHandle::default(),
        progress: Box::leak(Box::new(|_| {})),
        keep: Box::leak(Box::new(|_| {})),
        memory: None,
    }
}
