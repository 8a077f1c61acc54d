//! The table on the terminal, and what has to be said below it. Columns that do not fit are dropped, the least important
//! first, rather than broken into pieces.

use std::io::IsTerminal;

use comfy_table::{Attribute, Cell as TableCell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::cell::{CellView, ProfileStatus, ProfileView};
use super::view::{View, printable};
use crate::lab::outcome::Status;
use crate::profiles::ProfileName::{Interactive, LongContext, Quality};
use crate::verdict::Rating;
use crate::verdict::interpretation::number;
use crate::verdict::recommendation::Mark;

/// Width where there is no terminal: a file or a pipe does not break lines.
const WIDTH_WITHOUT_TERMINAL: u16 = 120;
const EMPTY: &str = "–";
/// The columns of the quality profile; only where some cell has something in them.
const RIGHT_ANSWERS: &str = "Right % (95 %)";
const DIVERGENCE: &str = "KLD";
/// The column of the long-context profile; only where some cell has something in it.
const LOAD: &str = "Load s @ tokens";

/// How the output looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub width: u16,
    /// Colours are understood and wanted.
    pub colour: bool,
}

impl Look {
    /// What suits stdout: colours only on a terminal, and not where `NO_COLOR` is set (<https://no-color.org>).
    #[must_use]
    pub fn of_stdout() -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            width: Table::new().width().unwrap_or(WIDTH_WITHOUT_TERMINAL),
            colour: std::io::stdout().is_terminal() && !no_colour,
        }
    }
}

impl Look {
    /// What suits stderr, without colours.
    #[must_use]
    pub fn of_stderr() -> Self {
        Self { width: Table::new().width().unwrap_or(WIDTH_WITHOUT_TERMINAL), colour: false }
    }
}

struct Column {
    name: &'static str,
    value: fn(&CellView) -> String,
    alignment: CellAlignment,
    /// Columns with a greater number are dropped first; 0 is never dropped.
    expendable: u8,
}

const COLUMNS: &[Column] = &[
    Column { name: "Model", value: |c| c.cell.model.clone(), alignment: CellAlignment::Left, expendable: 0 },
    Column { name: "Quant", value: |c| c.cell.quant.clone(), alignment: CellAlignment::Left, expendable: 0 },
    Column { name: "Size GB", value: |c| size(Some(c.size_gb())), alignment: CellAlignment::Right, expendable: 2 },
    Column { name: "Mem GB", value: |c| size(c.memory_gb()), alignment: CellAlignment::Right, expendable: 0 },
    Column { name: "TTFT s", value: |c| metric(c, "ttft_seconds"), alignment: CellAlignment::Right, expendable: 0 },
    Column { name: "tok/s", value: |c| metric(c, "tokens_per_second"), alignment: CellAlignment::Right, expendable: 0 },
    Column { name: "ITL p50/p95/max ms", value: latencies, alignment: CellAlignment::Right, expendable: 3 },
    Column { name: "Var. %", value: |c| metric(c, "variance_percent"), alignment: CellAlignment::Right, expendable: 4 },
    Column { name: LOAD, value: super::long_context::short, alignment: CellAlignment::Right, expendable: 1 },
    Column { name: RIGHT_ANSWERS, value: right_answers, alignment: CellAlignment::Right, expendable: 0 },
    Column { name: DIVERGENCE, value: divergence, alignment: CellAlignment::Right, expendable: 1 },
    Column { name: "Rating", value: rating, alignment: CellAlignment::Left, expendable: 0 },
];

/// Table, failures, notes and the command to start, ending with a newline.
#[must_use]
pub fn render(view: &View, look: Look) -> String {
    let mut parts = vec![format!("{}\n", table(view, look))];
    let sections = [
        ("Not measured", failures(view)),
        ("Not tried", super::decisions::lines(&view.cells)),
        ("Advice", advice(view)),
        ("Notes", notes(view)),
    ];
    for (title, lines) in sections {
        if !lines.is_empty() {
            parts.push(format!("\n{title}:\n"));
            parts.extend(lines.iter().map(|line| wrapped(line, look.width)));
        }
    }
    if let Some(best) = &view.overall {
        let start = format!("Start with {} {}: {}.", best.model, best.quant, best.reason);
        parts.push(format!("\n{}\n", fold(&start, look.width, "")));
        // On a line of its own, unbroken, to be copied.
        parts.push(format!("\n    {}\n", printable(&best.command)));
    }
    parts.concat()
}

/// The widest table that fits; where even the narrowest does not, its cells are broken.
fn table(view: &View, look: Look) -> String {
    let fits = |table: &str| table.lines().all(|line| line.chars().count() <= usize::from(look.width));
    let shown: Vec<&Column> = COLUMNS.iter().filter(|column| is_used(view, column)).collect();
    for expendable in (0..=4).rev() {
        let columns: Vec<&Column> = shown.iter().copied().filter(|column| column.expendable <= expendable).collect();
        if fits(&lay_out(view, &columns, false, None)) {
            return lay_out(view, &columns, look.colour, None);
        }
    }
    let columns: Vec<&Column> = shown.into_iter().filter(|column| column.expendable == 0).collect();
    lay_out(view, &columns, look.colour, Some(look.width))
}

/// Most columns always are; those of a profile that no cell has would only take room.
fn is_used(view: &View, column: &Column) -> bool {
    let is_optional = [RIGHT_ANSWERS, DIVERGENCE, LOAD].contains(&column.name);
    !is_optional || view.cells.iter().any(|cell| (column.value)(cell) != EMPTY)
}

fn lay_out(view: &View, columns: &[&Column], colour: bool, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    if colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let bold = |name| if colour { TableCell::new(name).add_attribute(Attribute::Bold) } else { TableCell::new(name) };
    table.set_header(columns.iter().map(|column| bold(column.name)));
    for cell in &view.cells {
        table.add_row(columns.iter().map(|column| {
            let shown = TableCell::new(printable(&(column.value)(cell))).set_alignment(column.alignment);
            match tint(cell).filter(|_| colour && column.name == "Rating") {
                Some(tint) => shown.fg(tint),
                None => shown,
            }
        }));
    }
    table.trim_fmt()
}

fn tint(cell: &CellView) -> Option<Color> {
    match cell.profile(Interactive).and_then(|profile| profile.rating) {
        Some(Rating::Excellent | Rating::Good) => Some(Color::Green),
        Some(Rating::Acceptable) => Some(Color::Yellow),
        Some(Rating::Poor | Rating::Failed) => Some(Color::Red),
        None => None,
    }
}

fn metric(cell: &CellView, name: &str) -> String {
    cell.metric(Interactive, name).map_or_else(|| EMPTY.to_owned(), number)
}

/// GB with two digits behind the point; small models would be 0.00 with them and have four.
fn size(gb: Option<f64>) -> String {
    match gb {
        Some(gb) if gb < 0.1 => format!("{gb:.4}"),
        Some(gb) => format!("{gb:.2}"),
        None => EMPTY.to_owned(),
    }
}

fn latencies(cell: &CellView) -> String {
    if cell.metric(Interactive, "itl_p50_ms").is_none() {
        return EMPTY.to_owned();
    }
    ["itl_p50_ms", "itl_p95_ms", "itl_max_ms"].map(|name| metric(cell, name)).join(" / ")
}

/// `82.5 (76–87)`
fn right_answers(cell: &CellView) -> String {
    let correct = cell.quality().and_then(|(_, view)| view.summary.as_ref()).map(|summary| summary.correct);
    match correct.and_then(|share| share.percent().zip(share.interval_percent())) {
        Some((percent, interval)) => format!("{percent:.1} ({:.0}–{:.0})", interval.low, interval.high),
        None => EMPTY.to_owned(),
    }
}

fn divergence(cell: &CellView) -> String {
    let summary = cell.quality().and_then(|(_, view)| view.divergence.as_ref());
    summary.map_or_else(|| EMPTY.to_owned(), super::quality::kld)
}

/// The rating, or how the cell ended where it has none.
fn rating(cell: &CellView) -> String {
    // where nobody measured the speed, the answers' grade
    let rated = [Interactive, Quality, LongContext].into_iter().find_map(|name| cell.profile(name));
    let word = match (cell.status, rated) {
        (Status::Skipped, _) => "skipped".to_owned(),
        (Status::Failed, _) => "error".to_owned(),
        (Status::Measured, Some(profile)) if profile.status == ProfileStatus::Error => "error".to_owned(),
        (Status::Measured, profile) => profile
            .and_then(|profile| profile.rating)
            .map_or_else(|| EMPTY.to_owned(), |rating| rating.name().to_owned()),
    };
    if cell.is_synthetic() { format!("{word} (synthetic)") } else { word }
}

fn failures(view: &View) -> Vec<String> {
    let mut lines = Vec::new();
    for cell in view.cells.iter().filter(|cell| cell.decision.is_none()) {
        let name = format!("{} {}", cell.cell.model, cell.cell.quant);
        if cell.status != Status::Measured {
            let how = super::csv::status(cell.status);
            let reason = cell.why_not().unwrap_or("no reason was given");
            let log = cell.log.as_ref().map(|log| format!(" (log: {log})")).unwrap_or_default();
            lines.push(format!("{name}: {how}: {reason}{log}"));
            continue;
        }
        let is_missing = |p: &&ProfileView| p.metrics.is_empty() || p.status == ProfileStatus::Error;
        for profile in cell.profiles.iter().filter(is_missing) {
            let reason = profile.reason.as_deref().unwrap_or("no reason was given");
            lines.push(format!("{name}, {}: {}: {reason}", profile.profile.name(), profile.status.name()));
        }
    }
    lines
}

fn advice(view: &View) -> Vec<String> {
    let of_chats = view.recommendations.iter().filter(|(profile, _)| *profile == Interactive);
    // Of the other profiles the choice alone, or the list would grow with each.
    let of_others = view.recommendations.iter().filter(|(profile, _)| *profile != Interactive);
    let chosen =
        of_others.flat_map(|(profile, list)| list.iter().map(|recommendation| (profile.name(), recommendation)));
    let chosen = chosen
        .filter(|(_, r)| r.mark == Mark::Recommended)
        .map(|(profile, r)| format!("{profile}: {} {}: {} ({})", r.model, r.quant, r.mark.name(), r.reason));
    // What could not be measured was said above.
    let measured = |model: &str, quant: &str| {
        view.cells.iter().any(|c| c.cell.model == model && c.cell.quant == quant && c.status == Status::Measured)
    };
    of_chats
        .flat_map(|(_, list)| list)
        .filter(|r| r.mark != Mark::Avoid || measured(&r.model, &r.quant))
        .map(|r| format!("{} {}: {} ({})", r.model, r.quant, r.mark.name(), r.reason))
        .chain(chosen)
        .collect()
}

/// Those of the run, then those of the cells; what several cells have in common is said once.
fn notes(view: &View) -> Vec<String> {
    let mut notes: Vec<(String, Vec<String>)> = Vec::new();
    for cell in &view.cells {
        for note in &cell.notes {
            let name = format!("{} {}", cell.cell.model, cell.cell.quant);
            match notes.iter_mut().find(|(text, _)| text == note) {
                Some((_, names)) => names.push(name),
                None => notes.push((note.clone(), vec![name])),
            }
        }
    }
    let of_cells = notes.into_iter().map(|(note, names)| format!("{}: {note}", names.join(", ")));
    view.notes.iter().cloned().chain(of_cells).collect()
}

pub(super) fn wrapped(line: &str, width: u16) -> String {
    format!("  {}\n", fold(line, width.saturating_sub(2), "    "))
}

/// Breaks at spaces; further lines begin with the indent. A longer word stays whole.
pub(super) fn fold(text: &str, width: u16, indent: &str) -> String {
    let (mut folded, mut used) = (String::new(), 0);
    for word in printable(text).split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > usize::from(width) {
            folded.push('\n');
            folded.push_str(indent);
            used = indent.len();
        } else if used > 0 {
            folded.push(' ');
            used += 1;
        }
        folded.push_str(word);
        used += length;
    }
    folded
}
