//! Sizes and speeds in words, for the reasons of decisions.

use super::{Evidence, Interactive, Seen};
use crate::stats::{float, gigabytes};
use crate::verdict::interpretation::number;

/// A size for people: `15.6 GB`, `470 MB`.
pub(super) fn size(bytes: u64) -> String {
    let gb = gigabytes(bytes);
    if gb >= 0.95 { format!("{gb:.1} GB") } else { format!("{:.0} MB", gb * 1e3) }
}

/// Two sizes with as many digits as tell them apart.
pub(super) fn sizes(a: u64, b: u64) -> (String, String) {
    let short = (size(a), size(b));
    if short.0 == short.1 && a != b {
        return (format!("{:.3} GB", gigabytes(a)), format!("{:.3} GB", gigabytes(b)));
    }
    short
}

/// `Q4_K_M`, `Q5_K_M and Q6_K`, `Q4_K_M, Q5_K_M and Q6_K`.
pub(super) fn list(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// First token and speed in a few words.
pub(super) fn speed(interactive: &Interactive) -> String {
    let ttft = interactive.ttft_seconds.map(first_token);
    let speed = interactive.tokens_per_second.map(|speed| format!("{} tokens/s", number(speed)));
    let known: Vec<String> = ttft.into_iter().chain(speed).collect();
    if known.is_empty() { "it gave no token".to_owned() } else { known.join(", ") }
}

/// When the first token came, with the digits that tell it from a limit.
pub(super) fn first_token(seconds: f64) -> String {
    format!("first token after {} s", number(seconds))
}

/// What is said of a cell whose chat was measured.
pub(super) fn chat(seen: &Seen) -> Option<Evidence> {
    Some(evidence(seen, speed(seen.interactive.as_ref()?)))
}

/// Something about a cell.
pub(super) fn evidence(seen: &Seen, what: String) -> Evidence {
    Evidence { model: seen.candidate.model.clone(), quant: seen.candidate.quant.clone(), what }
}

/// Billions of parameters.
pub(super) fn billions(n: u64) -> String {
    format!("{} billion parameters", number(float(n) / 1e9))
}
