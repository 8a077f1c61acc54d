//! The difference of two shares over the same questions: paired, so that what both know or both do not know is no noise.

use super::proportion::Share;
use super::{Interval, float, ratio};

/// Questions that two have answered, by who was right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Both.
    pub both: u64,
    /// The first only.
    pub first_only: u64,
    /// The second only.
    pub second_only: u64,
    /// Neither.
    pub neither: u64,
}

impl Pairs {
    /// Counts them; an item is (first is right, second is right).
    #[must_use]
    pub fn of(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut counted = Self::default();
        for pair in pairs {
            *match pair {
                (true, true) => &mut counted.both,
                (true, false) => &mut counted.first_only,
                (false, true) => &mut counted.second_only,
                (false, false) => &mut counted.neither,
            } += 1;
        }
        counted
    }

    /// All of them.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.both + self.first_only + self.second_only + self.neither
    }

    /// The first's share.
    #[must_use]
    pub fn first(&self) -> Share {
        Share { hits: self.both + self.first_only, n: self.n() }
    }

    /// The second's share.
    #[must_use]
    pub fn second(&self) -> Share {
        Share { hits: self.both + self.second_only, n: self.n() }
    }

    /// What the second has more than the first, as a share of 1; absent without pairs.
    #[must_use]
    pub fn difference(&self) -> Option<f64> {
        ratio(float(self.second_only) - float(self.first_only), float(self.n()))
    }

    /// The difference's 95 % interval, as shares of 1; absent without pairs. Method 10 of Newcombe, "Improved confidence
    /// intervals for the difference between binomial proportions based on paired data" (1998): Wilson's intervals of the two
    /// shares, squared and added with their correlation φ, whose numerator is lowered by n/2 where it is positive.
    /// Fagerland, Lydersen and Laake (2014) recommend it for small numbers of pairs.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        let difference = self.difference()?;
        let (p1, p2) = (self.first().value()?, self.second().value()?);
        let (of_first, of_second) = (self.first().interval()?, self.second().interval()?);
        let phi = self.correlation();
        // Of the square-and-add rule; not below 0 but for rounding.
        let reach = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).max(0.0).sqrt();
        let low = difference - reach(p2 - of_second.low, of_first.high - p1);
        let high = difference + reach(p1 - of_first.low, of_second.high - p2);
        Some(Interval { low: low.max(-1.0), high: high.min(1.0) })
    }

    /// φ as Newcombe's method 10 takes it; 0 where a margin is empty.
    fn correlation(&self) -> f64 {
        let [a, b, c, d] = [self.both, self.first_only, self.second_only, self.neither].map(float);
        let margins = (a + b) * (c + d) * (a + c) * (b + d);
        if margins <= 0.0 {
            return 0.0;
        }
        let product = a * d - b * c;
        let lowered = if product > 0.0 { (product - float(self.n()) / 2.0).max(0.0) } else { product };
        lowered / margins.sqrt()
    }

    /// `McNemar`'s exact test, two-sided: how likely at least such an imbalance of the pairs that differ is where neither is
    /// better. `McNemar` (1947); the binomial tail with p = ½, doubled, at most 1.
    #[must_use]
    pub fn p_value(&self) -> f64 {
        let (fewer, n) = (self.first_only.min(self.second_only), self.first_only + self.second_only);
        // In logarithms, because 0.5^n is no longer a float for n > 1074.
        let mut log_probability = -float(n) * std::f64::consts::LN_2;
        let mut tail = 0.0;
        for k in 0..=fewer {
            tail += log_probability.exp();
            log_probability += (float(n - k) / float(k + 1)).ln();
        }
        (2.0 * tail).min(1.0)
    }

    /// Whether the difference is more than chance: its interval leaves 0 out. Tells nothing of its size.
    #[must_use]
    pub fn is_significant(&self) -> bool {
        self.interval().is_some_and(|i| i.low > 0.0 || i.high < 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::proportion::Z;
    use crate::stats::random::SplitMix64;
    use proptest::prelude::*;

    /// The plain interval, as published beside Newcombe's.
    fn wald(pairs: &Pairs) -> Interval {
        let (n, difference) = (float(pairs.n()), pairs.difference().unwrap());
        let differ = float(pairs.first_only + pairs.second_only) / n;
        let half = Z * ((differ - difference * difference) / n).sqrt();
        Interval { low: difference - half, high: difference + half }
    }

    fn pairs(both: u64, first_only: u64, second_only: u64, neither: u64) -> Pairs {
        Pairs { both, first_only, second_only, neither }
    }

    fn near(interval: Interval, low: f64, high: f64, by: f64) -> bool {
        (interval.low - low).abs() < by && (interval.high - high).abs() < by
    }

    #[test]
    fn the_interval_and_the_test_are_those_published_for_a_small_study() {
        // Airway hyper-responsiveness before and after transplantation: Fagerland, Lydersen and Laake, "Recommended tests
        // and confidence intervals for paired binomial proportions", Statistics in Medicine 33 (2014), Table V; the exact
        // test: the same authors, "The McNemar test for binary matched-pairs data", BMC Med Res Methodol 13:91 (2013).
        let study = pairs(1, 1, 7, 12);
        assert!(near(study.interval().unwrap(), 0.026, 0.507, 5e-4), "{:?}", study.interval());
        assert!((study.p_value() - 0.0703).abs() < 5e-5);
        assert!(near(wald(&study), 0.052, 0.520, 5e-4));
    }

    #[test]
    fn many_pairs_have_the_textbooks_interval() {
        // Approval of a prime minister in two surveys: Agresti, "Categorical Data Analysis", section 10.1: 0.04 ± 0.019.
        let survey = pairs(794, 150, 86, 570);
        assert!((survey.difference().unwrap() + 0.04).abs() < 1e-12);
        assert!(near(survey.interval().unwrap(), -0.059, -0.021, 5e-4), "{:?}", survey.interval());
        assert!(survey.is_significant() && survey.p_value() < 1e-4);
    }

    #[test]
    fn equal_answers_differ_by_nothing_but_leave_room_for_chance() {
        let same = pairs(8, 0, 0, 2);
        assert_eq!((same.difference(), same.p_value(), same.is_significant()), (Some(0.0), 1.0, false));
        let all = pairs(10, 0, 0, 0).interval().unwrap();
        assert!(all.low < -0.2 && all.high > 0.2, "{all:?}");
        assert_eq!((Pairs::default().difference(), Pairs::default().interval()), (None, None));
        assert!((Pairs::default().p_value() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_question_lost_of_ten_is_within_chance_and_twenty_of_two_hundred_are_not() {
        assert!(!pairs(8, 1, 0, 1).is_significant());
        assert!(pairs(150, 20, 0, 30).is_significant());
    }

    #[test]
    fn pairs_are_counted_by_who_was_right() {
        let counted = Pairs::of([(true, true), (true, false), (false, true), (false, false), (true, false)]);
        assert_eq!(counted, pairs(1, 2, 1, 1));
        assert_eq!((counted.first().hits, counted.second().hits, counted.n()), (3, 2, 5));
    }

    #[test]
    fn the_interval_covers_the_true_difference_in_about_95_percent_of_all_experiments() {
        // 60 pairs; both right 0.6, first only 0.15, second only 0.05, neither 0.2: the true difference is −0.1.
        let mut random = SplitMix64::new(11);
        let mut draw = || match random.below(20) {
            0..12 => (true, true),
            12..15 => (true, false),
            15 => (false, true),
            _ => (false, false),
        };
        let covered = (0..2000)
            .filter(|_| {
                let interval = Pairs::of((0..60).map(|_| draw())).interval().unwrap();
                interval.low <= -0.1 && -0.1 <= interval.high
            })
            .count();
        assert!((1860..=1960).contains(&covered), "{covered} of 2000"); // 95 % is 1900, four standard errors are 39
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_difference_and_mirrors_when_the_two_change_places(
            a in 0_u64..60, b in 0_u64..30, c in 0_u64..30, d in 0_u64..60,
        ) {
            prop_assume!(a + b + c + d > 0);
            let (forth, back) = (pairs(a, b, c, d), pairs(a, c, b, d));
            let (interval, mirrored) = (forth.interval().unwrap(), back.interval().unwrap());
            let difference = forth.difference().unwrap();
            prop_assert!(interval.low <= difference + 1e-12 && difference <= interval.high + 1e-12);
            prop_assert!(near(interval, -mirrored.high, -mirrored.low, 1e-9));
            prop_assert!((0.0..=1.0).contains(&forth.p_value()));
            prop_assert!((forth.p_value() - back.p_value()).abs() < 1e-12);
        }
    }
}
