//! The reports of context sweeps made by hand, each as a whole and by its contract. `INSTA_UPDATE=always` writes the snapshots
//! again.

mod context_fixture;

use context_fixture::cases::{interrupted, less_than_predicted, nothing_fits, recurrent, trained_for_little, unproved};
use context_fixture::{F16, Q4_0, Q8_0, facts, fails, fits, growth, max_by_hand, on_a_gpu, sweep, three_types};
use sweetspot::probe::context_limit::found::FailureKind;
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
fn a_failure_below_a_context_that_once_fitted_is_the_limit() {
    let mut facts = unproved();
    let swapped = "memory was swapped out";
    facts.task.sweeps[0].probes = vec![fits(8192, true), fails(4096, FailureKind::Swapped, swapped), fits(2048, false)];
    let sweep = &ContextReport::of(&facts).sweeps[0];
    assert_eq!((sweep.proved_max_context, sweep.failed_at, sweep.proof), (Some(2048), Some(4096), Proof::Alloc));
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

#[test]
fn every_name_in_context_json_and_in_what_is_emitted_is_explained_in_the_documentation() {
    let documentation = include_str!("../docs/context-report.md");
    let report: serde_json::Value =
        serde_json::from_slice(&ContextReport::of(&three_types()).to_json().unwrap()).unwrap();
    let emitted: serde_json::Value =
        serde_json::from_str(&emit::render(&ContextReport::of(&three_types()), None, Emit::Json).unwrap()).unwrap();
    let sweep = &report["sweeps"][0];
    let objects = [&report, &report["metadata"], sweep, &sweep["growth"][0], &sweep["usable_context"][0], &emitted];
    for name in objects.iter().flat_map(|object| object.as_object().unwrap().keys()) {
        let name_of_sum = name.replace("_in_all", ""); // `…_in_all`
        let is_told = [name, &name_of_sum].iter().any(|name| documentation.contains(&format!("`{name}`")));
        assert!(is_told, "{name}");
    }
}

#[test]
fn weights_that_are_too_large_by_themselves_are_the_reason_that_is_told() {
    let mut facts = nothing_fits();
    let reason = "the weights alone take 5.10 GB, the budget is 4.29 GB";
    facts.task.sweeps[0].unfinished = Some(reason.to_owned());
    let shown = shown(&facts, 400);
    assert!(shown.contains(&format!("f16: no context fits: {reason}.")), "{shown}");
}
