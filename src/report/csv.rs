//! `report.csv`: one line a cell, for spreadsheets. The order of the columns is a contract: new ones go to the end. What was
//! not measured is empty.

use super::cell::CellView;
use super::view::View;
use crate::lab::outcome::Status;
use crate::profiles::ProfileName::{Interactive, LongContext, Quality};
use crate::verdict::Rating;
use crate::verdict::quality::{self, Comparison, Standing};

type Value = fn(&CellView) -> String;

/// Names and contents of the columns. Those of profiles that this program does not have yet keep their place.
const COLUMNS: &[(&str, Value)] = &[
    ("model", |c| super::view::printable(&c.cell.model)),
    ("quant", |c| c.cell.quant.clone()),
    ("size_gb", |c| format!("{:.3}", c.size_gb())),
    ("memory_gb", |c| number(c.memory_gb())),
    ("interactive_ttft", |c| number(c.metric(Interactive, "ttft_seconds"))),
    ("interactive_tps", |c| number(c.metric(Interactive, "tokens_per_second"))),
    ("interactive_rating", |c| {
        c.profile(Interactive).and_then(|p| p.rating).map(Rating::name).unwrap_or_default().to_owned()
    }),
    ("long_context_load", |c| number(c.metric(LongContext, "load_seconds"))),
    ("long_context_max", |c| count(c.metric(LongContext, "max_tokens"))),
    ("batch_throughput", |_| String::new()),
    ("status", |c| status(c.status).to_owned()),
    ("verdict", |c| c.verdict.map(super::cell::Verdict::name).unwrap_or_default().to_owned()),
    ("reason", |c| super::view::printable(c.why_not().unwrap_or_default())),
    ("interactive_variance_percent", |c| number(c.metric(Interactive, "variance_percent"))),
    ("interactive_tpot_ms", |c| number(c.metric(Interactive, "tpot_ms"))),
    ("interactive_itl_p50_ms", |c| number(c.metric(Interactive, "itl_p50_ms"))),
    ("interactive_itl_p95_ms", |c| number(c.metric(Interactive, "itl_p95_ms"))),
    ("interactive_itl_p99_ms", |c| number(c.metric(Interactive, "itl_p99_ms"))),
    ("interactive_itl_max_ms", |c| number(c.metric(Interactive, "itl_max_ms"))),
    ("interactive_prefill_tps", |c| number(c.metric(Interactive, "prefill_tokens_per_second"))),
    ("interactive_requests_ended_early", |c| count(c.metric(Interactive, "requests_ended_early"))),
    ("peak_resident_gb", |c| number(c.peak_resident_gb)),
    ("load_seconds", |c| number(c.load_seconds)),
    ("efficiency_score", |c| number(c.efficiency_score)),
    ("cost_benefit_score", |c| number(c.cost_benefit_score)),
    ("synthetic", |c| c.is_synthetic().to_string()),
];

/// The quality profile's columns: after those that were there before them.
const QUALITY: &[(&str, Value)] = &[
    ("quality_rating", |c| c.profile(Quality).and_then(|p| p.rating).map(Rating::name).unwrap_or_default().to_owned()),
    ("quality_set", |c| {
        c.quality().and_then(|(_, view)| view.summary.as_ref()).map(|s| s.set.clone()).unwrap_or_default()
    }),
    ("quality_correct_percent", |c| number(c.metric(Quality, "correct_percent"))),
    ("quality_correct_ci95_low_percent", |c| number(c.metric(Quality, "correct_ci95_low_percent"))),
    ("quality_correct_ci95_high_percent", |c| number(c.metric(Quality, "correct_ci95_high_percent"))),
    ("quality_math_percent", |c| number(c.metric(Quality, "math_percent"))),
    ("quality_comprehension_percent", |c| number(c.metric(Quality, "comprehension_percent"))),
    ("quality_reasoning_percent", |c| number(c.metric(Quality, "reasoning_percent"))),
    ("quality_format_percent", |c| number(c.metric(Quality, "format_percent"))),
    ("quality_reference", |c| comparison(c).map(|comparison| comparison.reference.clone()).unwrap_or_default()),
    ("quality_kept_percent", |c| number(comparison(c).and_then(|c| Some(100.0 * quality::kept(&c.all)?)))),
    ("quality_standing", |c| {
        comparison(c).and_then(Comparison::standing).map(Standing::name).unwrap_or_default().to_owned()
    }),
    ("quality_kld_mean", |c| number(c.metric(Quality, "kld_mean"))),
    ("quality_kld_mean_error", |c| number(c.metric(Quality, "kld_mean_error"))),
    ("quality_same_top_percent", |c| number(c.metric(Quality, "same_top_percent"))),
    ("quality_perplexity", |c| number(c.metric(Quality, "perplexity"))),
];

/// The long-context profile's columns: after those.
const LONG_CONTEXT: &[(&str, Value)] = &[
    ("long_context_rating", |c| {
        c.profile(LongContext).and_then(|p| p.rating).map(Rating::name).unwrap_or_default().to_owned()
    }),
    ("long_context_target", |c| count(c.metric(LongContext, "target_tokens"))),
    ("long_context_tps", |c| number(c.metric(LongContext, "tokens_per_second"))),
    ("long_context_load_forecast", |c| number(c.metric(LongContext, "load_forecast_seconds"))),
    ("long_context_memory_gb", |c| number(c.metric(LongContext, "memory_gb"))),
    ("long_context_kv_bytes_per_token", |c| number(c.metric(LongContext, "kv_bytes_per_token"))),
    ("long_context_swapped_gb", |c| number(c.metric(LongContext, "swapped_gb"))),
];

fn comparison(cell: &CellView) -> Option<&Comparison> {
    cell.quality()?.1.comparison.as_ref()
}

/// The report. After its first columns stand the advice and the notes, those of the whole run included, so that a line that
/// is copied out of the table keeps them; then the columns that came later.
///
/// # Errors
/// None that a view can cause: all lines have the same number of fields.
pub fn render(view: &View) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let later = QUALITY.iter().chain(LONG_CONTEXT).map(|(name, _)| *name);
    writer.write_record(COLUMNS.iter().map(|(name, _)| *name).chain(["mark", "notes"]).chain(later))?;
    for cell in &view.cells {
        let values = COLUMNS.iter().map(|(_, value)| value(cell));
        let notes: Vec<&str> = cell.notes.iter().chain(&view.notes).map(String::as_str).collect();
        let later = QUALITY.iter().chain(LONG_CONTEXT).map(|(_, value)| value(cell));
        writer.write_record(values.chain([mark(view, cell), notes.join("; ")]).chain(later))?;
    }
    Ok(writer.into_inner()?)
}

fn mark(view: &View, cell: &CellView) -> String {
    let advice = view.recommendations.iter().filter(|(profile, _)| *profile == Interactive).flat_map(|(_, list)| list);
    let mut of_cell = advice.filter(|r| r.model == cell.cell.model && r.quant == cell.cell.quant);
    of_cell.next().map(|r| r.mark.name()).unwrap_or_default().to_owned()
}

/// Six significant digits are more than any of these numbers has, and no spreadsheet stumbles over them.
fn number(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(0.0) => "0".to_owned(),
        Some(value) if value.abs() < 0.001 => format!("{value:.9}"),
        Some(value) if value.abs() < 1.0 => format!("{value:.6}"),
        Some(value) => format!("{value:.3}"),
    }
}

/// A whole number.
fn count(value: Option<f64>) -> String {
    value.map(|n| format!("{n:.0}")).unwrap_or_default()
}

pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Measured => "measured",
        Status::Failed => "failed",
        Status::Skipped => "skipped",
    }
}
