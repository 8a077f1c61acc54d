//! The numbers against samples made by hand.

use super::*;
use proptest::prelude::*;

const MS: u64 = 1_000_000;

/// A request with a TTFT and gaps in milliseconds: 1 + gaps tokens of output, 100 tokens of prompt computed in half the TTFT.
pub(crate) fn request(purpose: Purpose, repetition: u32, ttft: u64, gaps: &[u64]) -> Request {
    let mut at = ttft * MS;
    let later = gaps.iter().map(|gap| {
        at += gap * MS;
        at
    });
    let token_at_ns = std::iter::once(ttft * MS).chain(later).collect();
    Request {
        purpose,
        repetition,
        prompt: "prompt".to_owned(),
        prompt_tokens: 100,
        template_ns: MS,
        tokenize_ns: 2 * MS,
        prefill_ns: ttft * MS / 2,
        first_sample_ns: 3 * MS,
        first_detokenize_ns: 4 * MS,
        token_at_ns,
        sample_ns: 1_000 * gaps.len() as u64,
        detokenize_ns: 500 * gaps.len() as u64,
        stop: Stop::TokenCount,
        text: String::new(),
    }
}

pub(crate) fn samples(requests: Vec<Request>) -> Samples {
    Samples {
        requests,
        target_tokens: 4,
        generations_ended_by: EndedBy::Confidence,
        first_tokens_ended_by: EndedBy::Confidence,
        n_ctx: 2048,
        fallback_template: false,
    }
}

fn metric(samples: &Samples, name: &str) -> Option<f64> {
    metrics(samples).into_iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no metric {name}")).value
}

fn assert_metric(samples: &Samples, name: &str, expected: f64) {
    let value = metric(samples, name).unwrap_or_else(|| panic!("{name} is absent"));
    assert!((value - expected).abs() < 1e-9 * expected.abs().max(1.0), "{name}: {value}, not {expected}");
}

#[test]
fn one_repetition_has_the_numbers_worked_out_by_hand() {
    let samples = samples(vec![request(Purpose::Generation, 0, 500, &[100, 200, 300])]);
    assert_metric(&samples, "ttft_seconds", 0.5);
    assert_metric(&samples, "tokens_per_second", 5.0); // 3 tokens after the first in 0.6 s
    assert_metric(&samples, "tpot_ms", 200.0);
    assert_metric(&samples, "itl_p50_ms", 200.0);
    assert_metric(&samples, "itl_max_ms", 300.0);
    assert_metric(&samples, "itl_mean_ms", 200.0);
    assert_metric(&samples, "variance_percent", 50.0); // standard deviation 100 ms
    assert_metric(&samples, "end_to_end_seconds", 1.1);
    assert_metric(&samples, "prefill_tokens_per_second", 400.0); // 100 tokens in 0.25 s
    assert_metric(&samples, "ttft_template_ms", 1.0);
    assert_metric(&samples, "ttft_tokenize_ms", 2.0);
    assert_metric(&samples, "ttft_prefill_ms", 250.0);
    assert_metric(&samples, "ttft_sample_ms", 3.0);
    assert_metric(&samples, "ttft_detokenize_ms", 4.0);
    assert_metric(&samples, "sample_us_per_token", 1.0);
    assert_metric(&samples, "detokenize_us_per_token", 0.5);
    assert_metric(&samples, "overhead_percent", 0.00075); // 4.5 µs of 0.6 s
    assert_metric(&samples, "prompt_tokens", 100.0);
    assert_metric(&samples, "output_tokens", 4.0);
    assert_metric(&samples, "n_ctx", 2048.0);
    assert_eq!(metric(&samples, "ttft_ci95_low_seconds"), None); // one request
}

#[test]
fn the_warm_up_counts_nowhere() {
    let counted = vec![request(Purpose::Generation, 0, 500, &[100, 200])];
    let mut with_warm_up = counted.clone();
    with_warm_up.insert(0, request(Purpose::WarmUp, 0, 9_000, &[5_000]));
    assert_eq!(metrics(&samples(with_warm_up)), metrics(&samples(counted)));
}

#[test]
fn the_headline_is_the_median_over_the_repetitions() {
    let speeds = [100, 50, 20]; // 10, 20 and 50 tokens a second
    let all = speeds.iter().zip(0..).map(|(&gap, i)| request(Purpose::Generation, i, 500, &[gap; 4])).collect();
    let samples = samples(all);
    assert_metric(&samples, "tokens_per_second", 20.0);
    assert_metric(&samples, "tpot_ms", 50.0);
    assert_metric(&samples, "repetitions", 3.0);
}

#[test]
fn a_repetition_of_several_requests_sums_the_gaps_within_them() {
    let mut first = request(Purpose::Generation, 0, 500, &[100]);
    first.stop = Stop::EndOfGeneration;
    let second = request(Purpose::Generation, 0, 700, &[300]);
    let samples = samples(vec![first, second]);
    assert_metric(&samples, "tokens_per_second", 5.0); // 2 gaps in 0.4 s: neither TTFT counts
    assert_metric(&samples, "tpot_ms", 200.0);
    assert_metric(&samples, "end_to_end_seconds", 1.6);
    assert_metric(&samples, "ttft_seconds", 0.6);
    assert_metric(&samples, "repetitions", 1.0);
    assert_metric(&samples, "requests", 2.0);
    assert_metric(&samples, "requests_ended_early", 1.0);
    assert_metric(&samples, "output_tokens", 4.0);
}

#[test]
fn a_request_for_a_first_token_counts_for_the_time_to_first_token_only() {
    let samples = samples(vec![
        request(Purpose::Generation, 0, 500, &[100]),
        request(Purpose::FirstToken, 0, 100, &[]),
        request(Purpose::FirstToken, 0, 200, &[]),
    ]);
    assert_metric(&samples, "ttft_seconds", 0.2);
    assert_metric(&samples, "tokens_per_second", 10.0);
    assert_metric(&samples, "output_tokens", 2.0);
    assert_metric(&samples, "repetitions", 1.0);
    assert_metric(&samples, "requests", 3.0);
    assert_metric(&samples, "end_to_end_seconds", 0.6);
}

#[test]
fn a_single_token_defines_a_time_to_first_token_and_no_speed() {
    let samples = samples(vec![request(Purpose::Generation, 0, 500, &[])]);
    assert_metric(&samples, "ttft_seconds", 0.5);
    for absent in ["tokens_per_second", "tpot_ms", "itl_p50_ms", "variance_percent", "overhead_percent"] {
        assert_eq!(metric(&samples, absent), None, "{absent}");
    }
}

#[test]
fn no_requests_define_nothing_but_the_counts() {
    let samples = samples(vec![]);
    assert_eq!(metric(&samples, "ttft_seconds"), None);
    assert_eq!(metric(&samples, "ttft_prefill_ms"), None);
    assert_eq!(metric(&samples, "end_to_end_seconds"), None);
    assert_metric(&samples, "requests", 0.0);
}

#[test]
fn six_requests_have_a_confidence_interval() {
    let ttfts = [600, 100, 500, 200, 400, 300];
    let all = ttfts.iter().zip(0..).map(|(&ttft, i)| request(Purpose::Generation, i, ttft, &[10])).collect();
    let samples = samples(all);
    assert_metric(&samples, "ttft_ci95_low_seconds", 0.1);
    assert_metric(&samples, "ttft_ci95_high_seconds", 0.6);
    assert_metric(&samples, "tokens_per_second_ci95_low", 100.0);
    assert_metric(&samples, "prefill_tokens_per_second", 600.0 / 1.05);
    let (low, high) = (
        metric(&samples, "prefill_ci95_low_tokens_per_second"),
        metric(&samples, "prefill_ci95_high_tokens_per_second"),
    );
    assert!(low.unwrap() < 600.0 / 1.05 && 600.0 / 1.05 < high.unwrap());
}

#[test]
fn the_name_of_every_metric_is_there_once() {
    let mut names: Vec<String> = metrics(&samples(vec![])).into_iter().map(|metric| metric.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

prop_compose! {
    fn any_request()(
        purpose in prop_oneof![Just(Purpose::WarmUp), Just(Purpose::Generation), Just(Purpose::FirstToken)],
        repetition in 0..4_u32,
        ends in any::<bool>(),
        mut token_at_ns in prop::collection::vec(any::<u64>(), 0..20),
        parts in any::<[u64; 7]>(),
        prompt_tokens in any::<u32>(),
    ) -> Request {
        token_at_ns.sort_unstable();
        Request {
            purpose, repetition, prompt: String::new(), prompt_tokens,
            template_ns: parts[0], tokenize_ns: parts[1], prefill_ns: parts[2], first_sample_ns: parts[3],
            first_detokenize_ns: parts[4], sample_ns: parts[5], detokenize_ns: parts[6], token_at_ns,
            stop: if ends { Stop::EndOfGeneration } else { Stop::TokenCount }, text: String::new(),
        }
    }
}

proptest! {
    #[test]
    fn every_metric_is_finite_and_not_negative_or_absent(requests in prop::collection::vec(any_request(), 0..12)) {
        for metric in metrics(&samples(requests)) {
            prop_assert!(metric.value.is_none_or(|value| value.is_finite() && value >= 0.0), "{metric:?}");
        }
    }

    #[test]
    fn the_speed_is_the_inverse_of_the_time_per_token_in_a_single_repetition(
        gaps in prop::collection::vec(1_u64..10_000, 1..100),
    ) {
        let samples = samples(vec![request(Purpose::Generation, 0, 100, &gaps)]);
        let product = metric(&samples, "tokens_per_second").unwrap() * metric(&samples, "tpot_ms").unwrap();
        prop_assert!((product - 1000.0).abs() < 1e-6);
    }
}
