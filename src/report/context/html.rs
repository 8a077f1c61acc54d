//! A context report as a page for a browser: the terminal's tables and sentences, and plots.

use super::emit;
use super::plots;
use super::rows::{self, Group, Row};
use super::view::{ContextReport, SweepReport};
use super::words;
use crate::report::html::{Page, TableCell};
use crate::report::metadata::engine_line;

/// The whole page.
#[must_use]
pub fn render(report: &ContextReport) -> String {
    let mut page = Page::new(&words::title(report));
    let metadata = &report.metadata;
    page.paragraph("quiet", &format!("{}: {}", metadata.hostname, metadata.hardware.line()));
    let engine = engine_line(metadata.engine.as_ref());
    page.paragraph("quiet", &format!("{}, {}, {engine}", metadata.timestamp, metadata.program));
    page.heading("What it means");
    page.list(&words::meaning(report));
    if let Ok(sweep) = report.choice(None) {
        page.heading("Start it");
        page.paragraph("", &words::start(sweep));
        page.code(&emit::llama_server::command(report, sweep));
    }
    page.heading("The numbers");
    for group in rows::groups(report) {
        table(&mut page, report, &group);
    }
    page.paragraph(
        "quiet",
        "GB are 10⁹ bytes, KB 10³. ≈ marks a forecast: more than was measured. Rest on a row's name to see what it is.",
    );
    let notes = words::notes(report);
    if !notes.is_empty() {
        page.heading("Notes");
        page.list(&notes);
    }
    memory_plots(&mut page, report);
    growth_plots(&mut page, report);
    page.render()
}

fn table(page: &mut Page, report: &ContextReport, group: &Group) {
    let names = report.sweeps.iter().map(|sweep| sweep.kv_type.clone());
    let header: Vec<String> = [group.title.to_owned()].into_iter().chain(names).collect();
    let cells = |row: &Row| {
        let name = TableCell { text: row.label.clone(), hint: row.hint.clone(), is_headline: row.is_headline };
        let value = |text: &String| TableCell { text: text.clone(), hint: String::new(), is_headline: row.is_headline };
        [name].into_iter().chain(row.values.iter().map(value)).collect()
    };
    let rows: Vec<Vec<TableCell>> = group.rows.iter().map(cells).collect();
    page.table(&header, &rows);
}

fn memory_plots(page: &mut Page, report: &ContextReport) {
    let has_curve = |sweep: &&SweepReport| !sweep.curve.is_empty();
    if !report.sweeps.iter().any(|sweep| has_curve(&sweep)) {
        return;
    }
    page.heading("Memory against context size");
    page.begin_grid();
    for sweep in report.sweeps.iter().filter(has_curve) {
        for place in plots::places(sweep) {
            let title = format!("KV cache {}: {place}", sweep.kv_type);
            let caption = "What each size of context takes by llama.cpp's own count, stacked by kind. Where the stack reaches the \
                           budget, the context ends.";
            page.plot(&title, caption, &plots::memory(report, sweep, &place));
        }
    }
    page.end_grid();
}

fn growth_plots(page: &mut Page, report: &ContextReport) {
    if report.sweeps.iter().all(|sweep| sweep.growth.is_empty()) {
        return;
    }
    page.heading("What happens as the context fills");
    page.begin_grid();
    let of_fit = "Full points are those that the line was fitted to, hollow ones were kept out and tell its error; dotted is forecast.";
    page.plot(
        "KV cache in use",
        "Measured while a context was filled; the lines go through the points.",
        &plots::kv_in_use(report),
    );
    page.plot(
        "Time until the first answer",
        "What a prompt of so many tokens takes from an empty cache. Diamonds: what is read in 5, 15, 30 and 60 s.",
        &plots::prompt_time(report),
    );
    page.plot("Reading speed at a depth", of_fit, &plots::prefill_speed(report));
    page.plot("Generation speed at a depth", of_fit, &plots::generation_speed(report));
    page.end_grid();
}
