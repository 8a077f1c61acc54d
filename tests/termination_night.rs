//! Simulated nights on two machines: 6 sizes × 6 quantizations with chats and long texts as long as the usual ones, once with
//! termination and once without. They show what termination saves where memory is short, and where speed is; that the lab
//! does the same with workers of its own is shown by `run_night.rs`. `INSTA_UPDATE=always` writes the snapshots again.
//!
//! A cell loads its model, asks six chats of 100 tokens for a first token (one warms up), generates 508 tokens, and loads a
//! long text of 4096 tokens for 61 s at most. A chat that takes more than half an hour is given up and has failed; a model that
//! takes more than 300 s to load has not loaded. What each takes: `night_machine`.

mod night_machine;
mod report_fixture;

use std::fmt::Write as _;

use night_machine::{Machine, Size, cells_in_order, rounded};
use report_fixture::{cell, outcomes, request, run_file, samples, write};
use serde_json::Value;
use sweetspot::lab::outcome::{Outcome, Status};
use sweetspot::plan::termination::{Candidate, Interactive, Loaded, Rule, Seen, Settings, Skip, Termination};
use sweetspot::profiles::interactive::Purpose;
use sweetspot::profiles::{self, EndedBy};
use sweetspot::report::{Format, RunFolder, View};

const SIZES: [Size; 6] = [
    ("chat-32b", 32.8, 32.8),
    ("chat-0.5b", 0.49, 0.49),
    ("chat-7b", 7.6, 7.6),
    ("chat-1.5b", 1.54, 1.54),
    ("chat-13b", 13.0, 13.0),
    ("chat-3b", 3.1, 3.1),
];

/// Longest load and longest chat.
const LOAD_TIMEOUT_SECONDS: f64 = 300.0;
const GIVEN_UP_SECONDS: f64 = 1800.0;

/// 16 GB of memory at 25 GB/s, of which llama.cpp has 70 %; a SATA disk.
const LAPTOP: Machine = Machine {
    free_gb: 14.0,
    memory_gb_per_second: 17.5,
    operations_per_second: 300e9,
    disk_gb_per_second: 0.5,
    repacks: &["Q4_K"],
};

/// 64 GB of memory of the same speed, and an old CPU with a quarter of the arithmetic.
const OLD_SERVER: Machine = Machine { free_gb: 60.0, operations_per_second: 80e9, repacks: &[], ..LAPTOP };

/// What a cell gave.
struct Ran {
    loaded: Loaded,
    ttft_seconds: f64,
    tokens_per_second: f64,
    memory_gb: f64,
    seconds: f64,
}

impl Ran {
    fn on(machine: &Machine, candidate: &Candidate) -> Self {
        let pace = machine.pace(candidate);
        let (ttft_seconds, token_seconds) = (pace.ttft_seconds(), pace.token_seconds);
        let chat_seconds = (6.0 * ttft_seconds + 508.0 * token_seconds).min(GIVEN_UP_SECONDS);
        let long_seconds = (4096.0 * pace.prompt_token_seconds + 8.0 * pace.swapped_seconds).min(61.0);
        let (loaded, seconds) = if pace.load_seconds > LOAD_TIMEOUT_SECONDS {
            (Loaded::TooLarge("not loaded within 300 s".into()), LOAD_TIMEOUT_SECONDS)
        } else {
            (Loaded::Yes, pace.load_seconds + chat_seconds + long_seconds)
        };
        let (tokens_per_second, memory_gb) = (1.0 / token_seconds, pace.memory_gb());
        Self { loaded, ttft_seconds, tokens_per_second, memory_gb, seconds }
    }

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
    for candidate in cells_in_order(&SIZES) {
        let name = format!("{:<9} {:<6}", candidate.model, candidate.quant);
        if let Some(skip) = termination.decide(&candidate) {
            let _ = writeln!(night.story, "{name} skipped: {}", skip.reason);
            night.outcomes.push(skipped(&candidate, &skip));
            night.skips.push(skip);
            continue;
        }
        let ran = Ran::on(machine, &candidate);
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
