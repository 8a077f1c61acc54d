//! How the reports show what was not tried. `INSTA_UPDATE=always` writes the snapshots again.

mod report_fixture;

use report_fixture::{outcomes, run_file, write};
use serde_json::Value;
use sweetspot::lab::outcome::{Outcome, Status};
use sweetspot::plan::termination::{Evidence, Rule, Skip};
use sweetspot::report::terminal::{self, Look};
use sweetspot::report::{Format, RunFolder, View};

/// Through the disk, as every report is.
fn view_of(outcomes: &[Outcome]) -> View {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &run_file(outcomes), outcomes);
    View::of(RunFolder::read(folder.path()).unwrap())
}

fn text(view: &View, format: Format) -> String {
    String::from_utf8(format.render(view).unwrap()).unwrap()
}

fn evidence(model: &str, quant: &str, what: &str) -> Evidence {
    Evidence { model: model.into(), quant: quant.into(), what: what.into() }
}

/// Two that were measured, and four that were decided against.
fn decided() -> Vec<Outcome> {
    let mut outcomes = outcomes();
    let template = outcomes[3].clone();
    outcomes.truncate(2);
    let skips = [
        (
            "large-13b",
            "Q8_0",
            13.0,
            Rule::NotEnoughMemory,
            "needs about 15.6 GB (1.2 × its 13.0 GB file), 14.0 GB are free: it would swap",
            vec![],
            Some(2400.0),
        ),
        (
            "large-13b",
            "Q2_K",
            5.4,
            Rule::SmallerWasTooSlow,
            "the smaller large-7b is too slow at Q2_K already: first token after 45 s (at most 30 s)",
            vec![evidence("large-7b", "Q2_K", "first token after 45 s, 1.50 tokens/s; 7.00 billion parameters")],
            Some(4800.0),
        ),
        (
            "odd|7b",
            "Q6_K",
            5.5,
            Rule::CircuitOpen,
            "3 cells of this model failed one after the other; the last: killed by signal 11",
            vec![evidence("odd|7b", "Q4_K_M", "killed by signal 11"), evidence("odd|7b", "", "<b>")],
            Some(300.0),
        ),
        (
            "large-7b",
            "Q8_0",
            7.2,
            Rule::MemoryTrend,
            "would take about 9.3 GB by the trend of 3 cells; 9.0 GB are free: it would swap",
            vec![evidence("large-7b", "Q4_K_M", "took 5.0 GB of memory; file 4.1 GB")],
            None,
        ),
    ];
    for (model, quant, size_gb, rule, reason, evidence, expected_seconds) in skips {
        let mut outcome = template.clone();
        (outcome.cell.model, outcome.cell.quant) = (model.into(), quant.into());
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive
        let size_bytes = (size_gb * 1e9_f64).round() as u64;
        outcome.cell.size_bytes = size_bytes;
        outcome.cell.path = format!("{model}-{quant}.gguf").into();
        (outcome.status, outcome.reason) = (Status::Skipped, None);
        outcome.decision = Some(Skip { rule, reason: reason.into(), evidence, expected_seconds });
        outcome.profiles[0].reason = Some("not tried".into());
        outcomes.push(outcome);
    }
    outcomes
}

#[test]
fn the_markdown_report_has_a_section_on_what_was_not_tried() {
    let markdown = text(&view_of(&decided()), Format::Md);
    let section = markdown.split("## Not tried, and why").nth(1).unwrap();
    insta::assert_snapshot!(section.split("\n## ").next().unwrap().trim());
    assert!(!markdown.contains("## large-13b"), "what was not tried needs no section of its own");
    assert!(!markdown.contains("(not tried:"), "nor an advice");
}

#[test]
fn the_terminal_says_shortly_what_was_not_tried() {
    insta::assert_snapshot!(terminal::render(&view_of(&decided()), Look { width: 100, colour: false }));
}

#[test]
fn the_json_report_has_the_decision_with_its_evidence_and_avoids_the_cell() {
    let report: Value = serde_json::from_str(&text(&view_of(&decided()), Format::Json)).unwrap();
    let skipped = &report["results"][3];
    assert_eq!((&skipped["status"], &skipped["verdict"]), (&"skipped".into(), &Value::Null));
    assert_eq!(skipped["decision"]["rule"], "smaller_was_too_slow");
    assert_eq!(skipped["decision"]["expected_seconds"], 4800.0);
    assert_eq!(skipped["decision"]["evidence"][0]["model"], "large-7b");
    assert_eq!(skipped["reason"], skipped["decision"]["reason"]);
    assert!(report["results"][0].get("decision").is_none(), "it was tried");
    let advice = report["recommendations"]["interactive"].as_array().unwrap();
    let of_it = advice.iter().find(|a| a["model"] == "large-13b" && a["quantization"] == "Q2_K").unwrap();
    assert_eq!(of_it["mark"], "avoid");
    assert!(of_it["reason"].as_str().unwrap().starts_with("not tried: the smaller large-7b is too slow"));
}

#[test]
fn the_csv_report_gives_the_decisions_reason_in_the_columns_that_it_had() {
    let csv = text(&view_of(&decided()), Format::Csv);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let place = reader.headers().unwrap().iter().position(|name| name == "reason").unwrap();
    assert_eq!(place, 12);
    let reasons: Vec<String> = reader.records().map(|record| record.unwrap()[place].to_owned()).collect();
    assert!(reasons[2].starts_with("needs about 15.6 GB"), "{reasons:?}");
    assert!(reasons[5].starts_with("would take about 9.3 GB"), "{reasons:?}");
}

#[test]
fn an_outcome_of_a_run_before_there_were_decisions_is_still_read() {
    let line = serde_json::to_string(&outcomes()[0]).unwrap();
    assert!(!line.contains("decision"), "a cell that was tried has none");
    assert_eq!(serde_json::from_str::<Outcome>(&line).unwrap(), outcomes()[0]);
    let line = serde_json::to_string(&decided()[3]).unwrap();
    assert_eq!(serde_json::from_str::<Outcome>(&line).unwrap(), decided()[3]);
}
