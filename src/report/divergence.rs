//! Results of `sweetspot quality` for people and for programs: divergence of each model from its reference; in JSON with the
//! answers ([`super::quality`]).

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::cell::CellView;
use crate::lab::outcome::Outcome;
use crate::profiles::divergence::{Estimate, Samples, Summary, ending, metrics, summarize};
use crate::profiles::{self, Metric};

/// Version of the JSON's fields.
const SCHEMA_VERSION: u32 = 1;

/// A block of lines for each model that was measured.
#[must_use]
pub fn text(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let Some((samples, summary)) = samples(outcome).and_then(|s| Some((s, summarize(s)?))) else { continue };
        let against = samples.reference.as_deref().unwrap_or("itself with the reference's KV cache");
        let _ = writeln!(text, "{} {} against {against}", outcome.cell.model, outcome.cell.quant);
        block(&mut text, samples, &summary);
    }
    text
}

fn block(text: &mut String, samples: &Samples, summary: &Summary) {
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<26} {value}");
    };
    let kld = &summary.kld_percentiles;
    line("mean KLD", with_error(&summary.kld_mean, 6));
    line(
        "KLD p50 / p95 / p99 / max",
        format!("{:.6} / {:.6} / {:.6} / {:.6}", kld.p50, kld.p95, kld.p99, summary.kld_max),
    );
    line("same top token %", with_error(&summary.same_top_percent, 3));
    line("Δp RMS %", with_error(&summary.p_change_rms_percent, 3));
    line("perplexity", with_error(&summary.perplexity, 4));
    line("perplexity of reference", with_error(&summary.perplexity_reference, 4));
    line("ln(PPL / PPL reference)", with_error(&summary.log_perplexity_ratio, 6));
    let (chunks, length) = (samples.chunks.len(), samples.chunk_tokens);
    line(
        "tokens",
        format!("{} of {} in {chunks} chunks of {length}; {}", summary.tokens, samples.text_tokens, ending(samples)),
    );
}

fn with_error(estimate: &Estimate, digits: usize) -> String {
    match estimate.error {
        Some(error) => format!("{:.digits$} ± {error:.digits$}", estimate.value),
        None => format!("{:.digits$}", estimate.value),
    }
}

/// One model: an object. Several: their objects as `results`. `views` are those of the outcomes, in the same order.
///
/// # Errors
/// serde's, which this never has.
pub fn json(outcomes: &[Outcome], views: &[CellView]) -> anyhow::Result<String> {
    let mut entries: Vec<Value> = outcomes.iter().zip(views).map(|(outcome, view)| entry(outcome, view)).collect();
    let value = match entries.len() {
        1 => entries.remove(0),
        _ => json!({ "schema_version": SCHEMA_VERSION, "results": entries }),
    };
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

fn entry(outcome: &Outcome, view: &CellView) -> Value {
    let asked = view.quality().filter(|(_, quality)| quality.summary.is_some());
    json!({
        "schema_version": SCHEMA_VERSION,
        "model": outcome.cell.model,
        "quantization": outcome.cell.quant,
        "path": outcome.cell.path,
        "synthetic": outcome.cell.synthetic,
        "status": outcome.status,
        "reason": outcome.reason,
        "duration_seconds": outcome.duration_seconds,
        "divergence": samples(outcome).map(object),
        "quality": asked.map(|(_, quality)| super::quality::json::object(quality)),
        "rating": asked.and_then(|(profile, _)| profile.rating),
        "interpretation": asked.and_then(|(profile, _)| profile.interpretation.as_deref()),
    })
}

/// The metrics by name, and what they were measured on.
#[must_use]
pub fn object(samples: &Samples) -> Value {
    let metrics = metrics(samples).into_iter().map(|Metric { name, value }| (name, json!(value)));
    let mut object: Map<String, Value> = metrics.collect();
    object.insert("ended_by".into(), json!(samples.ended_by));
    object.insert("precision_percent".into(), json!(samples.precision_percent));
    object.insert("text".into(), json!(samples.text_name));
    object.insert("reference".into(), json!(samples.reference));
    Value::Object(object)
}

fn samples(outcome: &Outcome) -> Option<&Samples> {
    outcome.profiles.iter().find_map(|profile| match profile.samples.as_ref()? {
        profiles::Samples::Quality(samples) => samples.divergence.as_ref(),
        _ => None,
    })
}
