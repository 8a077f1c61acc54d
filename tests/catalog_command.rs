//! `sweetspot models list` and `models show` as a person runs them, without a network.

mod common;

use common::{Program, Ran, synthetic};
use sweetspot::engine::quantize::Quant;

/// Runs `sweetspot models` with caches of the test's own.
fn models(program: &Program, args: &[&str]) -> Ran {
    let mut command = program.command();
    command.env("HF_HOME", program.path("hub")).env_remove("HF_HUB_CACHE").env("HOME", program.path("home"));
    Ran::of(&command.env("XDG_CACHE_HOME", program.path("cache")).arg("models").args(args).output().unwrap())
}

#[test]
fn the_list_fits_a_terminal_and_has_every_family() {
    let program = Program::new();
    let list = models(&program, &["list"]);
    assert_eq!(list.code, Some(0), "{list:#?}");
    for line in list.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let row = list.stdout.lines().find(|line| line.starts_with("  qwen2.5-0.5b-instruct ")).unwrap();
    let words: Vec<_> = row.split_whitespace().collect();
    assert_eq!(words, ["qwen2.5-0.5b-instruct", "494", "M", "all", "≈0.33-0.99", "9"]);
    let one = models(&program, &["list", "--family", "SmolLM2"]);
    assert_eq!(one.stdout.lines().filter(|line| line.starts_with("  ")).count(), 3, "{one:#?}");
    let none = models(&program, &["list", "--family", "smolm2"]);
    assert_eq!(none.error(2), "sweetspot: --family smolm2: no such family; did you mean smollm2?");
}

#[test]
fn the_list_as_json_has_every_quantization_with_its_file_and_size() {
    let program = Program::new();
    let list = models(&program, &["list", "-o", "json", "--family", "gpt-oss"]);
    let json: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(json["schema_version"], 1);
    let model = &json["models"][0];
    assert_eq!(model["name"], "gpt-oss-20b");
    let quant = &model["quants"][0];
    assert_eq!((&quant["quant"], &quant["file"]), (&"MXFP4_MOE".into(), &"gpt-oss-20b-mxfp4.gguf".into()));
    // the published file has 12.1 GB
    let bytes = quant["size_bytes"].as_u64().unwrap();
    assert!((11_900_000_000..12_300_000_000).contains(&bytes), "{bytes}");
    assert_eq!(quant["estimated"], true);
}

#[test]
fn a_model_of_the_catalogue_is_shown_with_its_files_and_the_commands_to_use_it() {
    let program = Program::new();
    let shown = models(&program, &["show", "Llama-3.2-1B-Instruct:Q4_K_M"]);
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    for part in [
        "repository    unsloth/Llama-3.2-1B-Instruct-GGUF",
        "licence       llama3.2",
        "shape         llama-3.2-1b: llama, 16 layers of width 2048",
        "attention     32 heads, 8 of keys and values, of 64",
        "trained for 131072 tokens; KV cache 32.8 kB a token (f16)",
        "Llama-3.2-1B-Instruct-Q4_K_M.gguf",
        "sweetspot models fetch llama-3.2-1b-instruct:Q4_K_M",
        "sweetspot run --weights synthetic llama-3.2-1b:Q4_K_M",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let unknown = models(&program, &["show", "lama-3.2-1b-instruct"]);
    assert!(unknown.error(2).contains("did you mean llama-3.2-1b-instruct"), "{unknown:#?}");
}

#[test]
fn a_catalogue_of_ones_own_is_shown_and_a_model_without_a_shape_says_so() {
    let program = Program::new();
    program.write(
        "own.toml",
        "[[model]]\nname = 'mine'\nfamily = 'mine'\nsize_class = '1B'\nn_params = 1000000000\nrepository = 'me/mine'\n\
         file = 'mine-{QUANT}.gguf'\nquants = ['Q4_0']\nlicence = 'mit'\ngated = true\n",
    );
    let shown = models(&program, &["show", "mine", "--models", "own.toml"]);
    for part in
        ["shape         unknown: synthetic weights cannot be made", "accept the repository's terms", "mine-Q4_0.gguf"]
    {
        assert!(shown.stdout.contains(part), "{part}: {shown:#?}");
    }
    assert!(!shown.stdout.contains("synthetic mine"), "no command that cannot work: {}", shown.stdout);
    program.write("bad.toml", "[[model]]\nnme = 'mine'\n");
    let wrong = models(&program, &["list", "--models", "bad.toml"]);
    assert!(
        wrong.error(2).ends_with("bad.toml: line 2, column 1: unknown key 'nme'; did you mean 'name'?"),
        "{wrong:#?}"
    );
}

#[test]
fn a_file_that_no_catalogue_knows_is_shown_as_it_says_itself() {
    let program = Program::new();
    let path = synthetic(program.folder.path(), "tiny-lfm2", Quant::Q4KM);
    let shown = models(&program, &["show", path.to_str().unwrap()]);
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    for part in [
        "name          Tiny lfm2 (synthetic)",
        "architecture  lfm2",
        "quantization  Q4_K_M",
        "layers        4 of width 256",
        "attention     4 heads, 2 of keys and values, of 64",
        "vocabulary    512 tokens",
        // two layers of four attend: 2 layers · 2 heads · 64 · 2 (keys and values) · 2 bytes
        "trained for 4096 tokens; KV cache 1.0 kB a token (f16, by formula)",
        "chat template yes",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let json = models(&program, &["show", path.to_str().unwrap(), "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["kv_bytes_per_token"], &json["synthetic"]), (&1024.into(), &true.into()));
    program.write("text.gguf", "no model at all");
    assert!(models(&program, &["show", "text.gguf"]).error(2).contains("not a GGUF file"));
}

#[test]
fn a_name_of_the_catalogue_can_be_fetched_and_a_wrong_one_is_answered() {
    let program = Program::new();
    let unknown = models(&program, &["fetch", "--offline", "qwen2.5-0.5b-instrct"]);
    assert!(unknown.error(2).contains("did you mean qwen2.5-0.5b-instruct"), "{unknown:#?}");
    let quant = models(&program, &["fetch", "--offline", "qwen2.5-0.5b-instruct:Q9_X"]);
    assert!(quant.error(2).contains("qwen2.5-0.5b-instruct: there is no Q9_X; there are: Q2_K, "), "{quant:#?}");
    let absent = models(&program, &["fetch", "--offline", "qwen2.5-0.5b-instruct:Q4_K_M"]);
    assert_ne!(absent.code, Some(0), "nobody fetched it: {absent:#?}");
}
