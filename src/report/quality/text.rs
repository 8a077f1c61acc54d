//! The answers of each model as lines for a terminal, for `sweetspot quality`.

use std::fmt::Write;

use super::QualityView;
use super::table::change;
use crate::report::cell::CellView;
use crate::stats::{Pairs, Share};

/// A block for each model whose answers were scored: its categories, and what they mean.
#[must_use]
pub fn render(cells: &[CellView]) -> String {
    let mut text = String::new();
    for cell in cells {
        let Some((profile, view)) = cell.quality() else { continue };
        if view.summary.is_none() {
            continue;
        }
        let _ = writeln!(text, "{} {}: set '{}'", cell.cell.model, cell.cell.quant, set(view));
        categories(&mut text, view);
        if let Some(words) = &profile.interpretation {
            let _ = writeln!(text, "  {words}");
        }
    }
    text
}

fn set(view: &QualityView) -> &str {
    view.summary.as_ref().map_or("", |summary| summary.set.as_str())
}

fn categories(text: &mut String, view: &QualityView) {
    let Some(summary) = &view.summary else { return };
    for category in &summary.categories {
        let name = category.category.as_str();
        let changes = view.comparison.iter().flat_map(|comparison| &comparison.categories);
        let pairs = changes.clone().find(|change| change.category == name).map(|change| &change.pairs);
        line(text, name, category.correct, pairs, view);
    }
    line(text, "all", summary.correct, view.comparison.as_ref().map(|comparison| &comparison.all), view);
}

fn line(text: &mut String, name: &str, correct: Share, pairs: Option<&Pairs>, view: &QualityView) {
    let (Some(percent), Some(interval)) = (correct.percent(), correct.interval_percent()) else { return };
    let score = format!(
        "{percent:5.1} %  ({} of {}, 95 % interval {:.1} to {:.1})",
        correct.hits, correct.n, interval.low, interval.high
    );
    let against = view.comparison.as_ref().map_or("", |comparison| comparison.reference.as_str());
    let change = pairs.map(|pairs| format!("  {} against {against}", change(pairs))).unwrap_or_default();
    let _ = writeln!(text, "  {name:<16} {score}{change}");
}
