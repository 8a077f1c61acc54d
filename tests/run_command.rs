//! `sweetspot run` through the program, the worker and llama.cpp, on small synthetic models: what it leaves, and that no bad
//! input costs anybody else their result.

mod common;

use std::fs;

use common::{Program, cut_in_half, synthetic};
use sweetspot::engine::quantize::Quant;

/// Status and reason of each outcome, in their order.
fn ended(program: &Program) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    program.outcomes().iter().map(|o| (text(&o["status"]), text(&o["reason"]))).collect()
}

#[test]
fn two_whole_models_and_one_cut_in_half_give_two_measured_outcomes_one_failed_and_code_0() {
    let program = Program::new();
    let q4 = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    let q8 = synthetic(program.folder.path(), "tiny-qwen3", Quant::Q8_0);
    let cut = program.path("cut-Q8_0.gguf");
    cut_in_half(&q8, &cut);
    let ran = program.run(&[q4.to_str().unwrap(), cut.to_str().unwrap(), q8.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let ended = ended(&program);
    let statuses: Vec<_> = ended.iter().map(|(status, _)| status.as_str()).collect();
    assert_eq!(statuses, ["measured", "failed", "measured"]);
    assert!(ended[1].1.contains("cut-Q8_0.gguf: the file ends at byte"), "{}", ended[1].1);
    for name in ["run.json", "report.json", "report.csv", "report.md", "logs/tiny_Q4_0.log", "logs/tiny-qwen3_Q8_0.log"]
    {
        assert!(fs::metadata(program.path("out").join(name)).is_ok_and(|m| m.len() > 0), "{name}");
    }
    for told in ["tiny", "Q4_0", "tiny-qwen3", "cut", "synthetic"] {
        assert!(ran.stdout.contains(told), "the table says nothing of {told}: {}", ran.stdout);
    }
    let result = &program.report()["results"][0];
    let metrics = &result["profiles"]["interactive"]["metrics"];
    for name in ["ttft_seconds", "tokens_per_second", "variance_percent", "itl_p50_ms", "itl_max_ms"] {
        assert!(metrics[name].as_f64().is_some_and(|n| n >= 0.0 && n.is_finite()), "{name}: {metrics}");
    }
    assert!(result["memory_gb"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_samples_of_a_run_are_consistent_with_themselves() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    assert_eq!(program.run(&[model.to_str().unwrap()]).code, Some(0));
    let outcome = &program.outcomes()[0];
    let samples = &outcome["profiles"][0]["samples"]["samples"];
    let requests = samples["requests"].as_array().unwrap();
    let number = |v: &serde_json::Value| v.as_u64().unwrap();
    let mut generated = 0;
    for request in requests {
        let at: Vec<_> = request["token_at_ns"].as_array().unwrap().iter().map(number).collect();
        assert!(at.windows(2).all(|pair| pair[0] < pair[1]), "time runs backwards: {at:?}");
        let parts = ["template_ns", "tokenize_ns", "prefill_ns", "first_sample_ns", "first_detokenize_ns"];
        let parts: u64 = parts.iter().map(|part| number(&request[*part])).sum();
        assert!(at.first().is_none_or(|&ttft| parts <= ttft), "the parts of the TTFT are more than it: {request}");
        let inner = number(&request["sample_ns"]) + number(&request["detokenize_ns"]);
        assert!(at.last().is_none_or(|&end| inner <= end));
        if request["purpose"] == "generation" {
            generated += at.len();
        }
    }
    assert_eq!(requests[0]["purpose"], "warm_up");
    assert_eq!(generated, 12);
    assert!(outcome["memory"]["buffers"].as_array().is_some_and(|b| !b.is_empty()));
}

#[test]
fn files_that_are_no_models_fail_in_one_line_each_and_the_program_ends_with_code_1() {
    let program = Program::new();
    let whole = fs::read(synthetic(program.folder.path(), "tiny", Quant::Q4_0)).unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let key = b"general.architecture";
    let architecture = whole.windows(key.len()).position(|w| w == key).unwrap() + key.len() + 12;
    let tensor = b"output_norm.weight";
    let offset = whole.windows(tensor.len()).position(|w| w == tensor).unwrap() + tensor.len() + 4 + 8 + 4;
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("text.gguf", b"Dear diary, this is not a model.".to_vec(), "not a GGUF file"),
        ("empty.gguf", Vec::new(), "the file is empty"),
        ("cut.gguf", whole[..30].to_vec(), "it is cut"),
        ("magic.gguf", with(0, b"GGML"), "not a GGUF file"),
        ("version.gguf", with(4, &9_u32.to_le_bytes()), "GGUF version 9"),
        ("offset.gguf", with(offset, &12_345_u64.to_le_bytes()), "output_norm.weight"),
        ("unknown.gguf", with(architecture, b"lambs"), "unknown model architecture: 'lambs'"),
    ];
    let mut args = Vec::new();
    for (name, bytes, _) in &cases {
        fs::write(program.path(name), bytes).unwrap();
        args.push(*name);
    }
    let ran = program.run(&args);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let ended = ended(&program);
    assert_eq!(ended.len(), cases.len());
    for (name, _, says) in &cases {
        let (status, reason) = ended.iter().find(|(_, reason)| reason.contains(name)).expect(name);
        assert_eq!(status, "failed", "{name}");
        assert!(reason.contains(says) && !reason.contains('\n'), "{name}: {reason}");
    }
}

#[test]
fn a_file_cut_at_any_length_fails_and_never_takes_the_program_along() {
    let program = Program::new();
    let whole = fs::read(synthetic(program.folder.path(), "tiny", Quant::Q2K)).unwrap();
    let mut args = Vec::new();
    for part in 1..40 {
        let name = format!("cut-{part}.gguf");
        fs::write(program.path(&name), &whole[..whole.len() * part / 40]).unwrap();
        args.push(name);
    }
    let ran = program.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ended(&program).iter().all(|(status, reason)| status == "failed" && reason.contains("cut")));
}

#[test]
fn a_model_larger_than_the_memory_allowed_is_not_loaded_and_both_numbers_are_told() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::F16);
    let model = model.to_str().unwrap();
    let ran = program.run(&["--max-memory-gb", "0.0001", model]);
    assert_eq!(ran.code, Some(1));
    let (status, reason) = ended(&program).remove(0);
    assert_eq!(status, "skipped");
    assert!(reason.starts_with("needs ") && reason.contains("allowed"), "{reason}");
}

#[test]
fn a_context_that_exceeds_the_memory_allowed_is_refused_before_anything_is_allocated() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    program.write("large.toml", "[interactive]\nn_ctx = 4000000\ntokens = 4\nmax_repetitions = 1\n");
    let args = ["run", "--config", "large.toml", "--out", "out", "--max-memory-gb", "0.5", model.to_str().unwrap()];
    let ran = program.sweetspot(&args);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let (status, reason) = ended(&program).remove(0);
    assert_eq!(status, "skipped");
    assert!(reason.starts_with("needs ") && reason.contains("500 MB allowed"), "{reason}");
    // run all the same, its worker counts, too, and says of what it needs how much
    let ran = program.sweetspot(&[&args[..3], &["--out", "all", "--no-termination"], &args[5..]].concat());
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let outcome: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(program.path("all/outcomes.jsonl")).unwrap()).unwrap();
    assert_eq!(outcome["status"], "failed");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(reason.contains("KV cache") && reason.contains("4000000 tokens") && reason.contains("0.50 GB"), "{reason}");
}

#[test]
fn a_context_above_the_trained_one_is_measured_with_a_warning() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    program.write("large.toml", "[interactive]\nn_ctx = 8192\ntokens = 4\nmax_repetitions = 1\nmax_first_tokens = 1\n");
    let ran = program.sweetspot(&["run", "--config", "large.toml", "--out", "out", model.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let warning = "the context of 8192 tokens is larger than the 4096 the model was trained for";
    assert!(ran.stdout.replace('\n', " ").contains("8192"), "{}", ran.stdout);
    assert_eq!(program.outcomes()[0]["warnings"][0], warning);
}

#[test]
fn wrong_arguments_end_with_code_2_and_one_line_that_says_what_to_do() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    let model = model.to_str().unwrap();
    fs::create_dir(program.path("nothing")).unwrap();
    program.write("typo.toml", "[interactive]\ntokns = 4\n");
    for (args, says) in [
        (&["run", "none.gguf"][..], "none.gguf: no such file or folder"),
        (&["run", "nothing"], "no .gguf file in this folder"),
        (&["run", "--config", "none.toml", model], "--config none.toml:"),
        (
            &["run", "--config", "typo.toml", model],
            "typo.toml: line 2, column 1: unknown key 'tokns'; did you mean 'tokens'?",
        ),
        (&["run", "--profiles", "interctive", model], "no profile 'interctive'"),
        (&["run", "--quants", "Q8_0", model], "--quants: none of them is there; found: Q4_0"),
        (&["run", "--max-memory-gb", "-1", model], "--max-memory-gb -1"),
        (
            &["run", "--weights", "synthetic", "llama-3.2-1c"],
            "unknown shape 'llama-3.2-1c': did you mean llama-3.2-1b?",
        ),
        (&["run", "--weights", "synthetic", "tiny:Q4_9"], "Q4_9"),
    ] {
        let ran = program.sweetspot(args);
        let error = ran.error(2);
        assert!(error.contains(says), "{args:?}: {error}");
        assert!(!program.path("results").exists(), "{args:?} left a folder behind");
    }
    for args in
        [&["run", "-t", "0", model][..], &["run", "--quants", "Q4_9", model], &["run", "--format", "pdf", model]]
    {
        let ran = program.sweetspot(args);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.starts_with("error: invalid value"), "{ran:#?}");
    }
}

#[test]
fn a_dry_run_says_what_would_happen_and_leaves_nothing() {
    let program = Program::new();
    let whole = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    cut_in_half(&whole, &program.path("cut.gguf"));
    let ran = program.run(&["--dry-run", whole.to_str().unwrap(), "cut.gguf"]);
    assert_eq!(ran.code, Some(0));
    let words = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("┆ tiny ┆ Q4_0 ┆"), "{}", ran.stdout);
    assert!(words.contains("1 of 2 would run in this order, each with: interactive, long-context"), "{words}");
    assert!(words.contains("cut Q4_0 cannot be measured: ") && words.contains("it is cut"), "{words}");
    assert!(!program.path("out").exists());
}

#[test]
fn what_would_not_be_measured_is_not_made_either() {
    let program = Program::new();
    let shape = ["--weights", "synthetic", "llama-3.1-8b:Q4_0"];
    let ran = program.run(&[&shape[..], &["--dry-run"]].concat());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.contains("llama-3.1-8b-synthetic") && ran.stdout.contains("run, made first"), "{}", ran.stdout);
    assert!(!program.path("cache").exists(), "a dry run wrote a model");
    let ran = program.run(&[&shape[..], &["--max-memory-gb", "2"]].concat());
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert_eq!(program.outcomes()[0]["status"], "skipped");
    assert!(!program.path("cache").exists(), "a model that is too large was written");
}

#[test]
fn a_model_that_computes_no_numbers_is_a_failed_outcome() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::F16);
    let mut bytes = fs::read(&model).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xff); // NaN in 16 and 32 bits
    fs::write(&model, bytes).unwrap();
    assert_eq!(program.run(&[model.to_str().unwrap()]).code, Some(1));
    let reason = ended(&program).remove(0).1;
    assert!(reason.contains("NaN"), "{reason}");
}

#[test]
fn without_a_model_the_demo_model_is_measured_in_its_ladder_and_is_not_synthetic() {
    let program = Program::new();
    let planned = program.run(&["--dry-run"]);
    for quant in ["Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0"] {
        assert!(planned.stdout.contains(&format!("sweetspot-demo ┆ {quant} ")), "{}", planned.stdout);
    }
    let ran = program.run(&["--quants", "Q4_K_M,BF16"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(!ran.stdout.contains("ynthetic"), "{}", ran.stdout);
    let cells: Vec<_> = program.outcomes().iter().map(|o| o["cell"].clone()).collect();
    assert_eq!(cells.iter().map(|c| c["quant"].as_str().unwrap()).collect::<Vec<_>>(), ["Q4_K_M", "BF16"]);
    assert!(cells.iter().all(|c| c["model"] == "sweetspot-demo" && c["synthetic"] == false), "{cells:#?}");
    assert!(ran.stderr.contains("quantizing sweetspot-demo Q4_K_M"), "{}", ran.stderr);
    let again = program.sweetspot(&["report", "out"]);
    assert_eq!(again.code, Some(0));
    assert_eq!(again.stdout, ran.stdout, "a report that is built again differs");
}

#[test]
fn a_model_with_synthetic_weights_says_so() {
    let program = Program::new();
    let ran = program.run(&["--weights", "synthetic", "tiny:Q4_0"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.contains("tiny-synthetic") && ran.stdout.contains("synthetic weights"), "{}", ran.stdout);
    assert!(fs::read_to_string(program.path("out/report.md")).unwrap().contains("ynthetic"));
    assert_eq!(program.outcomes()[0]["cell"]["synthetic"], true);
}

#[test]
fn wanted_quantizations_of_an_unquantized_file_are_made_and_measured() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::F16);
    let ran = program.run(&["--quants", "Q4_K_M,Q8_0,IQ2_XS", model.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let ended = ended(&program);
    let statuses: Vec<_> = ended.iter().map(|(status, _)| status.as_str()).collect();
    assert_eq!(statuses, ["measured", "failed", "measured"], "Q4_K_M, IQ2_XS, Q8_0");
    assert!(ended[1].1.contains("IQ2_XS needs an importance matrix"), "{}", ended[1].1);
    let outcomes = program.outcomes();
    let quants = [&outcomes[0], &outcomes[2]].map(|outcome| outcome["model"]["quantization"].clone());
    assert_eq!(quants, ["Q4_K_M", "Q8_0"], "what llama.cpp says of the files");
}

#[test]
fn a_template_that_fails_is_a_failed_outcome_with_the_models_name_and_the_line() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    let mut bytes = fs::read(&model).unwrap();
    let key = b"tokenizer.chat_template";
    let at = bytes.windows(key.len()).position(|w| w == key).unwrap() + key.len() + 12;
    let broken = b"\n{{ raise_exception('not today') }}{#";
    bytes[at..at + broken.len()].copy_from_slice(broken);
    let end = bytes[at..].windows(2).position(|w| w == b"%}").unwrap() + at;
    bytes[end..end + 2].copy_from_slice(b"#}"); // all between is a comment now
    fs::write(&model, bytes).unwrap();
    let ran = program.run(&["--profiles", "interactive", model.to_str().unwrap()]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let reason = ended(&program).remove(0).1;
    assert!(reason.contains("Tiny llama") && reason.contains("line "), "{reason}");
}

#[test]
fn a_profile_named_twice_runs_once() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    let ran =
        program.sweetspot(&["run", "--dry-run", "--profiles", "interactive,interactive", model.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.contains("each with: interactive, at least"), "{}", ran.stdout);
}

#[test]
fn runs_that_begin_together_have_a_folder_each() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    let begin = || {
        let mut command = program.command();
        command.args(["run", "--config", "quick.toml"]).arg(&model);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    let runs: Vec<_> = (0..6).map(|_| begin()).collect();
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    let folders: Vec<_> = fs::read_dir(program.path("results")).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(folders.len(), 6, "{folders:?}");
    assert!(folders.iter().all(|folder| folder.join("report.json").exists()), "{folders:?}");
}
