//! `sweetspot config`, and where the configuration of every command comes from.

mod common;

use std::fs;

use common::{Program, Ran, synthetic};
use sweetspot::engine::quantize::Quant;
use sweetspot::plan::config::Config;

/// Runs `sweetspot` in the program's folder with a folder for configurations of its own.
fn config(program: &Program, args: &[&str]) -> Ran {
    let home = program.path("home");
    Ran::of(&program.command().env("XDG_CONFIG_HOME", home).arg("config").args(args).output().unwrap())
}

#[test]
fn what_is_printed_is_a_file_that_reads_back_as_what_is_in_force() {
    let program = Program::new();
    let defaults = config(&program, &["--defaults"]);
    assert_eq!(defaults.code, Some(0), "{defaults:#?}");
    assert_eq!(Config::parse(&defaults.stdout).unwrap(), Config::default());
    program.write("own.toml", "[engine]\nthreads = 3\n[termination]\nenabled = false\n");
    let own = config(&program, &["--config", "own.toml"]);
    assert!(own.stderr.contains("read own.toml"), "{own:#?}");
    let own = Config::parse(&own.stdout).unwrap();
    assert_eq!((own.engine.threads, own.termination.enabled), (Some(3), false));
}

#[test]
fn the_folders_file_goes_before_the_persons_own_and_that_before_the_defaults() {
    let program = Program::new();
    let none = config(&program, &[]);
    assert!(none.stderr.contains("these are the defaults"), "{none:#?}");
    fs::create_dir_all(program.path("home/sweetspot")).unwrap();
    program.write("home/sweetspot/sweetspot.toml", "[engine]\nthreads = 5\n[interactive]\nprompts = 'mine.toml'\n");
    let own = config(&program, &[]);
    let read = Config::parse(&own.stdout).unwrap();
    assert_eq!(read.engine.threads, Some(5), "{own:#?}");
    assert!(read.interactive.prompts.unwrap().ends_with("home/sweetspot/mine.toml"), "relative to its file");
    program.write("sweetspot.toml", "[engine]\nthreads = 7\n");
    let near = config(&program, &[]);
    assert!(near.stdout.contains("threads = 7") && near.stderr.contains("read sweetspot.toml"), "{near:#?}");
    let far = config(&program, &["--defaults"]);
    assert!(far.stdout.contains("# threads = 8"), "{far:#?}");
}

#[test]
fn a_file_that_nobody_named_is_told_by_the_command_that_reads_it() {
    let program = Program::new();
    program.write("sweetspot.toml", "[interactive]\nn_ctx = 1\n");
    let ran = program.sweetspot(&["run", "--dry-run", "none.gguf"]);
    assert_eq!(
        ran.error(2),
        "sweetspot: sweetspot.toml: interactive.n_ctx is 1; it must be larger than interactive.tokens (500)"
    );
    program.write("sweetspot.toml", "[run]\nweights = 'synthetic'\nquants = ['Q4_0', 'Q8_0']\n");
    let ran = program.sweetspot(&["run", "--dry-run", "tiny"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("configuration: sweetspot.toml"), "{ran:#?}");
    assert!(ran.stdout.contains("Q4_0") && ran.stdout.contains("Q8_0"), "what [run] says is done: {ran:#?}");
}

#[test]
fn a_check_says_ok_or_all_that_is_wrong() {
    let program = Program::new();
    program.write("right.toml", "[output]\nformats = ['md']\n");
    let right = config(&program, &["--check", "right.toml"]);
    assert_eq!((right.code, right.stdout.as_str()), (Some(0), "right.toml: OK\n"));
    program.write(
        "wrong.toml",
        "[engine]\nthreads = 'x'\n[thresholds.interactive]\nttft_seconds = [3, 1, 10, 30]\n[limit]\n",
    );
    let wrong = config(&program, &["--check", "wrong.toml"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(2), ""));
    for part in [
        "wrong.toml: line 2, column 11: engine.threads: invalid type",
        "wrong.toml: thresholds.interactive.ttft_seconds is [3, 1, 10, 30]; it must be four numbers of 0 or more",
        "unknown key 'limit'; did you mean 'limits'?",
        "sweetspot: wrong.toml: 3 things are wrong",
    ] {
        assert!(wrong.stderr.contains(part), "{part}: {wrong:#?}");
    }
    assert!(config(&program, &["--check", "none.toml"]).error(2).contains("none.toml: No such file"));
}

#[test]
fn the_log_of_a_cell_that_was_measured_goes_where_only_those_of_failures_are_to_stay() {
    let program = Program::new();
    let quick = fs::read_to_string(program.path("quick.toml")).unwrap();
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    let run = |name: &str, keep: &str| {
        program.write("keep.toml", &format!("{quick}[logging]\nkeep_worker_logs = '{keep}'\n"));
        let args =
            ["run", "--config", "keep.toml", "--profiles", "interactive", "--out", name, model.to_str().unwrap()];
        let ran = program.sweetspot(&args);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        fs::read_dir(program.path(name).join("logs")).unwrap().count()
    };
    assert_eq!((run("all", "all"), run("failed", "failed")), (1, 0));
    assert!(!fs::read_to_string(program.path("failed/outcomes.jsonl")).unwrap().contains("logs/"), "no log is named");
}
