//! What `docs/method.md` says of the metrics, against the metrics that a report has.

use std::collections::BTreeSet;

use sweetspot::engine::MemoryBreakdown;
use sweetspot::probe::kv_growth::{self, Growth};
use sweetspot::profiles::interactive::{Samples, metrics};
use sweetspot::profiles::{EndedBy, long_context};

/// The names in the first column of the section's table.
fn documented(page: &str, section: &str) -> BTreeSet<String> {
    let (_, text) = page.split_once(section).expect("the section");
    let text = text.split("\n## ").next().unwrap_or_default();
    let first_columns = text.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    first_columns.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn every_metric_of_the_interactive_profile_is_defined_and_no_other() {
    let nothing = Samples {
        requests: Vec::new(),
        target_tokens: 9,
        generations_ended_by: EndedBy::Limit,
        first_tokens_ended_by: EndedBy::Limit,
        n_ctx: 2048,
        fallback_template: false,
    };
    let emitted: BTreeSet<String> = metrics(&nothing).into_iter().map(|metric| metric.name).collect();
    assert!(emitted.contains("ttft_p95_seconds"), "{emitted:?}");
    assert_eq!(documented(include_str!("../docs/method.md"), "## The interactive profile"), emitted);
}

#[test]
fn every_metric_of_the_long_context_profile_is_defined_and_no_other() {
    let nothing = long_context::Samples {
        loads: Vec::new(),
        target_tokens: 1,
        wanted_target_tokens: 1,
        gen_tokens: 1,
        seconds: 1,
        n_ctx_train: 1,
        memory: MemoryBreakdown::default(),
        before: None,
        growth: Growth { n_ctx: 1, points: Vec::new(), ended_by: kv_growth::EndedBy::Target },
    };
    let emitted: BTreeSet<String> = long_context::metrics(&nothing).into_iter().map(|metric| metric.name).collect();
    assert!(emitted.contains("load_forecast_seconds"), "{emitted:?}");
    assert_eq!(documented(include_str!("../docs/long-context.md"), "## Metrics"), emitted);
}
