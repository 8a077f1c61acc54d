//! `sweetspot run --resume` from the command line: what it takes over, what it refuses, and what it says.

mod common;

use std::fs;

use common::{Program, synthetic};
use sweetspot::engine::quantize::Quant;

/// A run over two models whose second outcome was lost; its folder is `out`.
fn half_done() -> Program {
    let program = Program::new();
    for quant in [Quant::Q4_0, Quant::Q8_0] {
        synthetic(&program.path(""), "tiny", quant);
    }
    assert_eq!(program.run(&["--profiles", "interactive", "tiny-Q4_0.gguf", "tiny-Q8_0.gguf"]).code, Some(0));
    let path = program.path("out/outcomes.jsonl");
    let all = fs::read_to_string(&path).unwrap();
    fs::write(&path, &all[..=all.find('\n').unwrap()]).unwrap();
    program
}

/// Quantizations in the order they were measured in.
fn order(program: &Program) -> Vec<String> {
    program.outcomes().iter().map(|outcome| outcome["cell"]["quant"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_goes_on_from_anywhere_with_its_own_command_line() {
    let program = half_done();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = program.command();
    command.current_dir(elsewhere.path()).args(["run", "--resume"]).arg(program.path("out"));
    let ran = common::Ran::of(&command.output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("going on: 1 of 2 cells are done"), "{ran:#?}");
    assert_eq!(order(&program), ["Q4_0", "Q8_0"]);
    let run: serde_json::Value = serde_json::from_slice(&fs::read(program.path("out/run.json")).unwrap()).unwrap();
    assert_eq!(run["resumed_at"].as_array().unwrap().len(), 1);
    assert_eq!(run["arguments"][1], "--config", "the arguments are those of the run that was begun");
}

#[test]
fn a_run_that_is_done_has_nothing_to_go_on_with_and_says_so() {
    let program = half_done();
    assert_eq!(program.sweetspot(&["run", "--resume", "out"]).code, Some(0));
    let before = program.outcomes();
    let ran = program.sweetspot(&["run", "--resume", "out"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("going on: 2 of 2 cells are done"), "{ran:#?}");
    assert_eq!(program.outcomes(), before);
}

#[test]
fn what_differs_is_told_and_refused_until_it_is_accepted() {
    let program = half_done();
    let model = program.path("tiny-Q8_0.gguf");
    let mut bytes = fs::read(&model).unwrap();
    bytes.extend([0; 32]);
    fs::write(&model, bytes).unwrap();
    let config = fs::read_to_string(program.path("quick.toml")).unwrap();
    program.write("quick.toml", &format!("{config}\n[termination]\nmax_ttft_seconds = 7.0\n"));
    let before = fs::read(program.path("out/outcomes.jsonl")).unwrap();
    let ran = program.sweetspot(&["run", "--resume", "out"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("differs: termination.max_ttft_seconds: 30.0 then, 7.0 now"), "{ran:#?}");
    assert!(ran.stderr.contains("tiny-Q8_0.gguf: ") && ran.stderr.contains(" bytes then, "), "{ran:#?}");
    assert!(ran.stderr.contains("--accept-changes"), "{ran:#?}");
    assert_eq!(fs::read(program.path("out/outcomes.jsonl")).unwrap(), before, "nothing was changed");
    let ran = program.sweetspot(&["run", "--resume", "out", "--accept-changes"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(order(&program), ["Q4_0", "Q8_0"]);
}

#[test]
fn other_models_than_then_are_a_difference_too() {
    let program = half_done();
    let ran = program.sweetspot(&[
        "run",
        "--config",
        "quick.toml",
        "--profiles",
        "interactive",
        "--resume",
        "out",
        "tiny-Q4_0.gguf",
    ]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("differs: tiny Q8_0: planned then, not now"), "{ran:#?}");
}

#[test]
fn a_folder_that_is_no_runs_is_refused_with_what_to_give() {
    let program = Program::new();
    fs::create_dir(program.path("empty")).unwrap();
    assert!(program.sweetspot(&["run", "--resume", "empty"]).error(2).contains("not the folder of a run"));
    assert!(program.sweetspot(&["run", "--resume", "gone"]).error(2).contains("no such folder"));
    let ran = program.sweetspot(&["run", "--resume", "empty", "--out", "x"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
}

#[test]
fn other_flags_without_the_models_are_refused_and_never_measure_something_else() {
    let program = half_done();
    let before = fs::read(program.path("out/run.json")).unwrap();
    let ran = program.sweetspot(&["run", "--resume", "out", "--accept-changes", "--seed", "7"]);
    let error = ran.error(2);
    assert!(error.contains("give the run's models again") && error.contains("tiny-Q8_0.gguf"), "{error}");
    assert_eq!(fs::read(program.path("out/run.json")).unwrap(), before);
}
