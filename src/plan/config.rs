//! The configuration: a TOML file over the built-in defaults; the command line goes over both.
//!
//! Pure: text in, configuration out. An unknown key is an error that names the key and the nearest right one.

mod limits;
mod long_context;
mod quality;

use serde::{Deserialize, Serialize};

use crate::engine::{FlashAttention, KvType, Sampling};
pub use limits::LimitsConfig;
pub use long_context::LongContextConfig;
pub use quality::{QualityConfig, SetName};

/// So many samples are the least that an interval of their median can be given for.
#[allow(clippy::cast_possible_truncation)] // 6
const MIN_SAMPLES: u32 = crate::stats::confidence::MIN_SAMPLES as u32;

/// Everything that can be configured. `sweetspot run --config FILE` reads it; every run's `run.json` keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How the engine is set up.
    pub engine: EngineConfig,
    /// How the worker is watched.
    pub worker: WorkerConfig,
    /// What a model may take.
    pub limits: LimitsConfig,
    /// The interactive profile.
    pub interactive: InteractiveConfig,
    /// The quality profile.
    pub quality: QualityConfig,
    /// The long-context profile.
    pub long_context: LongContextConfig,
}

/// How the engine is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Threads that compute; none: one a physical core.
    pub threads: Option<u32>,
    /// Layers to keep on the GPU; none: all.
    pub n_gpu_layers: Option<u32>,
    /// Tokens in one call of the engine.
    pub batch_size: Option<u32>,
    /// Tokens computed at once.
    pub ubatch_size: Option<u32>,
    /// Type of the cached keys.
    pub cache_type_k: Option<KvType>,
    /// Type of the cached values.
    pub cache_type_v: Option<KvType>,
    /// Flash attention.
    pub flash_attention: Option<FlashAttention>,
}

/// How the worker is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerConfig {
    /// A model that is not loaded after so long is given up.
    pub load_timeout_seconds: u64,
    /// A worker without a sign of life for so long is given up.
    pub stall_timeout_seconds: u64,
    /// How long a worker that was asked to stop may take before it is killed.
    pub stop_grace_seconds: u64,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { load_timeout_seconds: 300, stall_timeout_seconds: 120, stop_grace_seconds: 3 }
    }
}

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
}

impl Config {
    /// Reads a configuration file's text.
    ///
    /// # Errors
    /// One line: the line and column, what is wrong, and for an unknown key the nearest right one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| describe(text, &error))?;
        config.check()?;
        Ok(config)
    }

    /// Values that have the right type and make no sense.
    ///
    /// # Errors
    /// One line naming the key.
    pub fn check(&self) -> Result<(), String> {
        let InteractiveConfig { tokens, max_repetitions, interval_width_percent, n_ctx, .. } = self.interactive;
        let positive = [
            ("engine.threads", self.engine.threads.unwrap_or(1)),
            ("engine.batch_size", self.engine.batch_size.unwrap_or(1)),
            ("engine.ubatch_size", self.engine.ubatch_size.unwrap_or(1)),
            ("interactive.tokens", tokens),
            ("interactive.max_repetitions", max_repetitions),
            ("interactive.max_first_tokens", self.interactive.max_first_tokens),
            ("interactive.n_ctx", n_ctx),
        ];
        if let Some((key, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("{key} is 0; it must be at least 1"));
        }
        let seconds = [
            ("worker.load_timeout_seconds", self.worker.load_timeout_seconds),
            ("worker.stall_timeout_seconds", self.worker.stall_timeout_seconds),
        ];
        if let Some((key, _)) = seconds.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("{key} is 0; nothing could be measured before it"));
        }
        let grace = ("worker.stop_grace_seconds", self.worker.stop_grace_seconds);
        if let Some((key, _)) = seconds.into_iter().chain([grace]).find(|(_, value)| *value > LONGEST_SECONDS) {
            return Err(format!("{key} is more than a year ({LONGEST_SECONDS} s)"));
        }
        check_sampling("interactive", &self.interactive.sampling)?;
        self.limits.check()?;
        self.quality.check()?;
        self.long_context.check()?;
        if !(interval_width_percent > 0.0 && interval_width_percent.is_finite()) {
            return Err("interactive.interval_width_percent must be a number above 0".to_owned());
        }
        if n_ctx <= tokens {
            return Err(format!("interactive.n_ctx ({n_ctx}) must be larger than interactive.tokens ({tokens})"));
        }
        Ok(())
    }
}

/// Longest timeout: a year.
const LONGEST_SECONDS: u64 = 365 * 24 * 3600;

/// Numbers that llama.cpp's samplers would take and make nonsense of.
fn check_sampling(section: &str, sampling: &Sampling) -> Result<(), String> {
    let Sampling::Seeded { temperature, top_p, min_p, .. } = *sampling else { return Ok(()) };
    let is_share = |x: f32| (0.0..=1.0).contains(&x);
    if !(temperature >= 0.0 && temperature.is_finite()) {
        return Err(format!("{section}.sampling.temperature is {temperature}; it must be 0 or more"));
    }
    if !is_share(top_p) || !is_share(min_p) {
        return Err(format!("{section}.sampling: top_p and min_p must lie between 0 and 1"));
    }
    Ok(())
}

/// `line 3, column 1: unknown key 'tokns'; did you mean 'tokens'?`
fn describe(text: &str, error: &toml::de::Error) -> String {
    let place = error.span().map_or(String::new(), |span| {
        let before = &text[..span.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        format!("line {line}, column {column}: ")
    });
    format!("{place}{}", name_unknown_key(error.message()))
}

/// serde says "unknown field `a`, expected one of `b`, `c`" (or "expected `b`").
fn name_unknown_key(message: &str) -> String {
    let message = message.trim().replace('\n', " ");
    let Some(rest) = message.strip_prefix("unknown field `") else { return message };
    let mut names = rest.split('`').step_by(2);
    let Some(unknown) = names.next() else { return message };
    let known: Vec<_> = names.filter(|n| !n.is_empty()).collect();
    let nearest =
        known.iter().max_by(|a, b| strsim::jaro_winkler(unknown, a).total_cmp(&strsim::jaro_winkler(unknown, b)));
    match nearest {
        Some(nearest) if strsim::jaro_winkler(unknown, nearest) > 0.7 => {
            format!("unknown key '{unknown}'; did you mean '{nearest}'?")
        }
        _ => format!("unknown key '{unknown}'; known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_gives_the_defaults() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let config =
            Config::parse("[interactive]\ntokens = 64\nsampling = 'greedy'\n[engine]\ncache_type_k = 'q8_0'").unwrap();
        assert_eq!(config.interactive.tokens, 64);
        assert_eq!(config.interactive.sampling, Sampling::Greedy);
        assert_eq!(config.engine.cache_type_k, Some(KvType::Q8_0));
        assert_eq!(config.worker, WorkerConfig::default());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_right_one() {
        let error = Config::parse("[interactive]\ntokens = 5\ntokns = 64\n").unwrap_err();
        assert_eq!(error, "line 3, column 1: unknown key 'tokns'; did you mean 'tokens'?");
        let error = Config::parse("[wrker]\n").unwrap_err();
        assert!(error.ends_with("unknown key 'wrker'; did you mean 'worker'?"), "{error}");
        let error = Config::parse("[engine]\nzzz = 1\n").unwrap_err();
        assert!(error.contains("known here: threads, n_gpu_layers"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_type_or_without_sense_is_named() {
        assert!(Config::parse("[engine]\nthreads = 'two'").unwrap_err().starts_with("line 2, column 11: invalid type"));
        assert_eq!(Config::parse("[engine]\nthreads = 0").unwrap_err(), "engine.threads is 0; it must be at least 1");
        assert!(Config::parse("[interactive]\nn_ctx = 100").unwrap_err().contains("larger than interactive.tokens"));
        assert!(Config::parse("[interactive]\ninterval_width_percent = nan").unwrap_err().contains("above 0"));
    }

    #[test]
    fn sampling_and_timeouts_without_sense_are_named() {
        let seeded = |numbers: &str| {
            Config::parse(&format!("[interactive.sampling.seeded]\nseed = 1\ntop_k = 40\n{numbers}")).unwrap_err()
        };
        assert!(seeded("temperature = nan\ntop_p = 1.0\nmin_p = 0.0").contains("temperature is NaN"));
        assert!(seeded("temperature = 1.0\ntop_p = 1.0\nmin_p = 2.0").contains("between 0 and 1"));
        let error = Config::parse("[worker]\nload_timeout_seconds = 9223372036854775807").unwrap_err();
        assert!(error.contains("load_timeout_seconds is more than a year"), "{error}");
    }

    #[test]
    fn what_was_written_to_a_run_reads_back_the_same() {
        let config = Config::default();
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
    }
}
