//! `sweetspot context` as a program: its files and codes, what it hands over, and a clear line for whatever is wrong.

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Program, Ran, synthetic};
use sweetspot::engine::quantize::Quant;
use sweetspot::report::context::ContextReport;

/// A program with a tiny model beside it.
fn program(shape: &str) -> (Program, String) {
    let program = Program::new();
    let model = synthetic(program.folder.path(), shape, Quant::Q4_0);
    let model = model.file_name().unwrap().to_str().unwrap().to_owned();
    (program, model)
}

/// Small and quick: no growth, and the search ends early.
const QUICK: [&str; 6] = ["--out", "out", "--max-context", "4096", "--grow-to", "0"];

fn context(program: &Program, model: &str, more: &[&str]) -> Ran {
    program.sweetspot(&[&["context", model], &QUICK[..], more].concat())
}

fn report(program: &Program) -> ContextReport {
    serde_json::from_str(&std::fs::read_to_string(program.path("out/context.json")).unwrap()).unwrap()
}

/// The one line that a wrong argument is answered with.
fn refused(ran: &Ran) -> String {
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stdout.is_empty());
    ran.stderr.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_model_leaves_a_table_a_page_and_files_that_programs_read() {
    let (program, model) = program("tiny");
    let ran = program.sweetspot(&[
        "context",
        &model,
        "--out",
        "out",
        "--budget",
        "1G",
        "--max-context",
        "8192",
        "--grow-to",
        "512",
        "-t",
        "1",
        "-ub",
        "64",
    ]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("Largest, proved") && ran.stdout.contains("llama-server -m "), "{}", ran.stdout);
    for file in ["context.json", "context.csv", "growth.csv", "context.html", "logs/context.log"] {
        assert!(program.path("out").join(file).is_file(), "{file}");
    }
    let report = report(&program);
    assert_eq!((report.budget_bytes, report.granularity, report.sweeps.len()), (1_000_000_000, 256, 3));
    assert_eq!(report.metadata.load_seconds.len(), 1);
    for sweep in &report.sweeps {
        assert_eq!((sweep.proved_max_context, sweep.prediction_error_tokens), (Some(8192), Some(0)));
        assert!(sweep.beyond_training, "the model was trained for 4096 tokens");
        let measured = sweep.kv_bytes_per_token_measured.unwrap();
        assert!((measured / sweep.kv_bytes_per_token.unwrap() - 1.0).abs() < 0.005, "{measured}");
    }
}

#[test]
fn a_sliding_windows_measured_growth_is_that_of_a_full_window() {
    let (program, model) = program("tiny-gemma3");
    let more = ["--grow-to", "512", "--kv-types", "f16", "-t", "1", "-ub", "32"];
    let ran = program.sweetspot(&[&["context", &model, "--out", "out", "--max-context", "4096"], &more[..]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let sweep = &report(&program).sweeps[0];
    let (measured, exact) = (sweep.kv_bytes_per_token_measured.unwrap(), sweep.kv_bytes_per_token.unwrap());
    assert!((measured / exact - 1.0).abs() < 0.005, "{measured} and {exact}");
}

#[test]
fn a_budget_smaller_than_the_weights_is_said_in_numbers_and_loads_nothing() {
    let (program, model) = program("tiny");
    let ran = context(&program, &model, &["--budget", "500K"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("the weights alone take"), "{}", ran.stdout);
    assert!(ran.stdout.contains("the budget is 0.500 MB"), "{}", ran.stdout);
    assert!(report(&program).metadata.load_seconds.is_empty());
}

#[test]
fn nonsense_is_refused_by_its_flag_before_anything_is_made() {
    let (program, model) = program("tiny");
    for (more, sign) in [
        (["--granularity", "0"], "--granularity"),
        (["--kv-types", "f16,q9"], "unknown KV cache type 'q9'"),
        (["--budget", "6X"], "write it as 6G"),
        (["--budget", "0"], "no memory at all"),
        (["--prove", "maybe"], "--prove"),
        (["--emit-kv", "f16"], "--emit"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
    ] {
        let ran = context(&program, &model, &more);
        assert_eq!(ran.code, Some(2), "{more:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(sign), "{more:?}: {}", ran.stderr);
        assert!(!program.path("out").exists(), "{more:?}");
    }
    assert!(refused(&context(&program, "nowhere.gguf", &[])).contains("no such file"));
    std::fs::write(program.path("cut.gguf"), b"GGUF").unwrap();
    assert!(refused(&context(&program, "cut.gguf", &[])).contains("cut.gguf"));
}

#[test]
fn a_folder_of_several_models_is_refused_and_one_of_one_model_is_that_model() {
    let program = Program::new();
    let models = program.path("models");
    std::fs::create_dir(&models).unwrap();
    synthetic(&models, "tiny", Quant::Q4_0);
    assert_eq!(context(&program, "models", &["--prove", "none"]).code, Some(0));
    synthetic(&models, "tiny", Quant::Q8_0);
    assert!(refused(&context(&program, "models", &[])).contains("name one file"));
}

#[test]
fn a_type_that_cannot_be_is_a_line_and_the_others_are_measured() {
    let (program, model) = program("tiny");
    let ran = context(&program, &model, &["--kv-types", "f16,q8_0", "--flash-attn", "off"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let report = report(&program);
    assert_eq!(report.sweeps[0].proved_max_context, Some(4096));
    let why = report.sweeps[1].impossible.as_ref().unwrap();
    assert!(why.contains("flash"), "{why}");
    assert!(ran.stdout.contains("q8_0: not possible here"), "{}", ran.stdout);
    let ran = context(&program, &model, &["--kv-types", "q8_0", "--flash-attn", "off"]);
    assert_eq!(ran.code, Some(1), "nothing is left to be measured: {}", ran.stdout);
}

#[test]
fn a_recurrent_model_is_told_to_have_no_cache_that_grows() {
    let (program, model) = program("tiny-mamba");
    let ran = context(&program, &model, &["--kv-types", "f16"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("state of fixed size"), "{}", ran.stdout);
}

#[test]
fn what_is_emitted_stands_alone_on_stdout() {
    let (program, model) = program("tiny");
    let emit = |form: &str| context(&program, &model, &["--prove", "none", "--emit", form]);
    let env = emit("env");
    assert_eq!(env.code, Some(0), "{}", env.stderr);
    assert!(env.stdout.contains("MAX_CONTEXT_TOKENS=4096\n"), "{}", env.stdout);
    assert!(!env.stdout.contains("Largest"), "{}", env.stdout);
    let json: serde_json::Value = serde_json::from_str(&emit("json").stdout).unwrap();
    assert_eq!(json["MAX_CONTEXT_TOKENS"], 4096);
    assert!(emit("llama-server").stdout.contains("llama-server -m "));
    assert!(emit("ollama").stdout.contains("PARAMETER num_ctx"));
}

#[test]
fn limits_of_the_configuration_are_the_budget_where_none_is_given() {
    let (program, model) = program("tiny");
    program.write("limits.toml", "[limits]\nmax_memory_gb = 0.25\n");
    let ran = context(&program, &model, &["--prove", "none", "--config", "limits.toml"]);
    assert_eq!((ran.code, report(&program).budget_bytes), (Some(0), 250_000_000), "{}", ran.stderr);
    let ran = context(&program, &model, &["--prove", "none", "--config", "limits.toml", "--budget", "300M"]);
    assert_eq!((ran.code, report(&program).budget_bytes), (Some(0), 300_000_000), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn an_interrupt_in_the_middle_of_a_fill_leaves_the_predictions_and_ends_with_130() {
    let (program, model) = program("tiny");
    let arguments =
        ["--kv-types", "f16", "--max-context", "262144", "--prove", "fill", "--grow-to", "0", "--out", "out"];
    let mut child = program
        .command()
        .args([&["context", model.as_str(), "-t", "1"], &arguments[..]].concat())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(program.path("stderr")).unwrap())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let says_filling = || std::fs::read_to_string(program.path("stderr")).unwrap().contains("filling");
    while !says_filling() && began.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // the file may vanish under a running sweep: it is mapped
    std::fs::remove_file(program.path(&model)).unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{}", std::fs::read_to_string(program.path("stderr")).unwrap());
    let report = report(&program);
    assert!(report.metadata.interrupted);
    assert_eq!(report.sweeps[0].predicted_max_context, Some(262_144));
    assert_eq!(report.sweeps[0].unfinished.as_deref(), Some("interrupted"));
}
