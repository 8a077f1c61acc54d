//! The five numbers that a service is configured with, and how they are written.

use std::fmt::Write as _;

use serde_json::json;

use crate::probe::context_limit::task::Proof;
use crate::report::context::text::tokens;
use crate::report::context::usage::Usage;
use crate::report::context::view::{ContextReport, SweepReport};
use crate::report::view::printable;
use crate::stats::gigabytes;

/// The numbers of one type of the KV cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// What they are of, for a comment: model, type, proof. Lines without control characters.
    about: Vec<String>,
    model: String,
    kv_type: String,
    is_proved: bool,
    /// `MAX_CONTEXT_TOKENS`: the proved maximum (predicted where nothing was proved), bounded by what the model was trained for.
    pub max_context_tokens: u32,
    /// `CONTEXT_TRIM_THRESHOLD`, in tokens: above it a conversation is trimmed. None: two requests do not fit.
    pub trim_threshold: Option<u32>,
    /// `TRIM_INTERVAL`: requests from one trim to the next.
    pub trim_interval: Option<u32>,
    /// `MODEL_VRAM_GB`: what the model takes besides the KV cache of its tokens, in GB: on GPUs where it lies there, else in main
    /// memory. With the next number the memory of n tokens is `MODEL_VRAM_GB · 1000 + n · KV_CACHE_PER_TOKEN_MB` MB, exact at the
    /// largest context.
    pub model_vram_gb: f64,
    /// `KV_CACHE_PER_TOKEN_MB`: what a token more takes of the KV cache, in MB (10^6 bytes).
    pub kv_cache_per_token_mb: f64,
}

impl Values {
    /// Those of a sweep that has a context ([`ContextReport::choice`]).
    #[must_use]
    pub fn of(report: &ContextReport, sweep: &SweepReport) -> Self {
        let bound = report.n_ctx_train.filter(|_| !report.beyond_training_wanted).unwrap_or(u32::MAX);
        let max = sweep.max_context.unwrap_or(0);
        let is_proved = sweep.proved_max_context.is_some_and(|tokens| tokens > 0);
        let per_token = sweep.kv_bytes_per_token.unwrap_or(0.0);
        let quant = report.quantization.as_deref().unwrap_or_default();
        let mut about = vec![
            format!("{} {quant}, KV cache {}, by {}", report.model, sweep.kv_type, report.metadata.program),
            basis(sweep, is_proved),
        ];
        if max > bound {
            about.push(format!("memory allows {} tokens; the model was trained for {}", tokens(max), tokens(bound)));
        }
        if let Some(trained) = report.n_ctx_train.filter(|trained| max.min(bound) > *trained) {
            about.push(format!(
                "more than the {} tokens the model was trained for, as asked; llama-server caps a slot there",
                tokens(trained)
            ));
        }
        Self {
            about: about.iter().map(|line| printable(line)).collect(),
            model: report.model.clone(),
            kv_type: sweep.kv_type.clone(),
            is_proved,
            max_context_tokens: max.min(bound),
            trim_threshold: sweep.trim_threshold,
            trim_interval: sweep.trim_interval,
            model_vram_gb: (gigabytes(model_bytes(sweep)) - per_token * at(sweep) / 1e9).max(0.0),
            kv_cache_per_token_mb: per_token / 1e6,
        }
    }

    /// What the numbers are of, as lines that begin with `# `.
    #[must_use]
    pub fn comment(&self) -> String {
        self.about.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "# {line}");
            text
        })
    }

    /// `NAME=value` lines.
    #[must_use]
    pub fn env(&self) -> String {
        self.lines("=")
    }

    /// A TOML file.
    #[must_use]
    pub fn toml(&self) -> String {
        self.lines(" = ")
    }

    /// A JSON object, with the model, the type and whether the maximum was proved, because JSON has no comments.
    #[must_use]
    pub fn json(&self) -> String {
        let object = json!({
            "MAX_CONTEXT_TOKENS": self.max_context_tokens,
            "CONTEXT_TRIM_THRESHOLD": self.trim_threshold,
            "TRIM_INTERVAL": self.trim_interval,
            "MODEL_VRAM_GB": rounded(self.model_vram_gb, 1e4),
            "KV_CACHE_PER_TOKEN_MB": rounded(self.kv_cache_per_token_mb, 1e9),
            "model": self.model,
            "kv_type": self.kv_type,
            "proved": self.is_proved,
        });
        format!("{object:#}\n")
    }

    fn lines(&self, equals: &str) -> String {
        let number = |n: Option<u32>| n.map(|n| n.to_string());
        let values = [
            ("MAX_CONTEXT_TOKENS", Some(self.max_context_tokens.to_string())),
            ("CONTEXT_TRIM_THRESHOLD", number(self.trim_threshold)),
            ("TRIM_INTERVAL", number(self.trim_interval)),
            // a float in TOML, even where it is whole
            ("MODEL_VRAM_GB", Some(format!("{:?}", rounded(self.model_vram_gb, 1e4)))),
            ("KV_CACHE_PER_TOKEN_MB", Some(format!("{:.9}", self.kv_cache_per_token_mb))),
        ];
        let mut text = self.comment();
        for (name, value) in values {
            let _ = match value {
                Some(value) => writeln!(text, "{name}{equals}{value}"),
                None => writeln!(text, "# {name}: not set, two requests do not fit into the context"),
            };
        }
        text
    }
}

fn basis(sweep: &SweepReport, is_proved: bool) -> String {
    let unfinished = if sweep.unfinished.is_some() { "; the search was not finished, it may be more" } else { "" };
    match sweep.proof {
        Proof::Fill => format!("proved: a context of {} tokens was filled{unfinished}", max(sweep)),
        Proof::Alloc if is_proved => format!("proved: a context of {} tokens was allocated{unfinished}", max(sweep)),
        _ => format!("predicted by llama.cpp's own count, NOT proved: {} tokens", max(sweep)),
    }
}

fn max(sweep: &SweepReport) -> String {
    tokens(sweep.max_context.unwrap_or(0))
}

/// The context whose memory is known, in tokens.
fn at(sweep: &SweepReport) -> f64 {
    f64::from(sweep.memory_at_context.unwrap_or(0))
}

/// Memory of the GPUs where they have some of it, else all of it.
fn model_bytes(sweep: &SweepReport) -> u64 {
    let devices = sweep.usage_at_largest().map_or(0, Usage::devices_bytes);
    if devices > 0 { devices } else { sweep.memory_bytes.unwrap_or(0) }
}

/// To a part of a unit, so that no digits are shown that mean nothing.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}
