//! The long-context profile in the reports: one view of its summary, as JSON, as Markdown tables and as a few words.

use serde_json::{Value, json};

use super::cell::{CellView, ProfileStatus, ProfileView};
use super::markdown::inline;
use crate::engine::MemoryBreakdown;
use crate::lab::outcome::Outcome;
use crate::probe::kv_growth::EndedBy;
use crate::profiles::long_context::{self, LoadSummary, Samples, Summary};
use crate::profiles::{self, ProfileName};
use crate::stats::{Trend, gigabytes};
use crate::verdict::Rating;
use crate::verdict::interpretation::{number, seconds};

const EMPTY: &str = "–";

impl ProfileView {
    /// What the samples of the profile mean.
    pub(super) fn judge_long_context(&mut self, samples: &Samples, thresholds: &long_context::Thresholds) {
        let summary = long_context::summarize(samples);
        self.rating = long_context::rating(&summary, thresholds);
        let criteria = long_context::criteria(&summary, thresholds);
        self.criteria = criteria.iter().map(|c| (c.metric.to_owned(), c.rating)).collect();
        self.interpretation = Some(long_context::interpretation(&summary));
        match (self.rating, long_context::undecided(&summary, thresholds)) {
            (_, Some(reason)) => {
                self.status = ProfileStatus::Error;
                self.reason.get_or_insert(reason);
            }
            (Some(rating), None) if !rating.passes() => self.status = ProfileStatus::Failed,
            _ => {}
        }
        self.long_context = Some(Box::new(summary));
    }
}

impl CellView {
    /// The long-context profile, where it has numbers.
    #[must_use]
    pub fn long_context(&self) -> Option<&Summary> {
        self.profile(ProfileName::LongContext)?.long_context.as_deref()
    }
}

/// Exact bytes of the context that the profile filled: what a cell takes where no other profile was measured.
pub(super) fn memory(outcome: &Outcome) -> Option<MemoryBreakdown> {
    outcome.profiles.iter().find_map(|profile| match &profile.samples {
        Some(profiles::Samples::LongContext(samples)) => Some(samples.memory.clone()),
        _ => None,
    })
}

/// The headline in a few words, such as `16384 tokens loaded in 12 s, then 21 tokens/s`.
pub(super) fn numbers(summary: &Summary) -> String {
    let Some(target) = summary.target() else { return "nothing was loaded".to_owned() };
    let speed = target.tokens_per_second.map(|speed| format!(", then {} tokens/s", number(speed))).unwrap_or_default();
    match (target.seconds, target.forecast_seconds) {
        (Some(load), _) => format!("{} tokens loaded in {}{speed}", target.tokens, seconds(load)),
        (None, Some(load)) => format!("{} tokens would load in {} (forecast)", target.tokens, seconds(load)),
        (None, None) => format!("{} tokens could not be loaded", target.tokens),
    }
}

/// `12.3 @ 16384`; a forecast has a tilde.
pub(super) fn short(cell: &CellView) -> String {
    let Some(target) = cell.long_context().and_then(Summary::target) else { return EMPTY.to_owned() };
    match (target.seconds, target.forecast_seconds) {
        (Some(load), _) => format!("{} @ {}", number(load), target.tokens),
        (None, Some(load)) => format!("~{} @ {}", number(load), target.tokens),
        (None, None) => format!("{EMPTY} @ {}", target.tokens),
    }
}

/// The profile's own object in `report.json`: every load, and the lines through the filling.
pub(super) fn json(summary: &Summary) -> Value {
    let ended_by = match &summary.ended_by {
        EndedBy::Target => "target".to_owned(),
        EndedBy::Time => "time".to_owned(),
        EndedBy::Interrupted => "interrupted".to_owned(),
        EndedBy::Failed(reason) => format!("failed: {reason}"),
    };
    json!({
        "target_tokens": summary.target_tokens,
        "wanted_target_tokens": summary.wanted_target_tokens,
        "ended_by": ended_by,
        "allowed_seconds": summary.allowed_seconds,
        "loads": summary.loads.iter().map(load).collect::<Vec<_>>(),
        "fits": {
            "kv_bytes": trend(summary.trends.kv_bytes),
            "prefill_ns_per_token": trend(summary.trends.prefill_ns_per_token),
            "generation_ns_per_token": trend(summary.trends.gen_ns_per_token),
        },
    })
}

fn load(load: &LoadSummary) -> Value {
    json!({
        "tokens": load.tokens,
        "status": status(load),
        "load_seconds": load.seconds,
        "forecast_load_seconds": load.forecast_seconds,
        "tokens_per_second": load.tokens_per_second,
        "forecast_tokens_per_second": load.forecast_tokens_per_second,
        "kv_used_bytes": load.kv_used_bytes,
        "resident_bytes": load.resident_bytes,
        "swapped_bytes": load.swapped_bytes,
        "reason": load.left_out.as_ref().map(long_context::LeftOut::words),
    })
}

fn status(load: &LoadSummary) -> &'static str {
    match load {
        LoadSummary { left_out: Some(_), .. } => "left out",
        LoadSummary { seconds: Some(_), tokens_per_second: Some(_), .. } => "measured",
        LoadSummary { seconds: Some(_), .. } => "loaded, no answer",
        LoadSummary { forecast_seconds: Some(_), .. } => "forecast",
        _ => "not reached",
    }
}

fn trend(trend: Option<Trend>) -> Value {
    trend.map_or(Value::Null, |t| {
        json!({
            "intercept": t.line.intercept,
            "slope": t.line.slope,
            "points_fitted": t.fitted,
            "points_held_out": t.held_out.map(|h| h.points),
            "held_out_mean_error_percent": t.held_out.map(|h| h.mean_error_percent),
            "held_out_max_error_percent": t.held_out.map(|h| h.max_error_percent),
            "from_tokens": t.from,
            "to_tokens": t.to,
        })
    })
}

/// All cells in a Markdown table; empty where none has the profile's numbers.
pub(super) fn table(cells: &[CellView]) -> String {
    let rows: Vec<String> = cells.iter().filter_map(|cell| Some(row(cell, cell.long_context()?))).collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = "| Model | Quant | Target tokens | Load s | tokens/s after it | Largest load | KV KB/token | Memory GB | Rating |\n\
                |---|---|--:|--:|--:|--:|--:|--:|---|";
    format!("{head}\n{}\n", rows.join("\n"))
}

fn row(cell: &CellView, summary: &Summary) -> String {
    let target = summary.target();
    let shown = |value: Option<f64>| value.map_or_else(|| EMPTY.to_owned(), number);
    let load = target.and_then(|t| t.seconds.map(number).or_else(|| Some(forecast(t.forecast_seconds?))));
    let speed =
        target.and_then(|t| t.tokens_per_second.map(number).or_else(|| Some(forecast(t.forecast_tokens_per_second?))));
    let rating =
        cell.profile(ProfileName::LongContext).and_then(|profile| profile.rating).map_or("not known", Rating::name);
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {rating} |",
        inline(&cell.cell.model),
        inline(&cell.cell.quant),
        summary.target_tokens,
        load.unwrap_or_else(|| EMPTY.to_owned()),
        speed.unwrap_or_else(|| EMPTY.to_owned()),
        summary.largest().map_or_else(|| EMPTY.to_owned(), |load| load.tokens.to_string()),
        shown(summary.trends.kv_bytes_per_token().map(|bytes| bytes / 1e3)),
        number(gigabytes(summary.memory_bytes)),
    )
}

fn forecast(value: f64) -> String {
    format!("{} (forecast)", number(value))
}

/// Every load of one cell in a Markdown table.
pub(super) fn loads(summary: &Summary) -> String {
    let mut lines = vec![
        "| Load | Seconds | tokens/s after it | KV MB in use | Resident GB | Swapped GB | |\n|--:|--:|--:|--:|--:|--:|---|"
            .to_owned(),
    ];
    let shown = |value: Option<f64>| value.map_or_else(|| EMPTY.to_owned(), number);
    for load in &summary.loads {
        let seconds = load.seconds.map(number).or_else(|| load.forecast_seconds.map(forecast));
        let speed = load.tokens_per_second.map(number).or_else(|| load.forecast_tokens_per_second.map(forecast));
        lines.push(format!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            load.tokens,
            seconds.unwrap_or_else(|| EMPTY.to_owned()),
            speed.unwrap_or_else(|| EMPTY.to_owned()),
            shown(load.kv_used_bytes.map(|bytes| 1e3 * gigabytes(bytes))),
            shown(load.resident_bytes.map(gigabytes)),
            shown(load.swapped_bytes.map(gigabytes)),
            load.left_out
                .as_ref()
                .map_or_else(|| status(load).to_owned(), |why| format!("left out: {}", inline(why.words()))),
        ));
    }
    lines.join("\n")
}
