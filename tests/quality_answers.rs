//! `sweetspot quality` with prompts, and the quality profile in `sweetspot run`, through the program, the worker and llama.cpp,
//! on small synthetic models: what comes out means nothing, but it is asked, kept, scored and the same every time.

mod common;

use common::{Program, synthetic};
use sweetspot::engine::quantize::Quant;

const OWN: &str = "\
name = 'own'
max_tokens = 6
[[prompt]]
id = 'sum'
category = 'math'
user = 'What is 6 times 7?'
score = { kind = 'number', answer = 42 }
[[prompt]]
id = 'short'
category = 'format'
user = 'Answer with a few words.'
score = { kind = 'words', min = 1 }
[[prompt]]
id = 'talk'
category = 'conversation'
[[prompt.turn]]
user = 'Good morning.'
[[prompt.turn]]
user = 'And now?'
score = { kind = 'words', max = 50 }
";

/// A program with two quantizations of a model and a prompt file; their paths.
fn program() -> (Program, String, String, String) {
    let program = Program::new();
    let path = |quant| synthetic(program.folder.path(), "tiny", quant).to_str().unwrap().to_owned();
    let (small, large) = (path(Quant::Q4_0), path(Quant::Q8_0));
    let prompts = program.write("own.toml", OWN).to_str().unwrap().to_owned();
    (program, small, large, prompts)
}

#[test]
fn several_models_are_asked_and_compared_and_a_second_run_prints_the_same() {
    let (program, small, large, prompts) = program();
    let ask = |format: &str| program.sweetspot(&["quality", "--prompts", &prompts, &small, &large, "-o", format]);
    let first = ask("md");
    assert_eq!(first.code, Some(0), "{first:#?}");
    for part in
        ["| Model | math | format | conversation | all |", "| tiny Q4_0 |", "| tiny Q8_0 |", "Change against Q8_0"]
    {
        assert!(first.stdout.contains(part), "{part}: {}", first.stdout);
    }
    assert_eq!(ask("md").stdout, first.stdout);
    let text = ask("text");
    assert!(text.stdout.contains("tiny Q4_0: set 'own'") && text.stdout.contains("95 % interval"), "{}", text.stdout);
    let json: serde_json::Value = serde_json::from_str(&ask("json").stdout).unwrap();
    let quality = &json["results"][0]["quality"];
    assert_eq!((quality["all"]["scored"].as_u64(), &quality["set"]), (Some(3), &"own".into()));
    assert_eq!(quality["change"]["reference"], "Q8_0");
    assert_eq!(json["results"][1]["quality"]["change"], serde_json::Value::Null);
    assert_eq!(quality["repeated"].as_u64(), Some(3 * 2 * 5), "three prompts, five times cold and five times warm");
}

#[test]
fn a_prompt_with_a_fault_is_told_and_left_out_and_a_file_without_a_good_one_is_refused() {
    let (program, small, _, prompts) = program();
    program.write(
        "own.toml",
        &format!("{OWN}\n[[prompt]]\nid = 'odd'\ncategory = 'math'\nuser = 'x'\nscore = {{ kind = 'nubmer' }}\n"),
    );
    let ran = program.sweetspot(&["quality", "--prompts", &prompts, &small, "-o", "json"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let told = ran.stderr.lines().find(|line| line.contains("own.toml:")).unwrap_or_default();
    assert!(told.contains("prompt 'odd'") && told.contains("nubmer"), "{ran:#?}");
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["quality"]["all"]["scored"].as_u64(), Some(3));
    let empty = program.write("empty.toml", "name = 'empty'\n");
    let refused = program.sweetspot(&["quality", "--prompts", empty.to_str().unwrap(), &small]);
    assert!(refused.error(2).contains("empty.toml"), "{refused:#?}");
}

#[test]
fn a_run_measures_quality_where_it_is_named_and_the_report_can_be_built_again() {
    let (program, small, large, prompts) = program();
    let ran = program.run(&["--profiles", "interactive,quality", "--quick", "--prompts", &prompts, &small, &large]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.contains("Right % (95 %)") && ran.stdout.contains("KLD"), "{}", ran.stdout);
    let report = program.report();
    let quality = &report["results"][0]["profiles"]["quality"];
    assert!(quality["metrics"]["kld_mean"].as_f64().is_some_and(|kld| kld > 0.0), "{quality:#}");
    assert_eq!(quality["quality"]["change"]["reference"], "Q8_0");
    let best = &report["results"][1]["profiles"]["quality"];
    assert_eq!(best["metrics"].get("kld_mean"), None, "the reference diverges from nothing");
    let answers = program.path("out/answers.md");
    let before = std::fs::read_to_string(&answers).unwrap();
    assert!(before.contains("### sum (math)") && before.contains("### talk (conversation)"), "{before}");
    std::fs::remove_file(&answers).unwrap();
    assert_eq!(program.sweetspot(&["report", "out"]).code, Some(0));
    assert_eq!(std::fs::read_to_string(&answers).unwrap(), before);
    assert_eq!(program.report(), report);
}

#[test]
fn synthetic_weights_are_asked_nothing_where_nobody_named_the_profile() {
    let (program, small, ..) = program();
    let ran = program.run(&[&small]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(program.report()["results"][0]["profiles"].get("quality"), None);
}

#[test]
fn the_configuration_sets_thresholds_and_limits() {
    let (program, small, _, prompts) = program();
    let config =
        program.write("own-config.toml", "[quality]\nconsistency_prompts = 0\nthresholds = { conversation = 10 }\n");
    let config = config.to_str().unwrap();
    let ran = program.sweetspot(&["quality", "--config", config, "--prompts", &prompts, &small, "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:#?}"));
    let categories = json["quality"]["categories"].as_array().unwrap();
    let talk = categories.iter().find(|category| category["category"] == "conversation").unwrap();
    assert_eq!(talk["threshold_percent"], 10.0);
    assert_eq!(json["quality"]["repeated"].as_u64(), Some(0));
}
