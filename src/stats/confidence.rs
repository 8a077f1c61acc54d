//! How sure a number is: a 95 % interval for a median without any assumption about the distribution, and a bootstrap for
//! numbers that have no such formula.
//!
//! Left out on purpose: intervals by the t distribution. Times of a computer are skewed and have outliers; a mean ± 2σ
//! would suggest a symmetry that is not there.

use super::random::SplitMix64;
use super::{float, median, summary};

/// The confidence that intervals are made for.
pub const CONFIDENCE: f64 = 0.95;

/// With fewer samples no 95 % interval of a median exists: even from the smallest to the largest of five samples the median
/// is covered in only 1 − 2 × 0.5⁵ = 93.75 % of all cases.
pub const MIN_SAMPLES: usize = 6;

/// An interval that covers the true value with at least 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// Full width in percent of the value that it surrounds; absent where that is 0.
    #[must_use]
    pub fn relative_width_percent(&self, center: f64) -> Option<f64> {
        super::ratio((self.high - self.low) * 100.0, center.abs())
    }
}

/// The interval of the median: from the k-th smallest to the k-th largest sample, where k is the largest number for which a
/// fair coin shows fewer than k heads in n throws with a probability of at most 2.5 %. Absent below [`MIN_SAMPLES`] samples.
/// Source: the sign test's interval, Conover, "Practical Nonparametric Statistics", 3rd edition, section 3.2.
#[must_use]
pub fn median_interval(samples: &[f64]) -> Option<Interval> {
    let sorted = summary::sorted(samples)?;
    let k = order_statistic(sorted.len())?;
    Some(Interval { low: sorted[k - 1], high: sorted[sorted.len() - k] })
}

/// Full width of [`median_interval`] in percent of the median: what repetitions are ended by. Absent below [`MIN_SAMPLES`]
/// samples or for a median of 0.
#[must_use]
pub fn relative_width_percent(samples: &[f64]) -> Option<f64> {
    median_interval(samples)?.relative_width_percent(median(samples)?)
}

/// k of [`median_interval`], from 1; absent where even the smallest and the largest sample do not reach the confidence.
fn order_statistic(n: usize) -> Option<usize> {
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let n_float = float(n as u64);
    // In logarithms, because 0.5^n is no longer a float for n > 1074.
    let mut log_probability = -n_float * std::f64::consts::LN_2;
    let mut cumulated = 0.0;
    for heads in 0..n / 2 {
        cumulated += log_probability.exp();
        if cumulated > tail {
            return (heads > 0).then_some(heads);
        }
        let heads = float(heads as u64);
        log_probability += ((n_float - heads) / (heads + 1.0)).ln();
    }
    (n >= MIN_SAMPLES).then_some(n / 2)
}

/// The percentile bootstrap's 95 % interval of a statistic of n samples, by Efron, "Bootstrap Methods: Another Look at the
/// Jackknife" (1979): the statistic is computed over `resamples` random choices of n samples (given to it as their
/// positions, each may come several times); the interval holds the middle 95 % of the results. The same seed gives the same
/// interval. Absent below [`MIN_SAMPLES`] samples, or when a choice has no finite result.
pub fn bootstrap(
    n: usize,
    resamples: usize,
    seed: u64,
    statistic: impl FnMut(&[usize]) -> Option<f64>,
) -> Option<Interval> {
    bootstrap_spread(n, resamples, seed, statistic).map(|spread| spread.interval)
}

/// How far the results of a bootstrap lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Their standard deviation, which is the statistic's standard error.
    pub error: f64,
    /// What holds their middle 95 %.
    pub interval: Interval,
}

/// [`bootstrap`] with the standard error beside the interval.
pub fn bootstrap_spread(
    n: usize,
    resamples: usize,
    seed: u64,
    mut statistic: impl FnMut(&[usize]) -> Option<f64>,
) -> Option<Spread> {
    if n < MIN_SAMPLES {
        return None;
    }
    let mut random = SplitMix64::new(seed);
    let mut choice = vec![0; n];
    let results: Option<Vec<f64>> = (0..resamples)
        .map(|_| {
            choice.fill_with(|| random.below(n));
            statistic(&choice)
        })
        .collect();
    let sorted = summary::sorted(&results?)?;
    let tail = (1.0 - CONFIDENCE) * 50.0;
    let interval =
        Interval { low: summary::percentile(&sorted, tail), high: summary::percentile(&sorted, 100.0 - tail) };
    // equal results may have a mean that is off by a rounding, and then a deviation of that size
    let error = if sorted[0] < sorted[sorted.len() - 1] { summary::Summary::of(&sorted)?.stdev? } else { 0.0 };
    Some(Spread { error, interval })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(n: u32) -> Vec<f64> {
        (1..=n).map(f64::from).collect()
    }

    #[test]
    fn the_ranks_are_those_of_published_tables() {
        // Conover's table of the binomial distribution, p = 0.5, and the usual tables of the sign test at 5 %.
        let expected =
            [(5, None), (6, Some(1)), (8, Some(1)), (9, Some(2)), (10, Some(2)), (20, Some(6)), (25, Some(8))];
        for (n, k) in expected {
            assert_eq!(order_statistic(n), k, "n = {n}");
        }
    }

    #[test]
    fn five_samples_have_no_interval_and_six_reach_from_end_to_end() {
        assert_eq!(median_interval(&numbers(5)), None);
        assert_eq!(relative_width_percent(&numbers(5)), None);
        assert_eq!(median_interval(&numbers(6)), Some(Interval { low: 1.0, high: 6.0 }));
        let width = relative_width_percent(&numbers(6)).unwrap();
        assert!((width - 500.0 / 3.5).abs() < 1e-9);
    }

    #[test]
    fn a_hundred_thousand_samples_do_not_underflow() {
        let k = order_statistic(100_000).unwrap();
        // Normal approximation: n/2 − 1.96 √n / 2.
        assert!((49_685..=49_695).contains(&k), "{k}");
    }

    #[test]
    fn an_interval_around_zero_has_no_relative_width() {
        assert_eq!(Interval { low: -1.0, high: 1.0 }.relative_width_percent(0.0), None);
    }

    #[test]
    fn the_median_interval_covers_the_true_median_in_95_percent_of_all_experiments() {
        let mut random = SplitMix64::new(7);
        let mut uniform = || float(random.next_u64() >> 11) / float(1 << 53);
        let covered = (0..4000)
            .filter(|_| {
                let samples: Vec<f64> = (0..15).map(|_| -uniform().max(1e-300).ln()).collect(); // exponential: skewed
                let interval = median_interval(&samples).unwrap();
                interval.low <= std::f64::consts::LN_2 && std::f64::consts::LN_2 <= interval.high
            })
            .count();
        // k = 4 of 15 covers 96.48 % exactly; four standard errors are 1.2 %.
        assert!((3810..=3908).contains(&covered), "{covered} of 4000");
    }

    #[test]
    fn a_bootstrap_of_equal_samples_is_a_point_and_of_few_samples_nothing() {
        let statistic = |_: &[usize]| Some(3.0);
        assert_eq!(bootstrap(6, 100, 1, statistic), Some(Interval { low: 3.0, high: 3.0 }));
        assert_eq!(bootstrap(5, 100, 1, statistic), None);
        assert_eq!(bootstrap(6, 100, 1, |_| None), None);
        assert_eq!(bootstrap(6, 100, 1, |_| Some(f64::NAN)), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_bootstrap_and_another_seed_another() {
        let samples = numbers(40);
        let mean = |choice: &[usize]| Some(choice.iter().map(|&i| samples[i]).sum::<f64>() / 40.0);
        let first = bootstrap(40, 500, 1, mean).unwrap();
        assert_eq!(bootstrap(40, 500, 1, mean), Some(first));
        assert_ne!(bootstrap(40, 500, 2, mean), Some(first));
        let error = bootstrap_spread(40, 500, 1, mean).unwrap().error;
        assert!((error - 1.85).abs() < 0.15, "{error}");
        // The standard error of the mean is 11.69 / √40 = 1.85 around 20.5.
        assert!((first.low - 16.9).abs() < 0.7 && (first.high - 24.1).abs() < 0.7, "{first:?}");
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_median_and_lies_within_the_samples(samples in prop::collection::vec(-1e9..1e9_f64, 6..300)) {
            let interval = median_interval(&samples).unwrap();
            let median = median(&samples).unwrap();
            prop_assert!(interval.low <= median && median <= interval.high);
            prop_assert!(samples.contains(&interval.low) && samples.contains(&interval.high));
        }

        #[test]
        fn more_samples_never_widen_the_share_of_ranks(n in 6_usize..3000) {
            let share = |n: usize| float((n - 2 * order_statistic(n).unwrap()) as u64) / float(n as u64);
            prop_assert!(share(4 * n) <= share(n) + 1e-12);
        }
    }
}
