//! How sure a share of right answers is: Wilson's interval.
//!
//! Left out on purpose: the textbook's p ± 1.96 √(p(1 − p)/n), which is a point for 10 of 10 and leaves the scale near its ends.

use super::{Interval, float};

/// The normal distribution's 97.5 % point: what 95 % lie within, on both sides.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Those that count.
    pub hits: u64,
    /// All.
    pub n: u64,
}

impl Share {
    /// As a share of 1; absent of nothing.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        super::ratio(float(self.hits), float(self.n))
    }

    /// In percent; absent of nothing.
    #[must_use]
    pub fn percent(self) -> Option<f64> {
        self.value().map(|value| 100.0 * value)
    }

    /// Its 95 % interval, as shares of 1; absent of nothing. The score interval of Wilson, "Probable inference, the law of
    /// succession, and statistical inference" (1927), without continuity correction; method 3 of Newcombe, "Two-sided
    /// confidence intervals for the single proportion" (1998).
    #[must_use]
    pub fn interval(self) -> Option<Interval> {
        let p = self.value()?;
        let n = float(self.n);
        let z2 = Z * Z;
        let center = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
        // At the ends the formula gives 0 and 1 but for rounding.
        let low = if self.hits == 0 { 0.0 } else { (center - half).max(0.0) };
        let high = if self.hits == self.n { 1.0 } else { (center + half).min(1.0) };
        Some(Interval { low, high })
    }

    /// The same in percent.
    #[must_use]
    pub fn interval_percent(self) -> Option<Interval> {
        self.interval().map(|i| Interval { low: 100.0 * i.low, high: 100.0 * i.high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_intervals_are_those_of_newcombes_table() {
        // Newcombe (1998), Table I, method 3.
        let published =
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)];
        for (hits, n, low, high) in published {
            let interval = Share { hits, n }.interval().unwrap();
            assert!(
                (interval.low - low).abs() < 5e-5 && (interval.high - high).abs() < 5e-5,
                "{hits}/{n}: {interval:?}"
            );
        }
    }

    #[test]
    fn a_share_of_nothing_has_no_value_and_no_interval() {
        assert_eq!((Share::default().percent(), Share::default().interval()), (None, None));
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_share_mirrors_its_opposite_and_narrows_with_more(n in 1_u64..2000, part in 0.0..=1.0_f64) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let hits = (float(n) * part).round() as u64;
            let share = Share { hits, n };
            let (value, interval) = (share.value().unwrap(), share.interval().unwrap());
            prop_assert!(0.0 <= interval.low && interval.low <= value && value <= interval.high && interval.high <= 1.0);
            let mirrored = Share { hits: n - hits, n }.interval().unwrap();
            prop_assert!((mirrored.low - (1.0 - interval.high)).abs() < 1e-12);
            let more = Share { hits: 4 * hits, n: 4 * n }.interval().unwrap();
            prop_assert!(more.high - more.low < interval.high - interval.low);
        }
    }
}
