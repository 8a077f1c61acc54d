//! Divergence of real quantizations of one model, made by the program itself and measured in real workers.

mod common;

use common::{Program, synthetic};
use sweetspot::engine::quantize::Quant;

#[test]
fn fewer_bits_diverge_more_and_a_second_run_repeats_every_digit() {
    let program = Program::new();
    let base = synthetic(program.folder.path(), "tiny", Quant::F16);
    let base = base.to_str().unwrap();
    let made = program.sweetspot(&["quantize", base, "Q2_K", "Q4_K_M", "Q8_0", "--out", "quants"]);
    assert_eq!(made.code, Some(0), "{made:#?}");
    let measure = || {
        let line = ["quality", "quants", "--reference", base, "-c", "128", "--precision", "0", "-o", "json"];
        let ran = program.sweetspot(&line);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let results = serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()["results"].clone();
        let results = results.as_array().unwrap().clone();
        results
            .into_iter()
            .map(|r| (r["quantization"].as_str().unwrap().to_owned(), r["divergence"].clone()))
            .collect::<Vec<_>>()
    };
    let measured = measure();
    let names: Vec<_> = measured.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Q2_K", "Q4_K_M", "Q8_0"]);
    let number = |place: usize, name: &str| measured[place].1[name].as_f64().unwrap();
    for place in 0..2 {
        let (low, high) = (number(place, "kld_mean_ci95_low"), number(place + 1, "kld_mean_ci95_high"));
        assert!(
            low > high,
            "{} and {} are told apart beyond their intervals: {low} {high}",
            names[place],
            names[place + 1]
        );
        assert!(number(place, "same_top_percent") < number(place + 1, "same_top_percent"), "{measured:#?}");
    }
    assert!(number(2, "kld_mean") > 0.0, "Q8_0 is not F16");
    assert_eq!(measure(), measured);
}
