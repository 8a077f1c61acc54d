//! `sweetspot synth` as a person runs it: what it prints, where, and its exit code.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sweetspot::engine::gguf::Gguf;
use sweetspot::plan::catalog;

fn synth(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sweetspot")).arg("synth").args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs a command that has to fail, and gives its exit code and its one line.
fn failure(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = synth(folder, args);
    let message = text(&output.stderr);
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    assert_eq!(output.stdout, b"");
    (output.status.code(), message.trim_end().to_owned())
}

#[test]
fn a_shape_is_written_and_told_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let output = synth(dir.path(), &["--shape", "tiny", "--quant", "q4_k_m", "-o", "t.gguf", "--n-ctx", "8192"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let line = text(&output.stdout);
    assert_eq!(line, "t.gguf: tiny, 0.9 million parameters, 0.59 MB, synthetic weights\n");
    let gguf = Gguf::open(&dir.path().join("t.gguf")).unwrap();
    assert_eq!((gguf.file_type().as_str(), gguf.arch_u32("context_length")), ("Q4_K_M", Some(8192)));
    let second = synth(dir.path(), &["--like", "t.gguf", "-o", "like.gguf", "--seed", "3"]);
    assert_eq!(second.status.code(), Some(0), "{}", text(&second.stderr));
    assert_eq!(Gguf::open(&dir.path().join("like.gguf")).unwrap().get_u64("sweetspot.seed"), Some(3));
}

#[test]
fn mistakes_end_with_exit_code_2_and_one_line_that_helps() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("page.gguf"), "<html>").unwrap();
    for (args, expected) in [
        (["--shape", "lama-3.2-1b", "-o", "x.gguf"], "unknown shape 'lama-3.2-1b': did you mean llama-3.2-1b?"),
        (["--like", "page.gguf", "-o", "x.gguf"], "page.gguf: not a GGUF file: it is a text file"),
        (["--like", "none.gguf", "-o", "x.gguf"], "none.gguf: No such file"),
        (["--shape", "tiny", "-o", "no/folder/x.gguf"], "no/folder/x.gguf: cannot be written: No such file"),
        (["--shape", "tiny", "-o", "page.gguf"], "page.gguf: exists already"),
    ] {
        let (code, message) = failure(dir.path(), &args);
        assert_eq!(code, Some(2), "{message}");
        assert!(message.starts_with("sweetspot: ") && message.contains(expected), "{message}");
    }
    let (code, message) = failure(dir.path(), &["--shape", "tiny", "--quant", "Q4KM", "-o", "x.gguf"]);
    assert_eq!((code, message.as_str()), (Some(2), "sweetspot: unknown quantization 'Q4KM': did you mean Q4_K_M?"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was written");
}

#[test]
fn the_list_has_every_shape_and_nothing_of_llama_cpps_log() {
    let output = synth(Path::new("."), &["--list"]);
    assert_eq!(output.status.code(), Some(0));
    let list = text(&output.stdout);
    for shape in catalog::shapes() {
        assert!(list.lines().any(|line| line.starts_with(&format!("{} ", shape.name))), "{}", shape.name);
    }
    assert_eq!(text(&output.stderr), "");
}

#[cfg(unix)]
#[test]
fn a_device_or_a_pipe_is_never_replaced_by_a_file() {
    use std::os::unix::fs::FileTypeExt;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.gguf");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sweetspot"))
        .args(["synth", "--shape", "tiny", "--quant", "Q4_0", "--force", "-o"])
        .arg(&pipe)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it is no regular file"));
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
}
