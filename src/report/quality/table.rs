//! Tables of the quality profile in Markdown: right answers by category, what changed against the best quantization, and the
//! divergence. The same for the same samples, so that a second run of a command prints the same.

use std::fmt::Write;

use super::QualityView;
use crate::profiles::divergence::kld_difference;
use crate::report::cell::CellView;
use crate::report::markdown::inline;
use crate::stats::{Pairs, Share};
use crate::verdict::interpretation::number;
use crate::verdict::quality::signed;

const EMPTY: &str = "–";

/// All tables that have something to show, each after an empty line; empty where nothing was measured.
#[must_use]
pub fn render(cells: &[CellView]) -> String {
    let measured: Vec<(&CellView, &QualityView)> =
        cells.iter().filter_map(|cell| Some((cell, cell.quality()?.1))).collect();
    [answers(&measured), changes(&measured), divergence(&measured), steps(&measured)].concat()
}

type Row<'v> = (&'v CellView, &'v QualityView);

/// The names of all categories, in the order they first appear in.
fn categories(rows: &[Row<'_>]) -> Vec<String> {
    let mut names = Vec::new();
    for summary in rows.iter().filter_map(|(_, view)| view.summary.as_ref()) {
        for category in &summary.categories {
            if !names.contains(&category.category.to_string()) {
                names.push(category.category.to_string());
            }
        }
    }
    names
}

fn answers(rows: &[Row<'_>]) -> String {
    let names = categories(rows);
    if names.is_empty() {
        return String::new();
    }
    let mut out = String::from("\nRight answers in percent, with Wilson's 95 % interval:\n\n");
    head(&mut out, &["Model"], &names, &["all"]);
    for (cell, view) in rows {
        let Some(summary) = &view.summary else { continue };
        let of = |name: &String| {
            let found = summary.categories.iter().find(|c| c.category.as_str() == name);
            found.map_or_else(|| EMPTY.to_owned(), |c| share(c.correct))
        };
        let cells: Vec<String> = names.iter().map(of).chain([share(summary.correct)]).collect();
        row(&mut out, cell, &cells);
    }
    let _ = writeln!(out, "\n{}", thresholds(rows, &names));
    out
}

/// How many prompts were scored, and what they are to reach.
fn thresholds(rows: &[Row<'_>], names: &[String]) -> String {
    let categories = || rows.iter().filter_map(|(_, view)| view.summary.as_ref()).flat_map(|s| &s.categories);
    let threshold = |name: &String| {
        let found = categories().find(|c| c.category.as_str() == name)?;
        Some(format!("{name} {} %", number(found.threshold_percent?)))
    };
    let listed: Vec<String> = names.iter().filter_map(threshold).collect();
    let scored = categories().map(|c| (c.category.as_str(), c.correct.n));
    let mut prompts: Vec<String> = Vec::new();
    for name in names {
        let most = scored.clone().filter(|(category, _)| category == name).map(|(_, n)| n).max().unwrap_or(0);
        prompts.push(format!("{name} {most}"));
    }
    let prompts = format!("Prompts scored: {}.", prompts.join(", "));
    if listed.is_empty() { prompts } else { format!("{prompts} Thresholds: {}.", listed.join(", ")) }
}

fn changes(rows: &[Row<'_>]) -> String {
    let Some(first) = rows.iter().find_map(|(_, view)| view.comparison.as_ref()) else { return String::new() };
    let names = categories(rows);
    let same = rows.iter().filter_map(|(_, v)| v.comparison.as_ref()).all(|c| c.reference == first.reference);
    let against = if same { format!(" against {}", inline(&first.reference)) } else { String::new() };
    let mut out = format!(
        "\nChange{against} in percentage points, paired by prompt, with Newcombe's 95 % interval (p: McNemar's exact test):\n\n"
    );
    head(&mut out, &["Model"], &names, &["all", "p", "kept", "verdict"]);
    for (cell, view) in rows {
        let Some(comparison) = &view.comparison else { continue };
        let of = |name: &String| {
            let found = comparison.categories.iter().find(|change| change.category == *name);
            found.map_or_else(|| EMPTY.to_owned(), |change| self::change(&change.pairs))
        };
        let all = &comparison.all;
        let kept =
            crate::verdict::quality::kept(all).map_or_else(|| EMPTY.to_owned(), |k| format!("{:.1} %", 100.0 * k));
        let standing = comparison.standing().map_or(EMPTY, crate::verdict::quality::Standing::name);
        let ends = [change(all), p_value(all), kept, standing.to_owned()];
        row(&mut out, cell, &names.iter().map(of).chain(ends).collect::<Vec<_>>());
    }
    out
}

fn divergence(rows: &[Row<'_>]) -> String {
    if rows.iter().all(|(_, view)| view.divergence.is_none()) {
        return String::new();
    }
    let mut out = String::from("\nDivergence of the predictions from the reference's, ± standard error:\n\n");
    let names = ["reference", "mean KLD", "99 %", "max", "same top token %", "perplexity", "of reference", "tokens"];
    head(&mut out, &["Model"], &names.map(str::to_owned), &[]);
    for (cell, view) in rows {
        let (Some(summary), Some(samples)) = (&view.divergence, &view.samples.divergence) else { continue };
        row(
            &mut out,
            cell,
            &[
                samples.reference.as_deref().map_or_else(|| "the same weights".to_owned(), inline),
                super::kld(summary),
                number(summary.kld_percentiles.p99),
                number(summary.kld_max),
                format!("{:.2}", summary.same_top_percent.value),
                format!("{:.4}", summary.perplexity.value),
                format!("{:.4}", summary.perplexity_reference.value),
                summary.tokens.to_string(),
            ],
        );
    }
    let tokens: Vec<u64> = rows.iter().filter_map(|(_, view)| Some(view.divergence.as_ref()?.tokens)).collect();
    if tokens.iter().any(|n| n != &tokens[0]) {
        out.push_str(
            "\nReading ended where a mean was sure enough: perplexities of rows with other numbers of tokens are of other text.\n",
        );
    }
    out
}

/// What each step down of a model's ladder adds to the divergence: paired by chunk, so that steps differ surely whose means by
/// themselves do not.
fn steps(rows: &[Row<'_>]) -> String {
    let mut ladder: Vec<_> = rows.iter().filter(|(_, view)| has_other_reference(view)).collect();
    ladder.sort_by_key(|(cell, _)| std::cmp::Reverse(cell.cell.size_bytes));
    let mut out = String::new();
    for (place, (lower, view)) in ladder.iter().enumerate() {
        let Some((upper, above)) = ladder[..place].iter().rfind(|(cell, _)| cell.cell.model == lower.cell.model) else {
            continue;
        };
        let Some(step) = view.samples.divergence.as_ref().zip(above.samples.divergence.as_ref()) else { continue };
        let Some(difference) = kld_difference(step.0, step.1) else { continue };
        let interval = difference
            .interval
            .map_or_else(|| EMPTY.to_owned(), |i| format!("{} to {}", signed_digits(i.low), signed_digits(i.high)));
        let values = [inline(&upper.cell.quant), signed_digits(difference.value), interval];
        row(&mut out, lower, &values);
    }
    if out.is_empty() {
        return out;
    }
    let mut table = String::from(
        "\nWhat each step down adds to the mean KLD, paired by chunk, with a bootstrap's 95 % interval:\n\n",
    );
    head(&mut table, &["Model"], &["step from", "more KLD", "95 % interval"].map(str::to_owned), &[]);
    table + &out
}

/// Whether it was compared with another file: KV caches compared on the same weights are no steps of a ladder.
fn has_other_reference(view: &QualityView) -> bool {
    view.samples.divergence.as_ref().is_some_and(|samples| samples.reference.is_some())
}

/// `+0.000123`: three digits that count.
fn signed_digits(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    format!("{sign}{}", number(value.abs()))
}

fn head(out: &mut String, first: &[&str], names: &[String], last: &[&str]) {
    let all = || first.iter().copied().chain(names.iter().map(String::as_str)).chain(last.iter().copied());
    let _ = writeln!(out, "| {} |", all().collect::<Vec<_>>().join(" | "));
    let rules: Vec<&str> = all().enumerate().map(|(place, _)| if place == 0 { "---" } else { "--:" }).collect();
    let _ = writeln!(out, "|{}|", rules.join("|"));
}

fn row(out: &mut String, cell: &CellView, values: &[String]) {
    let (model, quant) = (inline(&cell.cell.model), inline(&cell.cell.quant));
    let _ = writeln!(out, "| {model} {quant} | {} |", values.join(" | "));
}

/// `82.5 (76.3–87.4)`
fn share(share: Share) -> String {
    match (share.percent(), share.interval_percent()) {
        (Some(percent), Some(i)) => format!("{percent:.1} ({:.1}–{:.1})", i.low, i.high),
        _ => EMPTY.to_owned(),
    }
}

/// `−2.5 (−7.1 to +2.0)`
pub(super) fn change(pairs: &Pairs) -> String {
    match (pairs.difference(), pairs.interval()) {
        (Some(difference), Some(i)) => {
            format!("{} ({} to {})", signed(100.0 * difference), signed(100.0 * i.low), signed(100.0 * i.high))
        }
        _ => EMPTY.to_owned(),
    }
}

fn p_value(pairs: &Pairs) -> String {
    match pairs.p_value() {
        p if p < 0.001 => "< 0.001".to_owned(),
        p => format!("{p:.3}"),
    }
}
