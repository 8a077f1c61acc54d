//! Location and spread of a set of samples.
//!
//! Percentiles have one of two definitions, and a summary says which ([`Percentiles`]): exact interpolation for few samples,
//! an HDR histogram for many latencies. Everything else is always exact.

use serde::{Deserialize, Serialize};

use super::{Histogram, float};

/// Up to this many latencies percentiles are exact; above it they come from a histogram.
pub const EXACT_UP_TO: usize = 1000;

/// How the percentiles of a [`Summary`] are defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Percentiles {
    /// Linear interpolation between the two nearest ranks: type 7 of Hyndman and Fan, "Sample Quantiles in Statistical
    /// Packages" (1996); what `NumPy` and R do by default.
    Interpolated,
    /// The smallest value that the share of samples does not exceed, from a histogram with 3 significant digits.
    Histogram,
}

/// A set of samples in numbers, in the samples' unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many samples.
    pub n: usize,
    /// The middle sample, or the mean of the middle two.
    pub median: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of the population that the samples come from (divided by n−1); absent for one sample.
    pub stdev: Option<f64>,
    /// The smallest sample.
    pub min: f64,
    /// The largest sample.
    pub max: f64,
    /// Half of the samples are not above it.
    pub p50: f64,
    /// 90 % of the samples are not above it.
    pub p90: f64,
    /// 95 % of the samples are not above it.
    pub p95: f64,
    /// 99 % of the samples are not above it.
    pub p99: f64,
    /// How the four percentiles are defined.
    pub percentiles: Percentiles,
}

impl Summary {
    /// The samples in numbers, all exact; absent without samples, with one that is not finite, or where a sum is too large
    /// for a float.
    #[must_use]
    pub fn of(samples: &[f64]) -> Option<Self> {
        let sorted = sorted(samples)?;
        let n = float(sorted.len() as u64);
        let mean = sorted.iter().sum::<f64>() / n;
        let stdev = (sorted.len() > 1)
            .then(|| (sorted.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt());
        let median = percentile(&sorted, 50.0);
        let summary = Self {
            n: sorted.len(),
            median,
            mean,
            stdev,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            p50: median,
            p90: percentile(&sorted, 90.0),
            p95: percentile(&sorted, 95.0),
            p99: percentile(&sorted, 99.0),
            percentiles: Percentiles::Interpolated,
        };
        (mean.is_finite() && stdev.is_none_or(f64::is_finite)).then_some(summary)
    }

    /// Latencies in nanoseconds; above [`EXACT_UP_TO`] of them the percentiles are a histogram's.
    #[must_use]
    pub fn of_latencies(nanoseconds: &[u64]) -> Option<Self> {
        let samples: Vec<f64> = nanoseconds.iter().copied().map(float).collect();
        let exact = Self::of(&samples)?;
        if nanoseconds.len() <= EXACT_UP_TO {
            return Some(exact);
        }
        let histogram: Histogram = nanoseconds.iter().copied().collect();
        let at = |percent| histogram.percentile(percent).map(float);
        Some(Self {
            p50: at(50.0)?,
            p90: at(90.0)?,
            p95: at(95.0)?,
            p99: at(99.0)?,
            percentiles: Percentiles::Histogram,
            ..exact
        })
    }

    /// Standard deviation in percent of the mean; absent for one sample or a mean of 0.
    #[must_use]
    pub fn coefficient_of_variation_percent(&self) -> Option<f64> {
        super::ratio(self.stdev? * 100.0, self.mean)
    }

    /// The same samples in another unit, such as 1e6 nanoseconds. Divided and not multiplied by the inverse, so that 50 000 ns
    /// are 0.05 ms and not 0.049 999 9….
    #[must_use]
    pub fn in_units_of(&self, unit: f64) -> Self {
        Self {
            n: self.n,
            median: self.median / unit,
            mean: self.mean / unit,
            stdev: self.stdev.map(|stdev| stdev / unit),
            min: self.min / unit,
            max: self.max / unit,
            p50: self.p50 / unit,
            p90: self.p90 / unit,
            p95: self.p95 / unit,
            p99: self.p99 / unit,
            percentiles: self.percentiles,
        }
    }
}

/// The samples in ascending order; absent without samples or with one that is not finite.
#[must_use]
pub fn sorted(samples: &[f64]) -> Option<Vec<f64>> {
    if samples.is_empty() || !samples.iter().all(|sample| sample.is_finite()) {
        return None;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(sorted)
}

/// The percentile of samples in ascending order, as [`Percentiles::Interpolated`] defines it.
///
/// # Panics
/// Without samples, or when `percent` is not within 0 and 100.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rank lies within the slice
pub fn percentile(sorted: &[f64], percent: f64) -> f64 {
    assert!((0.0..=100.0).contains(&percent), "no percentile: {percent}");
    let last = sorted.len() - 1;
    let rank = float(last as u64) * percent / 100.0;
    let below = (rank.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let (low, high) = (sorted[below], sorted[above]);
    if low.total_cmp(&high).is_eq() {
        return low;
    }
    // Clamped, because rounding could leave the two neighbours by a hair.
    (low + (high - low) * rank.fract()).clamp(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
    }

    #[test]
    fn a_small_set_has_the_numbers_worked_out_by_hand() {
        let summary = Summary::of(&[4.0, 1.0, 3.0, 2.0, 10.0]).unwrap();
        assert_eq!(summary.n, 5);
        assert!(near(summary.median, 3.0) && near(summary.p50, 3.0) && near(summary.mean, 4.0));
        assert!(near(summary.stdev.unwrap(), 12.5_f64.sqrt())); // (0 + 9 + 1 + 4 + 36) / 4
        assert!(near(summary.min, 1.0) && near(summary.max, 10.0));
        assert!(near(summary.p90, 7.6)); // rank 3.6: 4 + 0.6 × 6
        assert!(near(summary.p95, 8.8) && near(summary.p99, 9.76));
        assert!(near(summary.coefficient_of_variation_percent().unwrap(), 12.5_f64.sqrt() * 25.0));
    }

    #[test]
    fn no_samples_have_no_summary_and_one_sample_has_no_deviation() {
        assert_eq!(Summary::of(&[]), None);
        let one = Summary::of(&[7.0]).unwrap();
        assert_eq!((one.n, one.stdev), (1, None));
        assert!(near(one.median, 7.0) && near(one.p99, 7.0));
        assert_eq!(one.coefficient_of_variation_percent(), None);
    }

    #[test]
    fn a_sample_that_is_not_finite_leaves_no_summary() {
        assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
        assert_eq!(Summary::of(&[1.0, f64::INFINITY]), None);
        assert_eq!(Summary::of(&[f64::MAX, f64::MAX]), None);
        assert_eq!(Summary::of(&[f64::MIN, f64::MAX]), None);
    }

    #[test]
    fn an_even_number_of_samples_has_the_mean_of_the_middle_two_as_median() {
        assert!(near(Summary::of(&[1.0, 9.0, 2.0, 4.0]).unwrap().median, 3.0));
    }

    #[test]
    fn few_latencies_are_exact_and_many_come_from_the_histogram() {
        let few: Vec<u64> = (1..=1000).map(|i| i * 1_000_000).collect();
        let many: Vec<u64> = (1..=1001).map(|i| i * 1_000_000).collect();
        let few = Summary::of_latencies(&few).unwrap();
        let many = Summary::of_latencies(&many).unwrap();
        assert_eq!(few.percentiles, Percentiles::Interpolated);
        assert!(near(few.p90, 900.1e6));
        assert_eq!(many.percentiles, Percentiles::Histogram);
        assert!((many.p99 / 991e6 - 1.0).abs() < 1e-3); // rank ceil(0.99 × 1001)
        assert!(near(many.max, 1001e6) && near(many.median, 501e6));
    }

    proptest! {
        #[test]
        fn percentiles_are_in_order_and_within_the_samples(samples in prop::collection::vec(-1e12..1e12_f64, 1..200)) {
            let s = Summary::of(&samples).unwrap();
            prop_assert!(s.min <= s.p50 && s.p50 <= s.p90 && s.p90 <= s.p95 && s.p95 <= s.p99 && s.p99 <= s.max);
            prop_assert!(s.mean >= s.min - 1.0 && s.mean <= s.max + 1.0);
            prop_assert!(s.stdev.is_none_or(|d| d >= 0.0));
        }

        #[test]
        fn the_order_of_the_samples_does_not_matter(mut samples in prop::collection::vec(0.0..1e6_f64, 1..50)) {
            let before = Summary::of(&samples).unwrap();
            samples.reverse();
            prop_assert_eq!(Summary::of(&samples).unwrap(), before);
        }

        #[test]
        fn another_unit_divides_every_number(samples in prop::collection::vec(1.0..1e6_f64, 2..50)) {
            let other = Summary::of(&samples).unwrap().in_units_of(1000.0);
            let direct = Summary::of(&samples.iter().map(|s| s / 1000.0).collect::<Vec<_>>()).unwrap();
            prop_assert!(near(other.median, direct.median) && near(other.p95, direct.p95));
            prop_assert!(near(other.mean, direct.mean) && (other.stdev.unwrap() - direct.stdev.unwrap()).abs() < 1e-3);
        }

        #[test]
        fn percentiles_of_many_latencies_are_within_a_thousandth_of_a_sample(
            samples in prop::collection::vec(1_000_u64..10_000_000_000, EXACT_UP_TO + 1..EXACT_UP_TO + 200),
        ) {
            let s = Summary::of_latencies(&samples).unwrap();
            for p in [s.p50, s.p90, s.p95, s.p99] {
                prop_assert!(samples.iter().any(|&sample| (p / float(sample) - 1.0).abs() < 1.1e-3));
            }
            prop_assert!(s.p50 <= s.p90 && s.p90 <= s.p95 && s.p95 <= s.p99);
        }
    }
}
