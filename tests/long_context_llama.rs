//! Filling contexts of llama.cpp: the bytes that a token takes, a computation that is cut off by its time, and the profile
//! through the program and the worker. On small synthetic models.

mod common;

use std::ops::ControlFlow;

use common::{Program, synthetic};
use sweetspot::engine::llama::LlamaEngine;
use sweetspot::engine::quantize::Quant;
use sweetspot::engine::{ContextParams, Engine, EngineError, KvType, Model, ModelParams};
use sweetspot::probe::kv_growth::{self, EndedBy, Means, Plan, Trends};
use sweetspot::profiles::clock::Monotonic;
use sweetspot::profiles::long_context::text;

fn model(shape: &str) -> (tempfile::TempDir, Box<dyn Model>) {
    let folder = tempfile::tempdir().unwrap();
    let params = ModelParams::new(&synthetic(folder.path(), shape, Quant::Q4_0));
    let model = LlamaEngine::new().unwrap().load(&params, Box::new(|_| ControlFlow::Continue(()))).unwrap();
    (folder, model)
}

#[test]
fn a_tokens_bytes_by_the_fit_are_those_that_the_context_was_allocated_with() {
    let (_folder, model) = model("tiny");
    for kv in [KvType::F16, KvType::Q8_0, KvType::Q4_0] {
        let params = ContextParams { type_k: kv, type_v: kv, n_ubatch: 128, ..ContextParams::new(2048, 1) };
        let mut session = model.session(&params).unwrap();
        let exact = session.memory().kv_bytes() / u64::from(session.n_ctx());
        let clock = Monotonic::start();
        let means = Means { clock: &clock, abort: &params.abort, n_ubatch: params.n_ubatch };
        let plan = Plan { to_tokens: 2048, steps: 8, gen_tokens: 4, seconds: 600 };
        let text = text::tokens(&*model, 2048, 1);
        let growth = kv_growth::grow(&mut *session, &text, &plan, &means, &mut |_| ());
        assert_eq!((&growth.ended_by, growth.points.last().unwrap().tokens), (&EndedBy::Target, 2048));
        let fitted = Trends::of(&growth).kv_bytes_per_token().unwrap();
        #[allow(clippy::cast_precision_loss)] // a few hundred
        let error = (fitted / exact as f64 - 1.0).abs();
        assert!(error < 0.005, "{}: {fitted} by the fit, {exact} allocated", kv.name());
    }
}

#[test]
fn a_computation_whose_time_is_over_stops_within_its_batch_and_the_context_can_be_used_again() {
    let (_folder, model) = model("tiny");
    let params = ContextParams::new(4096, 1);
    let mut session = model.session(&params).unwrap();
    let text = text::tokens(&*model, 2048, 1);
    session.append(&text[..512]).unwrap();
    params.abort.set_expired(true);
    assert!(matches!(session.append(&text[..512]), Err(EngineError::Aborted)));
    assert!(!params.abort.is_raised(), "nobody interrupted it");
    params.abort.set_expired(false);
    assert!(session.n_past() < 1024);
    session.clear();
    session.append(&text[..512]).unwrap();
    assert_eq!(session.n_past(), 512);
    assert!(session.logits().iter().all(|logit| logit.is_finite()));
}

#[test]
fn a_vocabulary_of_any_size_makes_tokens_of_the_text() {
    let (_folder, model) = model("tiny");
    let tokens = text::tokens(&*model, 20_000, 1);
    assert!(tokens.len() >= 20_000);
    assert_eq!(tokens.iter().filter(|&&token| Some(token) == model.info().bos).count(), 1, "a text begins once");
    let last = i32::try_from(model.info().n_vocab).unwrap();
    assert!(tokens.iter().all(|token| (0..last).contains(token)));
}

#[test]
fn the_program_reports_load_times_memory_and_speed_of_every_load() {
    let program = Program::new();
    program.write("long.toml", "[long_context]\nloads = [1024, 2048, 8192]\ntarget_tokens = 2048\ngen_tokens = 4\n");
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    let arguments =
        ["run", "--profiles", "long-context", "--config", "long.toml", "--out", "out", model.to_str().unwrap()];
    let ran = program.sweetspot(&arguments);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let report = program.report();
    let profile = &report["results"][0]["profiles"]["long_context"];
    assert_eq!(profile["status"], "passed", "{profile}");
    let loads = profile["long_context"]["loads"].as_array().unwrap();
    let seen: Vec<_> =
        loads.iter().map(|load| (load["tokens"].as_u64().unwrap(), load["status"].as_str().unwrap())).collect();
    // trained for 4096 tokens, of which three times four are generated
    assert_eq!(seen, [(1024, "measured"), (2048, "measured"), (4084, "measured"), (8192, "left out")]);
    let seconds: Vec<f64> = loads[..3].iter().map(|load| load["load_seconds"].as_f64().unwrap()).collect();
    assert!(seconds[0] > 0.0 && seconds[0] < seconds[1] && seconds[1] < seconds[2], "{seconds:?}");
    assert!(loads[..3].iter().all(|load| load["tokens_per_second"].as_f64().unwrap() > 0.0));
    let metrics = &profile["metrics"];
    // 2 layers · 2 heads · 64 · (keys and values of 2 bytes)
    let per_token = metrics["kv_bytes_per_token"].as_f64().unwrap();
    assert!((per_token / 1024.0 - 1.0).abs() < 0.005, "{per_token}");
    assert_eq!((metrics["max_tokens"].as_f64(), metrics["n_ctx"].as_f64()), (Some(4084.0), Some(4096.0)));
    assert_eq!(report["results"][0]["memory_gb"], metrics["memory_gb"], "no other profile was measured");
    assert!(ran.stdout.contains("@ 2048"), "{}", ran.stdout);
}
