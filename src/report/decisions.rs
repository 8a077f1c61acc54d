//! What was not tried, and why: the decisions of termination as the reports show them.

use std::fmt::Write as _;

use super::cell::CellView;
use super::markdown::inline;
use crate::plan::termination::{Evidence, Skip};
use crate::verdict::interpretation::{counted, seconds};

/// The cells that were decided against, each with its decision.
pub(super) fn decided(cells: &[CellView]) -> impl Iterator<Item = (&CellView, &Skip)> {
    cells.iter().filter_map(|cell| Some((cell, cell.decision.as_ref()?)))
}

/// How many cells were not tried and what they were expected to take, as far as somebody could tell; none where all were tried.
pub(super) fn saved(cells: &[CellView]) -> Option<String> {
    let count = decided(cells).count();
    let times: Vec<f64> = decided(cells).filter_map(|(_, skip)| skip.expected_seconds).collect();
    let not_tried = format!("{count} of {} not tried", counted(cells.len(), "cell"));
    match (count, times.len()) {
        (0, _) => None,
        (_, 0) => Some(not_tried),
        (all, known) => {
            let of = if known < all { format!(" {known} of them") } else { String::new() };
            Some(format!("{not_tried}; expected to have taken{of} about {}", duration(times.iter().sum())))
        }
    }
}

/// `2 h 5 min` from an hour on.
fn duration(all: f64) -> String {
    if all < 3600.0 {
        return seconds(all);
    }
    let minutes = (all / 60.0).round();
    format!("{:.0} h {:.0} min", (minutes / 60.0).floor(), minutes % 60.0)
}

/// A table with the rule, the reason and the evidence of each, after a sentence on all; empty where all were tried.
pub(super) fn markdown(cells: &[CellView]) -> String {
    let Some(saved) = saved(cells) else { return String::new() };
    let mut out = format!("{saved}.\n\n| Model | Quant | Rule | Why | Rests on |\n|---|---|---|---|---|\n");
    for (cell, skip) in decided(cells) {
        let rests_on: Vec<String> = skip.evidence.iter().map(named).collect();
        let rests_on = if rests_on.is_empty() { "its own size".to_owned() } else { rests_on.join("; ") };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            inline(&cell.cell.model),
            inline(&cell.cell.quant),
            skip.rule.words(),
            inline(&skip.reason),
            inline(&rests_on)
        );
    }
    out
}

fn named(evidence: &Evidence) -> String {
    let of = if evidence.quant.is_empty() { String::new() } else { format!(" {}", evidence.quant) };
    format!("{}{of}: {}", evidence.model, evidence.what)
}

/// One line for each, after one on all; none where all were tried.
pub(super) fn lines(cells: &[CellView]) -> Vec<String> {
    let each = decided(cells).map(|(cell, skip)| format!("{} {}: {}", cell.cell.model, cell.cell.quant, skip.reason));
    saved(cells).into_iter().chain(each).collect()
}
