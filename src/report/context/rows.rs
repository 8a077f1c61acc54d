//! The tables of a context report: one column for each type of the KV cache. Terminal and page lay out the same rows.

use super::text::{EMPTY, gb, gb_with_unit, kb, tokens};
use super::view::{ContextReport, SweepReport, Usable};
use crate::probe::context_limit::found::{FailureKind, LimitedBy};
use crate::probe::context_limit::task::Proof;

/// A table: a title for its first column, and rows.
pub(super) struct Group {
    /// What the rows have in common, with their unit.
    pub(super) title: &'static str,
    /// Those in which something is known.
    pub(super) rows: Vec<Row>,
}

/// A row: one value for each sweep.
pub(super) struct Row {
    /// What it is.
    pub(super) label: String,
    /// The same in a sentence, for those who see it for the first time.
    pub(super) hint: String,
    /// The row that people came for.
    pub(super) is_headline: bool,
    /// In the order of the sweeps.
    pub(super) values: Vec<String>,
}

/// All tables that have something to show.
pub(super) fn groups(report: &ContextReport) -> Vec<Group> {
    let groups = [
        Group { title: "Context in tokens", rows: limits(report) },
        Group { title: "Memory it takes in GB", rows: memory(report) },
        Group { title: "KV cache a token in KB", rows: per_token(report) },
        Group { title: "Prompt tokens answered in", rows: times(report) },
        Group { title: "Context in tokens with", rows: budgets(report) },
    ];
    let mut groups: Vec<Group> = groups.into();
    for group in &mut groups {
        group.rows.retain(|row| row.values.iter().any(|value| value != EMPTY));
    }
    groups.retain(|group| !group.rows.is_empty());
    groups
}

fn row(report: &ContextReport, label: &str, hint: &str, value: impl Fn(&SweepReport) -> Option<String>) -> Row {
    let values = report.sweeps.iter().map(|sweep| value(sweep).unwrap_or_else(|| EMPTY.to_owned())).collect();
    Row { label: label.to_owned(), hint: hint.to_owned(), is_headline: false, values }
}

/// Tokens; 0 in a word.
fn context(n: u32) -> String {
    if n == 0 { "none fits".to_owned() } else { tokens(n) }
}

fn limits(report: &ContextReport) -> Vec<Row> {
    let row = |label, hint, value: fn(&SweepReport) -> Option<String>| row(report, label, hint, value);
    let safe = row("Safe context (80 %)", "What to plan with: 80 % of the largest context, in whole steps", |s| {
        s.safe_context.map(tokens)
    });
    vec![
        row("Largest, predicted", "Largest context that fits by llama.cpp's own count of its buffers", |s| {
            s.predicted_max_context.map(context)
        }),
        row("Largest, proved", "Largest context that was really made within the budget", |s| {
            s.proved_max_context.map(|n| if s.unfinished.is_some() { format!("≥ {}", tokens(n)) } else { context(n) })
        }),
        row("Proved less predicted", "How far the prediction was off", |s| s.prediction_error_tokens.map(signed)),
        row("Proof", "How the proved context was tried", |s| {
            Some(proof(s.proof).to_owned()).filter(|_| s.proved_max_context.is_some_and(|n| n > 0))
        }),
        row("Does not fit", "The smallest context that was tried and failed", |s| s.failed_at.map(tokens)),
        row("How it fails", "What happened when it was tried", |s| s.failure.map(|kind| failure(kind).to_owned())),
        Row { is_headline: true, ..safe },
        row("Trained for", "Context that the model was trained for; beyond it answers mostly get worse", |s| {
            s.n_ctx_train.map(tokens)
        }),
        row("Recommended", "Context that commands and trims below are of, where it is not the safe one", |s| {
            s.recommended_context.filter(|recommended| s.safe_context != Some(*recommended)).map(tokens)
        }),
        row("Trim conversation above", "A conversation of more tokens is trimmed before its next request", |s| {
            s.trim_threshold.map(tokens)
        }),
        row("Trim it to", "What a trim leaves", |s| s.trim_to.map(tokens)),
        row("Requests between trims", "So many requests fit until the next trim", |s| {
            s.trim_interval.map(|n| n.to_string())
        }),
    ]
}

fn signed(tokens: i64) -> String {
    if tokens == 0 { "0".to_owned() } else { format!("{tokens:+}") }
}

/// In a word for a narrow column.
fn proof(proof: Proof) -> &'static str {
    match proof {
        Proof::Alloc => "allocated",
        Proof::Fill => "filled",
        Proof::None => EMPTY,
    }
}

/// In a word for a narrow column.
fn failure(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Refused => "refused",
        FailureKind::DecodeFailed => "decode failed",
        FailureKind::WorkerDied => "process died",
        FailureKind::Stalled => "stalled",
        FailureKind::Swapped => "swapped",
    }
}

fn memory(report: &ContextReport) -> Vec<Row> {
    let row = |label, hint, value: fn(&SweepReport) -> Option<u64>| {
        row(report, label, hint, |s| value(s).filter(|bytes| *bytes > 0).map(gb))
    };
    let all = row("All together", "Everything that the process takes with this context", |s| s.memory_bytes);
    let mut rows = vec![
        self::row(report, "With a context of", "Tokens of the context that the rows below are of: the largest", |s| {
            s.memory_at_context.map(|n| format!("{} tok.", tokens(n)))
        }),
        row("Weights", "The model's tensors, once", |s| s.weights_bytes),
        row(
            "Repacked copies",
            "Copies of weights in the order that this CPU computes fastest, beside the mapped file",
            |s| s.repacked_bytes,
        ),
        row("KV cache", "Keys and values of all tokens, recurrent state", |s| s.kv_bytes),
        row("Compute buffers", "Scratch space of the computation", |s| s.compute_bytes),
        row("Program", "Program, vocabulary, threads' stacks, records of the cache's cells", |s| s.program_bytes),
        Row { is_headline: true, ..all },
    ];
    for device in &report.budget.devices {
        let hint = "The part of it that lies on this GPU";
        rows.push(self::row(report, &format!("Of it on {}", device.name), hint, |s| {
            let bytes = s.usage_at_largest()?.of_place(&device.name)?.total_bytes();
            Some(gb(bytes))
        }));
    }
    rows
}

fn per_token(report: &ContextReport) -> Vec<Row> {
    let row = |label, hint, value: fn(&SweepReport) -> Option<f64>| row(report, label, hint, |s| value(s).map(kb));
    vec![
        row("Counted by llama.cpp", "What one token more takes of the allocated cache, exact", |s| {
            s.kv_bytes_per_token
        }),
        row("Measured", "Slope of the bytes in use while a context was filled", |s| s.kv_bytes_per_token_measured),
        row("By the formula", "2 · layers · KV heads · head size · bytes of the type: plain attention only", |s| {
            s.kv_bytes_per_token_formula
        }),
    ]
}

fn times(report: &ContextReport) -> Vec<Row> {
    let mut seconds: Vec<f64> =
        report.sweeps.iter().flat_map(|sweep| &sweep.usable_context).map(|usable| usable.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    seconds.dedup();
    let value = |seconds: f64| {
        move |sweep: &SweepReport| {
            sweep.usable_context.iter().find(|u| u.seconds.total_cmp(&seconds).is_eq()).map(usable)
        }
    };
    let hint = "The largest prompt, from an empty cache, whose first token comes within this time";
    seconds.into_iter().map(|s| row(report, &format!("{s:.0} s"), hint, value(s))).collect()
}

/// `≈` marks a forecast; where memory ends first, the context is the answer.
fn usable(usable: &Usable) -> String {
    let mark = if usable.is_forecast { "≈ " } else { "" };
    if usable.limited_by_memory {
        format!("all {mark}{}", tokens(usable.tokens))
    } else {
        format!("{mark}{}", tokens(usable.tokens))
    }
}

fn budgets(report: &ContextReport) -> Vec<Row> {
    let mut budgets: Vec<u64> =
        report.sweeps.iter().flat_map(|sweep| &sweep.other_budgets).map(|budget| budget.budget_bytes).collect();
    budgets.sort_unstable();
    budgets.dedup();
    let value = |bytes: u64| {
        move |s: &SweepReport| {
            let of_it = s.other_budgets.iter().find(|budget| budget.budget_bytes == bytes)?;
            // the search went no further
            let at_least = if of_it.limited_by == LimitedBy::Ceiling { "≥ " } else { "" };
            Some(format!("{at_least}{}", context(of_it.max_context)))
        }
    };
    let hint = "Largest context by llama.cpp's count if model and context might take so much";
    budgets.into_iter().map(|bytes| row(report, &gb_with_unit(bytes), hint, value(bytes))).collect()
}
