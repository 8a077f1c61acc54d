//! `sweetspot bench` as a program: wrong arguments end with code 2 and one line that says what, where, and what to do.

use std::process::{Command, Output};

/// A file that exists, which is all that the arguments are checked for.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sweetspot")).arg("bench").args(arguments).output().unwrap()
}

/// What stderr says when the arguments after a model's are refused.
fn refused(arguments: &[&str]) -> String {
    let output = bench(&[&["-m", MODEL], arguments].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    stderr
}

/// [`refused`] by the program itself, in one line.
fn refused_in_one_line(arguments: &[&str]) -> String {
    let stderr = refused(arguments);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr.trim().to_owned()
}

#[test]
fn a_zero_is_refused_by_its_flag() {
    for flag in ["-t", "-b", "-ub", "-r"] {
        assert_eq!(refused_in_one_line(&[flag, "0"]), format!("sweetspot: {flag} is 0; it must be at least 1"));
    }
}

#[test]
fn nothing_to_do_is_refused() {
    let line = refused_in_one_line(&["-p", "0", "-n", "0"]);
    assert_eq!(line, "sweetspot: nothing to do: -p and -n are 0 and there is no -pg; give at least one of them tokens");
}

#[test]
fn wrong_lists_types_and_modes_are_refused_by_their_flag() {
    assert_eq!(refused_in_one_line(&["-p", "8-1"]), "sweetspot: -p: the range '8-1' ends before it starts");
    assert!(refused_in_one_line(&["-d", "1-"]).starts_with("sweetspot: -d: '1-' is neither a number nor a range; "));
    assert!(
        refused_in_one_line(&["-ctk", "q9"]).starts_with("sweetspot: -ctk: unknown KV cache type 'q9'; one of f32, ")
    );
    assert!(refused_in_one_line(&["-ctv=q9"]).starts_with("sweetspot: -ctv: unknown KV cache type 'q9'"));
    assert!(refused_in_one_line(&["-fa", "maybe"]).starts_with("sweetspot: -fa: unknown mode 'maybe'; "));
    assert!(refused_in_one_line(&["-pg", "512"]).starts_with("sweetspot: -pg: '512' is no pair of "));
    assert!(refused_in_one_line(&["-ngl", "-2"]).starts_with("sweetspot: -ngl: '-2' is neither a number nor a range"));
    assert!(refused_in_one_line(&["-p", "2147483647", "-d", "1"]).contains("a context of 2147483648 tokens"));
}

#[test]
fn an_unknown_format_is_refused_with_the_known_ones() {
    for flag in ["-o", "-oe"] {
        assert!(refused(&[flag, "yaml"]).contains("unknown output format 'yaml'; one of md, csv, json, jsonl, sql"));
    }
}

#[test]
fn a_missing_file_is_refused_before_anything_runs() {
    let output = bench(&["-m", "gone.gguf"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.trim(), "sweetspot: gone.gguf: no such file or folder; name a .gguf file or a folder of them");
}

#[test]
fn a_missing_model_is_refused_by_the_parser() {
    let output = bench(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--model <FILE>"));
}

#[test]
fn a_file_that_is_no_model_is_one_line_and_the_place_of_the_log_and_code_1() {
    let output = bench(&["-m", MODEL, "-p", "4", "-n", "0", "-o", "json"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "[\n\n]\n", "an array without entries is still JSON");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].starts_with(&format!("sweetspot: {MODEL}: ")), "{stderr}");
    let log = lines[1].strip_prefix("sweetspot: llama.cpp's log: ").unwrap();
    let folder = std::path::Path::new(log).parent().unwrap();
    assert!(std::path::Path::new(log).exists());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_log_can_be_kept_in_a_named_file() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("engine.log");
    bench(&["-m", MODEL, "-p", "4", "-n", "0", "--log", log.to_str().unwrap()]);
    assert!(std::fs::read_to_string(log).unwrap().starts_with("# "));
}
