//! Pure numbers: [`summary`] for location and spread, [`histogram`] for the percentiles of many latencies, [`confidence`] for
//! how sure a number is, [`proportion`] and [`difference`] for shares of right answers and what they differ by, [`random`] for
//! numbers that a seed repeats, [`trend`] for lines through points. No clock, no file, no print.
//!
//! Left out on purpose: what a number means for a person ([`crate::verdict`]), and outlier removal: a slow token is one that
//! somebody waited for, so it stays in.

pub mod confidence;
pub mod difference;
pub mod histogram;
pub mod proportion;
pub mod random;
pub mod summary;
pub mod trend;

pub use confidence::Interval;
pub use difference::Pairs;
pub use histogram::Histogram;
pub use proportion::Share;
pub use summary::Summary;
pub use trend::Trend;

/// A count or a number of nanoseconds as a float; exact up to 2^53 (104 days of nanoseconds).
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn float(n: u64) -> f64 {
    n as f64
}

/// Bytes as GB (10^9 bytes).
#[must_use]
pub fn gigabytes(bytes: u64) -> f64 {
    float(bytes) / 1e9
}

/// `part / whole`, absent where that is no finite number.
#[must_use]
pub fn ratio(part: f64, whole: f64) -> Option<f64> {
    let ratio = part / whole;
    ratio.is_finite().then_some(ratio)
}

/// Arithmetic mean; absent without samples or where it is no finite number.
#[must_use]
pub fn mean(samples: &[f64]) -> Option<f64> {
    ratio(samples.iter().sum(), float(samples.len() as u64))
}

/// The middle of the samples (the mean of the middle two); absent without samples or with one that is not finite.
#[must_use]
pub fn median(samples: &[f64]) -> Option<f64> {
    summary::sorted(samples).map(|sorted| summary::percentile(&sorted, 50.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_median_are_absent_without_samples_and_without_finite_ones() {
        for nothing in [&[][..], &[f64::NAN], &[1.0, f64::INFINITY]] {
            assert_eq!((mean(nothing), median(nothing)), (None, None), "{nothing:?}");
        }
        assert_eq!((mean(&[1.0, 2.0, 6.0]), median(&[6.0, 1.0, 2.0])), (Some(3.0), Some(2.0)));
    }
}
