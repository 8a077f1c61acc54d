//! Before loading: what a model needs against what there is.

use super::words::{size, sizes};
use super::{Candidate, Rule, Settings, Skip};
use crate::stats::float;

/// More is needed than the smaller of free and allowed memory.
pub(super) fn decide(settings: &Settings, candidate: &Candidate) -> Option<Skip> {
    let limit = Limit::of(settings)?;
    let need_bytes = need_bytes(settings, candidate);
    if need_bytes <= limit.bytes {
        return None;
    }
    let (need, allowed) = sizes(need_bytes, limit.bytes);
    let need = match candidate.need_bytes {
        Some(_) => format!("needs {need}"),
        None => format!("needs about {need} ({} × its {} file)", settings.memory_factor, size(candidate.size_bytes)),
    };
    Some(Skip::new(Rule::NotEnoughMemory, format!("{need}, {}", limit.words(&allowed)), Vec::new()))
}

/// The exact count, or the rule of thumb where there is none.
fn need_bytes(settings: &Settings, candidate: &Candidate) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
    let about = || (float(candidate.size_bytes) * settings.memory_factor).round() as u64;
    candidate.need_bytes.unwrap_or_else(about)
}

/// The memory that a model may take.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) bytes: u64,
    is_free_memory: bool,
}

impl Limit {
    /// The smaller of what is free and what is allowed; none where neither is known.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        let free = settings.free_bytes.map(|bytes| Self { bytes, is_free_memory: true });
        let allowed = settings.max_memory_bytes.map(|bytes| Self { bytes, is_free_memory: false });
        free.into_iter().chain(allowed).min_by_key(|limit| limit.bytes)
    }

    /// The limit, given as text, in a sentence.
    pub(super) fn words(self, bytes: &str) -> String {
        if self.is_free_memory {
            format!("{bytes} are free: it would swap")
        } else {
            format!("more than the {bytes} allowed by max_memory_gb")
        }
    }
}
