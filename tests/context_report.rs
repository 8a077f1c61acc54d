//! The reports of context sweeps made by hand, each as a whole and by its contract. `INSTA_UPDATE=always` writes the snapshots
//! again.

mod context_fixture;

use context_fixture::{
    F16, Q4_0, Q8_0, facts, fails, fits, growth, max_by_hand, on_a_gpu, planned, sweep, three_types,
};
use sweetspot::probe::context_limit::found::{FailureKind, LimitedBy, Sweep};
use sweetspot::probe::context_limit::task::Proof;
use sweetspot::probe::kv_growth::EndedBy;
use sweetspot::report::context::emit::{self, Emit};
use sweetspot::report::context::{ContextReport, Facts, csv, html, terminal, write_all};
use sweetspot::report::terminal::Look;

fn shown(facts: &Facts, width: u16) -> String {
    terminal::render(&ContextReport::of(facts), Look { width, colour: false })
}

fn text(bytes: anyhow::Result<Vec<u8>>) -> String {
    String::from_utf8(bytes.unwrap()).unwrap()
}

/// 5.1 GB already for the smallest context.
fn nothing_fits() -> Facts {
    let mut sweep = sweep("f16", F16);
    sweep.probes.clear();
    let prediction = sweep.prediction.as_mut().unwrap();
    (prediction.max_context, prediction.at_max) = (0, planned(256, 16_000_000));
    (prediction.curve, prediction.above) = (vec![], None);
    prediction.other_budgets = vec![(8_000_000_000, 0)];
    facts(vec![sweep])
}

/// A recurrent model: no cache that grows; the search ends before the memory.
fn recurrent() -> Facts {
    let mut sweep = sweep("f16", 0);
    let prediction = sweep.prediction.as_mut().unwrap();
    (prediction.max_context, prediction.limited_by) = (1 << 20, LimitedBy::Ceiling);
    (prediction.at_max, prediction.above) = (planned(1 << 20, 0), None);
    (prediction.curve, prediction.other_budgets) = (vec![planned(256, 0)], vec![]);
    prediction.kv_bytes_per_token_formula = None;
    sweep.probes = vec![fits(1 << 20, false)];
    let mut facts = facts(vec![sweep]);
    facts.model.as_mut().unwrap().architecture = "mamba2".to_owned();
    facts
}

/// A type that cannot be, one that was being searched, and one that was not reached.
fn interrupted() -> Facts {
    let mut impossible = Sweep::new("q4_0".parse().unwrap());
    impossible.impossible = Some("values in fewer bits need flash attention, which is off".to_owned());
    let mut searched = sweep("f16", F16);
    searched.probes = vec![fits(4096, false)];
    searched.unfinished = Some("interrupted".to_owned());
    let mut not_reached = Sweep::new("q8_0".parse().unwrap());
    not_reached.unfinished = Some("interrupted".to_owned());
    let mut facts = facts(vec![impossible, searched, not_reached]);
    facts.interrupted = true;
    facts
}

/// Less than predicted: the kernel killed the worker, twice.
fn less_than_predicted() -> Facts {
    let mut sweep = sweep("f16", F16);
    let max = sweep.prediction.as_ref().unwrap().max_context;
    let killed = "the worker was killed by signal 9 (out of memory)";
    sweep.probes = vec![
        fails(max, FailureKind::WorkerDied, killed),
        fits(max - 1024, false),
        fails(max - 768, FailureKind::WorkerDied, killed),
    ];
    facts(vec![sweep])
}

fn unproved() -> Facts {
    let mut sweep = sweep("f16", F16);
    sweep.probes.clear();
    let mut facts = facts(vec![sweep]);
    facts.task.proof = Proof::None;
    facts
}

fn trained_for_little() -> Facts {
    let mut facts = facts(vec![sweep("f16", F16)]);
    facts.model.as_mut().unwrap().n_ctx_train = 4096;
    facts
}

fn all() -> Vec<(&'static str, Facts)> {
    vec![
        ("three_types", three_types()),
        ("nothing_fits", nothing_fits()),
        ("recurrent", recurrent()),
        ("interrupted", interrupted()),
        ("less_than_predicted", less_than_predicted()),
        ("unproved", unproved()),
        ("trained_for_little", trained_for_little()),
        ("on_a_gpu", on_a_gpu()),
    ]
}

#[test]
fn each_case_reads_as_intended_on_a_terminal_of_80_columns() {
    for (name, facts) in all() {
        insta::assert_snapshot!(format!("context_terminal_80_{name}"), shown(&facts, 80));
    }
}

#[test]
fn three_types_read_as_intended_on_a_terminal_of_120_columns() {
    insta::assert_snapshot!("context_terminal_120", shown(&three_types(), 120));
}

#[test]
fn no_line_but_the_command_is_wider_than_the_terminal_and_types_that_do_not_fit_get_tables_of_their_own() {
    let names = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1", "q8_0/q4_0"];
    let many = facts(names.map(|name| sweep(name, F16)).into());
    for facts in all().into_iter().map(|(_, facts)| facts).chain([many]) {
        for width in [60, 80, 100, 120] {
            let shown = shown(&facts, width);
            let wide = shown.lines().find(|l| !l.contains("llama-server") && l.chars().count() > usize::from(width));
            assert_eq!(wide, None, "at {width}");
        }
    }
}

#[test]
fn the_json_report_is_as_it_was() {
    insta::assert_snapshot!("context_json", text(ContextReport::of(&three_types()).to_json()));
}

#[test]
fn every_report_survives_json() {
    for (name, facts) in all() {
        let report = ContextReport::of(&facts);
        let read: ContextReport = serde_json::from_slice(&report.to_json().unwrap()).unwrap();
        assert_eq!(read, report, "{name}");
    }
}

#[test]
fn the_json_report_keeps_the_names_of_its_contract() {
    let report: serde_json::Value =
        serde_json::from_slice(&ContextReport::of(&three_types()).to_json().unwrap()).unwrap();
    let names = "schema_version metadata model quantization architecture budget_bytes granularity sweeps";
    let of_sweep = "kv_type weights_bytes repacked_bytes kv_bytes_per_token kv_bytes_per_token_formula compute_bytes \
                    predicted_max_context proved_max_context proof failed_at failure n_ctx_train safe_context trim_threshold \
                    trim_interval growth";
    for name in names.split(' ') {
        assert!(report.get(name).is_some(), "no {name}");
    }
    for (sweep, name) in
        report["sweeps"].as_array().unwrap().iter().flat_map(|s| of_sweep.split(' ').map(move |n| (s, n)))
    {
        assert!(sweep.get(name).is_some(), "no {name}");
    }
}

#[test]
fn the_numbers_are_those_worked_out_by_hand() {
    let report = ContextReport::of(&three_types());
    for (sweep, per_token) in report.sweeps.iter().zip([F16, Q8_0, Q4_0]) {
        let max = max_by_hand(per_token);
        assert_eq!(sweep.predicted_max_context, Some(max));
        assert_eq!((sweep.proved_max_context, sweep.prediction_error_tokens), (Some(max), Some(0)));
        assert_eq!((sweep.failed_at, sweep.failure), (Some(max + 256), Some(FailureKind::Refused)));
        let memory = 100_000_000 + 2 * 600_000_000 + 120_000_000 + 60_000_000 + u64::from(max) * (per_token + 33);
        assert_eq!(sweep.memory_bytes, Some(memory));
        assert!(memory <= context_fixture::BUDGET && memory + 256 * (per_token + 33) > context_fixture::BUDGET);
        assert_eq!(sweep.safe_context, Some(max * 4 / 5 / 256 * 256));
    }
    assert_eq!(report.sweeps[0].proof, Proof::Fill);
    assert_eq!(report.sweeps[1].proof, Proof::Alloc);
    let f16 = &report.sweeps[0];
    let measured = f16.kv_bytes_per_token_measured.unwrap();
    assert!((measured / 32_768.0 - 1.0).abs() < 1e-9, "{measured}");
    // 2 ms · n + 40 ns · n² ÷ 2 = 5 s at n = 2441; each point is at most 0.5 % off
    assert!((f64::from(f16.usable_context[0].tokens) / 2441.0 - 1.0).abs() < 0.01, "{:?}", f16.usable_context);
    assert_eq!(f16.usable_context.iter().map(|u| u.is_forecast).collect::<Vec<_>>(), [false, false, false, true]);
}

#[test]
fn a_prompt_whose_time_lies_beyond_the_largest_context_is_the_whole_context() {
    let mut facts = three_types();
    let sweep = &mut facts.task.sweeps[0];
    sweep.probes = vec![fits(4096, false), fails(4352, FailureKind::Refused, "no memory")];
    let report = ContextReport::of(&facts);
    let usable = &report.sweeps[0].usable_context;
    assert_eq!(usable.iter().map(|u| u.limited_by_memory).collect::<Vec<_>>(), [false, true, true, true]);
    assert_eq!(usable[3].tokens, 4096);
}

#[test]
fn where_every_context_failed_although_one_was_predicted_the_proved_maximum_is_none() {
    let mut facts = unproved();
    facts.task.sweeps[0].probes = vec![fails(256, FailureKind::Swapped, "memory was swapped out")];
    let report = ContextReport::of(&facts);
    assert_eq!((report.sweeps[0].proved_max_context, report.sweeps[0].max_context), (Some(0), None));
    let shown = shown(&facts, 400);
    assert!(shown.contains("none could be had: memory was swapped out"), "{shown}");
    assert!(!shown.contains("llama-server"), "{shown}");
}

#[test]
fn the_csv_files_are_as_they_were() {
    let report = ContextReport::of(&three_types());
    insta::assert_snapshot!("context_csv", text(csv::context(&report)));
    insta::assert_snapshot!("context_growth_csv", text(csv::growth(&report)));
}

#[test]
fn the_files_are_written_and_growth_only_where_there_is_some() {
    for (facts, files) in [
        (three_types(), vec!["context.csv", "context.html", "context.json", "growth.csv"]),
        (unproved(), vec!["context.csv", "context.html", "context.json"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let written = write_all(&ContextReport::of(&facts), folder.path());
        assert!(written.errors.is_empty(), "{:?}", written.errors);
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, files);
        assert_eq!(written.paths.len(), files.len());
    }
}

#[test]
fn a_models_name_becomes_no_markup_on_the_page_and_no_control_character_on_the_terminal() {
    let mut facts = three_types();
    facts.model.as_mut().unwrap().name = "a</script><script>alert(1)</script>\u{1b}[2J".to_owned();
    facts.task.model.path = "/models/</script><b>.gguf".into();
    let page = html::render(&ContextReport::of(&facts));
    assert!(!page.contains("alert(1)</script>") && !page.contains("<b>.gguf") && !page.contains('\u{1b}'));
    assert!(page.contains("a&lt;/script&gt;&lt;script&gt;alert(1)"));
    assert!(!shown(&facts, 120).contains('\u{1b}'));
}

#[test]
fn the_page_has_the_plots_of_its_data() {
    let titles = |facts: &Facts| {
        let page = html::render(&ContextReport::of(facts));
        let titles: Vec<String> =
            page.split("<figcaption><b>").skip(1).map(|rest| rest.split("</b>").next().unwrap().to_owned()).collect();
        titles
    };
    let growth =
        ["KV cache in use", "Time until the first answer", "Reading speed at a depth", "Generation speed at a depth"];
    let memory = ["f16", "q8_0", "q4_0"].map(|kv| format!("KV cache {kv}: main memory"));
    assert_eq!(titles(&three_types()), [memory.as_slice(), &growth.map(str::to_owned)].concat());
    assert_eq!(titles(&on_a_gpu()), ["KV cache f16: main memory", "KV cache f16: CUDA0"]);
    assert_eq!(titles(&interrupted()).len(), 1);
}

#[test]
fn what_is_emitted_is_as_it_was() {
    let report = ContextReport::of(&three_types());
    let mut shown = String::new();
    for form in [Emit::Env, Emit::Toml, Emit::Json, Emit::LlamaServer, Emit::Ollama] {
        shown += &format!("--- {form:?}\n{}", emit::render(&report, None, form).unwrap());
    }
    insta::assert_snapshot!("context_emit", shown);
}

#[test]
fn emitted_env_toml_and_json_read_back_as_the_same_numbers() {
    for facts in [three_types(), unproved(), trained_for_little(), on_a_gpu(), recurrent(), less_than_predicted()] {
        let report = ContextReport::of(&facts);
        let emit = |form| emit::render(&report, None, form).unwrap();
        let env: Vec<(String, f64)> = emit(Emit::Env)
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_once('=').map(|(name, value)| (name.to_owned(), value.parse().unwrap())).unwrap())
            .collect();
        let toml: toml::Table = emit(Emit::Toml).parse().unwrap();
        let json: serde_json::Value = serde_json::from_str(&emit(Emit::Json)).unwrap();
        assert_eq!(env.len(), 5);
        for (name, value) in env {
            let of_toml = toml[&name].as_float().or(toml[&name].as_integer().map(|n| n as f64)).unwrap();
            assert!((of_toml - value).abs() < 1e-12, "{name}");
            assert!((json[&name].as_f64().unwrap() - value).abs() < 1e-8, "{name}");
        }
        assert_eq!(json["proved"], report.sweeps[0].proof != Proof::None);
    }
}

#[test]
fn model_and_tokens_together_are_the_memory_at_the_largest_context() {
    let report = ContextReport::of(&three_types());
    for sweep in &report.sweeps {
        let values = emit::Values::of(&report, sweep);
        let whole =
            values.model_vram_gb * 1e9 + values.kv_cache_per_token_mb * 1e6 * f64::from(values.max_context_tokens);
        let memory = sweep.memory_bytes.unwrap() as f64;
        assert!((whole / memory - 1.0).abs() < 1e-9, "{whole} {memory}");
    }
    let gpu = ContextReport::of(&on_a_gpu());
    // tensors and compute buffers of the fixture that lie on the GPU
    assert!((emit::Values::of(&gpu, &gpu.sweeps[0]).model_vram_gb - 0.22).abs() < 1e-9);
}

#[test]
fn what_the_model_was_trained_for_bounds_what_is_handed_over_unless_more_is_wanted() {
    let mut facts = trained_for_little();
    let emit = |facts: &Facts, form| emit::render(&ContextReport::of(facts), None, form).unwrap();
    assert!(emit(&facts, Emit::Env).contains("\nMAX_CONTEXT_TOKENS=4096\n"));
    assert!(emit(&facts, Emit::LlamaServer).contains(" -c 4096 "));
    facts.beyond_training = true;
    let max = max_by_hand(F16);
    assert!(emit(&facts, Emit::Env).contains(&format!("\nMAX_CONTEXT_TOKENS={max}\n")));
    assert!(emit(&facts, Emit::LlamaServer).contains(&format!(" -c {} ", max * 4 / 5 / 256 * 256)));
}

#[test]
fn a_prediction_that_nobody_proved_is_handed_over_as_such() {
    let env = emit::render(&ContextReport::of(&unproved()), None, Emit::Env).unwrap();
    assert!(env.contains("NOT proved"), "{env}");
    let json = emit::render(&ContextReport::of(&unproved()), None, Emit::Json).unwrap();
    assert!(json.contains("\"proved\": false"), "{json}");
}

#[test]
fn the_type_that_is_named_is_handed_over_and_one_without_a_context_is_an_error_in_a_line() {
    let report = ContextReport::of(&three_types());
    let command = |kv: &str| emit::render(&report, Some(kv.parse().unwrap()), Emit::LlamaServer);
    assert!(command("q4_0").unwrap().contains("-ctk q4_0 -ctv q4_0"));
    assert_eq!(command("q5_1").unwrap_err(), "no sweep of the KV cache type q5_1; name it in --kv-types");
    let nothing = emit::render(&ContextReport::of(&nothing_fits()), None, Emit::Env).unwrap_err();
    assert_eq!(nothing, "Story 1B has no context within its budget that could be handed over");
    // the first type is not possible: the first that has a context is taken
    let env = emit::render(&ContextReport::of(&interrupted()), None, Emit::Env).unwrap();
    assert!(env.contains("KV cache f16") && env.contains("\nMAX_CONTEXT_TOKENS=4096\n"), "{env}");
}

#[test]
fn ollama_is_told_only_what_it_knows() {
    let emit = |kv: &str| emit::render(&ContextReport::of(&facts(vec![sweep(kv, F16)])), None, Emit::Ollama);
    assert!(emit("q8_0").unwrap().contains("OLLAMA_KV_CACHE_TYPE=q8_0"));
    assert!(emit("q5_1").unwrap_err().contains("ollama does not know the KV cache type q5_1"));
    assert!(emit("q8_0/q4_0").unwrap_err().contains("one type for keys and values"));
}

#[test]
fn the_command_survives_a_shell_whatever_the_path() {
    let mut facts = three_types();
    facts.task.model.path = "/models/it's $HOME `x`.gguf".into();
    let command = emit::render(&ContextReport::of(&facts), None, Emit::LlamaServer).unwrap();
    let script = format!("llama-server() {{ printf '%s\\n' \"$2\"; }}\n{command}");
    let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "/models/it's $HOME `x`.gguf\n");
}

#[test]
fn growth_that_ended_early_says_so() {
    for (ended_by, words) in [
        (EndedBy::Time, "the time for measuring growth was over after 4,096 tokens"),
        (EndedBy::Interrupted, "measuring growth was interrupted after 4,096 tokens"),
        (EndedBy::Failed("the worker died".to_owned()), "measuring growth failed after 4,096 tokens: the worker died"),
    ] {
        let mut sweep = sweep("f16", F16);
        sweep.growth = Some(growth(F16, 2, ended_by));
        let shown = shown(&facts(vec![sweep]), 400);
        assert!(shown.contains(words), "{shown}");
    }
}
