//! The configuration's section `[quality]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::Problems;
use crate::engine::Sampling;
use crate::profiles::divergence;
use crate::profiles::quality::prompts::Category;
use crate::profiles::quality::{DEFAULT_THRESHOLDS, Repetition};

/// The quality profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualityConfig {
    /// Which of the sets that the program brings along; none: `auto`, or none at all where `prompts` names files.
    pub set: Option<SetName>,
    /// Prompt files: instead of the built-in sets, or in addition to `set`. A relative path begins at the configuration
    /// file's folder.
    pub prompts: Vec<PathBuf>,
    /// Prompts of each category of `standard` at most; none: all. `core` and files are asked whole.
    pub prompts_per_category: Option<u32>,
    /// Context size in tokens; a model that was trained for less gets that.
    pub n_ctx: u32,
    /// How tokens are picked.
    pub sampling: Sampling,
    /// An answer that takes longer is cut.
    pub max_answer_seconds: f64,
    /// Percent of right answers that a category is to reach. What is named here is added to the defaults.
    pub thresholds: BTreeMap<Category, f64>,
    /// Prompts that are asked repeatedly; 0: none.
    pub consistency_prompts: u32,
    /// How often, with an empty cache and as often with a warm one.
    pub consistency_times: u32,
    /// Tokens of such an answer at most.
    pub consistency_tokens: u32,
    /// Whether divergence from the best quantization of the same model is measured.
    pub divergence: bool,
    /// Text that is read for it; none: the built-in one. A relative path begins at the configuration file's folder.
    pub divergence_text: Option<PathBuf>,
    /// Standard error of the mean divergence, in percent of it, at which reading ends; 0: at the text's end.
    pub divergence_precision_percent: f64,
    /// Tokens of a chunk; its second half is scored.
    pub divergence_chunk_tokens: u32,
}

/// A set's name in the configuration and on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum SetName {
    /// `core` for models below 0.3 billion parameters, else `standard`.
    Auto,
    /// For very small models.
    Core,
    /// For instruction-tuned models of half a billion parameters and up.
    Standard,
}

impl Default for QualityConfig {
    fn default() -> Self {
        Self {
            set: None,
            prompts: Vec::new(),
            prompts_per_category: None,
            n_ctx: 2048,
            sampling: Sampling::Greedy,
            max_answer_seconds: 300.0,
            thresholds: BTreeMap::new(),
            consistency_prompts: 3,
            consistency_times: 5,
            consistency_tokens: 64,
            divergence: true,
            divergence_text: None,
            divergence_precision_percent: 5.0,
            divergence_chunk_tokens: divergence::CHUNK_TOKENS,
        }
    }
}

impl QualityConfig {
    /// `--quick`: few prompts of the large set, one of them repeatedly.
    pub fn make_quick(&mut self) {
        self.prompts_per_category = Some(self.prompts_per_category.unwrap_or(u32::MAX).min(4));
        self.consistency_prompts = self.consistency_prompts.min(1);
        self.consistency_tokens = self.consistency_tokens.min(32);
    }

    /// `--full`: the whole text, and more prompts repeatedly.
    pub fn make_full(&mut self) {
        self.prompts_per_category = None;
        self.consistency_prompts = self.consistency_prompts.max(10);
        self.divergence_precision_percent = 0.0;
    }

    /// What is asked repeatedly, if anything.
    #[must_use]
    pub fn repetition(&self) -> Option<Repetition> {
        let (prompts, times) = (self.consistency_prompts, self.consistency_times);
        (prompts > 0 && times > 0).then_some(Repetition { prompts, times, max_tokens: self.consistency_tokens })
    }

    /// The thresholds with the defaults for what is not named.
    ///
    /// # Panics
    /// Never: the defaults' names are categories, which a test sees.
    #[must_use]
    pub fn all_thresholds(&self) -> BTreeMap<Category, f64> {
        let default = |(name, percent)| (Category::new(name).expect("a category"), percent);
        let mut all: BTreeMap<_, _> = DEFAULT_THRESHOLDS.into_iter().map(default).collect();
        all.extend(self.thresholds.clone());
        all
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        problems.positive("quality.n_ctx", self.n_ctx);
        problems.positive("quality.prompts_per_category", self.prompts_per_category.unwrap_or(1));
        problems.positive("quality.consistency_tokens", self.consistency_tokens);
        problems.above_zero("quality.max_answer_seconds", self.max_answer_seconds);
        problems.within("quality.divergence_chunk_tokens", self.divergence_chunk_tokens, 8, 65_536);
        problems.within("quality.divergence_precision_percent", self.divergence_precision_percent, 0.0, 100.0);
        for (category, percent) in &self.thresholds {
            problems.within(&format!("quality.thresholds.{category}"), *percent, 0.0, 100.0);
        }
        super::check_sampling("quality", &self.sampling, problems);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn a_threshold_that_is_named_joins_the_defaults() {
        let config = Config::parse("[quality.thresholds]\nmath = 50\nrecords = 60.5").unwrap();
        let all = config.quality.all_thresholds();
        let percent = |name: &str| all[&Category::new(name).unwrap()].to_string();
        assert_eq!(
            ["math", "comprehension", "reasoning", "format", "records"].map(percent),
            ["50", "75", "75", "90", "60.5"]
        );
    }

    #[test]
    fn values_without_sense_are_named_with_their_key() {
        let error = |text: &str| Config::parse(&format!("[quality]\n{text}")).unwrap_err();
        assert_eq!(error("n_ctx = 0"), "quality.n_ctx is 0; it must be at least 1");
        assert_eq!(error("thresholds = { math = 101 }"), "quality.thresholds.math is 101; it must be 0 to 100");
        assert!(error("thresholds = { Math = 10 }").contains("the category 'Math' is not a name"), "no category");
        assert!(error("max_answer_seconds = nan").contains("is NaN; it must be a number above 0"));
        assert!(error("divergence_precision_percent = -1").contains("is -1; it must be 0 to 100"));
        assert!(error("set = 'large'").contains("unknown value 'large'; known here: auto, core"));
        assert!(error("set = 'core'\npromts = []").ends_with("unknown key 'promts'; did you mean 'prompts'?"));
    }

    #[test]
    fn quick_and_full_move_the_limits_and_nothing_else() {
        let (mut quick, mut full) = (QualityConfig::default(), QualityConfig::default());
        quick.make_quick();
        full.make_full();
        assert_eq!((quick.prompts_per_category, quick.repetition().map(|r| r.prompts)), (Some(4), Some(1)));
        assert!((full.divergence_precision_percent, full.prompts_per_category) == (0.0, None));
        let none = QualityConfig { consistency_prompts: 0, ..QualityConfig::default() };
        assert_eq!(none.repetition(), None);
    }
}
