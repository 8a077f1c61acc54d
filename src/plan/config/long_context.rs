//! The configuration's section `[long_context]`.

use serde::{Deserialize, Serialize};

use super::check::Problems;

/// Most loads of one filling.
const MOST_LOADS: usize = 64;
/// Largest load in tokens: 16 million, which no model was trained for.
const MOST_TOKENS: u32 = 1 << 24;
/// Longest time for loading: a week.
const MOST_SECONDS: u32 = 7 * 24 * 3600;

/// The long-context profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LongContextConfig {
    /// Sizes in tokens whose loading is timed.
    pub loads: Vec<u32>,
    /// The size that the rating is about: to be loaded within a minute.
    pub target_tokens: u32,
    /// Tokens that are generated after each load.
    pub gen_tokens: u32,
    /// Seconds for loading, all sizes together; what is not loaded by then is stopped, and forecast.
    pub seconds: u32,
    /// Whether loads that are more than the model was trained for are made, too.
    pub beyond_trained: bool,
}

impl Default for LongContextConfig {
    fn default() -> Self {
        Self {
            loads: vec![4096, 8192, 16_384, 32_768, 65_536],
            target_tokens: 16_384,
            gen_tokens: 32,
            seconds: 120,
            beyond_trained: false,
        }
    }
}

impl LongContextConfig {
    /// `--quick`: the smallest loads, and no more time than one of them may take.
    pub fn make_quick(&mut self) {
        const ENOUGH_TOKENS: u32 = 4096;
        // The least time after which a load that is not complete has surely failed.
        const ENOUGH_SECONDS: u32 = 61;
        let smallest = self.loads.iter().copied().min();
        self.loads.retain(|&tokens| tokens <= ENOUGH_TOKENS || Some(tokens) == smallest);
        let largest = self.loads.iter().copied().max().unwrap_or(ENOUGH_TOKENS);
        self.target_tokens = self.target_tokens.min(largest);
        self.gen_tokens = self.gen_tokens.min(16);
        self.seconds = self.seconds.min(ENOUGH_SECONDS);
    }

    /// `--full`: time for all loads on most machines.
    pub fn make_full(&mut self) {
        self.gen_tokens = self.gen_tokens.max(64);
        self.seconds = self.seconds.max(1800);
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let count = self.loads.len();
        if count == 0 || count > MOST_LOADS {
            problems.add(format!("long_context.loads has {count} sizes; it must have 1 to {MOST_LOADS}"));
        }
        if let Some(tokens) = self.loads.iter().find(|tokens| !(1..=MOST_TOKENS).contains(*tokens)) {
            problems.add(format!("long_context.loads has {tokens} tokens; it must be 1 to {MOST_TOKENS}"));
        }
        problems.within("long_context.target_tokens", self.target_tokens, 1, MOST_TOKENS);
        problems.within("long_context.gen_tokens", self.gen_tokens, 1, MOST_TOKENS);
        problems.within("long_context.seconds", self.seconds, 1, MOST_SECONDS);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn values_without_sense_are_named_with_their_key() {
        let error = |text: &str| Config::parse(&format!("[long_context]\n{text}")).unwrap_err();
        assert_eq!(error("loads = []"), "long_context.loads has 0 sizes; it must have 1 to 64");
        assert_eq!(error("loads = [4096, 0]"), "long_context.loads has 0 tokens; it must be 1 to 16777216");
        assert_eq!(
            error("target_tokens = 99000000"),
            "long_context.target_tokens is 99000000; it must be 1 to 16777216"
        );
        assert!(error("gen_tokens = 0").starts_with("long_context.gen_tokens is 0;"));
        assert_eq!(error("seconds = 0"), "long_context.seconds is 0; it must be 1 to 604800");
        assert!(error("target = 5").ends_with("unknown key 'target'; did you mean 'target_tokens'?"));
        assert!(error("loads = [-1]").contains("invalid value"));
    }

    #[test]
    fn quick_takes_the_smallest_loads_and_full_takes_its_time() {
        let mut quick = LongContextConfig::default();
        quick.make_quick();
        assert_eq!((quick.loads, quick.target_tokens, quick.seconds), (vec![4096], 4096, 61));
        let mut own = LongContextConfig { loads: vec![20_000, 10_000], ..LongContextConfig::default() };
        own.make_quick();
        assert_eq!((own.loads, own.target_tokens), (vec![10_000], 10_000));
        let mut full = LongContextConfig::default();
        full.make_full();
        assert_eq!((full.loads.len(), full.seconds), (5, 1800));
    }
}
