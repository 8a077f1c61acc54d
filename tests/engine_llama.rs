//! llama.cpp behind the engine's traits, on small synthetic models of every architecture.

mod common;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sweetspot::engine::llama::LlamaEngine;
use sweetspot::engine::quantize::Quant;
use sweetspot::engine::text_stream::TextStream;
use sweetspot::engine::{
    AbortHandle, ContextParams, Engine, EngineError, KvType, Model, ModelParams, Sampling, Session, Token,
};
use sweetspot::plan::catalog;

const LADDER: [Quant; 8] =
    [Quant::Q2K, Quant::Q3KM, Quant::Q4_0, Quant::Q4KM, Quant::Q5KM, Quant::Q6K, Quant::Q8_0, Quant::F16];

fn load(path: &Path) -> Box<dyn Model> {
    load_with(&ModelParams::new(path)).unwrap()
}

fn load_with(params: &ModelParams) -> Result<Box<dyn Model>, EngineError> {
    LlamaEngine::new().unwrap().load(params, Box::new(|_| ControlFlow::Continue(())))
}

fn tiny() -> (tempfile::TempDir, Box<dyn Model>) {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&common::synthetic(folder.path(), "tiny", Quant::Q4_0));
    (folder, model)
}

fn generate(session: &mut dyn Session, prompt: &[Token], n: usize) -> Vec<Token> {
    session.clear();
    session.append(prompt).unwrap();
    let mut tokens = vec![session.sample()];
    while tokens.len() < n {
        session.append(&tokens[tokens.len() - 1..]).unwrap();
        tokens.push(session.sample());
    }
    tokens
}

#[test]
fn every_architecture_in_every_quantization_loads_and_gives_finite_logits_that_differ() {
    let folder = tempfile::tempdir().unwrap();
    for shape in catalog::tiny_shapes() {
        for quant in LADDER {
            let path = common::synthetic(folder.path(), &shape.name, quant);
            let model = load(&path);
            assert!(model.info().synthetic, "{path:?}");
            assert_eq!(model.info().quantization, quant.name(), "{path:?}");
            assert_eq!(model.info().architecture, shape.architecture.name(), "{path:?}");
            let mut session = model.session(&ContextParams::new(128, 1)).unwrap();
            let prompt = model.tokenize("Once upon a time", true, false);
            for n in 0..8 {
                session.append(if n == 0 { &prompt } else { &prompt[..1] }).unwrap();
                let logits = session.logits();
                assert!(logits.iter().all(|l| l.is_finite()), "{path:?}: a logit after {n} more tokens is not finite");
                let (min, max) = logits.iter().fold((f32::MAX, f32::MIN), |(a, b), &l| (a.min(l), b.max(l)));
                assert!(max - min > 1e-3, "{path:?}: all logits are {min}");
            }
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn greedy_and_seeded_sampling_repeat_themselves_and_another_seed_does_not() {
    let (_folder, model) = tiny();
    let prompt = model.tokenize("The lamp had not been lit", true, false);
    let mut session = model.session(&ContextParams::new(256, 1)).unwrap();
    let mut run = |sampling: &Sampling| {
        session.set_sampling(sampling);
        generate(&mut *session, &prompt, 24)
    };
    let seeded = |seed| Sampling::Seeded { seed, temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0 };
    assert_eq!(run(&Sampling::Greedy), run(&Sampling::Greedy));
    assert_eq!(run(&seeded(1)), run(&seeded(1)));
    assert_ne!(run(&seeded(1)), run(&seeded(2)));
}

#[test]
fn greedy_sampling_takes_the_largest_logit() {
    let (_folder, model) = tiny();
    let mut session = model.session(&ContextParams::new(64, 1)).unwrap();
    session.append(&model.tokenize("hello", true, false)).unwrap();
    let largest = (0_i32..).zip(session.logits()).max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    assert_eq!(session.sample(), largest);
}

#[test]
fn a_prompt_in_small_batches_gives_the_same_next_token_as_in_one() {
    let (_folder, model) = tiny();
    let prompt: Vec<Token> = (3..60).collect();
    let next = |n_batch| {
        let params = ContextParams { n_batch, n_ubatch: n_batch, ..ContextParams::new(128, 1) };
        let mut session = model.session(&params).unwrap();
        session.append(&prompt).unwrap();
        assert_eq!(session.n_past(), 57);
        session.sample()
    };
    assert_eq!(next(64), next(8));
}

#[test]
fn a_snapshot_brings_the_session_back_to_its_depth() {
    let (_folder, model) = tiny();
    let mut session = model.session(&ContextParams::new(128, 1)).unwrap();
    session.append(&[1, 5, 6, 7]).unwrap();
    let snapshot = session.snapshot();
    session.append(&[8]).unwrap();
    let expected = session.logits().to_vec();
    session.clear();
    assert_eq!(session.n_past(), 0);
    assert!(session.restore(&snapshot));
    assert_eq!(session.n_past(), 4);
    session.append(&[8]).unwrap();
    assert_eq!(session.logits(), expected);
    assert!(!session.restore(b""));
}

#[test]
fn more_tokens_than_the_context_holds_are_an_error_and_the_session_stays_usable() {
    let (_folder, model) = tiny();
    let mut session = model.session(&ContextParams::new(32, 1)).unwrap();
    let n_ctx = session.n_ctx();
    let too_many = vec![5; n_ctx as usize + 1];
    assert!(matches!(session.append(&too_many), Err(EngineError::ContextFull { .. })));
    session.clear();
    session.append(&too_many[1..]).unwrap();
    assert_eq!(session.n_past(), n_ctx);
}

#[test]
fn another_thread_aborts_a_computation_and_sees_that_it_is_alive() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&common::synthetic(folder.path(), "small-40m", Quant::Q8_0));
    let abort = AbortHandle::default();
    let params = ContextParams { abort: abort.clone(), ..ContextParams::new(8192, 1) };
    let mut session = model.session(&params).unwrap();
    let other = std::thread::spawn(move || {
        while abort.questions() < 50 {
            std::thread::sleep(Duration::from_millis(1));
        }
        abort.raise();
    });
    let error = session.append(&vec![5; 8000]).expect_err("8000 tokens of 42 million parameters take seconds");
    other.join().unwrap();
    assert!(matches!(error, EngineError::Aborted), "{error}");
}

#[test]
fn memory_planned_without_allocating_is_what_is_allocated() {
    let folder = tempfile::tempdir().unwrap();
    for shape in ["tiny", "tiny-gemma3", "tiny-mamba", "tiny-lfm2"] {
        let path = common::synthetic(folder.path(), shape, Quant::Q8_0);
        let no_mmap = ModelParams { use_mmap: false, ..ModelParams::new(&path) };
        let (planned, real) =
            (load_with(&ModelParams { no_alloc: true, ..no_mmap.clone() }).unwrap(), load_with(&no_mmap).unwrap());
        for n_ctx in [256, 1024] {
            let params = ContextParams::new(n_ctx, 1);
            let plan = planned.session(&params).unwrap().memory();
            let memory = real.session(&params).unwrap().memory();
            assert_eq!(plan, memory, "{shape} at {n_ctx}");
            assert!(memory.weights_bytes() > 0 && memory.kv_bytes() > 0 && memory.compute_bytes() > 0, "{memory:?}");
        }
    }
}

#[test]
fn the_kv_cache_has_the_size_of_its_formula_in_every_type() {
    let (_folder, model) = tiny();
    let info = model.info();
    let width = u64::from(info.n_embd / info.n_head * info.n_head_kv);
    let bytes_of = |kv| {
        let params = ContextParams { type_k: kv, type_v: kv, ..ContextParams::new(1024, 1) };
        model.session(&params).unwrap().memory().kv_bytes()
    };
    let elements = 2 * u64::from(info.n_layer) * width * 1024; // keys and values
    assert_eq!(bytes_of(KvType::F16), elements * 2);
    assert_eq!(bytes_of(KvType::Q8_0), elements / 32 * 34);
    assert_eq!(bytes_of(KvType::Q4_0), elements / 32 * 18);
}

#[test]
fn text_becomes_tokens_and_tokens_the_same_text() {
    let (_folder, model) = tiny();
    let text = "Größe: 5 € – and 😀!";
    let mut stream = TextStream::default();
    for token in model.tokenize(text, false, false) {
        let mut piece = Vec::new();
        model.append_piece(token, &mut piece);
        stream.push(&piece);
    }
    assert_eq!(stream.into_text().trim_start(), text);
    let with_bos = model.tokenize(text, true, false);
    assert_eq!(with_bos.first().copied(), model.info().bos);
}

#[test]
fn loading_tells_how_far_it_is_and_can_be_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = common::synthetic(folder.path(), "tiny", Quant::Q4_0);
    let engine = LlamaEngine::new().unwrap();
    let last = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&last);
    let progress = move |share: f32| {
        seen.store(share.to_bits(), Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    engine.load(&ModelParams::new(&path), Box::new(progress)).unwrap();
    assert_eq!(last.load(Ordering::Relaxed), 1_f32.to_bits());
    assert!(engine.load(&ModelParams::new(&path), Box::new(|_| ControlFlow::Break(()))).is_err());
}

#[test]
fn a_file_that_llama_cpp_refuses_gives_its_own_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = common::synthetic(folder.path(), "tiny", Quant::Q4_0);
    let mut bytes = std::fs::read(&path).unwrap();
    let name = b"general.architecture";
    let at = bytes.windows(name.len()).position(|w| w == name).unwrap() + name.len() + 4 + 8;
    bytes[at..at + 5].copy_from_slice(b"lambs"); // was llama
    std::fs::write(&path, bytes).unwrap();
    let error = load_with(&ModelParams::new(&path)).err().unwrap().to_string();
    assert!(error.contains("unknown model architecture: 'lambs'"), "{error}");
    let error = load_with(&ModelParams::new(&folder.path().join("none.gguf"))).err().unwrap().to_string();
    assert!(error.ends_with("none.gguf: llama.cpp cannot load it: no such file"), "{error}");
}

#[test]
fn a_context_that_does_not_fit_is_an_error_and_the_model_stays_usable() {
    let (_folder, model) = tiny();
    let flash_off = sweetspot::engine::FlashAttention::Off;
    let quantized_v = ContextParams { type_v: KvType::Q4_0, flash_attention: flash_off, ..ContextParams::new(64, 1) };
    let error = model.session(&quantized_v).err().expect("a quantized V cache needs flash attention");
    assert!(error.to_string().starts_with("no context of 64 tokens: "), "{error}");
    assert!(model.session(&ContextParams::new(64, 1)).is_ok());
}

#[test]
fn the_engine_says_what_it_was_built_with() {
    let info = LlamaEngine::new().unwrap().describe();
    assert!(info.llama_cpp.contains("llama-cpp-sys-2 0.1.160"), "{}", info.llama_cpp);
    assert!(info.backends.iter().any(|b| b == "CPU"), "{:?}", info.backends);
    assert!(info.devices.iter().any(|d| d.kind == "cpu"), "{:?}", info.devices);
    assert!(!info.cpu_features.is_empty());
}

#[test]
fn the_logits_of_many_tokens_of_a_batch_are_those_of_one_token_after_the_other() {
    let (_folder, model) = tiny();
    let tokens = model.tokenize("The ferry across the river had run on Thursdays", true, false);
    let first = tokens.len() / 2;
    let params = ContextParams { n_outputs_max: 64, n_ubatch: 8, ..ContextParams::new(128, 1) };
    let mut session = model.session(&params).unwrap();
    session.append_scored(&tokens, first).unwrap();
    let n_vocab = model.info().n_vocab as usize;
    let rows = session.scored_logits().to_vec();
    assert_eq!(rows.len(), (tokens.len() - first) * n_vocab);
    assert_eq!(session.n_past() as usize, tokens.len());
    assert_eq!(session.logits(), &rows[rows.len() - n_vocab..], "the last row is the last token's");
    session.clear();
    assert!(session.scored_logits().is_empty());
    for (place, token) in tokens.iter().enumerate() {
        session.append(&[*token]).unwrap();
        if let Some(row) = place.checked_sub(first) {
            let row = &rows[row * n_vocab..][..n_vocab];
            let largest = row.iter().zip(session.logits()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(largest < 0.05, "token {place}: {largest}"); // another batch size rounds differently
        }
    }
}

#[test]
fn more_rows_or_tokens_than_a_context_was_made_for_are_an_error_and_no_crash() {
    let (_folder, model) = tiny();
    let params = ContextParams { n_outputs_max: 4, n_batch: 16, n_ubatch: 16, ..ContextParams::new(128, 1) };
    let mut session = model.session(&params).unwrap();
    for (n_tokens, first) in [(8, 3), (17, 16)] {
        let error = session.append_scored(&vec![1; n_tokens], first).unwrap_err();
        assert!(matches!(error, EngineError::DecodeFailed { code: -1, .. }), "{error}");
        assert!(session.scored_logits().is_empty() && session.n_past() == 0);
    }
    session.append_scored(&[1; 8], 4).unwrap();
    assert_eq!(session.scored_logits().len(), 4 * model.info().n_vocab as usize);
    session.append_scored(&[1; 8], 8).unwrap();
    assert!(session.scored_logits().is_empty(), "nothing of it was to be scored");
    assert_eq!(session.n_past(), 16);
    assert!(matches!(session.append_scored(&[1; 16], 12), Ok(())));
}
