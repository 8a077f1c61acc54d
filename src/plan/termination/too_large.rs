//! After a failed load: files of the same model that are no smaller.

use super::words::{evidence, size};
use super::{Candidate, Loaded, Rule, Seen, Skip};

/// A file of the same model that is no larger took too much memory or time to load. A broken file says nothing of others.
pub(super) fn decide(seen: &[Seen], candidate: &Candidate) -> Option<Skip> {
    let failed = seen.iter().filter(|seen| seen.candidate.model == candidate.model);
    let failed = failed.filter(|seen| seen.candidate.size_bytes <= candidate.size_bytes);
    let (smallest, why) = failed
        .filter_map(|seen| match &seen.loaded {
            Loaded::TooLarge(why) => Some((seen, why)),
            Loaded::Yes | Loaded::Broken(_) => None,
        })
        .min_by_key(|(seen, _)| seen.candidate.size_bytes)?;
    let of = &smallest.candidate;
    let reason = format!(
        "too large for this hardware: its {} of {} could not be loaded ({why}), and this one has {}",
        of.quant,
        size(of.size_bytes),
        size(candidate.size_bytes)
    );
    let evidence = evidence(smallest, format!("{}: {why}", size(of.size_bytes)));
    Some(Skip::new(Rule::TooLargeForHardware, reason, vec![evidence]))
}
