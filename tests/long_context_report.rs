//! The long-context profile in the reports: complete, stopped by its time, and of a worker that died.

mod report_fixture;

use report_fixture::{outcomes, run_file, write};
use serde_json::Value;
use sweetspot::engine::{BufferUse, MemoryBreakdown};
use sweetspot::lab::outcome::{Outcome, ProfileOutcome, Status};
use sweetspot::probe::kv_growth::{EndedBy, Growth, Point};
use sweetspot::profiles::long_context::{LeftOut, Load, Samples};
use sweetspot::profiles::{self, ProfileName};
use sweetspot::report::terminal::{self, Look};
use sweetspot::report::{Format, RunFolder, View};
use sweetspot::worker::exit::Exit;

const MS: u64 = 1_000_000;

/// A filling in batches of 512 tokens, 1 ms a token, with loads at 1024, 2048 and 4096 that generate four tokens of 50 ms.
fn samples(batches: u32, ended_by: EndedBy) -> Samples {
    let (mut tokens, mut points) = (0, Vec::new());
    for batch in 1..=batches {
        let gen_ns = if [2, 4, 8].contains(&batch) { vec![50 * MS; 4] } else { Vec::new() };
        tokens += 512 + u32::try_from(gen_ns.len()).unwrap();
        points.push(Point {
            tokens,
            prefill_tokens: 512,
            prefill_ns: 512 * MS,
            gen_ns,
            kv_used_bytes: 32_768 * u64::from(tokens),
            process: None,
            gpu_used_bytes: Vec::new(),
        });
    }
    let load = |tokens| Load { tokens, left_out: None };
    let untrained = Load { tokens: 8192, left_out: Some(LeftOut::Untrained) };
    let buffer = BufferUse {
        name: "CPU".to_owned(),
        device: "CPU".to_owned(),
        is_host: true,
        weights_bytes: 699_000_000,
        kv_bytes: 134_217_728,
        compute_bytes: 100_000_000,
    };
    Samples {
        loads: vec![load(1024), load(2048), load(4096), untrained],
        target_tokens: 4096,
        wanted_target_tokens: 4096,
        gen_tokens: 4,
        seconds: 3,
        n_ctx_train: 4108,
        memory: MemoryBreakdown { buffers: vec![buffer] },
        before: None,
        growth: Growth { n_ctx: 4352, points, ended_by },
    }
}

fn profile(status: Status, samples: Samples) -> ProfileOutcome {
    ProfileOutcome {
        samples: Some(profiles::Samples::LongContext(samples)),
        reason: None,
        ..ProfileOutcome::without_samples(ProfileName::LongContext, status, "")
    }
}

/// The first one complete, the second one stopped by its time, the third one's worker died after the first load.
fn long_outcomes() -> Vec<Outcome> {
    let mut all = outcomes();
    all.truncate(3);
    all[0].profiles.push(profile(Status::Measured, samples(8, EndedBy::Target)));
    all[1].profiles.push(profile(Status::Measured, samples(5, EndedBy::Time)));
    let died = EndedBy::Failed("the worker ended while the context was filled".to_owned());
    all[2].profiles = vec![ProfileOutcome {
        reason: Some("out of memory".to_owned()),
        exit: Some(Exit::OutOfMemory),
        ..profile(Status::Failed, samples(3, died))
    }];
    all
}

fn view() -> View {
    let outcomes = long_outcomes();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &run_file(&outcomes), &outcomes);
    View::of(RunFolder::read(folder.path()).unwrap())
}

fn text(format: Format) -> String {
    String::from_utf8(format.render(&view()).unwrap()).unwrap()
}

fn json() -> Value {
    serde_json::from_str(&text(Format::Json)).unwrap()
}

#[test]
fn the_json_report_holds_every_load_and_tells_forecasts_from_measurements() {
    let report = json();
    let profile = |cell: usize| report["results"][cell]["profiles"]["long_context"].clone();
    let statuses = |cell: usize| -> Vec<String> {
        let loads = profile(cell)["long_context"]["loads"].as_array().unwrap().clone();
        loads.iter().map(|load| load["status"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(statuses(0), ["measured", "measured", "measured", "left out"]);
    assert_eq!(statuses(1), ["measured", "measured", "forecast", "left out"]);
    assert_eq!(statuses(2), ["measured", "forecast", "forecast", "left out"]);
    assert_eq!((&profile(0)["status"], &profile(0)["rating"]), (&"passed".into(), &"good".into()));
    assert_eq!(profile(0)["metrics"]["load_seconds"], 4.096);
    let stopped = profile(1);
    assert_eq!((&stopped["status"], &stopped["rating"]), (&"error".into(), &Value::Null));
    assert_eq!(stopped["metrics"]["load_seconds"], Value::Null);
    assert!((stopped["metrics"]["load_forecast_seconds"].as_f64().unwrap() - 4.096).abs() < 1e-6);
    assert!(stopped["reason"].as_str().unwrap().contains("within the 3 s that were given"));
    let died = profile(2);
    assert_eq!(
        (&died["status"], &died["rating"], &died["reason"]),
        (&"error".into(), &"failed".into(), &"out of memory".into())
    );
    assert_eq!(died["metrics"]["max_tokens"], 1024.0, "what was loaded before it died is kept");
}

#[test]
fn the_advice_for_long_contexts_is_its_own() {
    let report = json();
    let advice = report["recommendations"]["long_context"].as_array().unwrap();
    let marks: Vec<_> =
        advice.iter().map(|a| (a["quantization"].as_str().unwrap(), a["mark"].as_str().unwrap())).collect();
    assert_eq!(marks, [("Q4_K_M", "recommended"), ("Q2_K", "avoid")], "of what nobody knows there is no advice");
    assert_eq!(advice[0]["reason"], "good: 4096 tokens loaded in 4.1 s, then 20.0 tokens/s");
    let shown = terminal::render(&view(), Look { width: 200, colour: false });
    assert!(shown.contains("long-context: story-1b Q4_K_M: recommended (good: 4096 tokens loaded in 4.1 s"), "{shown}");
}

#[test]
fn the_csv_report_fills_the_columns_that_were_kept_for_it() {
    let csv = text(Format::Csv);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    let column = |name: &str| -> Vec<&str> { records.iter().map(|record| &record[at(name)]).collect() };
    assert_eq!(column("long_context_load"), ["4.096", "", ""]);
    assert_eq!(column("long_context_max"), ["4096", "2048", "1024"]);
    assert_eq!(column("long_context_load_forecast"), ["", "4.096", "4.096"]);
    assert_eq!(column("long_context_rating"), ["good", "", "failed"]);
    assert_eq!(column("long_context_tps"), ["20.000", "", ""]);
    assert_eq!((at("long_context_load"), at("long_context_max")), (7, 8));
}

#[test]
fn the_markdown_report_and_the_terminal_mark_what_is_a_forecast() {
    let markdown = text(Format::Md);
    assert!(markdown.contains("| story-1b | Q4_K_M | 4096 | 4.10 | 20.0 | 4096 | 32.8 | 0.933 | good |"), "{markdown}");
    assert!(markdown.contains("| story-1b | Q8_0 | 4096 | 4.10 (forecast) | – | 2048 | 32.8 | 0.933 | not known |"));
    assert!(markdown.contains("| 8192 | – | – | – | – | – | left out: more than the model was trained for |"));
    let shown = terminal::render(&view(), Look { width: 200, colour: false });
    assert!(shown.contains(" 4.10 @ 4096 ") && shown.contains(" ~4.10 @ 4096 "), "{shown}");
    for width in [60, 80, 120] {
        let narrow = terminal::render(&view(), Look { width, colour: false });
        let too_wide = narrow.lines().find(|l| !l.contains("llama-server") && l.chars().count() > usize::from(width));
        assert_eq!(too_wide, None, "at {width}");
    }
}

#[test]
fn the_memory_of_a_long_context_does_not_stand_for_that_of_a_chat() {
    let report = json();
    let chat = f64::from(699_000_000 + 400_000_000 + 67_108_864 + 104_857_600) / 1e9;
    assert_eq!(report["results"][0]["memory_gb"], chat);
    assert_eq!(report["results"][0]["profiles"]["long_context"]["metrics"]["memory_gb"], 0.933_217_728);
    assert_eq!(report["results"][2]["memory_gb"], 0.933_217_728, "nothing else was measured");
}
