//! What a quantization has lost in answers, in words, and whether it may still be recommended. Every judgement is over the
//! same prompts, paired, and says so where chance could explain it.

use super::interpretation::number;
use crate::stats::{Pairs, float, ratio};

/// A quantization that keeps at least this share of the right answers is safe to use. Two of a hundred questions come and go
/// with the wording of a prompt; one in twenty is about what a reader begins to notice.
pub const SAFE_SHARE: f64 = 0.95;

/// One that surely lost answers and keeps less than this share breaks them: of what the better one knows, more than every
/// fifth is lost.
pub const BROKEN_SHARE: f64 = 0.80;

/// The answers of two quantizations to the same prompts; the first of each pair is the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The reference's name, such as `Q8_0`.
    pub reference: String,
    /// All prompts.
    pub all: Pairs,
    /// By category.
    pub categories: Vec<Change>,
}

/// One category's pairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub category: String,
    /// Who was right.
    pub pairs: Pairs,
}

/// Where a quantization stands against a better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It surely lost some of the right answers, and more than a fifth of them in what was measured.
    Broken,
    /// It surely lost some, or a category of them broke.
    Worse,
    /// It has fewer right answers, and chance could explain that.
    Unclear,
    /// It keeps them.
    Safe,
}

impl Standing {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Worse => "worse",
            Self::Unclear => "unclear",
            Self::Safe => "safe",
        }
    }
}

/// Share of the first one's right answers that the second has, as a share of 1 (above it where it has more); absent where the
/// first had none.
#[must_use]
pub fn kept(pairs: &Pairs) -> Option<f64> {
    ratio(float(pairs.second().hits), float(pairs.first().hits))
}

impl Comparison {
    /// Where the candidate stands; absent where the reference knew nothing.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let kept = kept(&self.all)?;
        let category_broke = self.categories.iter().any(|change| is_broken(&change.pairs));
        Some(if is_broken(&self.all) {
            Standing::Broken
        } else if category_broke || (kept < SAFE_SHARE && is_lower(&self.all)) {
            Standing::Worse
        } else if kept < SAFE_SHARE {
            Standing::Unclear
        } else {
            Standing::Safe
        })
    }

    /// The standing in a clause, such as `keeps 98 % of Q8_0's right answers: safe`.
    #[must_use]
    pub fn words(&self) -> String {
        let reference = &self.reference;
        let (Some(kept), Some(standing)) = (kept(&self.all), self.standing()) else {
            return format!("{reference} had no right answer to keep");
        };
        // 94.7 % must not read like the 95 % that would be safe
        let decimals = usize::from(kept < SAFE_SHARE && (100.0 * kept).round() >= 100.0 * SAFE_SHARE);
        let keeps = format!("keeps {:.decimals$} % of {reference}'s right answers", 100.0 * kept);
        let difference = difference(&self.all).unwrap_or_default();
        let n = self.all.n();
        match standing {
            Standing::Broken => format!("{keeps}: it breaks answers ({difference})"),
            Standing::Worse if kept >= BROKEN_SHARE && is_lower(&self.all) => {
                format!("{keeps}: a real loss ({difference}){}", self.broken())
            }
            Standing::Worse => format!("{keeps}{}", self.broken()),
            Standing::Unclear => format!("{keeps}, which chance could explain with {n} prompts ({difference})"),
            Standing::Safe if is_lower(&self.all) => {
                format!("{keeps}: safe, though the small loss is real ({difference})")
            }
            Standing::Safe if kept > 1.0 && !self.all.is_significant() => {
                format!("gives as many right answers as {reference}: safe ({difference})")
            }
            Standing::Safe => format!("{keeps}: safe ({difference})"),
        }
    }

    /// The categories that broke.
    fn broken(&self) -> String {
        let broken: Vec<String> = self
            .categories
            .iter()
            .filter(|change| is_broken(&change.pairs))
            .filter_map(|change| {
                let percent = change.pairs.second().percent()?;
                Some(format!("{} falls to {} %", change.category, number(percent)))
            })
            .collect();
        if broken.is_empty() { String::new() } else { format!("; {}", broken.join(", ")) }
    }
}

/// `−2.5 points, 95 % interval −7.1 to +2.0`.
#[must_use]
pub fn difference(pairs: &Pairs) -> Option<String> {
    let (difference, interval) = (pairs.difference()?, pairs.interval()?);
    Some(format!(
        "{} points, 95 % interval {} to {}",
        signed(100.0 * difference),
        signed(100.0 * interval.low),
        signed(100.0 * interval.high)
    ))
}

/// With one digit behind the point and its sign.
#[must_use]
pub fn signed(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    match rounded {
        r if r > 0.0 => format!("+{r:.1}"),
        r if r < 0.0 => format!("−{:.1}", -r),
        _ => "0.0".to_owned(),
    }
}

/// The second has surely fewer.
fn is_lower(pairs: &Pairs) -> bool {
    pairs.interval().is_some_and(|interval| interval.high < 0.0)
}

fn is_broken(pairs: &Pairs) -> bool {
    is_lower(pairs) && kept(pairs).is_some_and(|kept| kept < BROKEN_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(all: Pairs) -> Comparison {
        Comparison { reference: "Q8_0".to_owned(), all, categories: Vec::new() }
    }

    fn pairs(both: u64, first_only: u64, second_only: u64, neither: u64) -> Pairs {
        Pairs { both, first_only, second_only, neither }
    }

    #[test]
    fn a_quantization_that_keeps_its_answers_is_safe() {
        let close = comparison(pairs(152, 8, 0, 40));
        assert_eq!(close.standing(), Some(Standing::Safe));
        assert_eq!(
            close.words(),
            "keeps 95 % of Q8_0's right answers: safe, though the small loss is real (−4.0 points, 95 % interval −7.1 to −1.1)"
        );
        let more = comparison(pairs(30, 1, 3, 6));
        assert!(more.words().starts_with("gives as many right answers as Q8_0: safe (+5.0 points"), "{}", more.words());
    }

    #[test]
    fn a_loss_within_the_interval_is_called_unclear_and_one_beyond_it_real() {
        let few = comparison(pairs(8, 1, 0, 1));
        assert_eq!(few.standing(), Some(Standing::Unclear));
        assert!(
            few.words().starts_with("keeps 89 % of Q8_0's right answers, which chance could explain with 10 prompts")
        );
        let many = comparison(pairs(160, 20, 0, 20));
        assert_eq!(many.standing(), Some(Standing::Worse));
        assert!(many.words().starts_with("keeps 89 % of Q8_0's right answers: a real loss (−10.0 points"));
    }

    #[test]
    fn a_quantization_that_surely_loses_a_fifth_breaks_answers() {
        let broken = comparison(pairs(70, 60, 2, 68));
        assert_eq!(broken.standing(), Some(Standing::Broken));
        assert!(
            broken.words().starts_with("keeps 55 % of Q8_0's right answers: it breaks answers"),
            "{}",
            broken.words()
        );
        // the same share of few prompts is not sure
        assert_eq!(comparison(pairs(3, 2, 0, 3)).standing(), Some(Standing::Unclear));
    }

    #[test]
    fn one_category_that_breaks_is_a_real_loss_whatever_the_others_keep() {
        let math = Change { category: "math".to_owned(), pairs: pairs(10, 20, 0, 10) };
        let uneven = Comparison { categories: vec![math], ..comparison(pairs(380, 20, 5, 10)) };
        assert_eq!(uneven.standing(), Some(Standing::Worse));
        assert!(uneven.words().ends_with("; math falls to 25.0 %"), "{}", uneven.words());
    }

    #[test]
    fn a_reference_without_a_right_answer_makes_nobody_worse() {
        let nothing = comparison(pairs(0, 0, 0, 10));
        assert_eq!((nothing.standing(), nothing.words().as_str()), (None, "Q8_0 had no right answer to keep"));
    }

    #[test]
    fn changes_carry_their_sign() {
        assert_eq!([2.04, -0.06, -0.04, 0.0].map(signed), ["+2.0", "−0.1", "0.0", "0.0"]);
    }
}
