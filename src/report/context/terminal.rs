//! A context report on the terminal: tables with one column for each type of the KV cache, what they mean, and the command that
//! starts a server with what was found.

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};

use super::emit;
use super::rows::{self, Group, Row};
use super::view::ContextReport;
use super::words;
use crate::report::terminal::{Look, fold, wrapped};
use crate::report::view::printable;

/// What a cell takes beside its text: a blank on each side and a line.
const CELL_FRAME: usize = 3;

/// The whole text, ending with a newline.
#[must_use]
pub fn render(report: &ContextReport, look: Look) -> String {
    let mut parts = vec![format!("{}\n", fold(&words::title(report), look.width, ""))];
    let groups = rows::groups(report);
    for columns in chunks(report, &groups, look.width) {
        parts.extend(groups.iter().map(|group| format!("\n{}\n", table(report, group, &columns, &groups, look))));
    }
    if groups.iter().flat_map(|group| &group.rows).flat_map(|row| &row.values).any(|value| value.contains('≈')) {
        parts.push("≈ a forecast: beyond what was measured\n".to_owned());
    }
    for (title, lines) in [("What it means", words::meaning(report)), ("Notes", words::notes(report))] {
        if !lines.is_empty() {
            parts.push(format!("\n{title}:\n"));
            parts.extend(lines.iter().map(|line| wrapped(line, look.width)));
        }
    }
    if let Ok(sweep) = report.choice(None) {
        // on a line of its own, unbroken, to be copied
        let command = printable(&emit::llama_server::command(report, sweep));
        parts.push(format!("\n{}\n\n    {command}\n", fold(&words::start(sweep), look.width, "")));
    }
    parts.concat()
}

/// As many types beside each other as fit.
fn chunks(report: &ContextReport, groups: &[Group], width: u16) -> Vec<Vec<usize>> {
    let all: Vec<usize> = (0..report.sweeps.len()).collect();
    let label = label_width(groups);
    let fits = |n: usize| {
        let columns = all
            .chunks(n)
            .map(|columns| columns.iter().map(|c| value_width(report, groups, *c) + CELL_FRAME).sum::<usize>());
        columns.max().unwrap_or(0) + label + CELL_FRAME < usize::from(width)
    };
    let n = (1..=all.len()).rev().find(|n| fits(*n)).unwrap_or(1);
    all.chunks(n).map(<[usize]>::to_vec).collect()
}

fn label_width(groups: &[Group]) -> usize {
    let titles = groups.iter().map(|group| group.title.chars().count());
    titles.chain(groups.iter().flat_map(|group| &group.rows).map(|row| row.label.chars().count())).max().unwrap_or(0)
}

fn value_width(report: &ContextReport, groups: &[Group], column: usize) -> usize {
    let values = groups.iter().flat_map(|group| &group.rows).map(|row| row.values[column].chars().count());
    values.chain([report.sweeps[column].kv_type.chars().count()]).max().unwrap_or(0)
}

fn table(report: &ContextReport, group: &Group, columns: &[usize], groups: &[Group], look: Look) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    if look.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let styled = |cell: Cell, bold: bool| if look.colour && bold { cell.add_attribute(Attribute::Bold) } else { cell };
    // all tables are as wide as the widest, so that their columns stand below each other
    let left = |text: &str| format!("{text:<width$}", width = label_width(groups));
    let right = |text: &str, column: usize| format!("{text:>width$}", width = value_width(report, groups, column));
    let names = columns.iter().map(|column| styled(Cell::new(right(&report.sweeps[*column].kv_type, *column)), true));
    table.set_header([styled(Cell::new(left(group.title)), true)].into_iter().chain(names));
    for Row { label, is_headline, values, .. } in &group.rows {
        let value = |column: &usize| Cell::new(right(&values[*column], *column)).set_alignment(CellAlignment::Right);
        let values = columns.iter().map(|column| styled(value(column), *is_headline));
        table.add_row([styled(Cell::new(left(label)), *is_headline)].into_iter().chain(values));
    }
    table.trim_fmt()
}
