//! Small models with synthetic weights, and the program, for the tests that run the real engine.
#![allow(dead_code)] // each test file uses a part

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sweetspot::engine::quantize::Quant;
use sweetspot::engine::synth::{self, Spec};
use sweetspot::plan::catalog;

/// Writes a synthetic model of a shape into a folder.
pub fn synthetic(folder: &Path, shape: &str, quant: Quant) -> PathBuf {
    let path = folder.join(format!("{shape}-{}.gguf", quant.name()));
    let plan = synth::plan(&Spec::of_shape(catalog::shape(shape).unwrap(), quant)).unwrap();
    synth::write(&plan, &path, true, &mut |_| {}).unwrap();
    path
}

/// The first half of a file.
pub fn cut_in_half(path: &Path, to: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(to, &bytes[..bytes.len() / 2]).unwrap();
}

/// The program, in an empty folder of its own, with a configuration that measures in a blink.
pub struct Program {
    /// Where it runs.
    pub folder: tempfile::TempDir,
}

impl Program {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = Self { folder };
        program.write("quick.toml", QUICK);
        program
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sweetspot"));
        command.current_dir(self.folder.path()).env("SWEETSPOT_CACHE", self.path("cache"));
        // whatever the person at this machine has set up is not to matter, nor to be touched
        for name in
            ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH"]
        {
            command.env_remove(name);
        }
        command.env("LLAMA_CACHE", self.path("llama.cpp")).env("XDG_CONFIG_HOME", self.path("config"));
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        command.env("SWEETSPOT_DATA", self.path("data")).env("HF_HOME", self.path("huggingface"));
        command
    }

    /// Runs it with these arguments.
    pub fn sweetspot(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command().args(args).output().unwrap())
    }

    /// `run --config quick.toml --out out` with more arguments.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.sweetspot(&[&["run", "--config", "quick.toml", "--out", "out"], args].concat())
    }

    /// The lines of `out/outcomes.jsonl`.
    pub fn outcomes(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.path("out/outcomes.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `out/report.json`.
    pub fn report(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path("out/report.json")).unwrap()).unwrap()
    }
}

/// Few tokens, one repetition: the tests look at what happens, not at how fast it is.
const QUICK: &str = "\
[interactive]
tokens = 12
max_repetitions = 1
max_first_tokens = 1
n_ctx = 1024
[long_context]
loads = [256]
target_tokens = 256
gen_tokens = 4
[worker]
stop_grace_seconds = 1
";

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// The one error line that the program ends with; fails when the code is another or the message is not one line.
    pub fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let errors: Vec<_> = self.stderr.lines().filter(|l| l.starts_with("sweetspot: ")).collect();
        assert_eq!(errors.len(), 1, "not one error line: {self:#?}");
        errors[0]
    }
}
