//! What the cells that ended say to those that follow: outcomes become the facts that [`crate::plan::termination`] decides by.

use super::Entry;
use super::outcome::{Outcome, ProfileOutcome, Status};
use crate::plan::config::Thresholds;
use crate::plan::termination::{Candidate, Interactive, Loaded, Seen};
use crate::profiles::{ProfileName, Samples, interactive};
use crate::worker::exit::Exit;

/// A cell as a decision sees it beforehand.
#[must_use]
pub fn candidate(entry: &Entry) -> Candidate {
    let cell = &entry.planned.cell;
    Candidate {
        model: cell.model.clone(),
        quant: cell.quant.clone(),
        size_bytes: cell.size_bytes,
        n_params: entry.n_params,
        n_active_params: entry.n_active_params,
        need_bytes: entry.need.map(|need| need.total_bytes()),
    }
}

/// A cell as a decision sees it afterwards.
#[must_use]
pub fn seen(entry: &Entry, outcome: &Outcome, thresholds: &Thresholds) -> Seen {
    let candidate = Candidate { size_bytes: outcome.cell.size_bytes, ..candidate(entry) };
    Seen {
        candidate,
        loaded: loaded(outcome),
        interactive: outcome
            .profiles
            .iter()
            .find(|p| p.profile == ProfileName::Interactive)
            .and_then(|profile| interactive(profile, thresholds)),
        memory_bytes: outcome.memory.as_ref().map(crate::engine::MemoryBreakdown::total_bytes),
    }
}

/// What went wrong with a cell that has nothing to do with its size; none where it was measured or is too large.
#[must_use]
pub fn trouble(seen: &Seen, outcome: &Outcome) -> Option<String> {
    let wants = |p: &ProfileOutcome| matches!(p.exit, Some(Exit::OutOfMemory | Exit::Timeout));
    let is_too_large = matches!(seen.loaded, Loaded::TooLarge(_)) || outcome.profiles.iter().any(wants);
    (outcome.status == Status::Failed && !is_too_large)
        .then(|| outcome.reason.clone().unwrap_or_else(|| "no reason was given".to_owned()))
}

fn loaded(outcome: &Outcome) -> Loaded {
    if outcome.model.is_some() {
        return Loaded::Yes;
    }
    let reason = || outcome.reason.clone().unwrap_or_default();
    let is_large = |p: &ProfileOutcome| matches!(p.exit, Some(Exit::OutOfMemory | Exit::Timeout));
    if outcome.profiles.iter().any(is_large) { Loaded::TooLarge(reason()) } else { Loaded::Broken(reason()) }
}

/// Speeds of a chat; a profile that was not measured says nothing.
fn interactive(profile: &ProfileOutcome, thresholds: &Thresholds) -> Option<Interactive> {
    let Some(Samples::Interactive(samples)) = &profile.samples else { return None };
    let summary = interactive::summarize(samples);
    Some(Interactive {
        ttft_seconds: summary.ttft_seconds.map(|ttft| ttft.median),
        tokens_per_second: summary.tokens_per_second.map(|speed| speed.median),
        passed: interactive::rating(&summary, &thresholds.interactive).passes(),
    })
}
