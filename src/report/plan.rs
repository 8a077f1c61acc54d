//! `--dry-run`: what a run would do, as a table that somebody reads who has never run one.

use std::fmt::Write;

use comfy_table::{Cell as TableCell, CellAlignment, ContentArrangement, Table, presets};

use super::terminal::{Look, fold};
use super::view::printable;
use crate::lab::console::duration;
use crate::lab::learn;
use crate::lab::source::Source;
use crate::lab::{Entry, Session};
use crate::plan::matrix::Limits;
use crate::stats::gigabytes;

/// Where nothing is known.
const EMPTY: &str = "–";

/// The plan: table, what would be skipped and why, sums, and what the columns mean; ends with a newline. Times that only compare
/// cells with one another are not shown.
#[must_use]
pub fn render(entries: &[Entry], session: &Session<'_>, limits: &Limits, look: Look) -> String {
    let rows: Vec<Row> = entries.iter().enumerate().map(|(place, entry)| Row::of(place, entry, session)).collect();
    let mut text = format!("{}\n", table(&rows, look));
    for row in &rows {
        for (what, line) in row.reasons() {
            let _ = writeln!(text, "{}", fold(&format!("{} {what}: {line}", row.name()), look.width, "    "));
        }
    }
    text.push('\n');
    for line in summary(&rows, limits) {
        let _ = writeln!(text, "{}", fold(&line, look.width, "  "));
    }
    text
}

/// One cell.
struct Row<'a> {
    number: usize,
    entry: &'a Entry,
    skipped: Option<String>,
    /// Memory that a model needs in sizes of its file, where it could not be counted.
    memory_factor: f64,
    /// Seconds that it takes at least, where this machine's speed was measured.
    seconds: Option<f64>,
}

impl<'a> Row<'a> {
    fn of(place: usize, entry: &'a Entry, session: &Session<'_>) -> Self {
        let termination = &session.termination;
        let decision = if entry.planned.broken.is_some() { None } else { termination.decide(&learn::candidate(entry)) };
        let skipped = decision.map(|skip| skip.reason);
        let seconds = entry.expected_seconds.filter(|_| !session.expects_roughly);
        Self { number: place + 1, entry, skipped, memory_factor: termination.settings().memory_factor, seconds }
    }

    fn name(&self) -> String {
        printable(&format!("{}. {} {}", self.number, self.entry.planned.cell.model, self.entry.planned.cell.quant))
    }

    fn runs(&self) -> bool {
        self.skipped.is_none() && self.entry.planned.broken.is_none()
    }

    /// What would happen, in a word or two.
    fn verdict(&self) -> String {
        match (&self.entry.planned.broken, &self.skipped) {
            (Some(_), _) if matches!(self.entry.source, Source::Absent(_)) => "not here".to_owned(),
            (Some(_), _) => "broken".to_owned(),
            (None, Some(_)) => "skip".to_owned(),
            (None, None) => match self.entry.source.work() {
                None => "run".to_owned(),
                Some(work) => format!("run, {work}"),
            },
        }
    }

    /// What its row cannot hold: why it does not run, and what is to be known about it.
    fn reasons(&self) -> Vec<(&'static str, &str)> {
        let broken = self.entry.planned.broken.iter().map(|reason| ("cannot be measured", reason.as_str()));
        let skipped = self.skipped.iter().map(|reason| ("would be skipped", reason.as_str()));
        let notes = self.entry.planned.warnings.iter().map(|warning| ("note", warning.as_str()));
        broken.chain(skipped).chain(notes).collect()
    }

    fn cells(&self) -> [String; 7] {
        let cell = &self.entry.planned.cell;
        let is_exact = self.entry.source.is_here() || self.entry.source.wish().is_some();
        let about = |text: String| match (cell.size_bytes, is_exact) {
            (0, _) => EMPTY.to_owned(),
            (_, true) => text,
            (_, false) => format!("≈ {text}"),
        };
        let need = match self.entry.need {
            Some(need) => size(need.total_bytes()),
            None if self.entry.planned.broken.is_some() => EMPTY.to_owned(),
            None => format!("≈ {}", gb(gigabytes(cell.size_bytes) * self.memory_factor)),
        };
        let time = self.seconds.filter(|_| self.runs()).map_or(EMPTY.to_owned(), duration);
        [
            self.number.to_string(),
            printable(&cell.model),
            cell.quant.clone(),
            about(size(cell.size_bytes)),
            need,
            time,
            self.verdict(),
        ]
    }
}

fn table(rows: &[Row<'_>], look: Look) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).force_no_tty();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(look.width);
    table.set_header(["#", "Model", "Quant", "File GB", "Needs GB", "Time", "What"]);
    for row in rows {
        let cells = row.cells();
        let right = |place: usize| [0, 3, 4, 5].contains(&place);
        table.add_row(cells.into_iter().enumerate().map(|(place, text)| {
            TableCell::new(text).set_alignment(if right(place) { CellAlignment::Right } else { CellAlignment::Left })
        }));
    }
    table.trim_fmt()
}

fn summary(rows: &[Row<'_>], limits: &Limits) -> Vec<String> {
    let runs: Vec<_> = rows.iter().filter(|row| row.runs()).collect();
    let seconds: Option<f64> = runs.iter().map(|row| row.seconds).sum();
    let time = match seconds {
        Some(seconds) if !runs.is_empty() => format!(", at least {} in all", duration(seconds)),
        _ => String::new(),
    };
    let mut profiles: Vec<&str> =
        runs.iter().flat_map(|row| &row.entry.planned.jobs).map(|job| job.name().name()).collect();
    profiles.sort_unstable();
    profiles.dedup();
    let mut lines = vec![format!(
        "{} of {} would run in this order, each with: {}{time}.",
        runs.len(),
        rows.len(),
        if profiles.is_empty() { "nothing".to_owned() } else { profiles.join(", ") },
    )];
    let fetched = runs.iter().filter_map(|row| row.entry.source.download_bytes()).fold(0, u64::saturating_add);
    if fetched > 0 {
        lines.push(format!("{} GB would be downloaded.", size(fetched)));
    }
    let memory = [("are free", limits.memory_bytes), ("are allowed", limits.max_memory_bytes)];
    let memory: Vec<_> =
        memory.iter().filter_map(|(what, bytes)| Some(format!("{} GB {what}", size((*bytes)?)))).collect();
    lines.push(format!(
        "Needs: weights, KV cache and working memory, counted exactly; ≈ where only the file's size is known. {}.",
        memory.join(", ")
    ));
    lines.push(
        "Cells whose smaller relatives turn out too slow or too large while it runs are skipped then, with the reason \
         (--no-termination runs all)."
            .to_owned(),
    );
    lines
}

fn size(bytes: u64) -> String {
    gb(gigabytes(bytes))
}

/// With two digits behind the point; small ones with four.
fn gb(gb: f64) -> String {
    if gb < 0.1 { format!("{gb:.4}") } else { format!("{gb:.2}") }
}
