//! What a growth says of depths that were not measured: lines through its points, with the error at points held out.
//!
//! - KV bytes in use: a line in the tokens, through the second half of the points, where sliding windows are full; its slope
//!   is the bytes that a token takes.
//! - Time of a token of the prompt: a line in its depth, a + b·d, because attention reads every token before it and all else
//!   costs the same for each. n tokens from an empty cache therefore take T(n) = a·n + b·n²/2.
//! - Time of a generated token: a line in its depth, for the same reason.

use serde::{Deserialize, Serialize};

use super::{Growth, Point};
use crate::stats::{self, Trend, float, trend};

const NS_PER_SECOND: f64 = 1e9;

/// A line that misses the points held out by more than this, in percent on average, foretells nothing.
pub const USELESS_ERROR_PERCENT: f64 = 50.0;

/// The lines. Absent where there are too few points ([`trend::MIN_POINTS`]).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trends {
    /// Bytes of KV cache in use against tokens in the cache.
    pub kv_bytes: Option<Trend>,
    /// Nanoseconds of one token of the prompt against its depth. A step counts by its tokens, at their mean depth.
    pub prefill_ns_per_token: Option<Trend>,
    /// Nanoseconds of one generated token (the median after a step) against its depth.
    pub gen_ns_per_token: Option<Trend>,
    /// Tokens in the cache at the last point: more is a forecast.
    pub measured_tokens: u32,
}

/// A context whose first answer comes within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// Its size in tokens.
    pub tokens: u32,
    /// It is more than was measured.
    pub is_forecast: bool,
}

impl Trends {
    /// The trends of a growth.
    #[must_use]
    pub fn of(growth: &Growth) -> Self {
        let points = &growth.points;
        // a token deeper in the context never takes less: where it seems so, other programs were at work
        let times = |point: fn(&Point) -> Option<trend::Point>| {
            Trend::never_falling(&points.iter().filter_map(point).collect::<Vec<_>>())
        };
        // A sliding window takes more of the first tokens than of those after it is full: the line is the second half's.
        let last = points.last().map_or(0, |point| point.tokens);
        let kv_points: Vec<_> =
            points.iter().map(|p| trend::Point::new(f64::from(p.tokens), float(p.kv_used_bytes))).collect();
        let late: Vec<_> = kv_points.iter().copied().filter(|point| 2.0 * point.x >= f64::from(last)).collect();
        Self {
            kv_bytes: Trend::of(&late).or_else(|| Trend::of(&kv_points)),
            prefill_ns_per_token: times(prefill_ns_per_token),
            gen_ns_per_token: times(gen_ns_per_token),
            measured_tokens: points.last().map_or(0, |point| point.tokens),
        }
    }

    /// Bytes of KV cache that a token takes.
    #[must_use]
    pub fn kv_bytes_per_token(&self) -> Option<f64> {
        Some(self.kv_bytes?.line.slope)
    }

    /// Seconds that a prompt of so many tokens takes from an empty cache: T(n) = a·n + b·n²/2.
    #[must_use]
    pub fn prefill_seconds(&self, tokens: u32) -> Option<f64> {
        let (a, b) = self.prefill()?;
        let n = f64::from(tokens);
        // Where the last token's time would not be above 0, the line says nothing.
        (a + b * n > 0.0).then_some((a * n + b * n * n / 2.0) / NS_PER_SECOND)
    }

    /// Tokens that are generated in a second with so many in the cache.
    #[must_use]
    pub fn tokens_per_second(&self, depth: u32) -> Option<f64> {
        let ns = useful(self.gen_ns_per_token)?.line.at(f64::from(depth));
        (ns > 0.0).then_some(NS_PER_SECOND / ns)
    }

    /// The largest prompt from an empty cache whose first token comes within so many seconds: the n with T(n) = seconds.
    /// Absent without a line, and where the line never takes so long.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked to be within a u32
    pub fn context_for_first_answer(&self, seconds: f64) -> Option<Reach> {
        let (a, b) = self.prefill()?;
        let time = seconds * NS_PER_SECOND;
        // Of the two forms of the root the one in which nothing cancels, and which is right for b = 0.
        let root = (a * a + 2.0 * b * time).sqrt(); // no number where the line's time never adds up to so much
        let tokens = (2.0 * time / (a + root)).floor();
        let is_size = a > 0.0 && (0.0..=f64::from(u32::MAX)).contains(&tokens);
        is_size.then(|| Reach { tokens: tokens as u32, is_forecast: tokens > f64::from(self.measured_tokens) })
    }

    /// Time of the first token of a prompt, and what each depth adds; in nanoseconds.
    fn prefill(&self) -> Option<(f64, f64)> {
        let line = useful(self.prefill_ns_per_token)?.line;
        Some((line.intercept, line.slope))
    }
}

/// A line that may foretell something.
fn useful(trend: Option<Trend>) -> Option<Trend> {
    trend.filter(|trend| trend.held_out.is_none_or(|held_out| held_out.mean_error_percent <= USELESS_ERROR_PERCENT))
}

fn prefill_ns_per_token(point: &Point) -> Option<trend::Point> {
    let tokens = f64::from(point.prefill_tokens);
    let y = stats::ratio(float(point.prefill_ns), tokens)?;
    Some(trend::Point { x: f64::from(point.tokens_before()) + tokens / 2.0, y, weight: tokens })
}

fn gen_ns_per_token(point: &Point) -> Option<trend::Point> {
    let times: Vec<f64> = point.gen_ns.iter().copied().map(float).collect();
    let depth = f64::from(point.tokens) - f64::from(point.generated()) / 2.0;
    Some(trend::Point::new(depth, stats::median(&times)?))
}
