//! A simulated night through the lab: 6 models × 6 quantizations on a stated machine, each cell in a worker of its own that
//! follows a script whose time is virtual, once with termination and once without. Plan, workers, outcomes, decisions and
//! reports are those of a real run. `INSTA_UPDATE=always` writes the snapshot again.
//!
//! Without termination nothing caps the memory of a worker either: what does not fit is swapped (see `night_machine`). With it a
//! worker may take what is free. A chat is 32 tokens once, after a warm-up of 8: longer chats would make the exhaustive run
//! longer still, because loading is the same for both and swapping costs by the token.

mod night_machine;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use night_machine::{Machine, PROMPT_TOKENS, Pace, Size, cells_in_order, rounded};
use serde_json::{Value, json};
use sweetspot::engine::fake::{Delays, Script};
use sweetspot::engine::need::Need;
use sweetspot::engine::{BufferUse, ContextParams, MemoryBreakdown, ModelInfo, ModelParams, Sampling};
use sweetspot::lab::cell::Workers;
use sweetspot::lab::outcome::{Cell, Outcome, Status};
use sweetspot::lab::resume::Earlier;
use sweetspot::lab::run_file::RunFile;
use sweetspot::lab::source::Source;
use sweetspot::lab::whole::Whole;
use sweetspot::lab::{Entry, Session};
use sweetspot::plan::config::{Config, WorkerConfig};
use sweetspot::plan::matrix::{Limits, PlannedCell};
use sweetspot::plan::termination::{Candidate, Rule};
use sweetspot::profiles::{Job, Samples, interactive};
use sweetspot::report::Format;
use sweetspot::worker::protocol::EngineChoice;

/// One of them is a mixture of experts. Not in run order.
const SIZES: [Size; 6] = [
    ("chat-32b", 32.8, 32.8),
    ("chat-0.5b", 0.49, 0.49),
    ("chat-30b-a3b", 30.5, 3.3),
    ("chat-7b", 7.6, 7.6),
    ("chat-1.5b", 1.54, 1.54),
    ("chat-13b", 13.0, 13.0),
];

/// 32 GB of memory at 25 GB/s, of which llama.cpp has 70 %, an old CPU, a SATA disk.
const MACHINE: Machine = Machine {
    free_gb: 27.0,
    memory_gb_per_second: 17.5,
    operations_per_second: 80e9,
    disk_gb_per_second: 0.5,
    repacks: &["Q4_K", "Q5_K"],
};

/// Cells whose need is known before the run, from their header alone: what the engine will keep a second time is not in it.
const KNOWN_BY_HEADER: [(&str, &str); 3] =
    [("chat-30b-a3b", "Q5_K_M"), ("chat-30b-a3b", "Q6_K"), ("chat-30b-a3b", "Q8_0")];

const TOKENS: u32 = 32;
const WARM_UP_TOKENS: u32 = 8;

/// What a night left.
struct Night {
    outcomes: Vec<Outcome>,
    /// `report.json`.
    report: Value,
}

impl Night {
    /// Loading and measuring, in seconds of the workers' clocks.
    fn seconds(&self) -> f64 {
        self.outcomes.iter().map(seconds).sum()
    }

    /// Model, quantization, mark and reason of every cell.
    fn recommended(&self) -> Vec<[&str; 4]> {
        let all = self.report["recommendations"]["interactive"].as_array().unwrap();
        all.iter()
            .map(|one| ["model", "quantization", "mark", "reason"].map(|key| one[key].as_str().unwrap()))
            .collect()
    }

    fn was_measured(&self, model: &str, quant: &str) -> bool {
        let is_it = |outcome: &&Outcome| (outcome.cell.model.as_str(), outcome.cell.quant.as_str()) == (model, quant);
        self.outcomes.iter().find(is_it).unwrap().status == Status::Measured
    }
}

fn night(with_termination: bool) -> Night {
    let mut config = Config::default();
    config.termination.enabled = with_termination;
    let free_bytes = rounded(MACHINE.free_gb * 1e9);
    let limits = Limits { threads: 1, memory_bytes: Some(free_bytes), max_memory_bytes: None };
    let cap = with_termination.then_some(free_bytes);
    let mut workers = Workers::configured(&WorkerConfig::default(), EngineChoice::Fake(script()), cap);
    workers.options.program = Some(env!("CARGO_BIN_EXE_sweetspot").into());
    let entries: Vec<Entry> = cells_in_order(&SIZES).iter().map(entry).collect();
    let plan = entries.iter().map(Entry::in_run_file).collect();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("run");
    let whole = Whole {
        folder: folder.clone(),
        run_file: RunFile::begin(json!({}), 0, sweetspot::machine::Machine::detect(), None, plan),
        entries,
        session: Session::new(&config, &limits, &workers),
        earlier: None,
        formats: vec![Format::Json],
    };
    let (_never, cancel) = tokio::sync::watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let came = runtime.block_on(whole.run(cancel)).unwrap();
    assert!(!came.ended.unwrap().interrupted);
    let outcomes = Earlier::read(&folder).unwrap().outcomes;
    let report = serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap();
    Night { outcomes, report }
}

fn file_name(cell: &Candidate) -> String {
    format!("{}-{}.gguf", cell.model, cell.quant)
}

fn entry(cell: &Candidate) -> Entry {
    let path = Path::new("models").join(file_name(cell));
    let model = ModelParams::new(&path);
    let pace = MACHINE.pace(cell);
    let planned = PlannedCell {
        cell: Cell {
            model: cell.model.clone(),
            quant: cell.quant.clone(),
            path,
            size_bytes: cell.size_bytes,
            synthetic: false,
        },
        broken: None,
        model,
        jobs: vec![chat()],
        warnings: Vec::new(),
    };
    let is_known = KNOWN_BY_HEADER.contains(&(cell.model.as_str(), cell.quant.as_str()));
    let need = || Need {
        weights_bytes: cell.size_bytes,
        repacked_bytes: 0,
        kv_bytes: rounded(pace.kv_gb * 1e9),
        compute_bytes: rounded(pace.compute_gb * 1e9),
    };
    Entry {
        planned,
        source: Source::File,
        n_params: cell.n_params,
        n_active_params: cell.n_active_params,
        n_ctx_train: None,
        need: is_known.then(need),
        expected_seconds: Some(expected_seconds(&pace)),
    }
}

/// What loading, warming up and one chat take.
fn expected_seconds(pace: &Pace) -> f64 {
    pace.load_seconds + 2.0 * pace.ttft_seconds() + f64::from(WARM_UP_TOKENS + TOKENS - 2) * pace.token_seconds
}

fn chat() -> Job {
    // The template adds 50 characters, the engine a token that begins; a character is a token here.
    let user = format!("{:.<49}", "Tell me a story of a lighthouse");
    Job::Interactive(interactive::Job {
        tokens: TOKENS,
        max_repetitions: 1,
        max_first_tokens: 1,
        interval_width_percent: 5.0,
        sampling: Sampling::Greedy,
        context: ContextParams::new(2048, 1),
        prompts: vec![interactive::Prompt { id: "lighthouse".into(), system: None, user }],
    })
}

/// What all workers follow: each file has a script of its own.
fn script() -> Script {
    let others = cells_in_order(&SIZES).iter().map(|cell| (file_name(cell), script_of(cell))).collect();
    Script { others, virtual_time: true, ..Script::default() }
}

fn script_of(cell: &Candidate) -> Script {
    let pace = MACHINE.pace(cell);
    let bytes = |gb: f64| rounded(gb * 1e9);
    let whole = BufferUse {
        name: "CPU".into(),
        device: "CPU".into(),
        is_host: true,
        weights_bytes: bytes(pace.weights_gb),
        kv_bytes: bytes(pace.kv_gb),
        compute_bytes: bytes(pace.compute_gb),
    };
    let model = ModelInfo {
        name: cell.model.clone(),
        quantization: cell.quant.clone(),
        size_bytes: cell.size_bytes,
        n_params: cell.n_params.unwrap(),
        ..Script::default().model
    };
    let delays = Delays {
        load: Duration::from_secs_f64(pace.load_seconds),
        prefill_per_token: Duration::from_secs_f64(pace.ttft_seconds() / f64::from(PROMPT_TOKENS)),
        decode: vec![Duration::from_secs_f64(pace.token_seconds)],
        ..Delays::default()
    };
    Script { model, delays, memory: MemoryBreakdown { buffers: vec![whole] }, ..Script::default() }
}

/// What a cell took, in seconds of its workers' clocks.
fn seconds(outcome: &Outcome) -> f64 {
    let profiles: f64 = outcome.profiles.iter().map(|profile| profile.duration_seconds).sum();
    outcome.load_seconds.unwrap_or(0.0) + profiles
}

fn chat_of(outcome: &Outcome) -> Option<&interactive::Samples> {
    match outcome.profiles[0].samples.as_ref()? {
        Samples::Interactive(samples) => Some(samples),
        _ => None,
    }
}

/// How a cell ended, with the evidence where it was not tried.
fn told(outcome: &Outcome) -> String {
    let mut told = format!("{:<12} {:<6} ", outcome.cell.model, outcome.cell.quant);
    if let Some(skip) = &outcome.decision {
        let rule = serde_json::to_value(skip.rule).unwrap();
        let _ = write!(told, "skipped, {}: {}", rule.as_str().unwrap(), skip.reason);
        for evidence in &skip.evidence {
            let _ = write!(told, "\n    {} {}: {}", evidence.model, evidence.quant, evidence.what);
        }
    } else if let Some(chat) = chat_of(outcome) {
        let summary = interactive::summarize(chat);
        let _ = write!(
            told,
            "{:>7.1} s: first token {:.1} s, {:.2} tokens/s, {:.1} GB",
            seconds(outcome),
            summary.ttft_seconds.unwrap().median,
            summary.tokens_per_second.unwrap().median,
            night_machine::float(outcome.memory.as_ref().unwrap().total_bytes()) / 1e9
        );
    } else {
        let _ = write!(told, "failed: {}", outcome.reason.as_deref().unwrap());
    }
    told
}

/// The lab took its numbers from the workers' clocks: what was measured is what the machine is said to take.
fn assert_exact(night: &Night) {
    for (outcome, cell) in night.outcomes.iter().zip(cells_in_order(&SIZES)) {
        let Some(chat) = chat_of(outcome) else { continue };
        assert!(chat.requests.iter().all(|request| request.prompt_tokens == PROMPT_TOKENS));
        let expected = expected_seconds(&MACHINE.pace(&cell));
        assert!((seconds(outcome) - expected).abs() < 1e-5, "{} s instead of {expected} s", seconds(outcome));
    }
}

/// Every skip has its rule, its reason and what it rests on; a cell's own size needs nothing else.
fn assert_explained(night: &Night) -> BTreeSet<Rule> {
    let mut rules = BTreeSet::new();
    for outcome in night.outcomes.iter().filter(|outcome| outcome.status == Status::Skipped) {
        let skip = outcome.decision.as_ref().unwrap();
        assert!(outcome.reason.as_ref().unwrap().ends_with(&skip.reason));
        assert!(skip.reason.contains(|c: char| c.is_ascii_digit()), "no numbers: {}", skip.reason);
        assert_eq!(skip.evidence.is_empty(), skip.rule == Rule::NotEnoughMemory, "{skip:?}");
        rules.insert(skip.rule);
    }
    rules
}

fn assert_same_recommendations(short: &Night, long: &Night) {
    let (of_short, of_long) = (short.recommended(), long.recommended());
    assert_eq!((of_short.len(), of_long.len()), (36, 36));
    for (a, b) in of_short.iter().zip(&of_long) {
        assert_eq!(a[..3], b[..3], "the same mark, be it measured or not: {a:?}, {b:?}");
        if short.was_measured(a[0], a[1]) {
            assert_eq!(a, b, "what both measured has the same reason");
        }
    }
    assert_eq!(short.report["recommendations"]["overall"], long.report["recommendations"]["overall"]);
}

#[test]
fn a_night_in_the_lab_skips_what_is_futile_and_recommends_what_the_exhaustive_one_does() {
    let exhaustive = std::thread::spawn(|| night(false));
    let (short, long) = (night(true), exhaustive.join().unwrap());

    let order: Vec<_> = cells_in_order(&SIZES).iter().map(|cell| (cell.model.clone(), cell.quant.clone())).collect();
    for night in [&short, &long] {
        let ran: Vec<_> = night.outcomes.iter().map(|o| (o.cell.model.clone(), o.cell.quant.clone())).collect();
        assert_eq!(ran, order);
        assert_exact(night);
    }
    let levels: Vec<&str> = order.iter().step_by(6).map(|(_, quant)| quant.as_str()).collect();
    assert_eq!(levels, ["Q4_K_M", "Q5_K_M", "Q6_K", "Q3_K_M", "Q2_K", "Q8_0"]);
    assert!(long.outcomes.iter().all(|outcome| outcome.status == Status::Measured), "all are tried, and swap");
    let all_but_circuit = [
        Rule::NotEnoughMemory,
        Rule::TooLargeForHardware,
        Rule::SmallerWasTooSlow,
        Rule::LowerQuantsFailed,
        Rule::MemoryTrend,
    ];
    assert_eq!(assert_explained(&short), BTreeSet::from(all_but_circuit));
    assert_same_recommendations(&short, &long);

    let share = short.seconds() / long.seconds();
    let list = |night: &Night| night.outcomes.iter().map(told).collect::<Vec<_>>().join("\n");
    let told = format!(
        "With termination: {:.1} s\n{}\n\nWithout: {:.1} s\n{}\n\nWith it {:.1} % of the time. Recommended by both:\n{}\n",
        short.seconds(),
        list(&short),
        long.seconds(),
        list(&long),
        share * 100.0,
        useful(&short)
    );
    insta::assert_snapshot!("run_night", told);
    assert!(share <= 0.4, "{share}");
}

/// What is not to be avoided, and the one to start with.
fn useful(night: &Night) -> String {
    let marks = night.recommended();
    let useful = marks.iter().filter(|one| one[2] != "avoid").map(|one| one[..3].join(" "));
    let overall = &night.report["recommendations"]["overall"];
    let [model, quant] = ["model", "quantization"].map(|key| overall[key].as_str().unwrap());
    useful.chain([format!("overall: {model} {quant}")]).collect::<Vec<_>>().join("\n")
}
