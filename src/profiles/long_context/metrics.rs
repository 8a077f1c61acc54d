//! The numbers of the long-context profile, from its raw samples alone. `docs/long-context.md` says how each is computed.

use super::{LeftOut, Samples};
use crate::probe::kv_growth::{EndedBy, Point, Trends};
use crate::profiles::Metric;
use crate::stats::{float, gigabytes, ratio};

const NS_PER_SECOND: f64 = 1e9;

/// The numbers. What the samples do not define is absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// One for each size, the smallest first.
    pub loads: Vec<LoadSummary>,
    /// The size that the rating is about.
    pub target_tokens: u32,
    /// The one that was wanted; larger where the model was trained for less.
    pub wanted_target_tokens: u32,
    /// Lines through the points of the filling.
    pub trends: Trends,
    /// Seconds that were spent on loading, complete loads or not.
    pub loading_seconds: f64,
    /// Seconds that loading was allowed in all.
    pub allowed_seconds: u32,
    /// What ended the filling.
    pub ended_by: EndedBy,
    /// The most that was swapped out of the process meanwhile, in bytes; absent where the system does not tell.
    pub swapped_bytes: Option<u64>,
    /// Weights, KV cache and compute buffers of the context, in bytes.
    pub memory_bytes: u64,
    /// The most that was resident of the process, in bytes.
    pub resident_bytes: Option<u64>,
    /// Context size in tokens that was allocated.
    pub n_ctx: u32,
    /// Context size in tokens that the model was trained for.
    pub n_ctx_train: u32,
}

/// One size.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadSummary {
    /// Tokens of the text.
    pub tokens: u32,
    /// Seconds to load them into an empty cache, where that was measured.
    pub seconds: Option<f64>,
    /// The same by the fit, where it was tried and not measured.
    pub forecast_seconds: Option<f64>,
    /// Tokens generated per second after it, where all of them came.
    pub tokens_per_second: Option<f64>,
    /// The same by the fit, where it was tried and not measured.
    pub forecast_tokens_per_second: Option<f64>,
    /// Bytes of KV cache in use after it.
    pub kv_used_bytes: Option<u64>,
    /// Bytes of the process that were resident after it.
    pub resident_bytes: Option<u64>,
    /// Bytes of the process that were swapped out after it.
    pub swapped_bytes: Option<u64>,
    /// Why it was not tried, where it was not.
    pub left_out: Option<LeftOut>,
}

impl LoadSummary {
    /// Loaded, and all tokens generated after it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.seconds.is_some() && self.tokens_per_second.is_some()
    }
}

impl Summary {
    /// The size that the rating is about.
    #[must_use]
    pub fn target(&self) -> Option<&LoadSummary> {
        self.loads.iter().find(|load| load.tokens == self.target_tokens)
    }

    /// The largest size that was loaded and generated at.
    #[must_use]
    pub fn largest(&self) -> Option<&LoadSummary> {
        self.loads.iter().rev().find(|load| load.is_complete())
    }
}

/// Computes the numbers.
#[must_use]
pub fn summarize(samples: &Samples) -> Summary {
    let points = &samples.growth.points;
    let trends = Trends::of(&samples.growth);
    let max = |of: fn(&Point) -> Option<u64>| points.iter().filter_map(of).max();
    Summary {
        loads: samples.loads.iter().map(|load| load_summary(samples, &trends, load)).collect(),
        target_tokens: samples.target_tokens,
        wanted_target_tokens: samples.wanted_target_tokens,
        trends,
        loading_seconds: prefill_seconds(points),
        allowed_seconds: samples.seconds,
        ended_by: samples.growth.ended_by.clone(),
        swapped_bytes: max(|point| point.process?.swap_bytes),
        memory_bytes: samples.memory.total_bytes(),
        resident_bytes: max(|point| Some(point.process?.rss_bytes)),
        n_ctx: samples.growth.n_ctx,
        n_ctx_train: samples.n_ctx_train,
    }
}

fn load_summary(samples: &Samples, trends: &Trends, load: &super::Load) -> LoadSummary {
    let points = &samples.growth.points;
    let mut loaded = 0_u32;
    let reached = points.iter().position(|point| {
        loaded = loaded.saturating_add(point.prefill_tokens);
        loaded >= load.tokens
    });
    let (at, tried) = (reached.map(|place| &points[place]), load.left_out.is_none());
    let generated = at.filter(|point| point.generated() >= samples.gen_tokens && samples.gen_tokens > 0);
    let speed = generated.and_then(|point| {
        let ns: u64 = point.gen_ns.iter().sum();
        ratio(float(point.gen_ns.len() as u64) * NS_PER_SECOND, float(ns))
    });
    let measured = tried && at.is_some();
    LoadSummary {
        tokens: load.tokens,
        seconds: reached.filter(|_| tried).map(|place| prefill_seconds(&points[..=place])),
        forecast_seconds: (tried && !measured).then(|| forecast(points, trends, load.tokens)).flatten(),
        tokens_per_second: speed.filter(|_| tried),
        forecast_tokens_per_second: (tried && !measured).then(|| trends.tokens_per_second(load.tokens)).flatten(),
        kv_used_bytes: at.filter(|_| tried).map(|point| point.kv_used_bytes),
        resident_bytes: at.filter(|_| tried).and_then(|point| Some(point.process?.rss_bytes)),
        swapped_bytes: at.filter(|_| tried).and_then(|point| point.process?.swap_bytes),
        left_out: load.left_out.clone(),
    }
}

/// What was measured, and the rest by the line: T(size) − T(what was loaded).
fn forecast(points: &[Point], trends: &Trends, tokens: u32) -> Option<f64> {
    let loaded: u32 = points.iter().map(|point| point.prefill_tokens).sum();
    let rest = trends.prefill_seconds(tokens)? - trends.prefill_seconds(loaded)?;
    (rest > 0.0).then(|| prefill_seconds(points) + rest)
}

fn prefill_seconds(points: &[Point]) -> f64 {
    float(points.iter().map(|point| point.prefill_ns).sum()) / NS_PER_SECOND
}

/// The profile's numbers, headline first.
#[must_use]
pub fn metrics(samples: &Samples) -> Vec<Metric> {
    let s = summarize(samples);
    let target = s.target();
    let of_target = |number: fn(&LoadSummary) -> Option<f64>| target.and_then(number);
    let error = |trend: Option<crate::stats::Trend>| Some(trend?.held_out?.mean_error_percent);
    let numbers = [
        ("load_seconds", of_target(|t| t.seconds)),
        ("load_forecast_seconds", of_target(|t| t.forecast_seconds)),
        ("target_tokens", Some(f64::from(s.target_tokens))),
        ("tokens_per_second", of_target(|t| t.tokens_per_second)),
        ("forecast_tokens_per_second", of_target(|t| t.forecast_tokens_per_second)),
        ("prefill_tokens_per_second", of_target(|t| ratio(f64::from(t.tokens), t.seconds?))),
        ("max_tokens", s.largest().map(|load| f64::from(load.tokens))),
        ("max_load_seconds", s.largest().and_then(|load| load.seconds)),
        ("loading_seconds", Some(s.loading_seconds)),
        ("kv_bytes_per_token", s.trends.kv_bytes_per_token()),
        ("memory_gb", Some(gigabytes(s.memory_bytes))),
        ("peak_resident_gb", s.resident_bytes.map(gigabytes)),
        ("swapped_gb", s.swapped_bytes.map(gigabytes)),
        ("prefill_fit_error_percent", error(s.trends.prefill_ns_per_token)),
        ("generation_fit_error_percent", error(s.trends.gen_ns_per_token)),
        ("n_ctx", Some(f64::from(s.n_ctx))),
        ("n_ctx_train", Some(f64::from(s.n_ctx_train))),
    ];
    numbers.into_iter().map(|(name, value)| Metric { name: name.to_owned(), value }).collect()
}
