//! After the middle quantizations failed: those that are larger still.

use super::speed::{described, is_slow_and_smaller};
use super::words::{list, speed};
use super::{Candidate, Rule, Seen, Settings, Skip};
use crate::plan::order::Level;

/// The levels that must all have failed.
const TRIED: [Level; 3] = [Level::Q4, Level::Q5, Level::Q6];

/// Q4, Q5 and Q6 of the model failed in a chat, or a smaller model was too slow at that level: Q8 and plain floats have more
/// to read for each token.
pub(super) fn decide(settings: &Settings, seen: &[Seen], candidate: &Candidate) -> Option<Skip> {
    if !matches!(Level::of(&candidate.quant), Level::Q8 | Level::Float) {
        return None;
    }
    let failed: Vec<&Seen> =
        TRIED.into_iter().map(|level| failure(settings, seen, candidate, level)).collect::<Option<_>>()?;
    let own = failed.iter().all(|seen| seen.candidate.model == candidate.model);
    let quants: Vec<&str> = failed.iter().map(|seen| seen.candidate.quant.as_str()).collect();
    let numbers = |seen: &&Seen| {
        let numbers = seen.interactive.as_ref().map(speed).unwrap_or_default();
        if own { numbers } else { format!("{} with {numbers}", seen.candidate.model) }
    };
    let numbers = failed.iter().map(numbers).collect::<Vec<_>>().join("; ");
    let (quants, quant) = (list(&quants), &candidate.quant);
    let reason = if own {
        format!("its {quants} all failed in a chat ({numbers}): {quant} has more to read")
    } else {
        format!("at {quants} it or a smaller model failed in a chat ({numbers}): {quant} has more to read")
    };
    Some(Skip::new(Rule::LowerQuantsFailed, reason, failed.into_iter().filter_map(described).collect()))
}

/// What failed at a level; none where nothing did, or something of this model passed.
fn failure<'s>(settings: &Settings, seen: &'s [Seen], candidate: &Candidate, level: Level) -> Option<&'s Seen> {
    let own: Vec<&Seen> = seen.iter().filter(|seen| is_chat_at(seen, &candidate.model, level)).collect();
    let passed = |seen: &&Seen| seen.interactive.is_some_and(|chat| chat.passed);
    if !own.is_empty() {
        return if own.iter().any(passed) { None } else { own.first().copied() };
    }
    let smaller =
        |seen: &&Seen| Level::of(&seen.candidate.quant) == level && is_slow_and_smaller(settings, seen, candidate);
    seen.iter().find(smaller)
}

/// A cell of that model and level whose chat was tried.
pub(super) fn is_chat_at(seen: &Seen, model: &str, level: Level) -> bool {
    seen.candidate.model == model && Level::of(&seen.candidate.quant) == level && seen.interactive.is_some()
}
