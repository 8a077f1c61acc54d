//! The configuration's section `[termination]`: when a cell, or what is larger than it, is not worth its time.

use serde::{Deserialize, Serialize};

use super::check::Problems;

/// When measuring is given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TerminationConfig {
    /// Whether cells are skipped that others' outcomes make hopeless; false: all are run.
    pub enabled: bool,
    /// A model whose first token takes longer has failed, and larger ones of the same quantization are not tried.
    pub max_ttft_seconds: f64,
    /// So has one with fewer tokens per second.
    pub min_tokens_per_second: f64,
    /// Memory that a model needs in sizes of its file, where its exact need is not known.
    pub memory_factor: f64,
    /// After so many failures one after the other, the rest of a model's cells is skipped.
    pub failures_before_giving_up: u32,
}

impl Default for TerminationConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_ttft_seconds: 30.0,
            min_tokens_per_second: 2.0,
            memory_factor: 1.2,
            failures_before_giving_up: 2,
        }
    }
}

impl TerminationConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.above_zero("termination.max_ttft_seconds", self.max_ttft_seconds);
        problems.not_negative("termination.min_tokens_per_second", self.min_tokens_per_second);
        problems.within("termination.memory_factor", self.memory_factor, 1.0, 10.0);
        problems.positive("termination.failures_before_giving_up", self.failures_before_giving_up);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn values_without_sense_are_named_with_what_is_allowed() {
        let error = |text: &str| Config::parse(&format!("[termination]\n{text}")).unwrap_err();
        assert_eq!(error("max_ttft_seconds = 0"), "termination.max_ttft_seconds is 0; it must be a number above 0");
        assert_eq!(error("memory_factor = 0.9"), "termination.memory_factor is 0.9; it must be 1 to 10");
        assert_eq!(
            error("min_tokens_per_second = -1"),
            "termination.min_tokens_per_second is -1; it must be 0 or more"
        );
        assert_eq!(
            error("failures_before_giving_up = 0"),
            "termination.failures_before_giving_up is 0; it must be at least 1"
        );
        assert!(!Config::parse("[termination]\nenabled = false").unwrap().termination.enabled);
    }
}
