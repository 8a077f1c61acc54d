//! A reader of stdout that has gone, as in `sweetspot synth --list | head -1`, is no failure; a disk that is full is one.

mod common;

use std::path::Path;

use common::{Program, Ran, synthetic};
use sweetspot::engine::quantize::Quant;

/// Runs a command whose stdout nobody reads.
fn unread(program: &Program, args: &[&str]) -> Ran {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    Ran::of(&program.command().args(args).stdout(writer).output().unwrap())
}

#[test]
fn a_command_whose_reader_has_gone_ends_quietly_with_code_0() {
    let program = Program::new();
    let model = synthetic(program.folder.path(), "tiny", Quant::Q4_0);
    let model = model.to_str().unwrap();
    assert_eq!(program.run(&[model]).code, Some(0));
    for args in [
        &["synth", "--list"][..],
        &["synth", "--shape", "tiny", "-o", "made.gguf"],
        &["run", "--dry-run", model],
        &["report", "out"],
        &["machine", "--no-measure"],
        &["completions", "bash"],
        &["bench", "-m", model, "-p", "8", "-n", "0", "-r", "1"],
        &["bench", "-m", model, "-p", "8", "-n", "0", "-r", "1", "-o", "json"],
    ] {
        let ran = unread(&program, args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:#?}");
        assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("pipe"), "{args:?}: {ran:#?}");
    }
    assert!(program.path("made.gguf").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_one_line_and_code_1() {
    let program = Program::new();
    assert!(Path::new("/dev/full").exists());
    for args in [&["synth", "--list"][..], &["machine", "--no-measure"], &["completions", "zsh"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = Ran::of(&program.command().args(args).stdout(full).output().unwrap());
        assert!(ran.error(1).contains("writing to standard output"), "{ran:#?}");
    }
}
