//! Two scores that put speed against memory. `docs/method.md` gives the formulas with examples. They say nothing of the
//! quality of the answers.

use crate::stats::ratio;

/// More tokens per second than this are no further benefit to a person who reads them.
const ENOUGH_TOKENS_PER_SECOND: f64 = 30.0;
/// A shorter time to first token than this is no further benefit.
const SHORT_ENOUGH_TTFT_SECONDS: f64 = 1.0;

/// Tokens per second for each GB (10^9 bytes) of memory that model and context take.
#[must_use]
pub fn efficiency(tokens_per_second: f64, memory_gb: f64) -> Option<f64> {
    ratio(tokens_per_second, memory_gb)
}

/// 0 to 100: what a person has from it (speed up to 30 tokens/s, time to first token down to 1 s, both as a share of that),
/// times the share of the machine's memory that is left for everything else.
#[must_use]
pub fn cost_benefit(tokens_per_second: f64, ttft_seconds: f64, memory_gb: f64, machine_gb: f64) -> Option<f64> {
    let speed = (tokens_per_second / ENOUGH_TOKENS_PER_SECOND).clamp(0.0, 1.0);
    let wait = ratio(SHORT_ENOUGH_TTFT_SECONDS, ttft_seconds).map_or(1.0, |share| share.clamp(0.0, 1.0));
    let left = (1.0 - ratio(memory_gb, machine_gb)?).clamp(0.0, 1.0);
    Some(100.0 * speed * wait * left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_scores_are_those_worked_out_by_hand() {
        assert_eq!(efficiency(20.0, 4.0), Some(5.0));
        assert_eq!(cost_benefit(15.0, 2.0, 4.0, 16.0), Some(18.75)); // ½ × ½ × ¾
        assert_eq!(cost_benefit(300.0, 0.1, 0.0, 16.0), Some(100.0));
        assert_eq!(cost_benefit(30.0, 1.0, 32.0, 16.0), Some(0.0));
    }

    #[test]
    fn without_memory_there_is_no_score() {
        assert_eq!(efficiency(20.0, 0.0), None);
        assert_eq!(cost_benefit(20.0, 1.0, 1.0, 0.0), None);
    }

    proptest! {
        #[test]
        fn the_cost_benefit_score_stays_between_0_and_100(
            speed in 0.0..1e6_f64, ttft in 0.0..1e6_f64, memory in 0.0..1e6_f64, machine in 0.1..1e6_f64,
        ) {
            let score = cost_benefit(speed, ttft, memory, machine).unwrap();
            prop_assert!((0.0..=100.0).contains(&score));
        }
    }
}
