//! Simulated nights: 6 sizes × 6 quantizations on a stated machine, once with termination and once without. Order, skips and
//! recommendations go through the same code as a real run's; only the measuring is arithmetic. `INSTA_UPDATE=always`
//! writes the snapshots again.
//!
//! The model of time: a model file is read at the disk's speed. Generating reads the whole file from memory for each token, a
//! prompt takes two operations a token and parameter. What memory has no room for is read from the disk again, for each
//! token and for each prompt. A cell loads its model, asks six chats of 100 tokens for a first token (one warms up), generates
//! 508 tokens, and loads a long text of 4096 tokens for 61 s at most. A chat that takes more than half an hour is given up
//! and has failed; a model that takes more than 300 s to load has not loaded.

mod report_fixture;

use std::fmt::Write as _;

use report_fixture::{cell, outcomes, request, run_file, samples, write};
use serde_json::Value;
use sweetspot::lab::outcome::{Outcome, Status};
use sweetspot::plan::order::{Level, order};
use sweetspot::plan::termination::{Candidate, Interactive, Loaded, Rule, Seen, Settings, Skip, Termination};
use sweetspot::profiles::interactive::Purpose;
use sweetspot::profiles::{self, EndedBy};
use sweetspot::report::{Format, RunFolder, View};

/// Names and billions of parameters.
const SIZES: [(&str, f64); 6] = [
    ("chat-32b", 32.8),
    ("chat-0.5b", 0.49),
    ("chat-7b", 7.6),
    ("chat-1.5b", 1.54),
    ("chat-13b", 13.0),
    ("chat-3b", 3.1),
];
/// Names and bits a weight.
const QUANTS: [(&str, f64); 6] =
    [("Q2_K", 3.0), ("Q3_K_M", 3.9), ("Q4_K_M", 4.85), ("Q5_K_M", 5.7), ("Q6_K", 6.56), ("Q8_0", 8.5)];

/// Longest load and longest chat.
const LOAD_TIMEOUT_SECONDS: f64 = 300.0;
const GIVEN_UP_SECONDS: f64 = 1800.0;

/// A machine, in GB and seconds.
struct Machine {
    free_gb: f64,
    /// What reaches llama.cpp of the memory's bandwidth.
    memory_gb_per_second: f64,
    operations_per_second: f64,
    disk_gb_per_second: f64,
    /// The engine keeps a second, rearranged copy of Q4_K weights.
    repacks_q4: bool,
}

/// 16 GB of memory at 25 GB/s, of which llama.cpp has 70 %; a SATA disk.
const LAPTOP: Machine = Machine {
    free_gb: 14.0,
    memory_gb_per_second: 17.5,
    operations_per_second: 300e9,
    disk_gb_per_second: 0.5,
    repacks_q4: true,
};

/// 64 GB of memory of the same speed, and an old CPU with a quarter of the arithmetic.
const OLD_SERVER: Machine = Machine { free_gb: 60.0, operations_per_second: 80e9, repacks_q4: false, ..LAPTOP };

/// What a cell gave.
struct Ran {
    loaded: Loaded,
    ttft_seconds: f64,
    tokens_per_second: f64,
    memory_gb: f64,
    seconds: f64,
}

impl Machine {
    fn run(&self, params: f64, quant: &str, size_gb: f64) -> Ran {
        let copies = if self.repacks_q4 && quant.starts_with("Q4_K") { 1.95 } else { 1.02 };
        // vocabularies and caches differ between models: some take a little more, some a little less
        let oddness = 0.97 + 0.06 * (params * 7.0).fract();
        let memory_gb = (size_gb * copies + 0.05 * params + 0.15) * oddness;
        let swapped_seconds = (memory_gb - self.free_gb).max(0.0) / self.disk_gb_per_second;
        let token_seconds = size_gb / self.memory_gb_per_second + swapped_seconds;
        let prompt_seconds = 2.0 * params * 1e9 / self.operations_per_second;
        let load_seconds = size_gb / self.disk_gb_per_second;
        let ttft_seconds = 100.0 * prompt_seconds + token_seconds;
        let chat_seconds = (6.0 * ttft_seconds + 508.0 * token_seconds).min(GIVEN_UP_SECONDS);
        let long_seconds = (4096.0 * prompt_seconds + 8.0 * swapped_seconds).min(61.0);
        let (loaded, seconds) = if load_seconds > LOAD_TIMEOUT_SECONDS {
            (Loaded::TooLarge("not loaded within 300 s".into()), LOAD_TIMEOUT_SECONDS)
        } else {
            (Loaded::Yes, load_seconds + chat_seconds + long_seconds)
        };
        Ran { loaded, ttft_seconds, tokens_per_second: 1.0 / token_seconds, memory_gb, seconds }
    }
}

impl Ran {
    fn seen(&self, candidate: &Candidate) -> Seen {
        let loaded = self.loaded == Loaded::Yes;
        let chat = Interactive {
            ttft_seconds: Some(self.ttft_seconds),
            tokens_per_second: Some(self.tokens_per_second),
            passed: self.ttft_seconds <= 30.0 && self.tokens_per_second >= 2.0,
        };
        Seen {
            candidate: candidate.clone(),
            loaded: self.loaded.clone(),
            interactive: loaded.then_some(chat),
            memory_bytes: loaded.then(|| rounded(self.memory_gb * 1e9)),
        }
    }
}

/// What a night gave: every cell's outcome in run order, the whole time, and each cell in words.
struct Night {
    outcomes: Vec<Outcome>,
    seconds: f64,
    story: String,
    skips: Vec<Skip>,
}

fn night(machine: &Machine, enabled: bool) -> Night {
    let settings = Settings { enabled, free_bytes: Some(rounded(machine.free_gb * 1e9)), ..Settings::default() };
    let mut termination = Termination::new(settings);
    let mut night = Night { outcomes: Vec::new(), seconds: 0.0, story: String::new(), skips: Vec::new() };
    for candidate in cells_in_order() {
        let name = format!("{:<9} {:<6}", candidate.model, candidate.quant);
        if let Some(skip) = termination.decide(&candidate) {
            let _ = writeln!(night.story, "{name} skipped: {}", skip.reason);
            night.outcomes.push(skipped(&candidate, &skip));
            night.skips.push(skip);
            continue;
        }
        let size_gb = float(candidate.size_bytes) / 1e9;
        let ran = machine.run(float(candidate.n_params.unwrap()) / 1e9, &candidate.quant, size_gb);
        night.seconds += ran.seconds;
        let _ = writeln!(
            night.story,
            "{name} {:>5.0} s: first token {:.1} s, {:.2} tokens/s, {:.1} GB",
            ran.seconds, ran.ttft_seconds, ran.tokens_per_second, ran.memory_gb
        );
        night.outcomes.push(measured(&candidate, &ran));
        termination.learn(ran.seen(&candidate));
    }
    night
}

fn cells_in_order() -> Vec<Candidate> {
    let of = |(model, params): (&str, f64), (quant, bits): (&str, f64)| Candidate {
        model: model.into(),
        quant: quant.into(),
        size_bytes: rounded(params * 1e9 * bits / 8.0),
        n_params: Some(rounded(params * 1e9)),
        n_active_params: Some(rounded(params * 1e9)),
        need_bytes: None,
    };
    let mut cells: Vec<Candidate> =
        SIZES.into_iter().flat_map(|size| QUANTS.into_iter().map(move |quant| of(size, quant))).collect();
    order(&mut cells, |cell| (Level::of(&cell.quant), cell.size_bytes));
    cells
}

/// The outcome that the lab would have kept.
fn measured(candidate: &Candidate, ran: &Ran) -> Outcome {
    let mut outcome = outcomes().remove(0);
    outcome.cell = cell(&candidate.model, &candidate.quant, candidate.size_bytes);
    outcome.duration_seconds = ran.seconds;
    if let Loaded::TooLarge(why) = &ran.loaded {
        outcome.status = Status::Failed;
        outcome.reason = Some(why.clone());
        (outcome.model, outcome.memory) = (None, None);
        outcome.profiles[0].status = Status::Failed;
        outcome.profiles[0].samples = None;
        return outcome;
    }
    let model = outcome.model.as_mut().unwrap();
    (model.n_params, model.size_bytes) = (candidate.n_params.unwrap(), candidate.size_bytes);
    let gaps = [rounded(1e3 / ran.tokens_per_second); 8];
    let chats = (0..6).map(|n| request(Purpose::Generation, n, rounded(ran.ttft_seconds * 1e3), &gaps)).collect();
    let samples = profiles::Samples::Interactive(samples(chats, EndedBy::Confidence));
    outcome.profiles[0].samples = Some(samples);
    outcome
}

fn skipped(candidate: &Candidate, skip: &Skip) -> Outcome {
    let mut outcome = outcomes().remove(3);
    outcome.cell = cell(&candidate.model, &candidate.quant, candidate.size_bytes);
    (outcome.reason, outcome.decision) = (Some(skip.reason.clone()), Some(skip.clone()));
    outcome
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive
fn rounded(value: f64) -> u64 {
    value.round() as u64
}

#[allow(clippy::cast_precision_loss)] // far below 2^53
fn float(value: u64) -> f64 {
    value as f64
}

/// What the report recommends: the mark of every cell, and the one to start with.
fn recommended(night: &Night) -> (Vec<String>, String) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &run_file(&night.outcomes), &night.outcomes);
    let view = View::of(RunFolder::read(folder.path()).unwrap());
    let report: Value = serde_json::from_slice(&Format::Json.render(&view).unwrap()).unwrap();
    let all = &report["recommendations"];
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let mark = |one: &Value| [&one["model"], &one["quantization"], &one["mark"]].map(word).join(" ");
    let marks = all["interactive"].as_array().unwrap().iter().map(mark).collect();
    let overall = &all["overall"];
    (marks, [&overall["model"], &overall["quantization"], &overall["command"]].map(word).join(" "))
}

/// Both nights told, the share of the time, and the rules that spoke.
fn compare(machine: &Machine) -> (String, f64, Vec<Rule>) {
    let (short, long) = (night(machine, true), night(machine, false));
    assert_eq!((short.outcomes.len(), long.outcomes.len()), (36, 36), "every cell has an outcome");
    assert_eq!(long.skips, [], "without termination every cell is tried");
    let (marks, best) = recommended(&short);
    assert_eq!((&marks, &best), (&recommended(&long).0, &recommended(&long).1));
    assert_eq!(marks.len(), 36);
    let share = short.seconds / long.seconds;
    let useful: Vec<&str> = marks.iter().map(String::as_str).filter(|mark| !mark.ends_with("avoid")).collect();
    let told = format!(
        "With termination, {} of 36 cells in {:.0} s:\n{}\nWithout, all in {:.0} s; with it {:.0} % of that.\n\n{}\n{best}\n",
        36 - short.skips.len(),
        short.seconds,
        short.story,
        long.seconds,
        share * 100.0,
        useful.join("\n")
    );
    println!("{told}");
    let mut rules: Vec<Rule> = short.skips.iter().map(|skip| skip.rule).collect();
    rules.sort();
    rules.dedup();
    (told, share, rules)
}

#[test]
fn a_night_on_a_laptop_takes_at_most_two_fifths_of_the_exhaustive_one_and_recommends_the_same() {
    let (told, share, rules) = compare(&LAPTOP);
    insta::assert_snapshot!(told);
    assert!(share <= 0.4, "{share}");
    assert_eq!(rules, [Rule::NotEnoughMemory, Rule::MemoryTrend]);
}

#[test]
fn a_night_on_a_server_with_more_memory_than_speed_stops_at_what_is_too_slow_and_recommends_the_same() {
    let (told, share, rules) = compare(&OLD_SERVER);
    insta::assert_snapshot!(told);
    assert!(share <= 0.6, "{share}");
    assert_eq!(rules, [Rule::SmallerWasTooSlow, Rule::LowerQuantsFailed]);
}

#[test]
fn the_night_runs_the_levels_in_order_and_small_models_first() {
    let cells = cells_in_order();
    let first: Vec<&str> = cells.iter().step_by(6).map(|cell| cell.quant.as_str()).collect();
    assert_eq!(first, ["Q4_K_M", "Q5_K_M", "Q6_K", "Q3_K_M", "Q2_K", "Q8_0"]);
    let sizes = ["chat-0.5b", "chat-1.5b", "chat-3b", "chat-7b", "chat-13b", "chat-32b"];
    assert!(cells.chunks(6).all(|level| level.iter().map(|cell| cell.model.as_str()).eq(sizes)));
}
