//! Which configuration a stress test takes.

use crate::verdict::Rating;

/// The share of the allowed memory that a stress test wants left over.
const LEFT_OVER_SHARE: u64 = 10;

/// A cell that was run, in run order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    /// The model's name.
    pub model: String,
    /// The quantization's short name.
    pub quant: String,
    /// The grade of its interactive profile; none: it has none.
    pub rating: Option<Rating>,
    /// Bytes that it took.
    pub memory_bytes: Option<u64>,
}

/// What a stress test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StressChoice {
    /// The place in what [`stress_choice`] was given.
    pub place: usize,
    /// It is the next to last, because the last leaves too little memory.
    pub is_next_to_last: bool,
}

/// The last cell, in run order, whose rating is acceptable or better; the next to last of those where the last leaves less than
/// a tenth of the allowed bytes and the next to last leaves more. Never one that failed.
#[must_use]
pub fn stress_choice(cells: &[Passing], allowed_bytes: Option<u64>) -> Option<StressChoice> {
    let usable = |(_, cell): &(usize, &Passing)| cell.rating >= Some(Rating::Acceptable);
    let mut usable = cells.iter().enumerate().rev().filter(usable);
    let (last_place, last) = usable.next()?;
    let is_tight = |bytes: u64| allowed_bytes.is_some_and(|allowed| bytes > allowed - allowed / LEFT_OVER_SHARE);
    if let (Some(taken), Some((place, before))) = (last.memory_bytes.filter(|&bytes| is_tight(bytes)), usable.next())
        && before.memory_bytes.is_none_or(|bytes| bytes < taken)
    {
        return Some(StressChoice { place, is_next_to_last: true });
    }
    Some(StressChoice { place: last_place, is_next_to_last: false })
}
