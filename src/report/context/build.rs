//! From what was found to what is shown: [`ContextReport::of`].

use super::facts::Facts;
use super::trim::{Trim, safe_context};
use super::usage::{PlaceUsage, Usage};
use super::view::{ContextReport, GrowthPoint, Metadata, OtherBudget, Settings, SweepReport, Usable};
use crate::probe::context_limit::found::{Fit, LimitedBy, Prediction, ProbeResult, Sweep};
use crate::probe::context_limit::narrow;
use crate::probe::context_limit::task::{Proof, Task};
use crate::probe::kv_growth::{Growth, Point, Trends};
use crate::report::metadata::Hardware;
use crate::stats::{float, ratio, trend};

/// A first answer within so many seconds: at once, with patience, at the limit of it, and what a long document may take.
const FIRST_ANSWER_SECONDS: [f64; 4] = [5.0, 15.0, 30.0, 60.0];

const NS_PER_SECOND: f64 = 1e9;

impl ContextReport {
    /// Computes the report.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let model = facts.model.as_ref();
        let path = &facts.task.model.path;
        let name_of_file = || path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let n_ctx_train = model.map(|model| model.n_ctx_train).filter(|n| *n > 0);
        Self {
            schema_version: Self::SCHEMA_VERSION,
            metadata: metadata(facts),
            model: model.map_or_else(name_of_file, |model| model.name.clone()),
            quantization: model.map(|model| model.quantization.clone()),
            architecture: model.map(|model| model.architecture.clone()),
            model_path: path.clone(),
            n_params: model.map(|model| model.n_params),
            n_ctx_train,
            synthetic: model.is_some_and(|model| model.synthetic),
            budget_bytes: facts.task.budget.host_bytes,
            budget: facts.task.budget.clone(),
            granularity: facts.task.granularity,
            proof: facts.task.proof,
            tokens_per_request: facts.tokens_per_request,
            beyond_training_wanted: facts.beyond_training,
            settings: settings(&facts.task),
            sweeps: facts.task.sweeps.iter().map(|sweep| sweep_report(sweep, facts, n_ctx_train)).collect(),
        }
    }
}

fn metadata(facts: &Facts) -> Metadata {
    Metadata {
        timestamp: facts.timestamp.clone(),
        hostname: facts.machine.hostname.clone().unwrap_or_else(|| "unknown".to_owned()),
        hardware: Hardware::of(&facts.machine),
        engine: facts.engine.clone(),
        config: facts.configuration.clone(),
        test_duration_seconds: facts.duration_seconds,
        program: format!("sweetspot {} ({})", facts.program.version, facts.program.revision),
        arguments: facts.arguments.clone(),
        interrupted: facts.interrupted,
        load_seconds: facts.load_seconds.clone(),
        notes: facts.notes.clone(),
        machine: facts.machine.clone(),
    }
}

fn settings(task: &Task) -> Settings {
    Settings {
        n_batch: task.context.n_batch,
        n_ubatch: task.context.n_ubatch,
        n_threads: task.context.n_threads,
        flash_attention: task.context.flash_attention,
        n_gpu_layers: task.model.n_gpu_layers,
        use_mmap: task.model.use_mmap,
    }
}

fn sweep_report(sweep: &Sweep, facts: &Facts, n_ctx_train: Option<u32>) -> SweepReport {
    let prediction = sweep.prediction.as_ref();
    let usage = prediction.map(|prediction| Usage::of(prediction, &prediction.at_max));
    let bytes = |kind: fn(&PlaceUsage) -> u64| usage.as_ref().map(|usage| usage.sum(kind));
    let predicted = prediction.map(|prediction| prediction.max_context);
    let proved = proved(sweep);
    let is_finished = sweep.unfinished.is_none();
    let difference = |predicted: u32, proved: u32| i64::from(proved) - i64::from(predicted);
    let fit = largest_fit(sweep);
    // a prediction that was tried and failed is none
    let untried = predicted.filter(|_| sweep.failed().is_none());
    let max_context = proved.or(untried).filter(|tokens| *tokens > 0);
    let safe = max_context.and_then(safe_context);
    let bound = n_ctx_train.filter(|_| !facts.beyond_training).unwrap_or(u32::MAX);
    // of a very small context there is no safe part: then it is the whole that is handed over
    let recommended = safe.or(max_context).map(|context| context.min(bound));
    let trim = recommended.and_then(|context| Trim::of(context, facts.tokens_per_request));
    let trends = sweep.growth.as_ref().map(Trends::of);
    let last = facts.task.grid(n_ctx_train.unwrap_or(0)).last();
    SweepReport {
        kv_type: sweep.kv.to_string(),
        kv: sweep.kv,
        impossible: sweep.impossible.clone(),
        weights_bytes: bytes(|place| place.weights_bytes),
        repacked_bytes: bytes(|place| place.repacked_bytes),
        kv_bytes: bytes(|place| place.kv_bytes),
        kv_bytes_per_token: prediction.map(|prediction| prediction.kv_bytes_per_token),
        kv_bytes_per_token_measured: trends.as_ref().and_then(Trends::kv_bytes_per_token),
        kv_bytes_per_token_formula: prediction.and_then(|prediction| prediction.kv_bytes_per_token_formula),
        compute_bytes: bytes(|place| place.compute_bytes),
        program_bytes: bytes(|place| place.program_bytes),
        memory_bytes: bytes(PlaceUsage::total_bytes),
        memory_at_context: usage.as_ref().map(|usage| usage.n_ctx),
        predicted_max_context: predicted,
        limited_by: prediction.map(|prediction| prediction.limited_by),
        proved_max_context: proved,
        prediction_error_tokens: predicted.zip(proved).filter(|_| is_finished).map(|(a, b)| difference(a, b)),
        proof: proof(fit),
        failed_at: sweep.failed().map(|(n_ctx, _)| n_ctx),
        failure: sweep.failed().map(|(_, failure)| failure.kind),
        failure_reason: sweep.failed().map(|(_, failure)| failure.reason.clone()),
        unfinished: sweep.unfinished.clone(),
        fill_ended: fit.and_then(|fit| fit.fill_ended.clone()),
        pages_touched: fit.is_some_and(|fit| fit.pages_touched),
        n_ctx_train,
        beyond_training: max_context.zip(n_ctx_train).is_some_and(|(max, trained)| max > trained),
        max_context,
        safe_context: safe,
        recommended_context: recommended,
        trim_threshold: trim.map(|trim| trim.threshold),
        trim_to: trim.map(|trim| trim.keep),
        trim_interval: trim.map(|trim| trim.interval),
        usable_context: usable_contexts(trends.as_ref(), max_context),
        other_budgets: prediction.map(|prediction| other_budgets(prediction, last)).unwrap_or_default(),
        curve: prediction.map(curve).unwrap_or_default(),
        probes: sweep.probes.clone(),
        growth: sweep.growth.as_ref().map(growth_points).unwrap_or_default(),
        growth_context: sweep.growth.as_ref().map(|growth| growth.n_ctx),
        growth_ended_by: sweep.growth.as_ref().map(|growth| growth.ended_by.clone()),
        trends,
    }
}

/// The largest context that was made; 0 where the search is at its end and found none.
fn proved(sweep: &Sweep) -> Option<u32> {
    let none_fits = sweep.unfinished.is_none() && sweep.failed().is_some();
    narrow::limit(sweep).or(none_fits.then_some(0))
}

/// What came of making the largest context that fits.
fn largest_fit(sweep: &Sweep) -> Option<&Fit> {
    let limit = narrow::limit(sweep)?;
    // of two of the same size the later one, which may have been filled
    sweep.probes.iter().rev().find_map(|probe| match &probe.result {
        ProbeResult::Fits(fit) if probe.n_ctx == limit => Some(fit.as_ref()),
        _ => None,
    })
}

/// What a fit proves.
fn proof(fit: Option<&Fit>) -> Proof {
    match fit {
        None => Proof::None,
        Some(fit) if fit.filled_tokens.is_some() && fit.fill_ended.is_none() => Proof::Fill,
        Some(_) => Proof::Alloc,
    }
}

fn usable_contexts(trends: Option<&Trends>, max_context: Option<u32>) -> Vec<Usable> {
    let Some((trends, max)) = trends.zip(max_context) else { return Vec::new() };
    let usable = FIRST_ANSWER_SECONDS.map(|seconds| {
        let reach = trends.context_for_first_answer(seconds)?;
        let tokens = reach.tokens.min(max);
        Some(Usable {
            seconds,
            tokens,
            is_forecast: tokens > trends.measured_tokens,
            limited_by_memory: reach.tokens > max,
        })
    });
    usable.into_iter().flatten().collect()
}

fn other_budgets(prediction: &Prediction, last: u32) -> Vec<OtherBudget> {
    let limited_by = |tokens: u32| if tokens < last { LimitedBy::Budget } else { LimitedBy::Ceiling };
    let budgets = prediction.other_budgets.iter();
    budgets
        .map(|&(budget_bytes, max_context)| OtherBudget {
            budget_bytes,
            max_context,
            limited_by: limited_by(max_context),
        })
        .collect()
}

/// All counts that there are, in the order of their sizes, each size once.
fn curve(prediction: &Prediction) -> Vec<Usage> {
    let mut planned: Vec<_> =
        prediction.curve.iter().chain([&prediction.at_max]).chain(prediction.above.as_ref()).collect();
    planned.sort_by_key(|planned| planned.n_ctx);
    planned.dedup_by_key(|planned| planned.n_ctx);
    planned.into_iter().map(|planned| Usage::of(prediction, planned)).collect()
}

fn growth_points(growth: &Growth) -> Vec<GrowthPoint> {
    let (mut tokens_in_all, mut seconds_in_all) = (0, 0.0);
    let n = growth.points.len();
    let point = |(place, point): (usize, &Point)| {
        let seconds = float(point.prefill_ns) / NS_PER_SECOND;
        tokens_in_all += point.prefill_tokens;
        seconds_in_all += seconds;
        let gen_ns: u64 = point.gen_ns.iter().sum();
        GrowthPoint {
            tokens: point.tokens,
            prefill_tokens: point.prefill_tokens,
            prefill_seconds: seconds,
            prefill_tokens_in_all: tokens_in_all,
            prefill_seconds_in_all: seconds_in_all,
            prefill_tokens_per_second: ratio(f64::from(point.prefill_tokens), seconds),
            tokens_per_second: ratio(float(point.gen_ns.len() as u64) * NS_PER_SECOND, float(gen_ns)),
            gen_ns: point.gen_ns.clone(),
            kv_used_bytes: point.kv_used_bytes,
            process: point.process,
            gpu_used_bytes: point.gpu_used_bytes.clone(),
            held_out: trend::is_held_out(place, n),
        }
    };
    growth.points.iter().enumerate().map(point).collect()
}
