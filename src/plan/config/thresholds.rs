//! The configuration's section `[thresholds]`: what makes a result excellent, good, acceptable or poor. Those of answers
//! stand in `[quality.thresholds]`.

use serde::{Deserialize, Serialize};

use super::check::Problems;
use crate::profiles::{interactive, long_context};

/// Bounds of the grades, a section each profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Of the interactive profile.
    pub interactive: interactive::Thresholds,
    /// Of the long-context profile.
    pub long_context: long_context::Thresholds,
}

impl Thresholds {
    /// Those of a run, from the configuration that its `run.json` keeps. The defaults where it has none: it was measured
    /// before they could be configured.
    #[must_use]
    pub fn of_run(configuration: &serde_json::Value) -> Self {
        configuration.get("thresholds").and_then(|found| Self::deserialize(found).ok()).unwrap_or_default()
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let Self { interactive, long_context } = self;
        problems.scale("thresholds.interactive.ttft_seconds", &interactive.ttft_seconds, true);
        problems.scale("thresholds.interactive.tokens_per_second", &interactive.tokens_per_second, false);
        problems.scale("thresholds.interactive.variance_percent", &interactive.variance_percent, true);
        problems.scale("thresholds.long_context.load_seconds", &long_context.load_seconds, true);
        problems.scale("thresholds.long_context.tokens_per_second", &long_context.tokens_per_second, false);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn bounds_out_of_order_are_named_with_what_is_allowed() {
        let error = |text: &str| Config::parse(&format!("[thresholds.{text}")).unwrap_err();
        assert_eq!(
            error("interactive]\nttft_seconds = [3, 1, 10, 30]"),
            "thresholds.interactive.ttft_seconds is [3, 1, 10, 30]; it must be four numbers of 0 or more, each larger than \
             the one before"
        );
        assert_eq!(
            error("long_context]\ntokens_per_second = [7, 15, 30]"),
            "thresholds.long_context.tokens_per_second is [7, 15, 30]; it must be three numbers of 0 or more, each smaller \
             than the one before"
        );
        assert!(
            error("interactive]\nttft_seconds = [1, 2, 3]").contains("thresholds.interactive.ttft_seconds: invalid")
        );
        assert!(error("interactive]\nvariance_percent = [1, 2, inf]").contains("[1, 2, inf]"));
    }

    #[test]
    fn a_runs_thresholds_are_those_of_its_configuration() {
        let config = Config::parse("[thresholds.long_context]\nload_seconds = [1, 2, 3, 4]").unwrap();
        let of_run = Thresholds::of_run(&serde_json::to_value(&config).unwrap());
        assert_eq!(of_run.long_context.load_seconds.map(|s| s.to_string()), ["1", "2", "3", "4"]);
        assert_eq!(Thresholds::of_run(&serde_json::json!({ "engine": {} })), Thresholds::default());
    }
}
