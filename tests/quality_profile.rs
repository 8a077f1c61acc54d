//! The quality profile's loop over the scripted engine: which prompt is asked with which tokens, what is kept, what fails alone.

mod scripted_rig;

use std::time::Duration;

use sweetspot::engine::fake::{Act, Delays, Piece, Place, Script};
use sweetspot::engine::{ContextParams, ModelInfo, Sampling};
use sweetspot::profiles::quality::prompts::{Category, Prompt, PromptSet, Turn};
use sweetspot::profiles::quality::scorer::Scorer;
use sweetspot::profiles::quality::{self, Asked, Ended, Job, Questions, Repetition};
use sweetspot::profiles::{ProfileError, Progress};

#[allow(clippy::unnecessary_wraps)] // a turn's scorer is an option
fn number(answer: f64) -> Option<Scorer> {
    Some(Scorer::Number { answer, tolerance: 0.0, tolerance_percent: 0.0 })
}

fn prompt(id: &str, category: &str, turns: &[(&str, Option<Scorer>)]) -> Prompt {
    let turn = |(user, score): &(&str, Option<Scorer>)| Turn { user: (*user).into(), score: score.clone() };
    Prompt {
        id: id.into(),
        category: Category::new(category).unwrap(),
        system: None,
        turns: turns.iter().map(turn).collect(),
        max_tokens: 8,
    }
}

fn job(prompts: Vec<Prompt>) -> Job {
    let questions = Questions {
        set: PromptSet { name: "own".into(), prompts },
        thresholds: [(Category::new("math").unwrap(), 80.0)].into(),
        sampling: Sampling::Greedy,
        max_answer_seconds: 60.0,
        consistency: None,
    };
    Job { context: ContextParams::new(1024, 1), questions: Some(questions), divergence: None }
}

/// One scripted answer a sequence, each ended by the model.
fn script(answers: &[&str]) -> Script {
    let answer = |text: &&str| vec![Piece::Text((*text).into()), Piece::End];
    Script { answers: answers.iter().map(answer).collect(), ..Script::default() }
}

fn run(script: Script, job: &Job) -> Result<Asked, ProfileError> {
    run_until(script, job, |_| false)
}

/// Raises the abort handle when `stop` says so of the progress.
fn run_until(script: Script, job: &Job, stop: impl Fn(&Progress) -> bool) -> Result<Asked, ProfileError> {
    scripted_rig::run(script, stop, |rig| quality::run(job, rig))
        .map(|samples| samples.asked.expect("questions were asked"))
}

/// Whether each prompt is right.
fn right(asked: &Asked) -> Vec<Option<bool>> {
    asked.answers.iter().map(quality::Answer::is_correct).collect()
}

#[test]
fn every_prompt_is_asked_and_its_answer_kept_and_scored() {
    let job = job(vec![
        prompt("a", "math", &[("6 × 7?", number(42.0))]),
        prompt("b", "math", &[("6 × 8?", number(48.0))]),
        prompt("c", "email", &[("Say something.", None)]),
    ]);
    let asked = run(script(&["It is 42.", "It is 47.", "Something."]), &job).unwrap();
    assert_eq!(right(&asked), [Some(true), Some(false), None]);
    let reply = &asked.answers[1].replies[0];
    assert_eq!((reply.text.as_str(), reply.tokens, reply.ended), ("It is 47.", 1, Ended::EndOfGeneration));
    let summary = quality::summarize(&asked);
    assert_eq!((summary.correct.hits, summary.correct.n, summary.answers), (1, 2, 3));
    assert_eq!(summary.categories.len(), 1, "what nobody scored has no share");
    assert_eq!(summary.categories[0].threshold_percent, Some(80.0));
}

#[test]
fn an_answer_that_never_ends_is_cut_and_scored_as_it_is() {
    let endless = Script { answers: vec![vec![Piece::Text("42 ".into())]], ..Script::default() };
    let asked = run(endless, &job(vec![prompt("a", "math", &[("6 × 7?", number(42.0))])])).unwrap();
    let reply = &asked.answers[0].replies[0];
    assert_eq!((reply.tokens, reply.ended, reply.ended.is_cut()), (8, Ended::TokenLimit, true));
    assert_eq!(right(&asked), [Some(true)]);
    assert_eq!(quality::summarize(&asked).answers_cut, 1);
}

#[test]
fn an_answer_that_takes_too_long_is_cut_by_the_clock() {
    let delays = Delays { decode: vec![Duration::from_secs(30)], ..Delays::default() };
    let slow = Script { answers: vec![vec![Piece::Text("x ".into())]], delays, ..Script::default() };
    let asked = run(slow, &job(vec![prompt("a", "math", &[("6 × 7?", number(42.0))])])).unwrap();
    let reply = &asked.answers[0].replies[0];
    assert_eq!((reply.tokens, reply.ended), (3, Ended::TimeLimit));
    assert!((reply.seconds - 60.0).abs() < 1e-9, "{}", reply.seconds);
    assert!(quality::interpretation(&quality::summarize(&asked)).contains("at the time limit"));
}

#[test]
fn a_prompt_that_does_not_fit_fails_alone_with_the_numbers_and_the_others_go_on() {
    let mut job = job(vec![
        prompt("long", "math", &[(&"x".repeat(2000), number(1.0))]),
        prompt("short", "math", &[("6 × 7?", number(42.0))]),
    ]);
    let asked = run(script(&["42"]), &job).unwrap();
    let failure = asked.answers[0].failure.as_deref().unwrap();
    assert!(
        failure.contains("need a context of") && failure.contains("this one has 1024 (quality.n_ctx)"),
        "{failure}"
    );
    assert_eq!(right(&asked), [None, Some(true)]);
    let words = quality::interpretation(&quality::summarize(&asked));
    assert!(words.contains("1 prompt could not be asked; the first: 'long'"), "{words}");
    job.questions.as_mut().unwrap().set.prompts.truncate(1);
    let error = run(script(&["42"]), &job).unwrap_err().to_string();
    assert!(error.starts_with("no prompt could be asked; the first: its"), "{error}");
}

#[test]
fn a_template_that_refuses_one_prompt_costs_the_others_nothing() {
    let picky = "{% for m in messages %}{% if 'forbidden' in m.content %}{{ raise_exception('not this') }}{% endif %}\
                 {{ m.content }}{% endfor %}";
    let model = ModelInfo { chat_template: Some(picky.into()), ..Script::default().model };
    let job = job(vec![
        prompt("no", "math", &[("forbidden", number(1.0))]),
        prompt("yes", "math", &[("6 × 7?", number(42.0))]),
    ]);
    let asked = run(Script { model, ..script(&["42"]) }, &job).unwrap();
    assert!(asked.answers[0].failure.as_deref().unwrap().contains("not this"), "{:?}", asked.answers[0].failure);
    assert_eq!(right(&asked), [None, Some(true)]);
}

#[test]
fn a_computation_that_fails_costs_one_prompt() {
    let job =
        job(vec![prompt("a", "math", &[("6 × 7?", number(42.0))]), prompt("b", "math", &[("6 × 7?", number(42.0))])]);
    let asked = run(script(&["42"]).with(Place::Append(1), Act::Fail("broken".into())), &job).unwrap();
    assert!(asked.answers[0].failure.as_deref().unwrap().contains("broken"));
    assert_eq!(right(&asked), [None, Some(true)]);
}

#[test]
fn a_conversation_holds_the_models_own_answers_and_is_right_when_every_scored_turn_is() {
    let plain = "{% for m in messages %}<{{ m.role }}:{{ m.content }}>{% endfor %}";
    let model = ModelInfo { chat_template: Some(plain.into()), ..Script::default().model };
    let turns = [("Remember 5.", None), ("Which number?", number(5.0)), ("And twice it?", number(10.0))];
    let two = job(vec![prompt("talk", "conversation", &turns)]);
    let asked = run(Script { model: model.clone(), ..script(&["OK", "5", "10"]) }, &two).unwrap();
    assert_eq!(right(&asked), [Some(true)]);
    let last = "<user:Remember 5.><assistant:OK><user:Which number?><assistant:5><user:And twice it?>";
    let with_bos = u32::from(model.adds_bos);
    assert_eq!(asked.answers[0].replies[2].prompt_tokens, u32::try_from(last.len()).unwrap() + with_bos);
    let asked = run(Script { model, ..script(&["OK", "5", "11"]) }, &two).unwrap();
    assert_eq!(right(&asked), [Some(false)]);
}

#[test]
fn a_conversation_whose_own_answers_fill_the_context_is_cut_there_and_counts() {
    let plain = "{% for m in messages %}{{ m.content }}{% endfor %}";
    let model = ModelInfo { chat_template: Some(plain.into()), adds_bos: false, ..Script::default().model };
    let turns = [("123456", None), ("78", number(5.0)), ("90", number(6.0))];
    let mut small = job(vec![prompt("talk", "conversation", &turns)]);
    small.context.n_ctx = 16;
    let long = vec![vec![Piece::Text("x".into())]];
    let asked = run(Script { model, answers: long, ..Script::default() }, &small).unwrap();
    let ends: Vec<_> = asked.answers[0].replies.iter().map(|reply| (reply.tokens, reply.ended)).collect();
    // 6 tokens and 8 of the answer; 16 with the next message: no room is left
    assert_eq!(ends, [(8, Ended::TokenLimit), (0, Ended::ContextFull), (0, Ended::ContextFull)]);
    assert_eq!(right(&asked), [Some(false)], "that it talks too long is the model's own doing");
}

#[test]
fn an_interrupted_measurement_keeps_the_prompts_that_are_done() {
    let prompts = ["a", "b", "c", "d"].map(|id| prompt(id, "math", &[("6 × 7?", number(42.0))]));
    let job = job(prompts.to_vec());
    let asked = run_until(script(&["42"]), &job, |progress| progress.done == 2).unwrap();
    assert!(asked.interrupted);
    assert_eq!((asked.answers.len(), asked.prompts_planned), (2, 4));
    let words = quality::interpretation(&quality::summarize(&asked));
    assert!(words.contains("Interrupted: 2 prompts of the set were not asked."), "{words}");
    let nothing = run_until(script(&["42"]), &job, |progress| progress.done == 0).unwrap_err();
    assert_eq!(nothing.to_string(), "aborted");
}

#[test]
fn repeated_answers_that_differ_are_told_with_the_place_and_those_that_do_not_are_counted() {
    let mut job = job(vec![
        prompt("a", "math", &[("6 × 7?", number(42.0))]),
        prompt("b", "math", &[("again?", None)]),
        prompt("c", "format", &[("and?", None)]),
    ]);
    job.questions.as_mut().unwrap().consistency = Some(Repetition { prompts: 2, times: 2, max_tokens: 4 });
    // the answers take turns, so that every second repetition gives the other one
    let asked = run(script(&["It is 42", "It is 43"]), &job).unwrap();
    let summary = quality::summarize(&asked);
    assert_eq!(summary.repeated, 8);
    let ids: Vec<_> = asked.consistency.iter().map(|repeated| repeated.prompt.as_str()).collect();
    assert_eq!(ids, ["a", "c"], "one of each category first");
    let again = &asked.consistency[0];
    assert_eq!((&again.cold[..], again.warm[0].1, again.warm[1].1), (&[0, 1][..], 0, 1));
    assert_eq!(summary.differences.len(), 4);
    let difference = &summary.differences[0];
    assert_eq!((difference.prompt.as_str(), difference.warm_tokens, difference.token), ("a", 0, 1));
    assert_eq!(
        (difference.common.as_str(), difference.expected.as_str(), difference.found.as_str()),
        ("It is 4", "3", "2")
    );
    assert!(summary.differences[1].warm_tokens > 0, "the warm ones come last");
    let words = quality::interpretation(&summary);
    assert!(words.contains("4 of 8 repetitions gave another answer; the first: 'a' with an empty cache"), "{words}");
    let warm: Vec<_> = asked.consistency[0].warm.iter().map(|(tokens, _)| *tokens).collect();
    assert!(warm[0] < warm[1] && warm[1] < asked.consistency[0].prompt_tokens, "different parts of it: {warm:?}");
}

#[test]
fn a_model_without_a_chat_template_is_asked_through_the_fallback_and_it_is_said() {
    let model = ModelInfo { chat_template: None, ..Script::default().model };
    let job = job(vec![prompt("a", "math", &[("6 × 7?", number(42.0))])]);
    let asked = run(Script { model, ..script(&["42"]) }, &job).unwrap();
    assert!(asked.fallback_template);
    let words = quality::interpretation(&quality::summarize(&asked));
    assert_eq!(words.matches("no chat template of its own").count(), 1, "{words}");
}

#[test]
fn two_runs_of_the_same_script_give_the_same_samples() {
    let job = job(vec![prompt("a", "math", &[("6 × 7?", number(42.0))])]);
    assert_eq!(run(script(&["42"]), &job).unwrap(), run(script(&["42"]), &job).unwrap());
}

#[test]
fn samples_are_the_same_after_a_trip_through_a_file() {
    let job = job(vec![prompt("a", "math", &[("6 × 7?", number(42.0))])]);
    let asked = run(script(&["The answer is 42"]), &job).unwrap();
    let samples = quality::Samples { asked: Some(asked), divergence: None, divergence_failure: None };
    let back: quality::Samples = serde_json::from_str(&serde_json::to_string(&samples).unwrap()).unwrap();
    assert_eq!(quality::metrics(&back), quality::metrics(&samples));
    assert_eq!(back, samples);
}
