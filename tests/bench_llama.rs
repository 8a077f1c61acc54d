//! `sweetspot bench` on llama.cpp itself, with a tiny synthetic model: what comes out is what was asked for.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Models(tempfile::TempDir);

impl Models {
    /// A folder with a tiny model in it.
    fn new() -> Self {
        let models = Self(tempfile::tempdir().unwrap());
        let path = models.path("tiny.gguf");
        let arguments = ["synth", "--shape", "tiny", "--quant", "Q4_0", "-o"].map(str::to_owned);
        let made = Command::new(env!("CARGO_BIN_EXE_sweetspot")).args(arguments).arg(path).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        models
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn bench(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sweetspot"));
        command.current_dir(&self.0).arg("bench").args(arguments.split_whitespace()).output().unwrap()
    }

    fn stdout(&self, arguments: &str) -> String {
        let output = self.bench(arguments);
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn every_test_has_its_samples_and_the_parts_of_a_combined_one_add_up() {
    let printed = Models::new().stdout("-m tiny.gguf -p 40 -n 4 -pg 40,4 -d 0,24 -b 16 -ub 8 -r 3 -o json");
    let entries: Vec<serde_json::Value> = serde_json::from_str(&printed).unwrap();
    let number = |entry: &serde_json::Value, name: &str| entry[name].as_u64().unwrap();
    let sizes: Vec<_> = entries.iter().map(|e| ["n_prompt", "n_gen", "n_depth"].map(|name| number(e, name))).collect();
    assert_eq!(sizes, [[40, 0, 0], [0, 4, 0], [40, 4, 0], [40, 0, 24], [0, 4, 24], [40, 4, 24]]);
    let nanos =
        |entry: &serde_json::Value, name: &str| -> Vec<u64> { serde_json::from_value(entry[name].clone()).unwrap() };
    for entry in &entries {
        let whole = nanos(entry, "samples_ns");
        assert_eq!(whole.len(), 3);
        assert!(whole.iter().all(|ns| *ns > 0));
        assert_eq!(entry["model_type"], "llama ?B Q4_0");
        assert_eq!(entry["backends"], "CPU");
        assert!(!entry["cpu_info"].as_str().unwrap().is_empty());
    }
    let (prompt, generation) = (nanos(&entries[2], "samples_prompt_ns"), nanos(&entries[2], "samples_gen_ns"));
    let sum: Vec<u64> = prompt.iter().zip(&generation).map(|(p, g)| p + g).collect();
    assert_eq!(nanos(&entries[2], "samples_ns"), sum);
}

#[test]
fn cache_types_and_flash_attention_reach_the_engine() {
    let models = Models::new();
    let printed = models.stdout("-m tiny.gguf -p 8 -n 0 -ctk f16,q8_0 -ctv f16,q4_0 -fa on -r 1 -o csv");
    assert_eq!(printed.lines().count(), 5);
    // llama.cpp itself refuses this one: the flags are not only printed.
    let refused = models.bench("-m tiny.gguf -p 8 -n 0 -ctv q8_0 -fa off -r 1");
    assert_eq!(refused.status.code(), Some(1));
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(stderr.contains("tiny.gguf: pp8: no context of 8 tokens: ") && stderr.contains("flash_attn"), "{stderr}");
    let log = stderr.lines().last().unwrap().strip_prefix("sweetspot: llama.cpp's log: ").unwrap();
    std::fs::remove_dir_all(Path::new(log).parent().unwrap()).unwrap();
}

#[test]
fn a_damaged_model_in_a_folder_does_not_keep_the_others_from_their_rows() {
    let models = Models::new();
    let whole = std::fs::read(models.path("tiny.gguf")).unwrap();
    std::fs::write(models.path("damaged.gguf"), &whole[..whole.len() / 2]).unwrap();
    let output = models.bench("-m . -p 8 -n 2 -r 1 -o jsonl --log engine.log");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{stderr}");
    assert!(lines[0].starts_with("sweetspot: ./damaged.gguf: ") && lines[2].ends_with("engine.log"), "{stderr}");
    assert!(lines[1].starts_with("sweetspot: warning: ./tiny.gguf: its weights are synthetic"), "{stderr}");
}

#[test]
fn the_same_results_come_on_stderr_in_the_other_format() {
    let output = Models::new().bench("-m tiny.gguf -p 8 -n 2 -r 2 -o csv -oe jsonl");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let results = stderr.lines().filter(|line| !line.starts_with("sweetspot: warning: "));
    let samples: Vec<serde_json::Value> = results.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(samples.len(), 2);
    for (row, sample) in stdout.lines().skip(1).zip(&samples) {
        assert!(row.contains(&format!("\"{}\"", sample["avg_ns"])), "{row}: {sample}");
    }
}
