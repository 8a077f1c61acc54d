//! Every report of a run made by hand, as a whole and by its contract. `INSTA_UPDATE=always` writes the snapshots again.

mod report_fixture;

use report_fixture::{outcomes, request, run_file, samples, write};
use serde_json::Value;
use sweetspot::lab::outcome::Outcome;
use sweetspot::lab::run_file::RunFile;
use sweetspot::profiles::interactive::Purpose;
use sweetspot::profiles::{self, EndedBy};
use sweetspot::report::terminal::{self, Look};
use sweetspot::report::{Format, RunFolder, View};

/// Through the disk, as every report is.
fn view_of(run: &RunFile, outcomes: &[Outcome]) -> View {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), run, outcomes);
    View::of(RunFolder::read(folder.path()).unwrap())
}

fn view() -> View {
    let outcomes = outcomes();
    view_of(&run_file(&outcomes), &outcomes)
}

fn text(view: &View, format: Format) -> String {
    String::from_utf8(format.render(view).unwrap()).unwrap()
}

fn json(view: &View) -> Value {
    serde_json::from_str(&text(view, Format::Json)).unwrap()
}

fn plain(width: u16) -> Look {
    Look { width, colour: false }
}

#[test]
fn the_json_report_is_as_it_was() {
    insta::assert_snapshot!(text(&view(), Format::Json));
}

#[test]
fn the_csv_report_is_as_it_was() {
    insta::assert_snapshot!(text(&view(), Format::Csv));
}

#[test]
fn the_markdown_report_is_as_it_was() {
    insta::assert_snapshot!(text(&view(), Format::Md));
}

#[test]
fn the_terminal_at_120_columns_is_as_it_was() {
    insta::assert_snapshot!(terminal::render(&view(), plain(120)));
}

#[test]
fn the_terminal_at_80_columns_is_as_it_was() {
    insta::assert_snapshot!(terminal::render(&view(), plain(80)));
}

#[test]
fn a_narrow_terminal_drops_columns_and_no_line_is_wider_than_it() {
    for width in [60, 70, 80, 100, 120] {
        let shown = terminal::render(&view(), plain(width));
        // The command is the one line that must not be broken.
        let too_wide = shown.lines().find(|l| !l.contains("llama-server") && l.chars().count() > usize::from(width));
        assert_eq!(too_wide, None, "at {width}");
    }
    assert!(terminal::render(&view(), plain(120)).contains("ITL p50/p95/max ms"));
    assert!(!terminal::render(&view(), plain(80)).contains("Var. %"));
}

#[test]
fn colours_are_there_when_wanted_and_only_then() {
    assert!(terminal::render(&view(), Look { width: 120, colour: true }).contains('\u{1b}'));
    assert!(!terminal::render(&view(), plain(120)).contains('\u{1b}'));
}

#[test]
fn the_json_report_keeps_the_names_of_its_contract() {
    let report = json(&view());
    let has = |value: &Value, names: &[&str]| {
        for name in names {
            assert!(value.get(name).is_some(), "no {name} in {value}");
        }
    };
    assert_eq!(report["schema_version"], 1);
    has(&report, &["metadata", "results", "recommendations"]);
    has(&report["metadata"], &["timestamp", "hostname", "hardware", "engine", "config", "test_duration_seconds"]);
    has(&report["metadata"]["hardware"], &["cpu", "cores", "ram_gb", "gpus", "os"]);
    has(&report["metadata"]["engine"], &["llama_cpp", "build", "cpu_features"]);
    for result in report["results"].as_array().unwrap() {
        has(
            result,
            &["model", "quantization", "model_size_gb", "memory_gb", "status", "verdict", "reason", "profiles"],
        );
        has(result, &["efficiency_score", "cost_benefit_score"]);
        let interactive = &result["profiles"]["interactive"];
        has(interactive, &["status", "rating", "metrics", "interpretation"]);
        if result["status"] == "measured" {
            has(&interactive["metrics"], &["ttft_seconds", "tokens_per_second", "variance_percent"]);
        }
    }
    has(&report["recommendations"], &["interactive", "overall"]);
    for advice in report["recommendations"]["interactive"].as_array().unwrap() {
        has(advice, &["model", "quantization", "mark", "reason"]);
    }
}

#[test]
fn every_number_in_the_json_report_was_measured_or_is_null() {
    let report = json(&view());
    let crashed = &report["results"][2];
    assert_eq!(crashed["status"], "failed");
    assert_eq!(crashed["memory_gb"], Value::Null);
    assert_eq!(crashed["profiles"]["interactive"]["status"], "error");
    assert_eq!(crashed["profiles"]["interactive"]["exit"]["signal"], 11);
    assert_eq!(report["results"][3]["verdict"], Value::Null);
    // Weights, repacked copy, KV cache and compute buffers of the fixture.
    assert_eq!(
        report["results"][0]["memory_gb"],
        f64::from(699_000_000 + 400_000_000 + 67_108_864 + 104_857_600) / 1e9
    );
}

#[test]
fn the_csv_report_begins_with_the_columns_of_its_contract_and_leaves_empty_what_was_not_run() {
    let csv = text(&view(), Format::Csv);
    assert!(csv.starts_with(
        "model,quant,size_gb,memory_gb,interactive_ttft,interactive_tps,interactive_rating,long_context_load,\
         long_context_max,batch_throughput,"
    ));
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), 5);
    for record in &records {
        assert_eq!((&record[7], &record[8], &record[9]), ("", "", ""));
    }
    assert_eq!((&records[3][3], &records[3][4], &records[3][5], &records[3][6]), ("", "", "", ""));
}

#[test]
fn synthetic_weights_are_told_in_every_report() {
    let told = "synthetic weights: speed and memory are real, answers are not";
    for format in Format::ALL {
        assert!(text(&view(), format).contains(told), "{format:?}");
    }
    assert!(terminal::render(&view(), plain(400)).contains(told));
}

#[test]
fn a_program_that_was_not_built_for_its_cpu_says_so_in_every_report() {
    let outcomes = outcomes();
    let mut run = run_file(&outcomes);
    run.engine.as_mut().unwrap().native = false;
    let view = view_of(&run, &outcomes);
    for format in Format::ALL {
        assert!(text(&view, format).contains("built without target-cpu=native"), "{format:?}");
    }
    assert!(terminal::render(&view, plain(400)).contains("built without target-cpu=native"));
    assert!(!terminal::render(&self::view(), plain(400)).contains("target-cpu"));
}

#[test]
fn an_early_end_is_told_in_every_report() {
    let told = "the model ended 1 answer early";
    for format in Format::ALL {
        assert!(text(&view(), format).contains(told), "{format:?}");
    }
    assert!(terminal::render(&view(), plain(400)).contains(told));
}

#[test]
fn a_cell_that_was_not_reached_is_reported_as_skipped() {
    let outcomes = outcomes();
    let mut run = run_file(&outcomes);
    run.interrupted = true;
    run.duration_seconds = None;
    let view = view_of(&run, &outcomes[..1]);
    let report = json(&view);
    assert_eq!(report["results"].as_array().unwrap().len(), 5);
    assert_eq!(report["results"][1]["status"], "skipped");
    assert_eq!(report["results"][1]["reason"], "not reached: the run was interrupted");
    assert_eq!(report["metadata"]["test_duration_seconds"], 22.5);
    assert!(terminal::render(&view, plain(120)).contains("the run was interrupted: this report is partial"));
}

#[test]
fn a_run_that_was_killed_says_how_many_cells_it_left_out() {
    let outcomes = outcomes();
    let view = view_of(&run_file(&outcomes), &outcomes[..3]);
    assert_eq!(view.notes, ["the run ended before its plan was done: 2 cells left out"]);
    assert_eq!(json(&view)["results"][4]["reason"], "not reached: the run ended before it");
}

#[test]
fn where_only_synthetic_models_were_measured_none_is_named_to_start_with() {
    let outcomes = outcomes();
    let view = view_of(&run_file(&outcomes[4..]), &outcomes[4..]);
    assert_eq!(json(&view)["recommendations"]["overall"], Value::Null);
    assert!(terminal::render(&view, plain(120)).contains("all that were measured have synthetic weights"));
}

#[test]
fn what_a_model_is_called_breaks_no_table() {
    let mut outcomes = outcomes();
    outcomes[0].cell.model = "a|b\n<script>\u{1b}[2J".to_owned();
    let view = view_of(&run_file(&outcomes), &outcomes);
    assert!(!terminal::render(&view, plain(120)).contains('\u{1b}'));
    let markdown = text(&view, Format::Md);
    assert!(markdown.contains("| a\\|b &lt;script>\u{fffd}[2J | Q4_K_M |"), "{markdown}");
}

#[test]
fn a_log_that_contains_a_fence_does_not_end_its_block() {
    let markdown = text(&view(), Format::Md);
    assert!(markdown.contains("````text\nload_tensors: layer | 3\nggml_abort: ``` GGML_ASSERT failed\n````\n"));
}

proptest::proptest! {
    #[test]
    fn any_samples_make_reports_without_a_number_that_is_none(
        requests in proptest::collection::vec((1_u64..50_000, proptest::collection::vec(0_u64..50_000, 0..12)), 0..9),
    ) {
        let requests = requests.iter().zip(0..).map(|((ttft, gaps), i)| request(Purpose::Generation, i, *ttft, gaps));
        let mut outcomes = outcomes();
        let samples = samples(requests.collect(), EndedBy::Limit);
        outcomes[0].profiles[0].samples = Some(profiles::Samples::Interactive(samples));
        let view = view_of(&run_file(&outcomes), &outcomes);
        let report = json(&view);
        proptest::prop_assert_eq!(report["results"].as_array().unwrap().len(), 5);
        let all = [text(&view, Format::Csv), text(&view, Format::Md), terminal::render(&view, plain(80))];
        for report in all {
            proptest::prop_assert!(!report.contains("NaN") && !report.contains("inf"), "{}", report);
        }
    }
}
