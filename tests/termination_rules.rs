//! Every rule of termination, by the numbers of its example.

use sweetspot::plan::termination::{
    Candidate, Interactive, Loaded, Passing, Rule, Seen, Settings, Skip, Termination, UseCase, stress_choice,
};
use sweetspot::verdict::Rating;

const GB: u64 = 1_000_000_000;

/// A dense model of so many billion parameters; the file's size in GB.
fn cell(model: &str, quant: &str, params: f64, size_gb: f64) -> Candidate {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive
    let n = |billions: f64| (billions * 1e9).round() as u64;
    Candidate {
        model: model.into(),
        quant: quant.into(),
        size_bytes: n(size_gb),
        n_params: Some(n(params)),
        n_active_params: Some(n(params)),
        need_bytes: None,
    }
}

fn seen(candidate: Candidate) -> Seen {
    Seen { candidate, loaded: Loaded::Yes, interactive: None, memory_bytes: None }
}

/// A cell whose chat had a first token and a speed; below 2 tokens/s or after 30 s it failed.
fn chat(candidate: Candidate, ttft: f64, speed: f64) -> Seen {
    let passed = ttft <= 30.0 && speed >= 2.0;
    let interactive = Interactive { ttft_seconds: Some(ttft), tokens_per_second: Some(speed), passed };
    Seen { interactive: Some(interactive), ..seen(candidate) }
}

fn used(candidate: Candidate, memory_gb: u64) -> Seen {
    Seen { memory_bytes: Some(memory_gb * GB), ..seen(candidate) }
}

fn with(settings: Settings, cells: impl IntoIterator<Item = Seen>) -> Termination {
    let mut termination = Termination::new(settings);
    cells.into_iter().for_each(|cell| termination.learn(cell));
    termination
}

fn free(gb: u64) -> Settings {
    Settings { free_bytes: Some(gb * GB), ..Settings::default() }
}

#[track_caller]
fn refused(termination: &Termination, candidate: &Candidate, rule: Rule) -> Skip {
    let skip = termination.decide(candidate).unwrap_or_else(|| panic!("{candidate:?} is run"));
    assert_eq!(skip.rule, rule, "{}", skip.reason);
    assert!(!skip.reason.contains('\n'));
    skip
}

// 1. before loading

#[test]
fn a_file_of_13_gb_needs_15_6_gb_and_is_skipped_where_14_gb_are_free() {
    let model = cell("llama-13b", "Q8_0", 12.2, 13.0);
    let skip = refused(&with(free(14), []), &model, Rule::NotEnoughMemory);
    assert_eq!(skip.reason, "needs about 15.6 GB (1.2 × its 13.0 GB file), 14.0 GB are free: it would swap");
    assert!(skip.evidence.is_empty(), "its own size is enough");
    assert_eq!(with(free(16), []).decide(&model), None);
}

#[test]
fn an_exact_count_goes_before_the_rule_of_thumb() {
    let counted = |gb: u64| Candidate { need_bytes: Some(gb * GB), ..cell("llama-13b", "Q8_0", 12.2, 13.0) };
    assert_eq!(with(free(14), []).decide(&counted(14)), None, "all that is free is enough");
    let skip = refused(&with(free(14), []), &counted(20), Rule::NotEnoughMemory);
    assert_eq!(skip.reason, "needs 20.0 GB, 14.0 GB are free: it would swap");
    let hair = Candidate { need_bytes: Some(14 * GB + 2_000_000), ..counted(14) };
    let skip = refused(&with(free(14), []), &hair, Rule::NotEnoughMemory);
    assert_eq!(skip.reason, "needs 14.002 GB, 14.000 GB are free: it would swap");
}

#[test]
fn the_smaller_of_free_and_allowed_memory_counts_and_without_either_nothing_is_too_large() {
    let model = cell("llama-13b", "Q8_0", 12.2, 13.0);
    let both = |free, allowed| Settings {
        free_bytes: Some(free * GB),
        max_memory_bytes: Some(allowed * GB),
        ..Settings::default()
    };
    let skip = refused(&with(both(64, 12), []), &model, Rule::NotEnoughMemory);
    assert_eq!(
        skip.reason,
        "needs about 15.6 GB (1.2 × its 13.0 GB file), more than the 12.0 GB allowed by max_memory_gb"
    );
    assert!(refused(&with(both(14, 64), []), &model, Rule::NotEnoughMemory).reason.contains("14.0 GB are free"));
    assert_eq!(with(both(64, 16), []).decide(&model), None);
    assert_eq!(with(Settings::default(), []).decide(&model), None);
}

// 2. after a failed load

#[test]
fn after_a_load_that_took_too_long_no_larger_file_of_the_model_is_tried_and_smaller_ones_are() {
    let why = "not loaded within 300 s".to_owned();
    let failed = Seen { loaded: Loaded::TooLarge(why), ..seen(cell("llama-13b", "Q5_K_M", 13.0, 9.2)) };
    let termination = with(Settings::default(), [failed]);
    let skip = refused(&termination, &cell("llama-13b", "Q6_K", 13.0, 10.7), Rule::TooLargeForHardware);
    assert_eq!(
        skip.reason,
        "too large for this hardware: its Q5_K_M of 9.2 GB could not be loaded (not loaded within 300 s), and this one has 10.7 GB"
    );
    assert_eq!((skip.evidence[0].model.as_str(), skip.evidence[0].quant.as_str()), ("llama-13b", "Q5_K_M"));
    refused(&termination, &cell("llama-13b", "Q5_1", 13.0, 9.2), Rule::TooLargeForHardware);
    assert_eq!(termination.decide(&cell("llama-13b", "Q4_K_M", 13.0, 7.9)), None);
    assert_eq!(termination.decide(&cell("qwen-14b", "Q6_K", 14.0, 12.1)), None, "another model");
}

#[test]
fn a_broken_file_says_nothing_of_others() {
    let broken = Loaded::Broken("no GGUF file".into());
    let termination =
        with(Settings::default(), [Seen { loaded: broken, ..seen(cell("llama-13b", "Q5_K_M", 13.0, 9.2)) }]);
    assert_eq!(termination.decide(&cell("llama-13b", "Q6_K", 13.0, 10.7)), None);
}

// 3. after a measurement

#[test]
fn after_7b_q2_k_at_45_seconds_and_1_5_tokens_13b_q2_k_is_skipped() {
    let termination = with(Settings::default(), [chat(cell("llama-7b", "Q2_K", 7.0, 2.8), 45.0, 1.5)]);
    let skip = refused(&termination, &cell("llama-13b", "Q2_K", 13.0, 5.4), Rule::SmallerWasTooSlow);
    assert_eq!(
        skip.reason,
        "the smaller llama-7b is too slow at Q2_K already: first token after 45.0 s (at most 30 s), 1.50 tokens/s (at least 2)"
    );
    let evidence: Vec<_> = skip.evidence.iter().map(|e| e.what.as_str()).collect();
    assert_eq!(evidence, ["first token after 45.0 s, 1.50 tokens/s; 7.00 billion parameters"]);
    assert_eq!(termination.decide(&cell("llama-13b", "Q3_K_M", 13.0, 6.3)), None, "another quantization");
    assert_eq!(termination.decide(&cell("qwen-3b", "Q2_K", 3.0, 1.2)), None, "a smaller model");
}

#[test]
fn either_limit_is_enough_and_what_meets_both_exactly_stops_nothing() {
    let larger = cell("llama-13b", "Q4_K_M", 13.0, 7.9);
    let after = |ttft, speed| {
        with(Settings::default(), [chat(cell("llama-7b", "Q4_K_M", 7.0, 4.1), ttft, speed)]).decide(&larger)
    };
    assert!(after(30.1, 9.0).unwrap().reason.ends_with("first token after 30.1 s (at most 30 s)"));
    assert!(after(5.0, 1.99).unwrap().reason.ends_with("already: 1.99 tokens/s (at least 2)"));
    assert_eq!(after(30.0, 2.0), None);
}

#[test]
fn a_large_mixture_with_few_active_parameters_is_not_larger_than_a_dense_model() {
    let slow = chat(cell("llama-13b", "Q4_K_M", 13.0, 7.9), 10.0, 1.8);
    let mixture =
        |active: Option<u64>| Candidate { n_active_params: active, ..cell("qwen-30b-a3b", "Q4_K_M", 30.5, 18.6) };
    let termination = with(Settings::default(), [slow]);
    assert_eq!(termination.decide(&mixture(Some(3_300_000_000))), None);
    refused(&termination, &mixture(Some(22_000_000_000)), Rule::SmallerWasTooSlow);
    refused(&termination, &mixture(None), Rule::SmallerWasTooSlow);
}

#[test]
fn a_dense_model_beside_a_slow_mixture_is_skipped_only_where_it_is_larger_either_way() {
    let mixture = Candidate { n_active_params: Some(3_300_000_000), ..cell("qwen-30b-a3b", "Q4_K_M", 30.5, 18.6) };
    let termination = with(Settings::default(), [chat(mixture, 10.0, 1.8)]);
    let unknown = |params, size| Candidate { n_active_params: None, ..cell("llama", "Q4_K_M", params, size) };
    assert_eq!(termination.decide(&unknown(13.0, 7.9)), None, "it may be a mixture, too");
    refused(&termination, &unknown(70.0, 42.0), Rule::SmallerWasTooSlow);
    refused(&termination, &cell("llama", "Q4_K_M", 13.0, 7.9), Rule::SmallerWasTooSlow);
}

#[test]
fn without_parameters_the_files_sizes_are_compared() {
    let unknown =
        |model: &str, size| Candidate { n_params: None, n_active_params: None, ..cell(model, "Q4_K_M", 1.0, size) };
    let termination = with(Settings::default(), [chat(unknown("a", 5.0), 40.0, 1.0)]);
    refused(&termination, &unknown("b", 5.1), Rule::SmallerWasTooSlow);
    assert_eq!(termination.decide(&unknown("b", 4.9)), None);
}

#[test]
fn the_limits_are_those_of_the_settings() {
    let settings = Settings { max_ttft_seconds: 60.0, min_tokens_per_second: 1.0, ..Settings::default() };
    let termination = with(settings, [chat(cell("llama-7b", "Q2_K", 7.0, 2.8), 45.0, 1.5)]);
    assert_eq!(termination.decide(&cell("llama-13b", "Q2_K", 13.0, 5.4)), None);
}

// 4. after failures of several quantizations

fn failed(model: &str, quant: &str, params: f64, size_gb: f64) -> Seen {
    chat(cell(model, quant, params, size_gb), 12.0, 1.5)
}

#[test]
fn where_q4_q5_and_q6_failed_q8_and_floats_are_skipped() {
    let all = [("Q4_K_M", 7.9), ("Q5_K_M", 9.2), ("Q6_K", 10.7)].map(|(q, size)| failed("llama-13b", q, 13.0, size));
    let q8 = cell("llama-13b", "Q8_0", 13.0, 13.8);
    let skip = refused(&with(Settings::default(), all.clone()), &q8, Rule::LowerQuantsFailed);
    let each = "first token after 12.0 s, 1.50 tokens/s";
    assert_eq!(
        skip.reason,
        format!("its Q4_K_M, Q5_K_M and Q6_K all failed in a chat ({each}; {each}; {each}): Q8_0 has more to read")
    );
    let quants: Vec<_> = skip.evidence.iter().map(|e| e.quant.as_str()).collect();
    assert_eq!(quants, ["Q4_K_M", "Q5_K_M", "Q6_K"]);
    let termination = with(Settings::default(), all.clone());
    refused(&termination, &cell("llama-13b", "F16", 13.0, 26.0), Rule::LowerQuantsFailed);
    for smaller in ["Q2_K", "Q3_K_M", "Q4_0"] {
        assert_eq!(termination.decide(&cell("llama-13b", smaller, 13.0, 5.0)), None);
    }
    assert_eq!(
        termination.decide(&cell("qwen-14b", "Q8_0", 14.0, 15.0)).map(|skip| skip.rule),
        Some(Rule::LowerQuantsFailed)
    );
    assert_eq!(termination.decide(&cell("llama-7b", "Q8_0", 7.0, 7.2)), None, "a smaller model");
    for missing in 0..3 {
        let two = all.iter().cloned().enumerate().filter(|(place, _)| *place != missing).map(|(_, seen)| seen);
        assert_eq!(with(Settings::default(), two).decide(&q8), None, "without number {missing}");
    }
}

#[test]
fn one_quantization_of_a_level_that_passed_keeps_q8_in_the_run() {
    let mut all: Vec<_> =
        [("Q4_K_M", 7.9), ("Q5_K_M", 9.2), ("Q6_K", 10.7)].map(|(q, size)| failed("llama-13b", q, 13.0, size)).into();
    all.push(chat(cell("llama-13b", "Q4_0", 13.0, 7.4), 8.0, 2.5));
    assert_eq!(with(Settings::default(), all).decide(&cell("llama-13b", "Q8_0", 13.0, 13.8)), None);
}

#[test]
fn levels_that_were_skipped_because_a_smaller_model_was_too_slow_count_as_failed() {
    let all = [("Q4_K_M", 7.9), ("Q5_K_M", 9.2), ("Q6_K", 10.7)].map(|(q, size)| failed("llama-13b", q, 13.0, size));
    let termination = with(Settings::default(), all);
    let skip = refused(&termination, &cell("qwen-32b", "Q8_0", 32.0, 34.8), Rule::LowerQuantsFailed);
    assert!(
        skip.reason
            .starts_with("at Q4_K_M, Q5_K_M and Q6_K it or a smaller model failed in a chat (llama-13b with first"),
        "{}",
        skip.reason
    );
    assert!(skip.evidence.iter().all(|evidence| evidence.model == "llama-13b"));
}

const ALL_CASES: [UseCase; 6] =
    [UseCase::Interactive, UseCase::LongContext, UseCase::Batch, UseCase::Quality, UseCase::Soak, UseCase::Stress];

fn cases_run(termination: &Termination, candidate: &Candidate) -> Vec<UseCase> {
    let all = termination.profiles_to_run(candidate, &ALL_CASES);
    assert_eq!(all.len(), ALL_CASES.len());
    all.into_iter().filter(|(_, skip)| skip.is_none()).map(|(case, _)| case).collect()
}

#[test]
fn where_q2_and_q3_failed_in_a_chat_batch_still_runs_and_larger_ones_are_not_asked_to_chat() {
    let q2 = cell("llama-13b", "Q2_K", 13.0, 5.4);
    let both = [failed("llama-13b", "Q3_K_M", 13.0, 6.3), failed("llama-13b", "Q2_K", 13.0, 5.4)];
    let termination = with(Settings::default(), both.clone());
    assert_eq!(termination.decide(&q2), None);
    let unhurried = [UseCase::LongContext, UseCase::Batch, UseCase::Quality];
    assert_eq!(cases_run(&termination, &q2), [&[UseCase::Interactive], &unhurried[..]].concat());
    let q8 = cell("llama-13b", "Q8_0", 13.0, 13.8);
    assert_eq!(termination.decide(&q8), None);
    assert_eq!(cases_run(&termination, &q8), unhurried);
    let (_, skip) = termination.profiles_to_run(&q8, &[UseCase::Interactive]).remove(0);
    let each = "first token after 12.0 s, 1.50 tokens/s";
    assert_eq!(skip.unwrap().reason, format!("its Q2_K and Q3_K_M failed in a chat already ({each}; {each})"));

    let with_q4 = both.into_iter().chain([chat(cell("llama-13b", "Q4_0", 13.0, 7.4), 8.0, 2.5)]);
    assert_eq!(cases_run(&with(Settings::default(), with_q4), &q8), ALL_CASES, "Q4_0 is fast enough");
    let only_q2 = with(Settings::default(), [failed("llama-13b", "Q2_K", 13.0, 5.4)]);
    assert_eq!(cases_run(&only_q2, &q8), ALL_CASES);
}

#[test]
fn a_cell_that_failed_in_a_chat_runs_its_other_profiles_but_no_stress() {
    let slow = cell("llama-7b", "Q2_K", 7.0, 2.8);
    let termination = with(Settings::default(), [chat(slow.clone(), 45.0, 1.5)]);
    let run = cases_run(&termination, &slow);
    assert_eq!(run, [UseCase::Interactive, UseCase::LongContext, UseCase::Batch, UseCase::Quality]);
}

// 5. the trend of memory

/// 7B Q4 took 5 GB, 7B Q6 7 GB, 13B Q4 9 GB. (The files have the sizes that such files have.)
fn trend(settings: Settings) -> Termination {
    let cells = [
        used(cell("llama-7b", "Q4_K_M", 6.74, 4.08), 5),
        used(cell("llama-7b", "Q6_K", 6.74, 5.53), 7),
        used(cell("llama-13b", "Q4_K_M", 13.02, 7.87), 9),
    ];
    // the rule of thumb alone would let every file pass that is no larger than the memory
    with(Settings { memory_factor: 1.0, ..settings }, cells)
}

fn foretold_gb(termination: &Termination, candidate: &Candidate) -> f64 {
    let skip = refused(termination, candidate, Rule::MemoryTrend);
    let number = skip.reason.strip_prefix("would take about ").and_then(|rest| rest.split(' ').next()).unwrap();
    number.parse().unwrap()
}

#[test]
fn by_the_trend_13b_q6_takes_about_11_gb_and_runs_while_q8_takes_about_15_gb_and_is_skipped() {
    let (q6, q8) = (cell("llama-13b", "Q6_K", 13.02, 10.68), cell("llama-13b", "Q8_0", 13.02, 13.83));
    let termination = trend(free(14));
    assert_eq!(termination.decide(&q6), None);
    let skip = refused(&termination, &q8, Rule::MemoryTrend);
    assert!(skip.reason.starts_with("would take about 15."), "{}", skip.reason);
    assert!(skip.reason.contains("by the trend of 3 cells"), "{}", skip.reason);
    assert!(skip.reason.ends_with("14.0 GB are free: it would swap"), "{}", skip.reason);
    assert_eq!(
        skip.evidence.iter().map(|e| format!("{} {} {}", e.model, e.quant, e.what)).collect::<Vec<_>>()[0],
        "llama-7b Q4_K_M took 5.0 GB of memory; file 4.1 GB, 6.74 billion parameters"
    );
    // what it says of Q6 where that is too much
    let of_q6 = foretold_gb(&trend(Settings { max_memory_bytes: Some(10_700_000_000), ..Settings::default() }), &q6);
    assert!((10.8..=11.2).contains(&of_q6), "{of_q6}");
}

#[test]
fn an_exact_count_goes_before_the_trend() {
    let counted = Candidate { need_bytes: Some(13 * GB), ..cell("llama-13b", "Q8_0", 13.02, 13.83) };
    assert_eq!(trend(free(14)).decide(&counted), None);
}

#[test]
fn two_cells_or_three_alike_foretell_nothing() {
    let q8 = cell("llama-13b", "Q8_0", 13.02, 13.83);
    let alike = (0..3).map(|n| used(cell(&format!("m{n}"), "Q4_K_M", 6.74, 4.08), 40));
    for cells in
        [vec![used(cell("a", "Q4_K_M", 6.74, 4.08), 20), used(cell("a", "Q6_K", 6.74, 5.53), 40)], alike.collect()]
    {
        let termination = with(Settings { memory_factor: 1.0, ..free(14) }, cells);
        assert_eq!(termination.decide(&q8), None);
    }
}

#[test]
fn the_quantizations_of_a_single_model_foretell_a_larger_one_of_it() {
    let cells = [("Q4_K_M", 4.08, 5), ("Q5_K_M", 4.78, 6), ("Q6_K", 5.53, 7)];
    let cells = cells.map(|(quant, size, memory)| used(cell("llama-7b", quant, 6.74, size), memory));
    let termination = with(Settings { memory_factor: 1.0, ..free(9) }, cells);
    let of_q8 = foretold_gb(&termination, &cell("llama-7b", "Q8_0", 6.74, 7.16));
    assert!((9.2..=9.4).contains(&of_q8), "1.38 GB more for each GB of file: {of_q8}");
}

#[test]
fn cells_that_no_trend_fits_foretell_nothing() {
    let cells = [("a", 2.0, 2), ("b", 4.0, 9), ("c", 6.0, 5), ("d", 8.0, 14)];
    let cells = cells.map(|(model, size, memory)| used(cell(model, "Q4_K_M", size * 1.65, size), memory));
    let termination = with(Settings { memory_factor: 1.0, ..free(10) }, cells);
    assert_eq!(termination.decide(&cell("e", "Q4_K_M", 16.0, 9.9)), None);
}

// 6. stress

fn passing(quant: &str, rating: Option<Rating>, memory_gb: u64) -> Passing {
    Passing { model: "m".into(), quant: quant.into(), rating, memory_bytes: Some(memory_gb * GB) }
}

#[test]
fn stress_takes_the_last_configuration_that_is_at_least_acceptable_and_never_a_failed_one() {
    let cells = [
        passing("Q4_K_M", Some(Rating::Good), 4),
        passing("Q5_K_M", Some(Rating::Acceptable), 5),
        passing("Q6_K", Some(Rating::Poor), 6),
        passing("Q8_0", Some(Rating::Failed), 7),
        passing("F16", None, 8),
    ];
    let choice = stress_choice(&cells, Some(20 * GB)).unwrap();
    assert_eq!((choice.place, choice.is_next_to_last), (1, false));
    assert_eq!(stress_choice(&cells[2..], Some(20 * GB)), None);
    assert_eq!(stress_choice(&[], None), None);
}

#[test]
fn stress_takes_the_next_to_last_where_the_last_leaves_less_than_a_tenth() {
    let cells = [passing("Q4_K_M", Some(Rating::Good), 5), passing("Q8_0", Some(Rating::Acceptable), 9)];
    let place = |cells: &[Passing], allowed: u64| stress_choice(cells, Some(allowed)).map(|choice| choice.place);
    assert_eq!(place(&cells, 10 * GB), Some(1), "a tenth is left");
    assert_eq!(place(&cells, 10 * GB - 10), Some(0));
    assert_eq!(place(&cells[1..], 9 * GB), Some(0), "there is no other");
    let larger_first = [cells[1].clone(), cells[0].clone()];
    assert_eq!(place(&larger_first, 5 * GB), Some(1), "the next to last leaves still less");
}

// all together

#[test]
fn without_termination_nothing_is_ever_skipped() {
    let off = Settings { enabled: false, ..free(1) };
    let all = [("Q4_K_M", 7.9), ("Q5_K_M", 9.2), ("Q6_K", 10.7), ("Q2_K", 5.4), ("Q3_K_M", 6.3)];
    let failed = all.map(|(quant, size)| failed("llama-13b", quant, 13.0, size));
    let large = Seen { loaded: Loaded::TooLarge("out of memory".into()), ..seen(cell("llama-13b", "Q4_0", 13.0, 7.4)) };
    let termination = with(off, failed.into_iter().chain([large]));
    for quant in ["Q8_0", "F16", "Q2_K"] {
        let candidate = cell("llama-13b", quant, 13.0, 13.8);
        assert_eq!(termination.decide(&candidate), None);
        assert_eq!(cases_run(&termination, &candidate), ALL_CASES);
    }
}

#[test]
fn a_decision_reads_back_from_a_runs_file_as_it_was_written() {
    let skip = refused(&with(free(14), []), &cell("llama-13b", "Q8_0", 12.2, 13.0), Rule::NotEnoughMemory);
    let json = serde_json::to_string(&skip).unwrap();
    assert!(json.starts_with(r#"{"rule":"not_enough_memory","reason":"needs about"#), "{json}");
    assert!(!json.contains("expected_seconds"), "{json}");
    let timed = Skip { expected_seconds: Some(12.5), ..skip.clone() };
    assert_eq!(serde_json::from_str::<Skip>(&serde_json::to_string(&timed).unwrap()).unwrap(), timed);
    assert_eq!(serde_json::from_str::<Skip>(&json).unwrap(), skip);
    assert!(serde_json::from_str::<Skip>(&json.replacen("rule", "rul", 1)).is_err());
}
