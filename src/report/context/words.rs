//! What a context report means, in sentences for people who see one for the first time.

use super::text::{gb_with_unit, held_out, kb, tokens};
use super::view::{ContextReport, SweepReport};
use crate::probe::context_limit::found::LimitedBy;
use crate::probe::context_limit::task::{BudgetSource, Proof};
use crate::probe::kv_growth::{EndedBy, USELESS_ERROR_PERCENT};
use crate::stats::Trend;
use crate::verdict::interpretation::{NOT_NATIVE, SYNTHETIC, WORDS_PER_TOKEN, number, seconds};

/// A formula that differs by more than this share from the exact count does not describe the model's attention.
const FORMULA_HOLDS_WITHIN: f64 = 0.01;

/// The title: model and budget in a line.
pub(super) fn title(report: &ContextReport) -> String {
    let quant = report.quantization.as_deref().map(|quant| format!(" {quant}")).unwrap_or_default();
    let source = match report.budget.source {
        BudgetSource::Given => "as given".to_owned(),
        BudgetSource::Configured => "as configured".to_owned(),
        BudgetSource::Free { free_bytes, reserve_bytes } => {
            format!("{} free less {} in reserve", gb_with_unit(free_bytes), gb_with_unit(reserve_bytes))
        }
    };
    let host = format!("{} of main memory ({source})", gb_with_unit(report.budget_bytes));
    let devices = report.budget.devices.iter().map(|d| format!("{} of {}", gb_with_unit(d.allowed_bytes), d.name));
    let places: Vec<String> = [host].into_iter().chain(devices).collect();
    format!("{}{quant} within {}", report.model, places.join(", "))
}

/// What the tables mean.
pub(super) fn meaning(report: &ContextReport) -> Vec<String> {
    let mut sentences: Vec<String> = report.sweeps.iter().map(|sweep| limit(report, sweep)).collect();
    if let Ok(sweep) = report.choice(None) {
        sentences.extend(training(report, sweep));
        sentences.extend(plan(report, sweep));
        sentences.extend(cost(report, sweep));
        sentences.extend(comparison(report, sweep));
        sentences.extend(speed(sweep));
    } else {
        sentences.extend(nothing_fits(report));
    }
    sentences
}

/// Said above the command.
pub(super) fn start(sweep: &SweepReport) -> String {
    let known = if sweep.proof == Proof::None { "counted" } else { "proved" };
    format!("Start a server with it (from -np 1 on its flags keep it from taking more memory than was {known}):")
}

/// What the reader should know besides.
pub(super) fn notes(report: &ContextReport) -> Vec<String> {
    let mut notes = report.metadata.notes.clone();
    if report.metadata.interrupted {
        notes.push("it was interrupted: what was found until then is shown".to_owned());
    }
    if report.synthetic {
        notes.push(SYNTHETIC.to_owned());
    }
    if report.metadata.engine.as_ref().is_some_and(|engine| !engine.native) {
        notes.push(NOT_NATIVE.to_owned());
    }
    for sweep in &report.sweeps {
        notes.extend(sweep_notes(sweep).into_iter().map(|note| format!("{}: {note}", sweep.kv_type)));
    }
    notes
}

fn limit(report: &ContextReport, sweep: &SweepReport) -> String {
    let kv = &sweep.kv_type;
    if let Some(why) = &sweep.impossible {
        return format!("{kv}: not possible here: {why}.");
    }
    let Some(predicted) = sweep.predicted_max_context else {
        let why = sweep.unfinished.as_deref().unwrap_or("nobody knows why");
        return format!("{kv}: no context was found: {}.", why.trim_end_matches('.'));
    };
    if sweep.max_context.is_none() {
        return no_context(report, sweep);
    }
    let basis = match sweep.proof {
        Proof::None => format!("{kv}: up to {} tokens by llama.cpp's own count; not proved", tokens(predicted)),
        proof => format!("{kv}: {}; {}", proved(sweep), how_proved(proof, sweep.pages_touched)),
    };
    let above = match (sweep.failed_at, &sweep.failure_reason, sweep.limited_by) {
        (Some(at), Some(why), _) => format!("{} tokens failed: {why}", tokens(at)),
        (_, _, Some(LimitedBy::Ceiling)) => "memory would allow more: the search ended there".to_owned(),
        _ => String::new(),
    };
    let unfinished = sweep.unfinished.as_ref().map(|why| format!("the search for the limit was not finished: {why}"));
    let parts = [basis, above, unfinished.unwrap_or_default()];
    parts.iter().filter(|part| !part.is_empty()).map(|part| part.trim_end_matches('.')).collect::<Vec<_>>().join("; ")
        + "."
}

fn proved(sweep: &SweepReport) -> String {
    let max = tokens(sweep.max_context.unwrap_or(0));
    match sweep.prediction_error_tokens {
        None => format!("at least {max} tokens are possible"),
        Some(0) => format!("{max} tokens are possible, as predicted"),
        Some(error) => {
            let word = if error < 0 { "less" } else { "more" };
            let error = u32::try_from(error.unsigned_abs()).map_or_else(|_| error.to_string(), tokens);
            format!("{max} tokens are possible, {error} {word} than predicted")
        }
    }
}

fn how_proved(proof: Proof, touched: bool) -> &'static str {
    match proof {
        Proof::Alloc if touched => "such a context was made and its memory touched",
        Proof::Alloc => "such a context was made; this system cannot touch its memory beforehand",
        Proof::Fill => "such a context was made and filled to its last token",
        Proof::None => "not proved",
    }
}

fn no_context(report: &ContextReport, sweep: &SweepReport) -> String {
    let need = sweep.memory_bytes.map(gb_with_unit).unwrap_or_default();
    let least = sweep.memory_at_context.map(tokens).unwrap_or_default();
    let why = match (sweep.predicted_max_context, &sweep.failure_reason, &sweep.unfinished) {
        (Some(predicted), Some(reason), _) if predicted > 0 => {
            format!("{} tokens were predicted, but none could be had: {reason}", tokens(predicted))
        }
        // said by the search before it began: the weights alone are too large
        (_, _, Some(reason)) => reason.clone(),
        _ => {
            let budget = gb_with_unit(report.budget_bytes);
            format!("a context of {least} tokens already takes {need}, the budget is {budget}")
        }
    };
    format!("{}: no context fits: {}.", sweep.kv_type, why.trim_end_matches('.'))
}

/// What to do where no type has a context.
fn nothing_fits(report: &ContextReport) -> Option<String> {
    let counted = report.sweeps.iter().any(|sweep| sweep.predicted_max_context.is_some());
    counted.then(|| {
        "What helps: a quantization with fewer bits or a smaller model, more memory (--budget), or a KV cache type with fewer \
         bits (--kv-types q8_0,q4_0)."
            .to_owned()
    })
}

fn training(report: &ContextReport, sweep: &SweepReport) -> Option<String> {
    let trained = tokens(sweep.n_ctx_train.filter(|_| sweep.beyond_training)?);
    Some(if report.beyond_training_wanted {
        format!("The model was trained for {trained} tokens. Beyond them answers mostly get worse; you asked for more.")
    } else {
        format!(
            "The model was trained for {trained} tokens. Memory allows more, but beyond them answers mostly get worse: what is \
             handed over ends there."
        )
    })
}

fn plan(report: &ContextReport, sweep: &SweepReport) -> Option<String> {
    let context = sweep.recommended_context?;
    let words = format!("{:.0}", f64::from(context) * WORDS_PER_TOKEN);
    let words = words.parse().map_or(words, tokens);
    let start = format!("Plan with {} tokens with {}, about {words} words of English", tokens(context), sweep.kv_type);
    let Some(((threshold, keep), interval)) = sweep.trim_threshold.zip(sweep.trim_to).zip(sweep.trim_interval) else {
        let request = tokens(report.tokens_per_request);
        return Some(format!("{start}. Too few to trim conversations: two requests of {request} tokens do not fit."));
    };
    let requests =
        if interval == 1 { "the next request fits".to_owned() } else { format!("the next {interval} requests fit") };
    Some(format!(
        "{start}. With {} tokens a request, trim a conversation that is longer than {} tokens to {}: then {requests}.",
        tokens(report.tokens_per_request),
        tokens(threshold),
        tokens(keep),
    ))
}

fn cost(report: &ContextReport, sweep: &SweepReport) -> Option<String> {
    let exact = sweep.kv_bytes_per_token?;
    if exact <= 0.0 {
        return Some(
            "This model keeps a state of fixed size instead of a cache that grows: more context costs next to no memory."
                .to_owned(),
        );
    }
    let start = format!("A token takes {} KB of KV cache with {}", kb(exact), sweep.kv_type);
    let formula =
        sweep.kv_bytes_per_token_formula.filter(|formula| (formula / exact - 1.0).abs() > FORMULA_HOLDS_WITHIN);
    let formula = formula.map(|formula| {
        format!("; the usual formula says {}, which holds for plain attention only: the count is right", kb(formula))
    });
    let other =
        report.sweeps.iter().find(|other| other.kv == sweep.kv).and_then(|s| s.kv_bytes.zip(s.memory_at_context));
    let whole = other.map(|(bytes, n)| format!(", {} for {} tokens", gb_with_unit(bytes), tokens(n)));
    Some(format!("{start}{}{}.", whole.unwrap_or_default(), formula.unwrap_or_default()))
}

/// What the other types give.
fn comparison(report: &ContextReport, first: &SweepReport) -> Option<String> {
    let base = f64::from(first.max_context?);
    let at_end = |sweep: &&SweepReport| sweep.limited_by == Some(LimitedBy::Budget) && sweep.unfinished.is_none();
    let others = report.sweeps.iter().filter(|sweep| sweep.kv != first.kv).filter(at_end);
    let parts: Vec<String> = others
        .filter_map(|other| {
            let times = f64::from(other.max_context?) / base;
            Some(format!("{} holds {} times as many tokens", other.kv_type, number(times)))
        })
        .collect();
    let fewer_bits = "fewer bits store keys and values less exactly";
    (at_end(&first) && !parts.is_empty())
        .then(|| format!("In the same memory {}, compared with {}; {fewer_bits}.", parts.join(" and "), first.kv_type))
}

fn speed(sweep: &SweepReport) -> Option<String> {
    let trends = sweep.trends.as_ref()?;
    let last = trends.measured_tokens;
    let mut parts = Vec::new();
    if let Some(time) = trends.prefill_seconds(last) {
        parts.push(format!("a prompt of {} tokens takes {} until its first answer", tokens(last), seconds(time)));
    }
    if let Some((start, end)) = trends.tokens_per_second(0).zip(trends.tokens_per_second(last)) {
        let (start, end) = (number(start), number(end));
        parts.push(format!("answers come with {start} tokens/s at the start and with {end} tokens/s at that depth"));
    }
    (!parts.is_empty()).then(|| format!("With {}, {}.", sweep.kv_type, parts.join(", and ")))
}

fn sweep_notes(sweep: &SweepReport) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(why) = &sweep.fill_ended {
        notes.push(format!("the largest context was not filled to its end: {why}"));
    }
    let reached = sweep
        .growth
        .last()
        .map_or_else(|| "its first step".to_owned(), |point| format!("{} tokens", tokens(point.tokens)));
    match &sweep.growth_ended_by {
        Some(EndedBy::Time) => {
            notes.push(format!("the time for measuring growth was over after {reached}; beyond it is forecast"));
        }
        Some(EndedBy::Interrupted) => notes.push(format!("measuring growth was interrupted after {reached}")),
        Some(EndedBy::Failed(why)) => notes.push(format!("measuring growth failed after {reached}: {why}")),
        Some(EndedBy::Target) | None => {}
    }
    if let Some(trends) = &sweep.trends {
        let lines = [
            ("KV bytes", &trends.kv_bytes),
            ("prompt times", &trends.prefill_ns_per_token),
            ("generation times", &trends.gen_ns_per_token),
        ];
        let errors =
            lines.into_iter().filter_map(|(what, trend)| Some(format!("{what} by {}", held_out(trend.as_ref()?)?)));
        let errors: Vec<String> = errors.collect();
        if !errors.is_empty() {
            notes.push(format!("the fitted lines miss {}", errors.join(", ")));
        }
        let scatters = |trend: &Option<Trend>| {
            let error = trend.and_then(|trend| trend.held_out).map_or(0.0, |held_out| held_out.mean_error_percent);
            error > USELESS_ERROR_PERCENT
        };
        if scatters(&trends.prefill_ns_per_token) || scatters(&trends.gen_ns_per_token) {
            notes.push(
                "where a line misses by more than half, nothing is forecast: measure again on a quiet machine"
                    .to_owned(),
            );
        }
    }
    notes
}
