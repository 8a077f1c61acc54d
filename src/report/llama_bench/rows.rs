//! One test as llama-bench's fields: names, order and kinds are those of its csv, json and sql output.
//!
//! Fields for what this program cannot set (CPU masks, tensor overrides, …) hold llama-bench's defaults, which is what the
//! engine runs with; results of both programs can so be compared with each other.

use crate::engine::{EngineInfo, FlashAttention, ModelInfo};
use crate::profiles::bench::{self, Part, Samples};
use crate::stats::{Summary, float};

/// Which build measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// This program's git revision, so that two of its builds can be compared.
    pub commit: String,
    /// 0 unless builds are numbered.
    pub number: u32,
    /// Name and version of this program.
    pub program: String,
}

impl Build {
    /// This very program.
    #[must_use]
    pub fn this() -> Self {
        Self {
            commit: env!("SWEETSPOT_GIT_REVISION").to_owned(),
            number: 0,
            program: concat!("sweetspot ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// One test with its samples.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// What measured.
    pub build: &'a Build,
    /// What computed.
    pub engine: &'a EngineInfo,
    /// The model's path, as it was given.
    pub model_filename: &'a str,
    /// The model.
    pub model: &'a ModelInfo,
    /// Layers on the GPU; none: all of them.
    pub n_gpu_layers: Option<u32>,
    /// The test.
    pub job: &'a bench::Job,
    /// Its times.
    pub samples: &'a Samples,
    /// When it began: RFC 3339, UTC, whole seconds.
    pub test_time: &'a str,
}

/// A field's kind, which decides its SQL type and how JSON writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bool,
    Int,
    Float,
}

/// llama-bench's fields, in its order.
pub(super) const FIELDS: [(&str, Kind); 42] = [
    ("build_commit", Kind::Text),
    ("build_number", Kind::Int),
    ("cpu_info", Kind::Text),
    ("gpu_info", Kind::Text),
    ("backends", Kind::Text),
    ("model_filename", Kind::Text),
    ("model_type", Kind::Text),
    ("model_size", Kind::Int),
    ("model_n_params", Kind::Int),
    ("n_batch", Kind::Int),
    ("n_ubatch", Kind::Int),
    ("n_threads", Kind::Int),
    ("cpu_mask", Kind::Text),
    ("cpu_strict", Kind::Bool),
    ("poll", Kind::Int),
    ("type_k", Kind::Text),
    ("type_v", Kind::Text),
    ("n_gpu_layers", Kind::Int),
    ("n_cpu_moe", Kind::Int),
    ("split_mode", Kind::Text),
    ("main_gpu", Kind::Int),
    ("no_kv_offload", Kind::Bool),
    ("flash_attn", Kind::Int),
    ("devices", Kind::Text),
    ("tensor_split", Kind::Text),
    ("tensor_buft_overrides", Kind::Text),
    ("load_mode", Kind::Text),
    ("lazy_mode", Kind::Text),
    ("embeddings", Kind::Bool),
    ("no_op_offload", Kind::Int),
    ("no_host", Kind::Bool),
    ("repack", Kind::Bool),
    ("fit_target", Kind::Int),
    ("fit_min_ctx", Kind::Int),
    ("n_prompt", Kind::Int),
    ("n_gen", Kind::Int),
    ("n_depth", Kind::Int),
    ("test_time", Kind::Text),
    ("avg_ns", Kind::Int),
    ("stddev_ns", Kind::Int),
    ("avg_ts", Kind::Float),
    ("stddev_ts", Kind::Float),
];

/// The test's values as text, in the order of [`FIELDS`].
pub(super) fn values(row: &Row<'_>) -> [String; FIELDS.len()] {
    let context = &row.job.context;
    let whole = Average::of(row.samples, Part::Whole);
    let text = str::to_owned;
    [
        row.build.commit.clone(),
        row.build.number.to_string(),
        devices(row.engine, &["cpu", "accel"]),
        devices(row.engine, &["gpu", "igpu"]),
        backends(row.engine),
        text(row.model_filename),
        row.model.description.clone(),
        row.model.size_bytes.to_string(),
        row.model.n_params.to_string(),
        context.n_batch.to_string(),
        context.n_ubatch.to_string(),
        context.n_threads.to_string(),
        text("0x0"),
        text("0"),
        text("50"),
        text(context.type_k.name()),
        text(context.type_v.name()),
        layers(row.n_gpu_layers),
        text("0"),
        text("layer"),
        text("0"),
        text("0"),
        text(flash_attention(context.flash_attention)),
        text("auto"),
        text("0.00"),
        text("none"),
        text("auto"),
        text("auto"),
        text("0"),
        text("0"),
        text("0"),
        text("1"),
        text("0"),
        text("0"),
        row.samples.n_prompt.to_string(),
        row.samples.n_gen.to_string(),
        row.samples.n_depth.to_string(),
        text(row.test_time),
        whole.ns.to_string(),
        whole.ns_stddev.to_string(),
        format!("{:.6}", whole.ts),
        format!("{:.6}", whole.ts_stddev),
    ]
}

/// The backends beside the CPU; `CPU` when there are none.
pub(super) fn backends(engine: &EngineInfo) -> String {
    let others: Vec<&str> = engine.backends.iter().map(String::as_str).filter(|name| *name != "CPU").collect();
    if others.is_empty() { "CPU".to_owned() } else { others.join(",") }
}

/// Layers as llama.cpp counts them: -1 is all.
pub(super) fn layers(n_gpu_layers: Option<u32>) -> String {
    n_gpu_layers.map_or_else(|| "-1".to_owned(), |n| n.to_string())
}

/// llama.cpp's numbers for it.
pub(super) fn flash_attention(flash_attention: FlashAttention) -> &'static str {
    match flash_attention {
        FlashAttention::Auto => "-1",
        FlashAttention::Off => "0",
        FlashAttention::On => "1",
    }
}

fn devices(engine: &EngineInfo, kinds: &[&str]) -> String {
    let of_kind = engine.devices.iter().filter(|device| kinds.contains(&device.kind.as_str()));
    of_kind.map(|device| device.description.as_str()).collect::<Vec<_>>().join(", ")
}

/// Mean and standard deviation over the repetitions.
pub(super) struct Average {
    /// Nanoseconds of a repetition, whole ones.
    pub ns: u64,
    /// Their standard deviation.
    pub ns_stddev: u64,
    /// Tokens per second.
    pub ts: f64,
    /// Their standard deviation.
    pub ts_stddev: f64,
}

impl Average {
    /// Of one part of a test; 0 where the test has no such part, and where llama-bench prints 0: the deviation of one value.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole ns below 2^53
    pub fn of(samples: &Samples, part: Part) -> Self {
        let ns: Vec<f64> = samples.nanos(part).into_iter().map(float).collect();
        let of = |values: &[f64]| Summary::of(values).map_or((0.0, 0.0), |s| (s.mean, s.stdev.unwrap_or(0.0)));
        let ((ns, ns_stddev), (ts, ts_stddev)) = (of(&ns), of(&samples.rates(part)));
        Self { ns: ns as u64, ns_stddev: ns_stddev as u64, ts, ts_stddev }
    }
}

/// The parts of a test that has both prompt and generation; none of another.
pub(super) fn parts(samples: &Samples) -> &'static [Part] {
    if samples.n_prompt > 0 && samples.n_gen > 0 { &[Part::Prompt, Part::Generation] } else { &[] }
}
