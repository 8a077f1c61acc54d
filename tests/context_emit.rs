//! What `--emit` hands over, for sweeps made by hand: read back, run by a shell, bounded as promised. `INSTA_UPDATE=always`
//! writes the snapshot again.

mod context_fixture;

use std::fmt::Write as _;

use context_fixture::cases::{interrupted, less_than_predicted, nothing_fits, recurrent, trained_for_little, unproved};
use context_fixture::{F16, facts, max_by_hand, on_a_gpu, sweep, three_types};
use sweetspot::probe::context_limit::task::Proof;
use sweetspot::report::context::emit::{self, Emit};
use sweetspot::report::context::{ContextReport, Facts};

#[test]
fn what_is_emitted_is_as_it_was() {
    let report = ContextReport::of(&three_types());
    let mut shown = String::new();
    for form in [Emit::Env, Emit::Toml, Emit::Json, Emit::LlamaServer, Emit::Ollama] {
        let _ = write!(shown, "--- {form:?}\n{}", emit::render(&report, None, form).unwrap());
    }
    insta::assert_snapshot!("context_emit", shown);
}

#[test]
fn emitted_env_toml_and_json_read_back_as_the_same_numbers() {
    for facts in [three_types(), unproved(), trained_for_little(), on_a_gpu(), recurrent(), less_than_predicted()] {
        let report = ContextReport::of(&facts);
        let emit = |form| emit::render(&report, None, form).unwrap();
        let env: Vec<(String, f64)> = emit(Emit::Env)
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_once('=').map(|(name, value)| (name.to_owned(), value.parse().unwrap())).unwrap())
            .collect();
        let toml: toml::Table = emit(Emit::Toml).parse().unwrap();
        let json: serde_json::Value = serde_json::from_str(&emit(Emit::Json)).unwrap();
        assert_eq!(env.len(), 5);
        for (name, value) in env {
            let of_toml =
                toml[&name].as_float().or(toml[&name].as_integer().and_then(|n| n.to_string().parse().ok())).unwrap();
            assert!((of_toml - value).abs() < 1e-12, "{name}");
            assert!((json[&name].as_f64().unwrap() - value).abs() < 1e-8, "{name}");
        }
        assert_eq!(json["proved"], report.sweeps[0].proof != Proof::None);
    }
}

#[test]
fn model_and_tokens_together_are_the_memory_at_the_largest_context() {
    let report = ContextReport::of(&three_types());
    for sweep in &report.sweeps {
        let values = emit::Values::of(&report, sweep);
        let whole =
            values.model_vram_gb * 1e9 + values.kv_cache_per_token_mb * 1e6 * f64::from(values.max_context_tokens);
        let memory = sweetspot::stats::float(sweep.memory_bytes.unwrap());
        assert!((whole / memory - 1.0).abs() < 1e-9, "{whole} {memory}");
    }
    let gpu = ContextReport::of(&on_a_gpu());
    // tensors and compute buffers of the fixture that lie on the GPU
    assert!((emit::Values::of(&gpu, &gpu.sweeps[0]).model_vram_gb - 0.22).abs() < 1e-9);
}

#[test]
fn what_the_model_was_trained_for_bounds_what_is_handed_over_unless_more_is_wanted() {
    let mut facts = trained_for_little();
    let emit = |facts: &Facts, form| emit::render(&ContextReport::of(facts), None, form).unwrap();
    assert!(emit(&facts, Emit::Env).contains("\nMAX_CONTEXT_TOKENS=4096\n"));
    assert!(emit(&facts, Emit::LlamaServer).contains(" -c 4096 "));
    facts.beyond_training = true;
    let max = max_by_hand(F16);
    assert!(emit(&facts, Emit::Env).contains(&format!("\nMAX_CONTEXT_TOKENS={max}\n")));
    assert!(emit(&facts, Emit::LlamaServer).contains(&format!(" -c {} ", max * 4 / 5 / 256 * 256)));
}

#[test]
fn a_prediction_that_nobody_proved_is_handed_over_as_such() {
    let env = emit::render(&ContextReport::of(&unproved()), None, Emit::Env).unwrap();
    assert!(env.contains("NOT proved"), "{env}");
    let json = emit::render(&ContextReport::of(&unproved()), None, Emit::Json).unwrap();
    assert!(json.contains("\"proved\": false"), "{json}");
}

#[test]
fn the_type_that_is_named_is_handed_over_and_one_without_a_context_is_an_error_in_a_line() {
    let report = ContextReport::of(&three_types());
    let command = |kv: &str| emit::render(&report, Some(kv.parse().unwrap()), Emit::LlamaServer);
    assert!(command("q4_0").unwrap().contains("-ctk q4_0 -ctv q4_0"));
    assert_eq!(command("q5_1").unwrap_err(), "no sweep of the KV cache type q5_1; name it in --kv-types");
    let nothing = emit::render(&ContextReport::of(&nothing_fits()), None, Emit::Env).unwrap_err();
    assert_eq!(nothing, "Story 1B has no context that could be handed over");
    // the first type is not possible: the first that has a context is taken
    let env = emit::render(&ContextReport::of(&interrupted()), None, Emit::Env).unwrap();
    assert!(env.contains("KV cache f16") && env.contains("\nMAX_CONTEXT_TOKENS=4096\n"), "{env}");
}

#[test]
fn ollama_is_told_only_what_it_knows() {
    let emit = |kv: &str| emit::render(&ContextReport::of(&facts(vec![sweep(kv, F16)])), None, Emit::Ollama);
    assert!(emit("q8_0").unwrap().contains("OLLAMA_KV_CACHE_TYPE=q8_0"));
    assert!(emit("q5_1").unwrap_err().contains("ollama does not know the KV cache type q5_1"));
    assert!(emit("q8_0/q4_0").unwrap_err().contains("one type for keys and values"));
}

#[test]
fn the_command_survives_a_shell_whatever_the_path() {
    let mut facts = three_types();
    facts.task.model.path = "/models/it's $HOME `x`.gguf".into();
    let command = emit::render(&ContextReport::of(&facts), None, Emit::LlamaServer).unwrap();
    let script = format!("llama-server() {{ printf '%s\\n' \"$2\"; }}\n{command}");
    let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "/models/it's $HOME `x`.gguf\n");
}
