//! Grades and how several make one: the worst counts, because a chat with a fast stream of words that takes a minute to
//! begin is not a good one.

use serde::{Deserialize, Serialize};

/// How good a profile's result is for a person; the later, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// Not usable for this.
    Failed,
    /// It works, with little joy.
    Poor,
    /// Usable.
    Acceptable,
    /// Nothing stands in the way.
    Good,
    /// More would not be noticed.
    Excellent,
}

impl Rating {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Poor => "poor",
            Self::Acceptable => "acceptable",
            Self::Good => "good",
            Self::Excellent => "excellent",
        }
    }

    /// The worst of several; absent without any.
    #[must_use]
    pub fn worst(ratings: impl IntoIterator<Item = Self>) -> Option<Self> {
        ratings.into_iter().min()
    }

    /// Whether it is good enough to count as passed.
    #[must_use]
    pub fn passes(self) -> bool {
        self != Self::Failed
    }
}

impl std::fmt::Display for Rating {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Bounds of one number, from excellent to poor; what is beyond the last fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// More is better: at least so much for excellent, good, acceptable, poor.
    AtLeast([f64; 4]),
    /// Less is better: at most so much for excellent, good, acceptable, poor.
    AtMost([f64; 4]),
}

impl Scale {
    /// The number's grade. What is no number fails.
    #[must_use]
    pub fn rate(&self, value: f64) -> Rating {
        const GRADES: [Rating; 4] = [Rating::Excellent, Rating::Good, Rating::Acceptable, Rating::Poor];
        let place = match self {
            Self::AtLeast(bounds) => bounds.iter().position(|bound| value >= *bound),
            Self::AtMost(bounds) => bounds.iter().position(|bound| value <= *bound),
        };
        place.map_or(Rating::Failed, |place| GRADES[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MORE: Scale = Scale::AtLeast([30.0, 15.0, 7.0, 2.0]);
    const LESS: Scale = Scale::AtMost([1.0, 3.0, 10.0, 30.0]);

    #[test]
    fn a_value_on_the_bound_has_the_better_grade() {
        assert_eq!(MORE.rate(30.0), Rating::Excellent);
        assert_eq!(MORE.rate(29.999), Rating::Good);
        assert_eq!(MORE.rate(1.999), Rating::Failed);
        assert_eq!(LESS.rate(30.0), Rating::Poor);
        assert_eq!(LESS.rate(30.001), Rating::Failed);
    }

    #[test]
    fn what_is_no_number_fails() {
        assert_eq!(MORE.rate(f64::NAN), Rating::Failed);
        assert_eq!(LESS.rate(f64::NAN), Rating::Failed);
    }

    #[test]
    fn the_worst_of_several_grades_counts() {
        assert_eq!(Rating::worst([Rating::Good, Rating::Poor, Rating::Excellent]), Some(Rating::Poor));
        assert_eq!(Rating::worst([]), None);
    }

    proptest! {
        #[test]
        fn a_better_number_never_has_a_worse_grade(a in 0.0..100.0_f64, b in 0.0..100.0_f64) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(MORE.rate(low) <= MORE.rate(high));
            prop_assert!(LESS.rate(low) >= LESS.rate(high));
        }
    }
}
