//! Tests of the numbers, on chunks that were never read by a model.

use super::*;

/// A chunk of two tokens with divergences `kld` and 3 · `kld`.
fn chunk(kld: f32, same_top: u32) -> Chunk {
    let sum = 4.0 * f64::from(kld);
    Chunk {
        kld_sum: sum,
        kld_max: 3.0 * f64::from(kld),
        same_top,
        nll_sum: 2.0 + sum,
        nll_reference_sum: 2.0,
        p_change_sum: -0.1,
        p_change_square_sum: 0.02,
        kld: vec![kld, 3.0 * kld],
    }
}

fn samples(klds: &[f32]) -> Samples {
    Samples {
        chunks: klds.iter().map(|&kld| chunk(kld, 1)).collect(),
        ended_by: EndedBy::Text,
        text_name: "t".into(),
        text_tokens: 100,
        chunk_tokens: 4,
        precision_percent: 5.0,
        reference: None,
        seed: 7,
    }
}

const UNEVEN: [f32; 10] = [0.1, 0.3, 0.2, 0.25, 0.15, 0.12, 0.28, 0.22, 0.18, 0.2];

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[test]
fn the_numbers_are_sums_over_tokens_and_the_error_of_a_mean_is_that_of_its_chunks() {
    let summary = summarize(&samples(&UNEVEN)).unwrap();
    assert!(near(summary.kld_mean.value, 0.4), "twice the mean of the chunks' 0.2");
    assert!(near(summary.kld_max, 0.9) && near(summary.perplexity_reference.value, 1_f64.exp()));
    assert!(near(summary.log_perplexity_ratio.value, 0.4) && near(summary.perplexity.value, 1.4_f64.exp()));
    assert!(near(summary.same_top_percent.value, 50.0) && near(summary.p_change_rms_percent.value, 10.0));
    assert_eq!((summary.tokens, summary.same_top_percent.error), (20, Some(0.0)));
    // standard deviation (of the population) of the chunks' means 0.1245 / √10, by hand
    let error = summary.kld_mean.error.unwrap();
    assert!((error - 0.0394).abs() < 0.004, "{error}");
    let interval = summary.kld_mean.interval.unwrap();
    assert!(interval.low < 0.35 && 0.3 < interval.low && 0.45 < interval.high && interval.high < 0.5, "{interval:?}");
}

#[test]
fn percentiles_are_those_of_all_tokens() {
    let samples = samples(&[0.1, 0.2]); // tokens: 0.1, 0.3, 0.2, 0.6
    let summary = summarize(&samples).unwrap();
    let percentiles = summary.kld_percentiles;
    assert!(
        near(percentiles.p50, 0.25) && near(percentiles.p90, 0.51) && near(percentiles.p1, 0.103),
        "{percentiles:?}"
    );
}

#[test]
fn the_same_samples_give_the_same_numbers_and_another_seed_other_errors() {
    let first = summarize(&samples(&UNEVEN)).unwrap();
    assert_eq!(summarize(&samples(&UNEVEN)).unwrap(), first);
    let other = summarize(&Samples { seed: 8, ..samples(&UNEVEN) }).unwrap();
    assert_eq!(other.kld_mean.value.to_bits(), first.kld_mean.value.to_bits());
    assert_ne!(other.kld_mean.error, first.kld_mean.error);
    let again: Samples = serde_json::from_str(&serde_json::to_string(&samples(&UNEVEN)).unwrap()).unwrap();
    assert_eq!(summarize(&again).unwrap(), first, "what a run's folder keeps is all that is needed");
}

#[test]
fn precision_is_the_standard_error_in_percent_of_the_mean_and_needs_eight_chunks() {
    let settled = |klds: &[f32], precision_percent| is_settled(&Samples { precision_percent, ..samples(klds) });
    assert!(!settled(&[0.2; 7], 5.0) && settled(&[0.2; 8], 5.0));
    assert!(!settled(&[0.2; 8], 0.0), "0 reads the whole text");
    // 0.0394 of 0.4
    assert!(settled(&UNEVEN, 11.0) && !settled(&UNEVEN, 8.0));
    assert!(settled(&[0.0; 8], 5.0), "models that are equal");
    let many = [0.2; 70];
    assert!(!settled(&many[..65], 5.0) && settled(&many[..64], 5.0) && settled(&[0.2; 72], 5.0), "looked at seldom");
}

#[test]
fn a_paired_difference_is_far_surer_than_the_two_means() {
    let (a, b) = (samples(&UNEVEN), samples(&UNEVEN.map(|kld| kld + 0.01)));
    let difference = kld_difference(&b, &a).unwrap();
    assert!(near(difference.value, 0.02), "{difference:?}");
    let interval = difference.interval.unwrap();
    assert!(interval.low > 0.0199 && interval.high < 0.0201, "{interval:?}");
    let unpaired = summarize(&a).unwrap().kld_mean.error.unwrap();
    assert!(unpaired > 100.0 * difference.error.unwrap());
    // only the chunks that both have
    assert!(near(kld_difference(&b, &samples(&UNEVEN[..6])).unwrap().value, 0.02));
    for other in
        [Samples { text_name: "u".into(), ..a.clone() }, Samples { chunk_tokens: 8, ..a.clone() }, samples(&[])]
    {
        assert_eq!(kld_difference(&a, &other), None);
    }
}

#[test]
fn samples_without_a_token_have_names_without_numbers() {
    let metrics = metrics(&samples(&[]));
    let value = |name: &str| metrics.iter().find(|m| m.name == name).unwrap().value;
    assert_eq!((value("kld_mean"), value("kld_max"), value("perplexity_error")), (None, None, None));
    assert_eq!((value("tokens"), value("chunks")), (Some(0.0), Some(0.0)));
}

#[test]
fn the_names_of_the_contract_come_with_their_numbers() {
    let metrics = metrics(&samples(&UNEVEN));
    for name in
        ["kld_mean", "kld_mean_error", "kld_max", "same_top_percent", "perplexity", "perplexity_reference", "tokens"]
    {
        assert!(metrics.iter().any(|m| m.name == name && m.value.is_some()), "{name}");
    }
}
