//! The quality profile for programs: what the metrics' names do not hold, that is categories, paired changes and differences
//! between repeated answers.

use serde_json::{Value, json};

use super::QualityView;
use crate::profiles::quality::{CategorySummary, Difference, Summary};
use crate::stats::{Pairs, Share};
use crate::verdict::quality::{Comparison, kept};

/// Everything about the answers of a cell.
#[must_use]
pub fn object(view: &QualityView) -> Value {
    let summary = view.summary.as_ref();
    json!({
        "set": summary.map(|s| &s.set),
        "all": summary.map(|s| share(s.correct)),
        "categories": summary.map(categories).unwrap_or_default(),
        "change": view.comparison.as_ref().map(comparison),
        "repeated": summary.map(|s| s.repeated),
        "repeated_differently": summary.map(|s| s.differences.iter().map(difference).collect::<Vec<_>>()),
        "interrupted": summary.map(|s| s.interrupted),
        "divergence": view.samples.divergence.as_ref().map(crate::report::divergence::object),
        "divergence_failure": view.samples.divergence_failure,
    })
}

fn categories(summary: &Summary) -> Vec<Value> {
    let one = |category: &CategorySummary| {
        let mut object = share(category.correct);
        object["category"] = json!(category.category.as_str());
        object["threshold_percent"] = json!(category.threshold_percent);
        object["reached"] = json!(category.threshold_percent.zip(category.correct.percent()).map(|(t, p)| p >= t));
        object
    };
    summary.categories.iter().map(one).collect()
}

fn share(share: Share) -> Value {
    let interval = share.interval_percent();
    json!({
        "correct": share.hits,
        "scored": share.n,
        "percent": share.percent(),
        "ci95_low_percent": interval.map(|i| i.low),
        "ci95_high_percent": interval.map(|i| i.high),
    })
}

fn comparison(comparison: &Comparison) -> Value {
    let categories: serde_json::Map<String, Value> =
        comparison.categories.iter().map(|change| (change.category.clone(), pairs(&change.pairs))).collect();
    json!({
        "reference": comparison.reference,
        "standing": comparison.standing().map(crate::verdict::quality::Standing::name),
        "kept_percent": kept(&comparison.all).map(|kept| 100.0 * kept),
        "all": pairs(&comparison.all),
        "categories": categories,
        "interpretation": comparison.words(),
    })
}

fn pairs(pairs: &Pairs) -> Value {
    let interval = pairs.interval();
    json!({
        "prompts": pairs.n(),
        "lost": pairs.first_only,
        "gained": pairs.second_only,
        "points": pairs.difference().map(|d| 100.0 * d),
        "ci95_low_points": interval.map(|i| 100.0 * i.low),
        "ci95_high_points": interval.map(|i| 100.0 * i.high),
        "p_value": pairs.p_value(),
    })
}

fn difference(difference: &Difference) -> Value {
    json!({
        "prompt": difference.prompt,
        "warm_tokens": difference.warm_tokens,
        "token": difference.token,
        "common": difference.common,
        "expected": difference.expected,
        "found": difference.found,
    })
}
