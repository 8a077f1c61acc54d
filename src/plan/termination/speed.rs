//! After a measurement that was too slow: larger models at the same quantization.

use super::words::{billions, chat, first_token, size};
use super::{Candidate, Evidence, Interactive, Rule, Seen, Settings, Skip};
use crate::verdict::interpretation::number;

/// A smaller model was too slow at the same quantization.
pub(super) fn decide(settings: &Settings, seen: &[Seen], candidate: &Candidate) -> Option<Skip> {
    let slow = |seen: &&Seen| seen.candidate.quant == candidate.quant && is_slow_and_smaller(settings, seen, candidate);
    let slow: Vec<&Seen> = seen.iter().filter(slow).collect();
    let first = slow.first()?;
    let reason = format!(
        "the smaller {} is too slow at {} already: {}",
        first.candidate.model,
        candidate.quant,
        against_limits(settings, &first.interactive?)
    );
    Some(Skip::new(Rule::SmallerWasTooSlow, reason, slow.into_iter().filter_map(described).collect()))
}

/// A cell that was too slow, of a model that has less to read for each token than the candidate's.
pub(super) fn is_slow_and_smaller(settings: &Settings, seen: &Seen, candidate: &Candidate) -> bool {
    let slow = seen.interactive.is_some_and(|chat| is_too_slow(settings, &chat));
    slow && seen.candidate.model != candidate.model && is_larger(candidate, &seen.candidate)
}

/// The numbers of a cell and how much it reads for a token.
pub(super) fn described(seen: &Seen) -> Option<Evidence> {
    let mut evidence = chat(seen)?;
    let of = &seen.candidate;
    let reads = match (of.n_active_params, of.n_params) {
        (Some(active), Some(all)) if active < all => format!("{} a token", billions(active)),
        (_, Some(all)) => billions(all),
        (Some(active), None) => format!("{} a token", billions(active)),
        (None, None) => size(of.size_bytes),
    };
    evidence.what = format!("{}; {reads}", evidence.what);
    Some(evidence)
}

fn is_too_slow(settings: &Settings, chat: &Interactive) -> bool {
    let late = chat.ttft_seconds.is_some_and(|ttft| ttft > settings.max_ttft_seconds);
    late || chat.tokens_per_second.is_some_and(|speed| speed < settings.min_tokens_per_second)
}

/// Whether `a` has more to read for each token than `b`, of files of the same quantization: by the active parameters, where one's
/// are unknown by all parameters, too, and without those by the files' sizes.
fn is_larger(a: &Candidate, b: &Candidate) -> bool {
    let by_all = a.n_params.zip(b.n_params).map(|(a, b)| a > b);
    let active = |c: &Candidate| c.n_active_params.or(c.n_params);
    let by_active = active(a).zip(active(b)).map(|(a, b)| a > b);
    match (a.n_active_params.is_some() && b.n_active_params.is_some(), by_active, by_all) {
        (true, Some(larger), _) => larger,
        // unknown active parameters may be all or few: only what is larger either way is
        (_, Some(by_active), Some(by_all)) => by_active && by_all,
        _ => a.size_bytes > b.size_bytes,
    }
}

fn against_limits(settings: &Settings, chat: &Interactive) -> String {
    let ttft = chat.ttft_seconds.filter(|ttft| *ttft > settings.max_ttft_seconds);
    let ttft = ttft.map(|ttft| format!("{} (at most {} s)", first_token(ttft), settings.max_ttft_seconds));
    let speed = chat.tokens_per_second.filter(|speed| *speed < settings.min_tokens_per_second);
    let speed = speed.map(|speed| format!("{} tokens/s (at least {})", number(speed), settings.min_tokens_per_second));
    ttft.into_iter().chain(speed).collect::<Vec<_>>().join(", ")
}
