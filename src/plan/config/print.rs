//! The configuration as a file that can be read back: every key with what it means, its unit and what is allowed.
//!
//! Left out on purpose: the values' defaults, which the types have.

use std::fmt::Write;

use serde_json::Value;

use super::Config;
use crate::profiles::quality::DEFAULT_THRESHOLDS;

/// A table of names that nobody can list beforehand.
const THRESHOLDS: &str = "quality.thresholds";

/// A key of the file: its path, what it means, and an example of a value where it may have none.
pub(super) struct Key {
    pub(super) path: &'static str,
    about: &'static str,
    example: Option<&'static str>,
}

const fn key(path: &'static str, about: &'static str) -> Key {
    Key { path, about, example: None }
}

const fn optional(path: &'static str, about: &'static str, example: &'static str) -> Key {
    Key { path, about, example: Some(example) }
}

/// All keys in the file's order.
pub(super) const KEYS: &[Key] = &[
    key("run.profiles", "Profiles to run: interactive, quality, long_context. Empty: all."),
    key("run.quants", "Quantizations to measure, such as Q4_K_M. Empty: those that are there."),
    key("run.weights", "Whose weights are measured: real (the files') or synthetic (made up on the spot)."),
    key("output.folder", "Folder that runs make their own folders in; relative to where the program runs."),
    key("output.formats", "Reports to write: json, csv, md; at least one."),
    key(
        "logging.keep_worker_logs",
        "Whose logs stay in the run's folder: all, or failed (cells in which anything was not measured).",
    ),
    key("logging.tail_lines", "Lines of a log's end that the report shows of what failed; 0 to 200."),
    optional("engine.threads", "Threads that compute, at least 1. Unset: one a physical core.", "8"),
    optional("engine.n_gpu_layers", "Layers to keep on the GPU. Unset: all.", "99"),
    optional("engine.batch_size", "Tokens in one call of the engine, at least 1. Unset: 2048.", "2048"),
    optional("engine.ubatch_size", "Tokens computed at once, at least 1. Unset: 512.", "512"),
    optional(
        "engine.cache_type_k",
        "Type of the cached keys: f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0, q5_1. Unset: f16.",
        "\"f16\"",
    ),
    optional("engine.cache_type_v", "Type of the cached values, of the same list. Unset: f16.", "\"f16\""),
    optional("engine.flash_attention", "Flash attention: auto, off, on. Unset: auto.", "\"auto\""),
    key("worker.load_timeout_seconds", "A model that is not loaded after so many seconds is given up; 1 to a year."),
    key(
        "worker.stall_timeout_seconds",
        "A worker without a sign of life for so many seconds is given up; 1 to a year.",
    ),
    key("worker.stop_grace_seconds", "Seconds that a worker which was asked to stop may take before it is killed."),
    key("worker.start_retries", "How often a worker that dies while it starts is started again; 0 to 10."),
    key(
        "worker.start_retry_wait_seconds",
        "Seconds before the first such start, twice as long before each next; 0 to 60.",
    ),
    optional(
        "limits.max_memory_gb",
        "Most memory of a model and its context, in GB (10^9 bytes), above 0. Unset: what is free.",
        "8.0",
    ),
    optional(
        "limits.reserve_gb",
        "Memory kept for everything else, in GB, where max_memory_gb says nothing. Unset: a twentieth, 0.512 at least.",
        "1.0",
    ),
    key("limits.allow_swap", "Whether a context counts as fitting although memory was swapped out for it."),
    key("termination.enabled", "Whether cells are skipped that others' outcomes make hopeless. false: all are run."),
    key(
        "termination.max_ttft_seconds",
        "Seconds to the first token above which a model has failed, and larger ones are not tried.",
    ),
    key("termination.min_tokens_per_second", "Tokens per second below which it has, too; 0 or more."),
    key(
        "termination.memory_factor",
        "Memory that a model needs in sizes of its file, where no exact need is known; 1 to 10.",
    ),
    key("termination.failures_before_giving_up", "Failures one after the other that end a model's cells; at least 1."),
    key(
        "thresholds.interactive.ttft_seconds",
        "Seconds to the first token, at most, for excellent, good, acceptable, poor; rising.",
    ),
    key("thresholds.interactive.tokens_per_second", "Tokens per second, at least, for the same grades; falling."),
    key(
        "thresholds.interactive.variance_percent",
        "Unevenness of the stream (standard deviation of the gaps, % of their mean), at most, for excellent, good, acceptable.",
    ),
    key(
        "thresholds.long_context.load_seconds",
        "Seconds to load the target, at most, for excellent, good, acceptable, poor; rising.",
    ),
    key(
        "thresholds.long_context.tokens_per_second",
        "Tokens per second after it, at least, for excellent, good, acceptable; falling.",
    ),
    key("interactive.tokens", "Output tokens of one repetition, at least 1."),
    key("interactive.max_repetitions", "Repetitions at most; below 6 there is no confidence interval."),
    key("interactive.max_first_tokens", "First tokens at most, those of the repetitions included."),
    key(
        "interactive.interval_width_percent",
        "Repeat until the 95 % interval of the median is at most so wide, in % of it; above 0.",
    ),
    key("interactive.n_ctx", "Context size in tokens, larger than interactive.tokens."),
    key(
        "interactive.sampling",
        "How tokens are picked: \"greedy\", or { seeded = { … } } (temperature 0 or more; top_p, min_p 0 to 1; top_k 0: all).",
    ),
    optional(
        "interactive.prompts",
        "A prompt file instead of the built-in prompts; relative to this file.",
        "\"prompts.toml\"",
    ),
    optional(
        "quality.set",
        "Built-in prompts: auto, core, standard. Unset: auto, or none where prompts names files.",
        "\"auto\"",
    ),
    key("quality.prompts", "Prompt files instead of the built-in sets, or in addition to set; relative to this file."),
    optional(
        "quality.prompts_per_category",
        "Prompts of each category of standard at most, at least 1. Unset: all.",
        "20",
    ),
    key("quality.n_ctx", "Context size in tokens; a model that was trained for less gets that."),
    key("quality.sampling", "How tokens are picked, as in [interactive]."),
    key("quality.max_answer_seconds", "An answer that takes longer is cut; above 0."),
    key("quality.consistency_prompts", "Prompts that are asked repeatedly; 0: none."),
    key("quality.consistency_times", "How often, with an empty cache and as often with a warm one; 0: never."),
    key("quality.consistency_tokens", "Tokens of such an answer at most, at least 1."),
    key("quality.divergence", "Whether divergence from the best quantization of the same model is measured."),
    optional(
        "quality.divergence_text",
        "Text that is read for it; relative to this file. Unset: the built-in one.",
        "\"text.txt\"",
    ),
    key(
        "quality.divergence_precision_percent",
        "Standard error, in % of the mean, at which reading ends; 0: at the text's end.",
    ),
    key("quality.divergence_chunk_tokens", "Tokens of a chunk, whose second half is scored; 8 to 65536."),
    key(
        "quality.thresholds",
        "Percent of right answers that a category is to reach, 0 to 100. What is named joins the defaults:",
    ),
    key("long_context.loads", "Sizes in tokens whose loading is timed; 1 to 64 of them."),
    key("long_context.target_tokens", "The size that the rating is about, in tokens."),
    key("long_context.gen_tokens", "Tokens that are generated after each load, at least 1."),
    key("long_context.seconds", "Seconds for loading, all sizes together; 1 to 604800."),
    key("long_context.beyond_trained", "Whether loads are made that are more than the model was trained for."),
];

impl Config {
    /// The configuration as TOML with comments; [`Config::parse`] reads the same configuration back.
    ///
    /// # Panics
    /// Never: the configuration has a JSON form, which tests see.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let values = serde_json::to_value(self).expect("plain data");
        let mut text = String::new();
        let mut open = "";
        for Key { path, about, example } in KEYS {
            let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
            let value = path.split('.').try_fold(&values, |value, part| value.get(part)).unwrap_or(&Value::Null);
            if *path == THRESHOLDS {
                let _ = writeln!(text, "\n# {about}\n[{path}]");
                text.push_str(&thresholds(value));
                open = path;
                continue;
            }
            if section != open {
                let _ = writeln!(text, "{}[{section}]", if open.is_empty() { "" } else { "\n" });
                open = section;
            }
            let single = *path == "interactive.sampling" || *path == "quality.sampling";
            let _ = match (value, example) {
                (Value::Null, Some(example)) => writeln!(text, "# {about}\n# {name} = {example}"),
                _ => writeln!(text, "# {about}\n{name} = {}", toml_value(value, single)),
            };
        }
        text
    }
}

/// The categories that are named, and the defaults of the others as comments.
fn thresholds(named: &Value) -> String {
    let mut text = String::new();
    for (category, percent) in named.as_object().into_iter().flatten() {
        let _ = writeln!(text, "{category} = {}", toml_value(percent, false));
    }
    for (category, percent) in DEFAULT_THRESHOLDS.iter().filter(|(category, _)| named.get(category).is_none()) {
        let _ = writeln!(text, "# {category} = {percent:?}");
    }
    text
}

/// A value as TOML in one line. `single`: its numbers are of 32 bits, and shown with as many digits as those need.
fn toml_value(value: &Value, single: bool) -> String {
    let inner = |value: &Value| toml_value(value, single);
    match value {
        Value::Array(all) => format!("[{}]", all.iter().map(inner).collect::<Vec<_>>().join(", ")),
        Value::Object(all) => {
            let pairs: Vec<_> = all.iter().map(|(key, value)| format!("{key} = {}", inner(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        #[allow(clippy::cast_possible_truncation)] // it was made of such a number
        Value::Number(number) if number.is_f64() && single => {
            format!("{:?}", number.as_f64().unwrap_or_default() as f32)
        }
        Value::Number(number) if number.is_f64() => format!("{:?}", number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::Sampling;

    /// Every key that has no keys of its own, but for the values that are tables themselves.
    fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        let is_value = KEYS.iter().any(|key| key.path == path);
        match value.as_object().filter(|_| !is_value) {
            Some(all) => all.iter().for_each(|(key, value)| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(value, &path, found);
            }),
            None => drop(found.insert(path.to_owned())),
        }
    }

    #[test]
    fn every_key_is_described_and_no_other() {
        let mut keys = BTreeSet::new();
        leaves(&serde_json::to_value(Config::default()).unwrap(), "", &mut keys);
        let described: BTreeSet<_> = KEYS.iter().map(|key| key.path.to_owned()).collect();
        assert_eq!(keys, described);
        assert_eq!(KEYS.len(), described.len(), "a key is described twice");
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same_configuration() {
        let defaults = Config::default();
        assert_eq!(Config::parse(&defaults.to_toml()).unwrap(), defaults);
        let own = Config::parse(
            "[engine]\nthreads = 3\ncache_type_k = 'q8_0'\nflash_attention = 'on'\n[limits]\nmax_memory_gb = 1.1\n\
             [quality]\nset = 'core'\nprompts = ['a \"b\".toml']\nsampling = 'greedy'\n[quality.thresholds]\nmath = 33.3\n\
             [run]\nprofiles = ['long_context']\nquants = ['Q4_K_M', 'F16']\nweights = 'synthetic'\n\
             [thresholds.interactive]\nttft_seconds = [0.1, 0.2, 0.3, 0.4]\n[long_context]\nloads = [1, 2]",
        )
        .unwrap();
        assert_eq!(Config::parse(&own.to_toml()).unwrap(), own);
    }

    #[test]
    fn numbers_are_shown_as_people_write_them_and_examples_can_be_used() {
        let text = Config::default().to_toml();
        assert!(text.contains("temperature = 0.8,") && text.contains("min_p = 0.05"), "{text}");
        assert!(text.contains("\n# threads = 8\n"), "{text}");
        let is_example =
            |line: &&str| line.starts_with("# ") && line.split(" = ").next().is_some_and(|k| !k[2..].contains(' '));
        let with_examples: Vec<_> = text
            .lines()
            .map(|line| if is_example(&line) && line.contains(" = ") { &line[2..] } else { line })
            .collect();
        let config = Config::parse(&with_examples.join("\n")).unwrap();
        assert_eq!((config.engine.threads, config.quality.thresholds.len()), (Some(8), 4));
        assert!(matches!(config.interactive.sampling, Sampling::Seeded { seed: 42, .. }));
    }

    #[test]
    fn no_line_is_wider_than_a_page() {
        for line in Config::default().to_toml().lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }
}
