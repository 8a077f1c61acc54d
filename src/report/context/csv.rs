//! `context.csv`, one row for each type of the KV cache, and `growth.csv`, one for each step of filling a context; for
//! spreadsheets. The order of the columns is a contract: new ones go to the end. What is not known is empty.

use super::view::{ContextReport, GrowthPoint, SweepReport};
use crate::probe::context_limit::found::{FailureKind, LimitedBy};

type OfSweep = fn(&ContextReport, &SweepReport) -> String;
type OfPoint = fn(&SweepReport, &GrowthPoint) -> String;

const SWEEPS: &[(&str, OfSweep)] = &[
    ("model", |r, _| r.model.clone()),
    ("quant", |r, _| r.quantization.clone().unwrap_or_default()),
    ("kv_type", |_, s| s.kv_type.clone()),
    ("budget_bytes", |r, _| r.budget_bytes.to_string()),
    ("predicted_max_context", |_, s| text(s.predicted_max_context)),
    ("proved_max_context", |_, s| text(s.proved_max_context)),
    ("prediction_error_tokens", |_, s| text(s.prediction_error_tokens)),
    ("proof", |_, s| s.proof.name().to_owned()),
    ("limited_by", |_, s| s.limited_by.map(limited_by).unwrap_or_default().to_owned()),
    ("failed_at", |_, s| text(s.failed_at)),
    ("failure", |_, s| s.failure.map(FailureKind::name).unwrap_or_default().to_owned()),
    ("failure_reason", |_, s| s.failure_reason.clone().unwrap_or_default()),
    ("n_ctx_train", |_, s| text(s.n_ctx_train)),
    ("safe_context", |_, s| text(s.safe_context)),
    ("recommended_context", |_, s| text(s.recommended_context)),
    ("trim_threshold", |_, s| text(s.trim_threshold)),
    ("trim_to", |_, s| text(s.trim_to)),
    ("trim_interval", |_, s| text(s.trim_interval)),
    ("memory_at_context", |_, s| text(s.memory_at_context)),
    ("memory_bytes", |_, s| text(s.memory_bytes)),
    ("weights_bytes", |_, s| text(s.weights_bytes)),
    ("repacked_bytes", |_, s| text(s.repacked_bytes)),
    ("kv_bytes", |_, s| text(s.kv_bytes)),
    ("compute_bytes", |_, s| text(s.compute_bytes)),
    ("program_bytes", |_, s| text(s.program_bytes)),
    ("kv_bytes_per_token", |_, s| text(s.kv_bytes_per_token)),
    ("kv_bytes_per_token_measured", |_, s| text(s.kv_bytes_per_token_measured)),
    ("kv_bytes_per_token_formula", |_, s| text(s.kv_bytes_per_token_formula)),
    ("first_answer_5s_tokens", |_, s| text(usable(s, 5.0))),
    ("first_answer_15s_tokens", |_, s| text(usable(s, 15.0))),
    ("first_answer_30s_tokens", |_, s| text(usable(s, 30.0))),
    ("first_answer_60s_tokens", |_, s| text(usable(s, 60.0))),
    ("max_context_8gb", |_, s| text(with_budget(s, 8))),
    ("max_context_12gb", |_, s| text(with_budget(s, 12))),
    ("max_context_16gb", |_, s| text(with_budget(s, 16))),
    ("max_context_24gb", |_, s| text(with_budget(s, 24))),
    ("max_context_48gb", |_, s| text(with_budget(s, 48))),
    ("impossible", |_, s| s.impossible.clone().unwrap_or_default()),
    ("unfinished", |_, s| s.unfinished.clone().unwrap_or_default()),
    ("growth_measured_tokens", |_, s| text(s.trends.map(|trends| trends.measured_tokens))),
    ("pages_touched", |_, s| s.pages_touched.to_string()),
];

const POINTS: &[(&str, OfPoint)] = &[
    ("kv_type", |s, _| s.kv_type.clone()),
    ("tokens", |_, p| p.tokens.to_string()),
    ("prefill_tokens", |_, p| p.prefill_tokens.to_string()),
    ("prefill_seconds", |_, p| p.prefill_seconds.to_string()),
    ("prefill_tokens_per_second", |_, p| text(p.prefill_tokens_per_second)),
    ("gen_tokens", |_, p| p.gen_ns.len().to_string()),
    ("tokens_per_second", |_, p| text(p.tokens_per_second)),
    ("kv_used_bytes", |_, p| p.kv_used_bytes.to_string()),
    ("rss_bytes", |_, p| text(p.process.map(|process| process.rss_bytes))),
    ("rss_anon_bytes", |_, p| text(p.process.and_then(|process| process.rss_anon_bytes))),
    ("rss_file_bytes", |_, p| text(p.process.and_then(|process| process.rss_file_bytes))),
    ("swap_bytes", |_, p| text(p.process.and_then(|process| process.swap_bytes))),
    ("gpu_used_bytes", |_, p| p.gpu_used_bytes.iter().map(|bytes| text(*bytes)).collect::<Vec<_>>().join(";")),
    ("held_out", |_, p| p.held_out.to_string()),
    ("prefill_tokens_in_all", |_, p| p.prefill_tokens_in_all.to_string()),
    ("prefill_seconds_in_all", |_, p| p.prefill_seconds_in_all.to_string()),
    ("prefill_seconds_in_all_by_fit", |s, p| {
        text(s.trends.and_then(|trends| trends.prefill_seconds(p.prefill_tokens_in_all)))
    }),
    ("tokens_per_second_by_fit", |s, p| text(s.trends.and_then(|trends| trends.tokens_per_second(p.tokens)))),
];

/// `context.csv`
///
/// # Errors
/// None that a report can cause: all lines have the same number of fields.
pub fn context(report: &ContextReport) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(SWEEPS.iter().map(|(name, _)| *name))?;
    for sweep in &report.sweeps {
        writer.write_record(SWEEPS.iter().map(|(_, value)| value(report, sweep)))?;
    }
    Ok(writer.into_inner()?)
}

/// `growth.csv`
///
/// # Errors
/// As [`context`].
pub fn growth(report: &ContextReport) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(POINTS.iter().map(|(name, _)| *name))?;
    for sweep in &report.sweeps {
        for point in &sweep.growth {
            writer.write_record(POINTS.iter().map(|(_, value)| value(sweep, point)))?;
        }
    }
    Ok(writer.into_inner()?)
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn limited_by(limit: LimitedBy) -> &'static str {
    match limit {
        LimitedBy::Budget => "budget",
        LimitedBy::Ceiling => "ceiling",
    }
}

fn usable(sweep: &SweepReport, seconds: f64) -> Option<u32> {
    sweep.usable_context.iter().find(|usable| usable.seconds.total_cmp(&seconds).is_eq()).map(|usable| usable.tokens)
}

fn with_budget(sweep: &SweepReport, gb: u64) -> Option<u32> {
    sweep.other_budgets.iter().find(|other| other.budget_bytes == gb * 1_000_000_000).map(|other| other.max_context)
}
