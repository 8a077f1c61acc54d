//! What holds of termination whatever was seen.

use proptest::prelude::*;
use sweetspot::plan::termination::{Candidate, Interactive, Loaded, Rule, Seen, Settings, Termination, UseCase};

fn candidates() -> impl Strategy<Value = Candidate> {
    let quants = prop::sample::select(vec!["Q2_K", "Q3_K_M", "Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16", "odd"]);
    let params = prop::option::of(0_u64..100_000_000_000);
    let need = prop::option::of(0_u64..200_000_000_000);
    ("[a-d]", quants, 0_u64..100_000_000_000, params.clone(), params, need).prop_map(
        |(model, quant, size_bytes, n_params, n_active_params, need_bytes)| Candidate {
            model,
            quant: quant.to_owned(),
            size_bytes,
            n_params,
            n_active_params,
            need_bytes,
        },
    )
}

fn cells() -> impl Strategy<Value = Seen> {
    let loaded = prop_oneof![
        4 => Just(Loaded::Yes),
        1 => Just(Loaded::TooLarge("out of memory".to_owned())),
        1 => Just(Loaded::Broken("no GGUF file".to_owned())),
    ];
    let number = || prop::option::of(0.0..100.0_f64);
    let chat = (number(), number(), any::<bool>()).prop_map(|(ttft_seconds, tokens_per_second, passed)| Interactive {
        ttft_seconds,
        tokens_per_second,
        passed,
    });
    (candidates(), loaded, prop::option::of(chat), prop::option::of(0_u64..100_000_000_000)).prop_map(
        |(candidate, loaded, interactive, memory_bytes)| Seen { candidate, loaded, interactive, memory_bytes },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    let bytes = || prop::option::of(0_u64..100_000_000_000);
    (bytes(), bytes(), 1.0..2.0_f64).prop_map(|(free_bytes, max_memory_bytes, memory_factor)| Settings {
        free_bytes,
        max_memory_bytes,
        memory_factor,
        ..Settings::default()
    })
}

fn after(settings: Settings, seen: Vec<Seen>) -> Termination {
    let mut termination = Termination::new(settings);
    seen.into_iter().for_each(|cell| termination.learn(cell));
    termination
}

const ALL_CASES: [UseCase; 6] =
    [UseCase::Interactive, UseCase::LongContext, UseCase::Batch, UseCase::Quality, UseCase::Soak, UseCase::Stress];

proptest! {
    #[test]
    fn a_larger_need_is_never_accepted_where_a_smaller_one_is_refused(
        settings in settings(), candidate in candidates(), more in 1_u64..100_000_000_000,
    ) {
        let termination = after(settings, Vec::new());
        let larger = Candidate {
            size_bytes: candidate.size_bytes + more,
            need_bytes: candidate.need_bytes.map(|need| need + more),
            ..candidate.clone()
        };
        if termination.decide(&candidate).is_some() {
            prop_assert_eq!(termination.decide(&larger).map(|skip| skip.rule), Some(Rule::NotEnoughMemory));
        }
    }

    #[test]
    fn a_larger_file_of_a_model_is_never_accepted_where_a_smaller_one_is_too_large_for_the_hardware(
        seen in prop::collection::vec(cells(), 0..12), candidate in candidates(), more in 0_u64..100_000_000_000,
    ) {
        let termination = after(Settings::default(), seen);
        if termination.decide(&candidate).is_some_and(|skip| skip.rule == Rule::TooLargeForHardware) {
            let larger = Candidate { size_bytes: candidate.size_bytes + more, ..candidate };
            prop_assert!(termination.decide(&larger).is_some());
        }
    }

    #[test]
    fn without_termination_nothing_is_skipped_whatever_was_seen(
        settings in settings(), seen in prop::collection::vec(cells(), 0..12), candidate in candidates(),
    ) {
        let termination = after(Settings { enabled: false, ..settings }, seen);
        prop_assert_eq!(termination.decide(&candidate), None);
        prop_assert!(termination.profiles_to_run(&candidate, &ALL_CASES).iter().all(|(_, skip)| skip.is_none()));
    }

    #[test]
    fn every_refusal_has_a_reason_of_one_line_and_evidence_that_was_seen(
        settings in settings(), seen in prop::collection::vec(cells(), 0..12), candidate in candidates(),
    ) {
        let termination = after(settings, seen.clone());
        let Some(skip) = termination.decide(&candidate) else { return Ok(()) };
        prop_assert!(!skip.reason.is_empty() && !skip.reason.contains('\n'));
        prop_assert!(skip.rule == Rule::NotEnoughMemory || !skip.evidence.is_empty());
        for evidence in &skip.evidence {
            let is_it = |seen: &&Seen| seen.candidate.model == evidence.model && seen.candidate.quant == evidence.quant;
            prop_assert!(seen.iter().any(|seen| is_it(&seen)), "{:?}", evidence);
        }
    }

    #[test]
    fn batch_and_quality_are_never_left_out(
        seen in prop::collection::vec(cells(), 0..12), candidate in candidates(),
    ) {
        let termination = after(Settings::default(), seen);
        let wanted = [UseCase::Batch, UseCase::Quality];
        prop_assert!(termination.profiles_to_run(&candidate, &wanted).iter().all(|(_, skip)| skip.is_none()));
    }
}
