//! Tests of the scripted engine: its timings are exact, its answers and failures are where the script has them.

use super::*;
use crate::engine::{BufferUse, ContextParams, KvType, Session};

const MS: Duration = Duration::from_millis(1);

fn load(script: Script, clock: &ManualClock) -> Box<dyn Model> {
    let engine = FakeEngine::with_clock(script, clock.clone());
    engine.load(&params(), Box::new(|_| ControlFlow::Continue(()))).unwrap()
}

fn params() -> ModelParams {
    ModelParams::new("fake.gguf".as_ref())
}

fn text(model: &dyn Model, tokens: &[Token]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for token in tokens {
        model.append_piece(*token, &mut bytes);
    }
    bytes
}

/// What a session says until it ends its generation, at most `limit` tokens.
fn answer(model: &dyn Model, session: &mut dyn Session, limit: usize) -> String {
    let mut tokens = Vec::new();
    session.append(&[BOS]).unwrap();
    while tokens.len() < limit {
        let token = session.sample();
        if model.is_end_of_generation(token) {
            break;
        }
        tokens.push(token);
        session.append(&[token]).unwrap();
    }
    String::from_utf8(text(model, &tokens)).unwrap()
}

fn pieces(pieces: &[&str]) -> Vec<Piece> {
    pieces.iter().map(|p| if p.is_empty() { Piece::End } else { Piece::Text((*p).into()) }).collect()
}

#[test]
fn every_delay_moves_the_clock_by_itself_and_exactly() {
    use crate::profiles::clock::Clock;
    let clock = ManualClock::default();
    let delays = Delays {
        load: 100 * MS,
        context: 7 * MS,
        prefill_per_token: 3 * MS,
        decode: vec![5 * MS, 6 * MS],
        sample: 2 * MS,
        tokenize: MS,
        detokenize: 4 * MS,
        asynchronous: false,
    };
    let mut last = Duration::ZERO;
    let mut took = || {
        let now = clock.now();
        now.saturating_sub(std::mem::replace(&mut last, now))
    };
    let model = load(Script { delays, ..Script::default() }, &clock);
    assert_eq!(took(), 100 * MS);
    let mut session = model.session(&ContextParams::new(100, 1)).unwrap();
    assert_eq!(took(), 7 * MS);
    let tokens = model.tokenize("abc", true, false);
    assert_eq!((tokens.len(), took()), (4, MS));
    session.append(&tokens).unwrap();
    assert_eq!(took(), 12 * MS);
    let token = session.sample();
    assert_eq!(took(), 2 * MS);
    assert_eq!((text(&*model, &[token]), took()), (b"Hello".to_vec(), 4 * MS));
    for expected in [5, 6, 6] {
        session.append(&[token]).unwrap();
        assert_eq!(took(), expected * MS);
    }
    session.synchronize();
    assert_eq!(took(), Duration::ZERO);
}

#[test]
fn asynchronous_time_passes_where_the_result_is_needed() {
    use crate::profiles::clock::Clock;
    let clock = ManualClock::default();
    let delays = Delays { prefill_per_token: MS, decode: vec![5 * MS], asynchronous: true, ..Delays::default() };
    let model = load(Script { delays, ..Script::default() }, &clock);
    let mut session = model.session(&ContextParams::new(100, 1)).unwrap();
    session.append(&[1, 2, 3]).unwrap();
    session.append(&[4]).unwrap();
    assert_eq!(clock.now(), Duration::ZERO);
    session.synchronize();
    assert_eq!(clock.now(), 8 * MS);
    session.append(&[5]).unwrap();
    session.sample();
    assert_eq!(clock.now(), 13 * MS);
}

#[test]
fn each_sequence_gets_the_next_answer_and_after_the_last_the_first_again() {
    let script = Script { answers: vec![pieces(&["a", "b"]), pieces(&["c", ""])], ..Script::default() };
    let model = load(script, &ManualClock::default());
    let mut session = model.session(&ContextParams::new(100, 1)).unwrap();
    assert_eq!(answer(&*model, &mut *session, 5), "ababa");
    session.clear();
    assert_eq!(answer(&*model, &mut *session, 5), "c");
    let mut other = model.session(&ContextParams::new(100, 1)).unwrap();
    assert_eq!(answer(&*model, &mut *other, 3), "aba");
}

#[test]
fn a_text_comes_back_from_its_tokens_and_a_piece_may_be_half_a_character() {
    let answers = vec![vec![Piece::Bytes(vec![0xC3]), Piece::Bytes(vec![0xA4])]];
    let model = load(Script { answers, ..Script::default() }, &ManualClock::default());
    let tokens = model.tokenize("Käse", true, true);
    assert_eq!((tokens[0], tokens.len()), (BOS, 6));
    assert_eq!(text(&*model, &tokens), "Käse".as_bytes());
    let mut session = model.session(&ContextParams::new(100, 1)).unwrap();
    assert_eq!(answer(&*model, &mut *session, 2), "ä");
    assert!(tokens.iter().all(|&token| token < i32::try_from(model.info().n_vocab).unwrap()));
}

#[test]
fn the_largest_logit_is_the_token_that_is_sampled_next() {
    let model = load(Script::default(), &ManualClock::default());
    let mut session = model.session(&ContextParams::new(100, 1)).unwrap();
    session.append(&[BOS]).unwrap();
    for _ in 0..3 {
        let logits = session.logits();
        let largest = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
        assert_eq!(usize::try_from(session.sample()).unwrap(), largest);
    }
}

#[test]
fn a_snapshot_brings_back_depth_and_place_in_the_answer() {
    let model = load(Script::default(), &ManualClock::default());
    let mut session = model.session(&ContextParams::new(10, 1)).unwrap();
    session.append(&[BOS, 1, 2]).unwrap();
    let first = session.sample();
    let snapshot = session.snapshot();
    session.append(&[first]).unwrap();
    let second = session.sample();
    session.clear();
    assert!(session.restore(&snapshot));
    assert_eq!(session.n_past(), 3);
    session.append(&[first]).unwrap();
    assert_eq!(session.sample(), second);
    assert!(!model.session(&ContextParams::new(2, 1)).unwrap().restore(&snapshot));
}

#[test]
fn a_context_holds_as_many_tokens_as_it_has_and_memory_grows_with_it() {
    let buffer = |weights_bytes| BufferUse {
        name: "CPU".into(),
        device: String::new(),
        is_host: true,
        weights_bytes,
        kv_bytes: 0,
        compute_bytes: 0,
    };
    let memory = MemoryBreakdown { buffers: vec![buffer(5), buffer(6)] };
    let script = Script { memory, kv_bytes_per_token: 10, max_context: Some(8), ..Script::default() };
    let model = load(script, &ManualClock::default());
    let mut session = model.session(&ContextParams { type_k: KvType::Q8_0, ..ContextParams::new(8, 1) }).unwrap();
    assert_eq!((session.memory().weights_bytes(), session.memory().kv_bytes()), (11, 80));
    session.append(&[0; 7]).unwrap();
    assert!(matches!(session.append(&[0; 2]), Err(EngineError::ContextFull { n_ctx: 8 })));
    session.append(&[0]).unwrap();
    assert_eq!(session.n_past(), 8);
    let refused = model.session(&ContextParams::new(9, 1)).err();
    assert!(matches!(refused, Some(EngineError::ContextNotCreated { n_ctx: 9, .. })), "{refused:?}");
}

#[test]
fn an_abort_stops_a_computation_on_its_way_and_every_question_is_counted() {
    let delays = Delays { prefill_per_token: 10 * MS, ..Delays::default() };
    let model = load(Script { delays, ..Script::default() }, &ManualClock::default());
    let params = ContextParams::new(100, 1);
    let mut session = model.session(&params).unwrap();
    session.append(&[0; 5]).unwrap();
    assert_eq!(params.abort.questions(), 5);
    params.abort.raise();
    assert!(matches!(session.append(&[0; 5]), Err(EngineError::Aborted)));
    assert_eq!(session.n_past(), 5);
}

#[test]
fn things_go_wrong_at_their_place_alone() {
    let script = Script::default().with(Place::Append(2), Act::Fail("no slot".into()));
    let model = load(script, &ManualClock::default());
    let mut session = model.session(&ContextParams::new(100, 1)).unwrap();
    session.append(&[0]).unwrap();
    assert!(matches!(session.append(&[0]), Err(EngineError::DecodeFailed { reason, .. }) if reason == "no slot"));
    session.append(&[0]).unwrap();
}

#[test]
fn loading_can_be_given_up_and_can_be_scripted_to_fail() {
    let engine = FakeEngine::new(Script::default());
    let given_up = engine.load(
        &params(),
        Box::new(|share| if share > 0.5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }),
    );
    assert_eq!(given_up.err().unwrap().to_string(), "fake.gguf: llama.cpp cannot load it: aborted");
    let engine = FakeEngine::new(Script { load_failure: Some("bad magic".into()), ..Script::default() });
    let failed = engine.load(&params(), Box::new(|_| ControlFlow::Continue(())));
    assert_eq!(failed.err().unwrap().to_string(), "fake.gguf: llama.cpp cannot load it: bad magic");
}

#[test]
fn a_model_that_is_only_planned_takes_no_time_and_breaks_nowhere_but_cannot_compute() {
    use crate::profiles::clock::Clock;
    let clock = ManualClock::default();
    let delays = Delays { load: MS, context: MS, ..Delays::default() };
    let script = Script { delays, max_context: Some(1), ..Script::default() };
    let script = script.with(Place::Load, Act::Abort).with(Place::Context, Act::Abort);
    let engine = FakeEngine::with_clock(script, clock.clone());
    let planned = ModelParams { no_alloc: true, ..params() };
    let model = engine.load(&planned, Box::new(|_| ControlFlow::Continue(()))).unwrap();
    let mut session = model.session(&ContextParams::new(9, 1)).unwrap();
    assert_eq!((session.n_ctx(), clock.now()), (9, Duration::ZERO));
    assert!(session.append(&[BOS]).is_err());
}

#[test]
fn a_script_survives_its_way_to_the_worker_and_a_word_it_does_not_know_is_refused() {
    let script = Script::default().with(Place::Sample(3), Act::Hang { honours_abort: true });
    let json = serde_json::to_string(&script).unwrap();
    assert_eq!(serde_json::from_str::<Script>(&json).unwrap(), script);
    assert!(serde_json::from_str::<Script>(r#"{"max_contxt": 5}"#).is_err());
}
