//! The configuration: a TOML file over the built-in defaults; the command line goes over both.
//!
//! Pure: text in, configuration out. An unknown key is an error that names the key and the nearest right one; a value
//! without sense is one that names the key, the value and what is allowed.

mod check;
mod interactive;
mod limits;
mod logging;
mod long_context;
mod print;
mod quality;
mod run;
mod termination;
mod thresholds;
mod worker;

use serde::{Deserialize, Serialize};

use super::toml_text;
use crate::engine::{FlashAttention, KvType, Sampling};
use check::Problems;
pub use interactive::InteractiveConfig;
pub use limits::LimitsConfig;
pub use logging::{KeepLogs, LoggingConfig};
pub use long_context::LongContextConfig;
pub use quality::{QualityConfig, SetName};
pub use run::{OutputConfig, RunConfig, Weights};
pub use termination::TerminationConfig;
pub use thresholds::Thresholds;
pub use worker::WorkerConfig;

/// Everything that can be configured. `sweetspot run --config FILE` reads it; every run's `run.json` keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is measured where the command line does not say.
    pub run: RunConfig,
    /// Where results go.
    pub output: OutputConfig,
    /// What is kept of the workers' logs.
    pub logging: LoggingConfig,
    /// How the engine is set up.
    pub engine: EngineConfig,
    /// How the worker is watched.
    pub worker: WorkerConfig,
    /// What a model may take.
    pub limits: LimitsConfig,
    /// When measuring is given up.
    pub termination: TerminationConfig,
    /// What makes a result excellent, good, acceptable or poor.
    pub thresholds: Thresholds,
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

impl Config {
    /// Reads a configuration file's text.
    ///
    /// # Errors
    /// One line: the line and column, what is wrong, and for an unknown key the nearest right one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| toml_text::describe(text, &error))?;
        config.check()?;
        Ok(config)
    }

    /// Reads a configuration file's text and tells all that is wrong with it, not the first thing alone.
    ///
    /// # Errors
    /// One line a problem, at least one.
    pub fn parse_all(text: &str) -> Result<Self, Vec<String>> {
        let (mut problems, rest) = toml_text::all_problems(text, |text| toml::from_str::<Self>(text).err());
        let config: Self = toml::from_str(&rest).unwrap_or_default();
        problems.extend(config.problems());
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// Values that have the right type and make no sense.
    ///
    /// # Errors
    /// The first of [`Config::problems`].
    pub fn check(&self) -> Result<(), String> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// All values that have the right type and make no sense: one line each that names the key, the value and what is allowed.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Problems::default();
        self.run.check(&mut problems);
        self.output.check(&mut problems);
        self.logging.check(&mut problems);
        self.engine.check(&mut problems);
        self.worker.check(&mut problems);
        self.limits.check(&mut problems);
        self.termination.check(&mut problems);
        self.thresholds.check(&mut problems);
        self.interactive.check(&mut problems);
        self.quality.check(&mut problems);
        self.long_context.check(&mut problems);
        problems.into_lines()
    }
}

impl EngineConfig {
    fn check(&self, problems: &mut Problems) {
        let counts = [
            ("engine.threads", self.threads),
            ("engine.batch_size", self.batch_size),
            ("engine.ubatch_size", self.ubatch_size),
        ];
        counts
            .into_iter()
            .filter_map(|(key, count)| Some((key, count?)))
            .for_each(|(key, n)| problems.positive(key, n));
    }
}

/// Numbers that llama.cpp's samplers would take and make nonsense of.
fn check_sampling(section: &str, sampling: &Sampling, problems: &mut Problems) {
    let Sampling::Seeded { temperature, top_p, min_p, .. } = *sampling else { return };
    let key = |name: &str| format!("{section}.sampling.seeded.{name}");
    problems.not_negative(&key("temperature"), f64::from(temperature));
    problems.within(&key("top_p"), top_p, 0.0, 1.0);
    problems.within(&key("min_p"), min_p, 0.0, 1.0);
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
        assert!(
            Config::parse("[engine]\nthreads = 'two'")
                .unwrap_err()
                .starts_with("line 2, column 11: engine.threads: invalid")
        );
        assert_eq!(Config::parse("[engine]\nthreads = 0").unwrap_err(), "engine.threads is 0; it must be at least 1");
        assert!(
            Config::parse("[interactive]\nn_ctx = 100")
                .unwrap_err()
                .contains("it must be larger than interactive.tokens (500)")
        );
        assert!(Config::parse("[interactive]\ninterval_width_percent = nan").unwrap_err().contains("above 0"));
    }

    #[test]
    fn sampling_without_sense_is_named() {
        let seeded = |numbers: &str| {
            Config::parse(&format!("[interactive.sampling.seeded]\nseed = 1\ntop_k = 40\n{numbers}")).unwrap_err()
        };
        assert_eq!(
            seeded("temperature = nan\ntop_p = 1.0\nmin_p = 0.0"),
            "interactive.sampling.seeded.temperature is NaN; it must be 0 or more"
        );
        assert_eq!(
            seeded("temperature = 1.0\ntop_p = 1.0\nmin_p = 2.0"),
            "interactive.sampling.seeded.min_p is 2; it must be 0 to 1"
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_and_a_right_file_is_read() {
        let text = "[engine]\nthreads = 0\n[wrker]\na = 1\n[interactive]\ntokns = 3\nn_ctx = 100\ntokens = 'ten'\n";
        let problems = Config::parse_all(text).unwrap_err();
        assert_eq!(problems.len(), 5, "{problems:#?}");
        for part in ["'worker'", "'tokens'", "interactive.tokens: invalid type", "engine.threads is 0", "n_ctx is 100"]
        {
            assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:#?}");
        }
        let config = Config::parse_all("[engine]\nthreads = 2").unwrap();
        assert_eq!(config.engine.threads, Some(2));
    }

    #[test]
    fn what_was_written_to_a_run_reads_back_the_same() {
        let config = Config::default();
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
    }
}
