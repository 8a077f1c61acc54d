//! The configuration's section `[interactive]`.

use serde::{Deserialize, Serialize};

use super::check::Problems;
use crate::engine::Sampling;

/// So many samples are the least that an interval of their median can be given for.
#[allow(clippy::cast_possible_truncation)] // 6
const MIN_SAMPLES: u32 = crate::stats::confidence::MIN_SAMPLES as u32;

/// The interactive profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InteractiveConfig {
    /// Output tokens of one repetition.
    pub tokens: u32,
    /// Repetitions at most. Below six there is no confidence interval.
    pub max_repetitions: u32,
    /// First tokens at most, those of the repetitions included.
    pub max_first_tokens: u32,
    /// Repeat until the 95 % confidence interval of the median is at most this wide, in percent of the median.
    pub interval_width_percent: f64,
    /// Context size in tokens.
    pub n_ctx: u32,
    /// How tokens are picked.
    pub sampling: Sampling,
    /// A prompt file instead of the built-in prompts; a relative path begins at the configuration file's folder.
    pub prompts: Option<std::path::PathBuf>,
}

impl Default for InteractiveConfig {
    fn default() -> Self {
        Self {
            tokens: 500,
            max_repetitions: MIN_SAMPLES,
            max_first_tokens: 2 * MIN_SAMPLES,
            interval_width_percent: 5.0,
            n_ctx: 2048,
            // llama.cpp's defaults, with a fixed seed: runs can be repeated, and models do not fall into greedy loops
            sampling: Sampling::Seeded { seed: 42, temperature: 0.8, top_k: 40, top_p: 0.95, min_p: 0.05 },
            prompts: None,
        }
    }
}

impl InteractiveConfig {
    /// `--quick`: one repetition, few first tokens.
    pub fn make_quick(&mut self) {
        self.max_repetitions = 1;
        self.max_first_tokens = self.max_first_tokens.min(4);
    }

    /// `--full`: repeat until the numbers settle, or very often.
    pub fn make_full(&mut self) {
        self.max_repetitions = self.max_repetitions.max(5 * MIN_SAMPLES);
        self.max_first_tokens = self.max_first_tokens.max(10 * MIN_SAMPLES);
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        problems.positive("interactive.tokens", self.tokens);
        problems.positive("interactive.max_repetitions", self.max_repetitions);
        problems.positive("interactive.max_first_tokens", self.max_first_tokens);
        problems.above_zero("interactive.interval_width_percent", self.interval_width_percent);
        super::check_sampling("interactive", &self.sampling, problems);
        let larger = format!("larger than interactive.tokens ({})", self.tokens);
        problems.unless(self.n_ctx > self.tokens, "interactive.n_ctx", self.n_ctx, &larger);
    }
}
