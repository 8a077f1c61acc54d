//! After the middle quantizations failed: those that are larger still.

use super::words::{chat, list};
use super::{Candidate, Evidence, Rule, Seen, Settings, Skip, speed};
use crate::plan::order::Level;

/// The levels that must all have failed.
const TRIED: [Level; 3] = [Level::Q4, Level::Q5, Level::Q6];

/// Q4, Q5 and Q6 of the model failed in a chat, or a smaller model was too slow at that level: Q8 and plain floats have more
/// to read for each token.
pub(super) fn decide(settings: &Settings, seen: &[Seen], candidate: &Candidate) -> Option<Skip> {
    if !matches!(Level::of(&candidate.quant), Level::Q8 | Level::Float) {
        return None;
    }
    let failures: Vec<Evidence> =
        TRIED.into_iter().map(|level| failure(settings, seen, candidate, level)).collect::<Option<_>>()?;
    let own = failures.iter().all(|evidence| evidence.model == candidate.model);
    let quants: Vec<&str> = failures.iter().map(|evidence| evidence.quant.as_str()).collect();
    let numbers: Vec<&str> = failures.iter().map(|evidence| evidence.what.as_str()).collect();
    let (quants, numbers) = (list(&quants), numbers.join("; "));
    let reason = if own {
        format!("its {quants} all failed in a chat ({numbers}): {} has more to read", candidate.quant)
    } else {
        format!("{quants} failed in a chat with it or smaller models ({numbers}): {} has more to read", candidate.quant)
    };
    Some(Skip::new(Rule::LowerQuantsFailed, reason, failures))
}

/// What failed at a level; none where nothing did, or something of this model passed.
fn failure(settings: &Settings, seen: &[Seen], candidate: &Candidate, level: Level) -> Option<Evidence> {
    let mut own = seen.iter().filter(|seen| is_chat_at(seen, &candidate.model, level)).peekable();
    if own.peek().is_some() {
        let passed = |seen: &Seen| seen.interactive.is_some_and(|chat| chat.passed);
        let own: Vec<&Seen> = own.collect();
        return if own.iter().any(|seen| passed(seen)) { None } else { chat(own.first()?) };
    }
    let smaller = |seen: &&Seen| {
        Level::of(&seen.candidate.quant) == level && speed::is_slow_and_smaller(settings, seen, candidate)
    };
    speed::described(seen.iter().find(smaller)?)
}

/// A cell of that model and level whose chat was tried.
pub(super) fn is_chat_at(seen: &Seen, model: &str, level: Level) -> bool {
    seen.candidate.model == model && Level::of(&seen.candidate.quant) == level && seen.interactive.is_some()
}
