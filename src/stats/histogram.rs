//! Many latencies in little memory: an HDR histogram of nanoseconds with 3 significant digits.

use hdrhistogram::Histogram as Hdr;

/// Digits of a value that the histogram keeps: every percentile is within 0.1 % of a real sample.
const SIGNIFICANT_DIGITS: u8 = 3;

/// A histogram of latencies in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram(Hdr<u64>);

impl Histogram {
    /// No latencies yet.
    ///
    /// # Panics
    /// Never: the number of digits is one that the crate takes.
    #[must_use]
    pub fn new() -> Self {
        Self(Hdr::new(SIGNIFICANT_DIGITS).expect("3 digits are within 0 and 5"))
    }

    /// Adds a latency.
    pub fn record(&mut self, nanoseconds: u64) {
        // A histogram grows by itself to about 2^63 (292 years); what is beyond is kept as its largest value.
        if self.0.record(nanoseconds).is_err() {
            self.0.saturating_record(nanoseconds);
        }
    }

    /// How many latencies.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest value that `percent` of the latencies do not exceed, rounded up within the histogram's precision but not
    /// above the largest latency; absent without latencies.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.value_at_quantile(percent / 100.0).min(self.0.max()))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<u64> for Histogram {
    fn from_iter<I: IntoIterator<Item = u64>>(nanoseconds: I) -> Self {
        let mut histogram = Self::new();
        for latency in nanoseconds {
            histogram.record(latency);
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_histogram_has_no_percentile() {
        assert_eq!(Histogram::new().percentile(50.0), None);
    }

    #[test]
    fn small_values_are_exact() {
        let histogram: Histogram = (1..=100).collect();
        assert_eq!(histogram.percentile(50.0), Some(50));
        assert_eq!(histogram.percentile(99.0), Some(99));
        assert_eq!(histogram.percentile(100.0), Some(100));
    }

    #[test]
    fn a_latency_beyond_all_bounds_is_kept_as_the_largest() {
        let histogram: Histogram = [1, u64::MAX].into_iter().collect();
        assert_eq!(histogram.len(), 2);
        assert!(histogram.percentile(100.0).unwrap() > u64::MAX / 4);
    }

    proptest! {
        #[test]
        fn a_percentile_is_within_a_thousandth_of_the_nearest_rank(
            mut samples in prop::collection::vec(1_u64..60_000_000_000, 1..300),
        ) {
            let histogram: Histogram = samples.iter().copied().collect();
            samples.sort_unstable();
            let rank = (samples.len() * 95).div_ceil(100);
            let exact = super::super::float(samples[rank - 1]);
            prop_assert!((super::super::float(histogram.percentile(95.0).unwrap()) / exact - 1.0).abs() < 1.1e-3);
        }
    }
}
