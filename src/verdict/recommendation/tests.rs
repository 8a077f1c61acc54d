//! Tests of the advice: which quantization is recommended, and why.

use super::*;

fn candidate(model: &str, quant: &str, gigabytes: u64, rating: Rating, speed: f64) -> Candidate {
    Candidate {
        model: model.to_owned(),
        quant: quant.to_owned(),
        path: PathBuf::from(format!("{model}-{quant}.gguf")),
        size_bytes: gigabytes * 1_000_000_000,
        n_params: Some(4_000_000_000),
        synthetic: false,
        trial: Trial::Rated {
            rating,
            numbers: numbers(Some(0.5), Some(speed)),
            tokens_per_second: Some(speed),
            n_ctx: 2048,
        },
        answers: None,
    }
}

fn answers(rating: Rating, standing: Option<Standing>) -> Answers {
    Answers { rating: Some(rating), standing, words: "words".to_owned() }
}

#[test]
fn a_quantization_that_breaks_answers_is_avoided_however_fast_it_is() {
    let mut all = [
        candidate("a", "Q2_K", 1, Rating::Excellent, 60.0),
        candidate("a", "Q4_K_M", 2, Rating::Good, 20.0),
        candidate("a", "Q8_0", 4, Rating::Poor, 4.0),
    ];
    all[0].answers = Some(answers(Rating::Good, Some(Standing::Broken)));
    all[1].answers = Some(answers(Rating::Good, Some(Standing::Safe)));
    assert_eq!(marks(&all), [Mark::Avoid, Mark::Recommended, Mark::Avoid]);
    assert!(recommend(&all)[0].reason.ends_with("60.0 tokens/s; words"), "{}", recommend(&all)[0].reason);
    assert_eq!(overall(&all[..1], &Settings::default()), None);
}

#[test]
fn one_that_surely_loses_answers_or_reaches_no_threshold_is_acceptable_at_most() {
    let mut all = [candidate("a", "Q4_K_M", 2, Rating::Good, 20.0), candidate("b", "Q8_0", 1, Rating::Excellent, 90.0)];
    all[0].answers = Some(answers(Rating::Good, Some(Standing::Worse)));
    all[1].answers = Some(answers(Rating::Failed, None));
    assert_eq!(marks(&all), [Mark::Acceptable, Mark::Acceptable]);
    let best = overall(&all, &Settings::default()).unwrap();
    assert!(best.reason.starts_with("no model that runs well here has answers to rely on"), "{}", best.reason);
}

#[test]
fn a_loss_that_chance_could_explain_changes_no_advice() {
    let mut all = [candidate("a", "Q4_K_M", 2, Rating::Good, 20.0), candidate("a", "Q2_K", 1, Rating::Good, 40.0)];
    all[0].answers = Some(answers(Rating::Acceptable, Some(Standing::Unclear)));
    assert_eq!(marks(&all), [Mark::Recommended, Mark::Acceptable]);
}

fn marks(candidates: &[Candidate]) -> Vec<Mark> {
    recommend(candidates).iter().map(|r| r.mark).collect()
}

#[test]
fn the_largest_quantization_that_is_good_is_recommended() {
    let all = [
        candidate("a", "Q2_K", 1, Rating::Excellent, 60.0),
        candidate("a", "Q4_K_M", 2, Rating::Good, 20.0),
        candidate("a", "Q6_K", 3, Rating::Acceptable, 10.0),
        candidate("a", "Q8_0", 4, Rating::Poor, 4.0),
    ];
    assert_eq!(marks(&all), [Mark::Acceptable, Mark::Recommended, Mark::Acceptable, Mark::Avoid]);
    assert_eq!(
        recommend(&all)[0].reason,
        "excellent: first word after 0.50 s, 60.0 tokens/s; Q4_K_M keeps more of the model and is good"
    );
    let best = overall(&all, &Settings { threads: 4, flags: vec![] }).unwrap();
    assert_eq!((best.quant.as_str(), best.command.as_str()), ("Q4_K_M", "llama-server -m a-Q4_K_M.gguf -c 2048 -t 4"));
}

#[test]
fn sixteen_bits_are_not_better_than_eight() {
    let mut all = [candidate("a", "Q8_0", 0, Rating::Excellent, 30.0), candidate("a", "F16", 8, Rating::Good, 16.0)];
    all[0].size_bytes = 4_250_000_000;
    assert_eq!(marks(&all), [Mark::Recommended, Mark::Acceptable]);
    assert!(recommend(&all)[1].reason.ends_with("Q8_0 is as true and faster"));
}

#[test]
fn every_model_has_its_own_recommendation_and_the_larger_model_wins_overall() {
    let all =
        [candidate("small", "Q4_K_M", 1, Rating::Excellent, 90.0), candidate("large", "Q4_K_M", 4, Rating::Good, 16.0)];
    assert_eq!(marks(&all), [Mark::Recommended, Mark::Recommended]);
    assert_eq!(overall(&all, &Settings::default()).unwrap().model, "large");
}

#[test]
fn a_synthetic_model_is_never_recommended_and_never_the_one_to_start() {
    let mut all = [candidate("a", "Q4_K_M", 2, Rating::Excellent, 60.0)];
    all[0].synthetic = true;
    assert_eq!(marks(&all), [Mark::Acceptable]);
    assert!(recommend(&all)[0].reason.starts_with("speed only, its weights are synthetic"));
    assert_eq!(overall(&all, &Settings::default()), None);
}

#[test]
fn a_failed_cell_is_avoided_with_its_reason_and_a_skipped_one_has_no_mark() {
    let mut all = [candidate("a", "Q4_K_M", 2, Rating::Good, 20.0), candidate("a", "Q8_0", 4, Rating::Good, 20.0)];
    all[0].trial = Trial::Failed("out of memory".to_owned());
    all[1].trial = Trial::Skipped;
    let advice = recommend(&all);
    assert_eq!((advice.len(), advice[0].mark, advice[0].reason.as_str()), (1, Mark::Avoid, "out of memory"));
    assert_eq!(overall(&all, &Settings::default()), None);
}

#[test]
fn without_a_good_model_the_best_usable_one_is_named_as_such() {
    let all = [candidate("a", "Q8_0", 4, Rating::Acceptable, 8.0), candidate("a", "Q2_K", 1, Rating::Acceptable, 12.0)];
    let best = overall(&all, &Settings::default()).unwrap();
    assert_eq!(best.quant, "Q2_K");
    assert!(best.reason.starts_with("no model runs well here"));
}

#[test]
fn the_command_repeats_the_settings_and_quotes_what_a_shell_would_split() {
    let mut all = [candidate("a", "Q4_K_M", 2, Rating::Good, 20.0)];
    all[0].path = PathBuf::from("/models/it's here/a.gguf");
    let flags = vec![("-ngl".to_owned(), "20".to_owned())];
    let best = overall(&all, &Settings { threads: 8, flags }).unwrap();
    assert_eq!(best.command, "llama-server -m '/models/it'\\''s here/a.gguf' -c 2048 -t 8 -ngl 20");
}
