//! What the numbers of the long-context profile mean for a person: bounds with their sources, a rating, some sentences.
//! `docs/long-context.md` gives the same table.

use serde::{Deserialize, Serialize};

use super::{LeftOut, LoadSummary, Summary};
use crate::probe::kv_growth::EndedBy;
use crate::verdict::Rating;
use crate::verdict::interpretation::{WORDS_PER_TOKEN, against_reading, counted, number, seconds};
use crate::verdict::rating::Scale;

/// Bounds of the grades excellent, good, acceptable and poor. What is beyond the last fails.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Seconds to load the target into an empty cache, at most.
    pub load_seconds: [f64; 4],
    /// Tokens per second at the target, at least. Below the last is poor: slowness alone fails nothing here.
    pub tokens_per_second: [f64; 3],
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            // It happens once a document and not with every question, so the bounds are wider than those of a chat's first
            // word; still, after 10 s attention goes elsewhere (Nielsen, "Usability Engineering", 1993), and a minute is what
            // a person grants a thing that was to be quick.
            load_seconds: [5.0, 15.0, 30.0, 60.0],
            // as in a chat
            tokens_per_second: [30.0, 15.0, 7.0],
        }
    }
}

impl Thresholds {
    /// Longest load that passes.
    fn longest_seconds(&self) -> f64 {
        self.load_seconds[3]
    }

    fn speed(&self) -> Scale {
        let [excellent, good, acceptable] = self.tokens_per_second;
        Scale::AtLeast([excellent, good, acceptable, 0.0])
    }
}

/// One criterion of the rating.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Criterion {
    /// The metric's name.
    pub metric: &'static str,
    /// Its grade.
    pub rating: Rating,
}

/// The grades of the single numbers; none for what was stopped before it could be graded.
#[must_use]
pub fn criteria(summary: &Summary, thresholds: &Thresholds) -> Vec<Criterion> {
    let mut criteria = Vec::new();
    let mut add = |metric, rating| criteria.push(Criterion { metric, rating });
    let target = summary.target();
    match target.and_then(|target| target.seconds) {
        Some(seconds) => add("load_seconds", Scale::AtMost(thresholds.load_seconds).rate(seconds)),
        None if undecided(summary, thresholds).is_none() => add("load_seconds", Rating::Failed),
        None => {}
    }
    match target.filter(|target| target.seconds.is_some()) {
        Some(LoadSummary { tokens_per_second: Some(speed), .. }) => {
            add("tokens_per_second", thresholds.speed().rate(*speed));
        }
        Some(_) if summary.ended_by != EndedBy::Interrupted => add("tokens_per_second", Rating::Failed),
        _ => {}
    }
    if let Some(swapped) = summary.swapped_bytes {
        add("swapped_gb", if swapped == 0 { Rating::Excellent } else { Rating::Failed });
    }
    criteria
}

/// Why it is not known whether the target passes, where it is not: it was stopped before it had taken too long.
#[must_use]
pub fn undecided(summary: &Summary, thresholds: &Thresholds) -> Option<String> {
    let target = summary.target().filter(|target| target.left_out.is_none() && !target.is_complete())?;
    let tokens = target.tokens;
    let swapped = summary.swapped_bytes.is_some_and(|bytes| bytes > 0);
    if swapped || target.seconds.is_some() && summary.ended_by != EndedBy::Interrupted {
        return None;
    }
    match &summary.ended_by {
        EndedBy::Interrupted => Some(format!("interrupted before {tokens} tokens were loaded and answered")),
        // The limit counts the time of loading alone.
        EndedBy::Time if f64::from(summary.allowed_seconds) > thresholds.longest_seconds() => None,
        EndedBy::Time => Some(format!(
            "{tokens} tokens were not loaded within the {} s that were given ([long_context] seconds), which is too short to \
             tell whether they would within {} s{}",
            summary.allowed_seconds,
            thresholds.longest_seconds(),
            forecast(summary, target).map(|words| format!("; {words}")).unwrap_or_default()
        )),
        EndedBy::Target | EndedBy::Failed(_) => None,
    }
}

/// The worst of the [`criteria`]; absent where it is not known whether the target passes.
#[must_use]
pub fn rating(summary: &Summary, thresholds: &Thresholds) -> Option<Rating> {
    if undecided(summary, thresholds).is_some() {
        return None;
    }
    Some(
        Rating::worst(criteria(summary, thresholds).iter().map(|criterion| criterion.rating)).unwrap_or(Rating::Failed),
    )
}

/// What it is like, in plain sentences, and what the reader should know about the numbers.
#[must_use]
pub fn interpretation(summary: &Summary) -> String {
    let mut sentences: Vec<String> = summary.target().map(|target| of_target(summary, target)).into_iter().collect();
    if summary.target_tokens < summary.wanted_target_tokens {
        sentences.push(format!(
            "The model was trained for {} tokens, so {} are asked of it instead of {}.",
            summary.n_ctx_train, summary.target_tokens, summary.wanted_target_tokens
        ));
    }
    sentences.extend(largest(summary));
    sentences.extend(stopped(summary));
    sentences.extend(no_memory(summary));
    if let Some(bytes) = summary.swapped_bytes.filter(|&bytes| bytes > 0) {
        let gb = number(crate::stats::gigabytes(bytes));
        sentences.push(format!("Memory ran out: {gb} GB of the process were swapped out."));
    }
    sentences.join(" ")
}

fn of_target(summary: &Summary, target: &LoadSummary) -> String {
    let words = number((f64::from(target.tokens) * WORDS_PER_TOKEN).round());
    let tokens = format!("{} tokens (about {words} words of English)", target.tokens);
    match (target.seconds, target.tokens_per_second) {
        (Some(load), Some(speed)) => format!(
            "Loading {tokens} takes {}; answers then come with {} tokens/s, {}.",
            seconds(load),
            number(speed),
            against_reading(speed)
        ),
        (Some(load), None) => format!("Loading {tokens} takes {}, but no answer came after it.", seconds(load)),
        (None, _) => match (&target.left_out, forecast(summary, target)) {
            (Some(LeftOut::Memory(_)), _) => format!("There is no memory to load {tokens}."),
            (_, Some(forecast)) => format!("Loading {tokens} was not measured to its end; {forecast}."),
            _ => format!("Loading {tokens} was not measured to its end."),
        },
    }
}

/// What the fit says of a load that was not made, with the error of the fit.
fn forecast(summary: &Summary, load: &LoadSummary) -> Option<String> {
    let held_out = summary.trends.prefill_ns_per_token.and_then(|trend| trend.held_out);
    let error =
        held_out.map(|h| format!(", off by {} % on average where it was checked", number(h.mean_error_percent)));
    let (time, error) = (seconds(load.forecast_seconds?), error.unwrap_or_default());
    Some(format!("by the fit it would take {time} (a forecast{error})"))
}

/// The largest load, where it is more than the target.
fn largest(summary: &Summary) -> Option<String> {
    let largest = summary.largest().filter(|load| load.tokens > summary.target_tokens)?;
    let (load, speed) = (largest.seconds?, largest.tokens_per_second?);
    Some(format!(
        "The largest load was {} tokens, in {}; {} tokens/s after it.",
        largest.tokens,
        seconds(load),
        number(speed)
    ))
}

fn stopped(summary: &Summary) -> Option<String> {
    let left: Vec<&LoadSummary> =
        summary.loads.iter().filter(|load| load.left_out.is_none() && !load.is_complete()).collect();
    let why = match &summary.ended_by {
        EndedBy::Time => format!("the {} s for loading were over", summary.allowed_seconds),
        EndedBy::Interrupted => "somebody stopped the run".to_owned(),
        EndedBy::Failed(reason) => reason.clone(),
        EndedBy::Target => return None,
    };
    let others = left.iter().filter(|load| load.tokens != summary.target_tokens).filter_map(|load| {
        let (load_seconds, speed) = (load.forecast_seconds?, load.forecast_tokens_per_second);
        let speed = speed.map(|speed| format!(" and {} tokens/s after it", number(speed))).unwrap_or_default();
        Some(format!("{} tokens: {}{speed}", load.tokens, seconds(load_seconds)))
    });
    let others: Vec<String> = others.collect();
    let forecasts =
        if others.is_empty() { String::new() } else { format!(" Forecast of the fit: {}.", others.join("; ")) };
    Some(format!("It ended before {}, because {why}.{forecasts}", counted(left.len(), "load")))
}

fn no_memory(summary: &Summary) -> Option<String> {
    let mut given_up = summary.loads.iter().filter_map(|load| match &load.left_out {
        Some(LeftOut::Memory(reason)) => Some((load.tokens, reason)),
        _ => None,
    });
    let (tokens, reason) = given_up.next()?;
    let more = if given_up.next().is_some() { " and more" } else { "" };
    Some(format!("{tokens} tokens{more} do not fit: {reason}."))
}
