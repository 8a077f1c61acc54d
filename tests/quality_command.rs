//! `sweetspot quality` with llama.cpp itself, through a real worker, on small models with synthetic weights.

mod common;

use common::{Program, cut_in_half, synthetic};
use sweetspot::engine::quantize::Quant;

/// A folder with tiny models and a text of some thousand tokens.
fn program() -> Program {
    let program = Program::new();
    for (quant, name) in [(Quant::Q8_0, "tiny-Q8_0.gguf"), (Quant::Q2K, "tiny-Q2_K.gguf")] {
        let path = synthetic(program.folder.path(), "tiny", quant);
        if path != program.path(name) {
            std::fs::rename(path, program.path(name)).unwrap();
        }
    }
    program
}

fn json(stdout: &str) -> serde_json::Value {
    serde_json::from_str(stdout).unwrap()
}

#[test]
fn a_model_diverges_from_itself_by_exactly_nothing_and_from_another_by_something() {
    let program = program();
    let same = ["quality", "tiny-Q8_0.gguf", "--reference", "tiny-Q8_0.gguf", "-c", "128", "-o", "json"];
    let ran = program.sweetspot(&same);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let result = json(&ran.stdout);
    let divergence = &result["divergence"];
    assert_eq!((&result["quantization"], &result["status"]), (&"Q8_0".into(), &"measured".into()));
    for (name, value) in [("kld_mean", 0.0), ("kld_mean_error", 0.0), ("kld_max", 0.0), ("same_top_percent", 100.0)] {
        assert_eq!(divergence[name].as_f64(), Some(value), "{name}");
    }
    assert_eq!(divergence["perplexity"], divergence["perplexity_reference"]);
    assert_eq!((divergence["ended_by"].as_str(), divergence["chunks"].as_f64()), (Some("precision"), Some(8.0)));
    assert_eq!(divergence["tokens"].as_f64(), Some(8.0 * 63.0), "all but the last token of each chunk's second half");

    // a second file of the same weights is loaded beside the first: two models in one worker
    std::fs::copy(program.path("tiny-Q8_0.gguf"), program.path("copy.gguf")).unwrap();
    let copy = ["quality", "copy.gguf", "--reference", "tiny-Q8_0.gguf", "-c", "128", "-o", "json"];
    assert_eq!(json(&program.sweetspot(&copy).stdout)["divergence"]["kld_max"].as_f64(), Some(0.0));

    let other = ["quality", "tiny-Q2_K.gguf", "--reference", "tiny-Q8_0.gguf", "-c", "128", "-o", "json"];
    let divergence = &json(&program.sweetspot(&other).stdout)["divergence"];
    assert!(divergence["kld_mean"].as_f64().unwrap() > 0.01, "{divergence:#}");
    assert!(divergence["same_top_percent"].as_f64().unwrap() < 50.0, "{divergence:#}");
}

#[test]
fn a_coarser_cache_diverges_more_and_threads_change_no_digit() {
    let program = program();
    let kld = |types: &str, threads: &str| {
        let line =
            format!("quality tiny-Q8_0.gguf -c 128 -ctk {types} -ctv {types} -t {threads} -o json --precision 0%");
        let ran = program.sweetspot(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let divergence = json(&ran.stdout)["divergence"].clone();
        assert_eq!(divergence["ended_by"], "text");
        divergence["kld_mean"].as_f64().unwrap()
    };
    let (q8_0, q4_0) = (kld("q8_0", "1"), kld("q4_0", "2"));
    assert!(0.0 < q8_0 && q8_0 < q4_0, "{q8_0} {q4_0}");
    assert_eq!(kld("q4_0", "1").to_bits(), q4_0.to_bits());
}

#[test]
fn several_models_are_measured_one_after_the_other_and_a_damaged_one_keeps_none_from_its_numbers() {
    let program = program();
    cut_in_half(&program.path("tiny-Q8_0.gguf"), &program.path("cut.gguf"));
    let ran =
        program.sweetspot(&["quality", ".", "--reference", "tiny-Q8_0.gguf", "-c", "64", "-o", "json", "--log", "l"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let results = json(&ran.stdout)["results"].as_array().unwrap().clone();
    let statuses: Vec<_> = results.iter().map(|r| r["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["failed", "measured", "measured"]);
    assert!(results[0]["reason"].as_str().unwrap().contains("it is cut"), "{}", results[0]);
    assert!(ran.stderr.contains("cut ?") || ran.stderr.contains("it is cut"), "{}", ran.stderr);
}

#[test]
fn the_text_output_names_the_numbers_their_errors_and_what_ended_the_measurement() {
    let program = program();
    let ran = program.sweetspot(&["quality", "tiny-Q2_K.gguf", "--reference", "tiny-Q8_0.gguf", "-c", "128"]);
    for words in
        ["tiny Q2_K against ", "mean KLD", " ± ", "same top token %", "perplexity of reference", "chunks of 128; "]
    {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
}

#[test]
fn references_and_texts_that_cannot_be_used_are_one_clear_line_before_anything_is_loaded() {
    let program = program();
    cut_in_half(&program.path("tiny-Q8_0.gguf"), &program.path("cut.gguf"));
    std::fs::write(program.path("latin.txt"), b"caf\xe9").unwrap();
    let refused = |line: &str| {
        let ran = program.sweetspot(&line.split(' ').collect::<Vec<_>>());
        ran.error(2).trim_start_matches("sweetspot: ").to_owned()
    };
    assert_eq!(
        refused("quality tiny-Q8_0.gguf --reference gone.gguf"),
        "gone.gguf: no such file or folder; name a .gguf file or a folder of them"
    );
    assert!(refused("quality tiny-Q8_0.gguf --reference .").contains("a folder of several models; name one file"));
    let cut = refused("quality tiny-Q8_0.gguf --reference cut.gguf");
    assert!(cut.starts_with("--reference: cut.gguf: the file ends at byte ") && cut.contains("it is cut"), "{cut}");
    let text = refused("quality tiny-Q8_0.gguf --reference tiny-Q2_K.gguf --text gone.txt");
    assert!(text.starts_with("--text gone.txt: No such file"), "{text}");
    assert_eq!(
        refused("quality tiny-Q8_0.gguf --reference tiny-Q2_K.gguf --text latin.txt"),
        "--text latin.txt: not UTF-8 from byte 3 on; give a plain text"
    );
    for precision in ["x", "-1%", "101"] {
        let ran = program.sweetspot(&["quality", "tiny-Q8_0.gguf", &format!("--precision={precision}")]);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
    }
}

#[test]
fn what_only_the_models_can_tell_is_one_clear_line_too() {
    let program = program();
    program.write("short.txt", "Only a few words.");
    let other = synthetic(program.folder.path(), "small-40m", Quant::Q4_0);
    let failed = |line: &[&str]| {
        let ran = program.sweetspot(&[&["quality", "tiny-Q8_0.gguf", "--log", "engine.log"], line].concat());
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        ran.stderr.lines().find(|line| line.contains(" failed after ")).unwrap_or_default().to_owned()
    };
    let reference = ["--reference", "tiny-Q2_K.gguf"];
    let says = failed(&[&reference[..], &["--text", "short.txt"]].concat());
    assert!(
        says.contains("the text 'short.txt' has ") && says.contains(" tokens for this model, a chunk takes 512"),
        "{says}"
    );
    let says = failed(&["--reference", other.to_str().unwrap()]);
    assert!(says.contains("the vocabularies differ: "), "{says}");
    let says = failed(&[&reference[..], &["--max-memory-gb", "0.004"]].concat());
    assert!(
        says.contains("candidate and reference together need ") && says.contains("4.0 MB are allowed: take a"),
        "{says}"
    );
    assert!(says.contains("weights of tiny-Q8_0.gguf ") && says.contains("weights of tiny-Q2_K.gguf "), "{says}");
}
