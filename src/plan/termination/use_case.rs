//! Which use cases run on a cell that is run at all.

use super::lower_quants::is_chat_at;
use super::words::{chat, list, speed};
use super::{Candidate, Evidence, Rule, Seen, Skip};
use crate::plan::order::Level;

/// What a model could be used for; a profile measures each. Batch, soak and stress are not measured yet: the rules are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UseCase {
    /// A chat with one person.
    Interactive,
    /// Loading long texts.
    LongContext,
    /// Many requests that nobody waits for.
    Batch,
    /// How good the answers are.
    Quality,
    /// A chat for hours.
    Soak,
    /// At the machine's limits.
    Stress,
}

/// Why a use case is left out on a cell.
pub(super) fn decide(seen: &[Seen], candidate: &Candidate, case: UseCase) -> Option<Skip> {
    match case {
        // what nobody waits for is of use however slow a chat is
        UseCase::LongContext | UseCase::Batch | UseCase::Quality => None,
        UseCase::Interactive => no_chat(seen, candidate),
        UseCase::Soak | UseCase::Stress => failed_chat(seen, candidate).or_else(|| no_chat(seen, candidate)),
    }
}

/// The smallest quantizations of the model both failed in a chat and none passed: a larger one has more to read.
fn no_chat(seen: &[Seen], candidate: &Candidate) -> Option<Skip> {
    let level = Level::of(&candidate.quant);
    if matches!(level, Level::Q2 | Level::Q3 | Level::Unknown) {
        return None;
    }
    let mut own = seen.iter().filter(|seen| seen.candidate.model == candidate.model);
    if own.any(|seen| seen.interactive.is_some_and(|chat| chat.passed)) {
        return None;
    }
    let at = |level| seen.iter().find(|seen| is_chat_at(seen, &candidate.model, level)).and_then(chat);
    let evidence: Vec<Evidence> = [at(Level::Q2), at(Level::Q3)].into_iter().collect::<Option<_>>()?;
    let quants: Vec<&str> = evidence.iter().map(|evidence| evidence.quant.as_str()).collect();
    let numbers: Vec<&str> = evidence.iter().map(|evidence| evidence.what.as_str()).collect();
    let reason = format!("its {} failed in a chat already ({})", list(&quants), numbers.join("; "));
    Some(Skip::new(Rule::LowerQuantsFailed, reason, evidence))
}

/// The cell's own chat failed.
fn failed_chat(seen: &[Seen], candidate: &Candidate) -> Option<Skip> {
    let own = |seen: &&Seen| seen.candidate.model == candidate.model && seen.candidate.quant == candidate.quant;
    let failed = seen.iter().find(own)?;
    let numbers = failed.interactive.filter(|chat| !chat.passed)?;
    let reason = format!("it failed in a chat: {}", speed(&numbers));
    Some(Skip::new(Rule::LowerQuantsFailed, reason, chat(failed).into_iter().collect()))
}
