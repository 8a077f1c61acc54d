//! The plots of a context report. No text of the model's goes into them: plotly would read some of it as markup.

use plotly::common::{DashType, Line, Marker, MarkerSymbol, Mode, Orientation};
use plotly::layout::{Axis, HoverMode, Legend, Margin, RangeMode};
use plotly::{Layout, Plot, Scatter};

use super::text::tokens;
use super::usage::{MAIN_MEMORY, PlaceUsage};
use super::view::{ContextReport, GrowthPoint, SweepReport};
use crate::probe::kv_growth::Trends;
use crate::stats::gigabytes;

/// Name, colour, and the bytes of it.
type Kind = (&'static str, &'static str, fn(&PlaceUsage) -> u64);

/// Kinds of memory from the bottom of the stack.
const KINDS: [Kind; 5] = [
    ("weights", "#4c78a8", |place| place.weights_bytes),
    ("repacked copies", "#9ecae9", |place| place.repacked_bytes),
    ("program", "#a39e99", |place| place.program_bytes),
    ("compute buffers", "#54a24b", |place| place.compute_bytes),
    ("KV cache", "#f58518", |place| place.kv_bytes),
];
const BUDGET_COLOUR: &str = "#e45756";
const PREDICTED_COLOUR: &str = "#b279a2";
const PROVED_COLOUR: &str = "#1a7f37";
/// Colours of the sweeps, which the colour blind can tell apart (Okabe and Ito).
const SWEEP_COLOURS: [&str; 7] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999933"];
/// A forecast is drawn this far beyond the last measured depth at most.
const FORECAST_TIMES: u32 = 2;
/// Points of a curve.
const CURVE_POINTS: u32 = 60;

/// Where a sweep's contexts lie: main memory and GPUs.
pub(super) fn places(sweep: &SweepReport) -> Vec<String> {
    let mut places = vec![MAIN_MEMORY.to_owned()];
    for place in sweep.curve.iter().flat_map(|usage| &usage.places) {
        if !places.contains(&place.place) {
            places.push(place.place.clone());
        }
    }
    places
}

/// Memory of a place against context size, stacked by kind, with its budget and the largest contexts.
pub(super) fn memory(report: &ContextReport, sweep: &SweepReport, place: &str) -> Plot {
    let mut plot = Plot::new();
    let sizes: Vec<u32> = sweep.curve.iter().map(|usage| usage.n_ctx).collect();
    for (name, colour, kind) in KINDS {
        let of = |usage: &super::Usage| usage.of_place(place).map_or(0.0, |place| gigabytes(kind(place)));
        let bytes: Vec<f64> = sweep.curve.iter().map(of).collect();
        if bytes.iter().all(|gb| *gb <= 0.0) {
            continue;
        }
        let trace = Scatter::new(sizes.clone(), bytes).name(name).mode(Mode::Lines).stack_group("memory");
        let trace = trace.line(Line::new().color(colour).width(1.0)).fill_color(colour);
        plot.add_trace(trace.hover_template(format!("{name}: %{{y:.3f}} GB")));
    }
    if let (Some(budget), Some(first), Some(last)) = (budget(report, place), sizes.first(), sizes.last()) {
        let line = Line::new().color(BUDGET_COLOUR).width(2.0).dash(DashType::Dash);
        let trace =
            Scatter::new(vec![*first, *last], vec![gigabytes(budget); 2]).name("budget").mode(Mode::Lines).line(line);
        plot.add_trace(trace.hover_template(format!("budget: {:.3} GB", gigabytes(budget))));
    }
    for (name, n_ctx, colour, symbol, size) in marks(sweep) {
        let Some(height) = height(sweep, place, n_ctx) else { continue };
        let trace =
            Scatter::new(vec![n_ctx], vec![height]).name(format!("{name} {}", tokens(n_ctx))).mode(Mode::Markers);
        let trace = trace.marker(Marker::new().color(colour).size(size).symbol(symbol));
        plot.add_trace(trace.hover_template(format!("{name}: {} tokens, %{{y:.3f}} GB<extra></extra>", tokens(n_ctx))));
    }
    plot.set_layout(layout("context size in tokens", "GB").hover_mode(HoverMode::XUnified));
    plot
}

/// What a place may give.
fn budget(report: &ContextReport, place: &str) -> Option<u64> {
    if place == MAIN_MEMORY {
        return Some(report.budget_bytes);
    }
    report.budget.devices.iter().find(|device| device.name == place).map(|device| device.allowed_bytes)
}

/// Name, tokens, colour, symbol and its size.
type Mark = (&'static str, u32, &'static str, MarkerSymbol, usize);

/// The largest contexts and the smallest that failed.
fn marks(sweep: &SweepReport) -> Vec<Mark> {
    let predicted = sweep.predicted_max_context.filter(|n| *n > 0);
    let proved = sweep.proved_max_context.filter(|n| *n > 0);
    // what failed lies next to what fits: it is drawn first and larger, so that both are seen
    let mut marks: Vec<_> =
        sweep.failed_at.map(|n| ("failed:", n, BUDGET_COLOUR, MarkerSymbol::X, 19)).into_iter().collect();
    match (predicted, proved) {
        (Some(a), Some(b)) if a == b => marks.push(("predicted and proved:", a, PROVED_COLOUR, MarkerSymbol::Star, 11)),
        (predicted, proved) => {
            marks.extend(predicted.map(|n| ("predicted:", n, PREDICTED_COLOUR, MarkerSymbol::Diamond, 11)));
            marks.extend(proved.map(|n| ("proved:", n, PROVED_COLOUR, MarkerSymbol::Star, 11)));
        }
    }
    marks
}

/// Top of the stack at a size, between the counted sizes in proportion.
fn height(sweep: &SweepReport, place: &str, n_ctx: u32) -> Option<f64> {
    let points = || {
        sweep
            .curve
            .iter()
            .filter_map(|usage| Some((f64::from(usage.n_ctx), gigabytes(usage.of_place(place)?.total_bytes()))))
    };
    let n = f64::from(n_ctx);
    let below = points().rfind(|(x, _)| *x <= n)?;
    let above = points().find(|(x, _)| *x >= n)?;
    let share = crate::stats::ratio(n - below.0, above.0 - below.0).unwrap_or(0.0);
    Some(below.1 + share * (above.1 - below.1))
}

/// KV bytes in use against tokens, with the fitted lines.
pub(super) fn kv_in_use(report: &ContextReport) -> Plot {
    let value = |point: &GrowthPoint| Some((point.tokens, gigabytes(point.kv_used_bytes) * 1e3));
    let line = |trends: &Trends, n: u32| Some(trends.kv_bytes?.line.at(f64::from(n)) / 1e6);
    growth_plot(report, "MB", value, line)
}

/// Time of a prompt against its tokens.
pub(super) fn prompt_time(report: &ContextReport) -> Plot {
    let value = |point: &GrowthPoint| Some((point.prefill_tokens_in_all, point.prefill_seconds_in_all));
    let mut plot = growth_plot(report, "s", value, Trends::prefill_seconds);
    for (sweep, colour) in report.sweeps.iter().zip(SWEEP_COLOURS.iter().cycle()) {
        let end = end(sweep);
        let usable: Vec<_> = sweep.usable_context.iter().filter(|u| u.tokens <= end && !u.limited_by_memory).collect();
        let (x, y) = usable.iter().map(|usable| (usable.tokens, usable.seconds)).unzip::<_, _, Vec<_>, Vec<_>>();
        if x.is_empty() {
            continue;
        }
        let marker = Marker::new().color(*colour).size(10).symbol(MarkerSymbol::DiamondOpen);
        let trace =
            Scatter::new(x, y).mode(Mode::Markers).marker(marker).legend_group(&sweep.kv_type).show_legend(false);
        plot.add_trace(trace.hover_template(format!("{}: %{{x:,}} tokens in %{{y}} s<extra></extra>", sweep.kv_type)));
    }
    plot
}

/// Prompt tokens a second of a step, at the middle of its depth.
pub(super) fn prefill_speed(report: &ContextReport) -> Plot {
    let value = |point: &GrowthPoint| {
        let generated = u32::try_from(point.gen_ns.len()).unwrap_or(0);
        let middle = point.tokens.saturating_sub(generated).saturating_sub(point.prefill_tokens / 2);
        Some((middle, point.prefill_tokens_per_second?))
    };
    let line = |trends: &Trends, n: u32| {
        let ns = trends.prefill_ns_per_token?.line.at(f64::from(n));
        (ns > 0.0).then(|| 1e9 / ns)
    };
    growth_plot(report, "tokens/s", value, line)
}

/// Generated tokens a second against depth.
pub(super) fn generation_speed(report: &ContextReport) -> Plot {
    let value = |point: &GrowthPoint| Some((point.tokens, point.tokens_per_second?));
    growth_plot(report, "tokens/s", value, Trends::tokens_per_second)
}

/// Points and fitted lines of all sweeps.
fn growth_plot(
    report: &ContextReport,
    unit: &str,
    value: impl Fn(&GrowthPoint) -> Option<(u32, f64)>,
    line: impl Fn(&Trends, u32) -> Option<f64>,
) -> Plot {
    let mut plot = Plot::new();
    for (sweep, colour) in report.sweeps.iter().zip(SWEEP_COLOURS.iter().cycle()) {
        if let Some(trends) = &sweep.trends {
            let measured = trends.measured_tokens;
            for (from, to, dash) in [(0, measured, DashType::Solid), (measured, end(sweep), DashType::Dot)] {
                let (x, y) = curve(from, to, |n| line(trends, n));
                if x.len() > 1 {
                    let line = Line::new().color(*colour).width(2.0).dash(dash);
                    let trace = Scatter::new(x, y).mode(Mode::Lines).line(line).legend_group(&sweep.kv_type);
                    plot.add_trace(
                        trace.show_legend(false).hover_template(format!("{}: %{{y:.4g}} {unit}", sweep.kv_type)),
                    );
                }
            }
        }
        for held_out in [false, true] {
            let points = sweep.growth.iter().filter(|point| point.held_out == held_out).filter_map(&value);
            let (x, y) = points.unzip::<_, _, Vec<_>, Vec<_>>();
            if x.is_empty() {
                continue;
            }
            let symbol = if held_out { MarkerSymbol::CircleOpen } else { MarkerSymbol::Circle };
            let trace =
                Scatter::new(x, y).mode(Mode::Markers).marker(Marker::new().color(*colour).size(8).symbol(symbol));
            let name = if held_out { format!("{} held out", sweep.kv_type) } else { sweep.kv_type.clone() };
            let hover = format!("{name}: %{{x:,}} tokens, %{{y:.4g}} {unit}<extra></extra>");
            plot.add_trace(trace.name(name).legend_group(&sweep.kv_type).show_legend(!held_out).hover_template(hover));
        }
    }
    plot.set_layout(layout("tokens in the context", unit));
    plot
}

/// Where a sweep's forecast ends: at its largest context, or at twice what was measured.
fn end(sweep: &SweepReport) -> u32 {
    let measured = sweep.trends.as_ref().map_or(0, |trends| trends.measured_tokens);
    sweep.max_context.unwrap_or(measured).min(measured.saturating_mul(FORECAST_TIMES)).max(measured)
}

fn curve(from: u32, to: u32, value: impl Fn(u32) -> Option<f64>) -> (Vec<u32>, Vec<f64>) {
    let at = |i: u32| {
        let n = u64::from(from) + u64::from(to.saturating_sub(from)) * u64::from(i) / u64::from(CURVE_POINTS);
        u32::try_from(n).ok()
    };
    if to <= from {
        return (Vec::new(), Vec::new());
    }
    (0..=CURVE_POINTS).filter_map(at).filter_map(|n| Some((n, value(n)?))).unzip()
}

fn layout(x: &str, y: &str) -> Layout {
    let axis = || Axis::new().range_mode(RangeMode::ToZero).auto_margin(true);
    Layout::new()
        .x_axis(axis().title(x).tick_format(","))
        .y_axis(axis().title(y))
        .hover_mode(HoverMode::Closest)
        .margin(Margin::new().left(56).right(16).top(32).bottom(50))
        .legend(Legend::new().orientation(Orientation::Horizontal).y(-0.28))
}
