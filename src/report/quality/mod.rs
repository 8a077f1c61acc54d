//! The quality profile in the reports: answers and divergence of each quantization, and what it has lost against the best
//! one of the same model. [`table`] lays them out in Markdown, [`text`] for a terminal, [`json`] for programs, [`answers`]
//! holds every answer for people to read.

pub mod answers;
pub mod json;
pub mod table;
pub mod text;

use super::cell::{CellView, ProfileView};
use crate::profiles::ProfileName;
use crate::profiles::divergence;
use crate::profiles::quality::{self, Samples, Summary, compare};
use crate::verdict::Rating;
use crate::verdict::interpretation::number;
use crate::verdict::quality::Comparison;
use crate::verdict::recommendation::Answers;

/// What the quality profile gave on a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct QualityView {
    /// Everything that was measured.
    pub samples: Samples,
    /// The answers in numbers, where some were asked for.
    pub summary: Option<Summary>,
    /// The divergence in numbers, where there is one.
    pub divergence: Option<divergence::Summary>,
    /// Against the best quantization; none for that one itself, and where there is no other.
    pub comparison: Option<Comparison>,
}

impl QualityView {
    /// Everything but the comparison.
    #[must_use]
    pub fn of(samples: &Samples) -> Self {
        Self {
            summary: samples.asked.as_ref().map(quality::summarize),
            divergence: samples.divergence.as_ref().and_then(divergence::summarize),
            comparison: None,
            samples: samples.clone(),
        }
    }

    /// What the numbers mean, in plain sentences; `quant` is the quantization that is compared.
    #[must_use]
    pub fn words(&self, quant: Option<&str>) -> String {
        let mut sentences: Vec<String> = self.summary.iter().map(quality::interpretation).collect();
        if let (Some(comparison), Some(quant)) = (&self.comparison, quant) {
            sentences.push(format!("{quant} {}.", comparison.words()));
        }
        sentences.extend(self.divergence_in_words());
        if let Some(reason) = &self.samples.divergence_failure {
            sentences.push(format!("Divergence was not measured: {reason}."));
        }
        sentences.join(" ")
    }

    fn divergence_in_words(&self) -> Option<String> {
        let (summary, samples) = (self.divergence.as_ref()?, self.samples.divergence.as_ref()?);
        let from = samples.reference.as_deref().map_or("the same weights with an f16 cache".to_owned(), str::to_owned);
        Some(format!(
            "Its predictions diverge from those of {from} by {}; the most likely token is the same in {} % of places.",
            kld(summary),
            number(summary.same_top_percent.value)
        ))
    }
}

impl CellView {
    /// What the quality profile says of the answers.
    pub(super) fn answers(&self) -> Option<Answers> {
        let (profile, view) = self.quality()?;
        let percent = view.summary.as_ref()?.correct.percent()?;
        let comparison = view.comparison.as_ref();
        let words = match comparison {
            Some(comparison) => comparison.words(),
            None => format!("{} % of its answers are right", number(percent)),
        };
        let words = match profile.rating {
            Some(Rating::Failed) => format!("{words}; it reaches no threshold"),
            _ => words,
        };
        Some(Answers { rating: profile.rating, standing: comparison.and_then(Comparison::standing), words })
    }

    /// The quality profile and what it gave, where it was measured.
    #[must_use]
    pub fn quality(&self) -> Option<(&ProfileView, &QualityView)> {
        let profile = self.profile(ProfileName::Quality)?;
        Some((profile, profile.quality.as_deref()?))
    }
}

/// Mean divergence with its standard error, such as `0.0123 ± 0.0004`.
#[must_use]
pub fn kld(summary: &divergence::Summary) -> String {
    let mean = &summary.kld_mean;
    match mean.error {
        // as many digits as the error has, and one more
        Some(error) if error > 0.0 && error.is_finite() => {
            let digits = digits_of(error);
            format!("{:.digits$} ± {error:.digits$}", mean.value)
        }
        _ => number(mean.value),
    }
}

/// Digits behind the point that show two of a number below 1.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 1 to 12
fn digits_of(value: f64) -> usize {
    (1.0 - value.log10().floor()).clamp(1.0, 12.0) as usize
}

/// Compares every quantization with the best one of the same model that was measured: the largest file.
pub fn compare_quants(cells: &mut [CellView]) {
    compare_within(cells, |a, b| a.cell.model == b.cell.model);
}

/// Compares every cell with the largest file of all.
pub fn compare_all(cells: &mut [CellView]) {
    compare_within(cells, |_, _| true);
}

fn compare_within(cells: &mut [CellView], together: impl Fn(&CellView, &CellView) -> bool) {
    let asked = |cell: &CellView| cell.quality().is_some_and(|(_, view)| view.samples.asked.is_some());
    let compared = |cell: &CellView| {
        let others = cells.iter().filter(|other| asked(other) && together(other, cell));
        let best = others.max_by_key(|other| other.cell.size_bytes)?;
        if best.cell == cell.cell {
            return None;
        }
        let same = best.cell.model == cell.cell.model;
        let name = if same { best.cell.quant.clone() } else { format!("{} {}", best.cell.model, best.cell.quant) };
        let (reference, candidate) = (best.quality()?.1, cell.quality()?.1);
        compare::compare(&name, reference.samples.asked.as_ref()?, candidate.samples.asked.as_ref()?)
    };
    let comparisons: Vec<Option<Comparison>> = cells.iter().map(compared).collect();
    for (cell, comparison) in cells.iter_mut().zip(comparisons) {
        let quant = cell.cell.quant.clone();
        let Some(profile) = cell.profiles.iter_mut().find(|p| p.profile == ProfileName::Quality) else { continue };
        if let (Some(view), Some(comparison)) = (profile.quality.as_deref_mut(), comparison) {
            view.comparison = Some(comparison);
            profile.interpretation = Some(view.words(Some(&quant)));
        }
    }
}
