//! `report.md`: readable as it is, and to be pasted into an issue or a chat: summary, machine, one section a cell, and how
//! the numbers were measured.

use std::fmt::Write as _;

use super::cell::{CellView, ProfileView};
use super::view::{MEMORY_INCLUDES, View, printable};
use crate::profiles::{EndedBy, ProfileName::Interactive};
use crate::verdict::Rating;
use crate::verdict::interpretation::{number, seconds};

const EMPTY: &str = "–";

/// The report.
#[must_use]
pub fn render(view: &View) -> String {
    let mut out = Text::default();
    out.line(format_args!("# Local models on {}", inline(&view.run.hostname)));
    out.paragraph(format_args!(
        "Measured on {} in {} with {}. {}",
        inline(&view.run.started_at),
        seconds(view.duration_seconds),
        view.program(),
        inline(&view.hardware())
    ));
    summary(&mut out, view);
    recommendations(&mut out, view);
    answers(&mut out, view);
    long_context(&mut out, view);
    not_tried(&mut out, view);
    out.list("Notes on the whole run", &view.notes);
    for cell in view.cells.iter().filter(|cell| cell.decision.is_none()) {
        section(&mut out, cell);
    }
    method(&mut out, view);
    out.0
}

/// A Markdown text in the making.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// The text.
    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// One line.
    pub(super) fn line(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{arguments}");
    }

    /// A line after an empty one.
    pub(super) fn paragraph(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.line(format_args!("\n{arguments}"));
    }

    fn list(&mut self, title: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.paragraph(format_args!("{title}:\n"));
        for item in items {
            self.line(format_args!("- {}", inline(item)));
        }
    }

    /// A block of code that its contents cannot end.
    pub(super) fn code(&mut self, language: &str, lines: &[&str]) {
        let longest = lines.iter().map(|line| longest_run(line, '`')).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        self.paragraph(format_args!("{fence}{language}"));
        for line in lines {
            self.line(format_args!("{line}"));
        }
        self.line(format_args!("{fence}"));
    }
}

fn summary(out: &mut Text, view: &View) {
    out.paragraph(format_args!(
        "| Model | Quant | Size GB | Memory GB | TTFT s | tokens/s | ITL p50 / p95 / max ms | Variance % | Rating |\n\
         |---|---|--:|--:|--:|--:|--:|--:|---|"
    ));
    for cell in &view.cells {
        let metric = |name| cell.metric(Interactive, name).map_or_else(|| EMPTY.to_owned(), number);
        let synthetic = if cell.is_synthetic() { " (synthetic)" } else { "" };
        let rating =
            cell.profile(Interactive).and_then(|p| p.rating.filter(|_| !p.metrics.is_empty())).map(Rating::name);
        let rating = rating.unwrap_or_else(|| super::csv::status(cell.status));
        out.line(format_args!(
            "| {} | {} | {:.2} | {} | {} | {} | {} / {} / {} | {} | {rating}{synthetic} |",
            inline(&cell.cell.model),
            inline(&cell.cell.quant),
            cell.size_gb(),
            cell.memory_gb().map_or_else(|| EMPTY.to_owned(), |gb| format!("{gb:.2}")),
            metric("ttft_seconds"),
            metric("tokens_per_second"),
            metric("itl_p50_ms"),
            metric("itl_p95_ms"),
            metric("itl_max_ms"),
            metric("variance_percent"),
        ));
    }
}

/// What the quality profile found, of all cells together.
fn answers(out: &mut Text, view: &View) {
    let tables = super::quality::table::render(&view.cells);
    if tables.is_empty() {
        return;
    }
    out.paragraph(format_args!("## Quality of the answers"));
    out.line(format_args!("{}", tables.trim_end()));
    let sentences: Vec<String> = view
        .cells
        .iter()
        .filter_map(|cell| Some((cell, cell.quality()?.0.interpretation.as_ref()?)))
        .map(|(cell, words)| format!("{} {}: {words}", cell.cell.model, cell.cell.quant))
        .collect();
    out.list("What they mean", &sentences);
    if view.cells.iter().any(|cell| cell.quality().is_some_and(|(_, view)| view.samples.asked.is_some())) {
        out.paragraph(format_args!("Every answer in full: [{0}]({0})", super::quality::answers::FILE_NAME));
    }
}

/// What the long-context profile found, of all cells together.
fn long_context(out: &mut Text, view: &View) {
    let table = super::long_context::table(&view.cells);
    if !table.is_empty() {
        out.paragraph(format_args!("## Long contexts\n\n{}", table.trim_end()));
    }
}

/// What was decided against, of all cells together.
fn not_tried(out: &mut Text, view: &View) {
    let table = super::decisions::markdown(&view.cells);
    if !table.is_empty() {
        out.paragraph(format_args!("## Not tried, and why\n\n{}", table.trim_end()));
    }
}

fn recommendations(out: &mut Text, view: &View) {
    if let Some(best) = &view.overall {
        let (model, quant) = (inline(&best.model), inline(&best.quant));
        out.paragraph(format_args!("**Start with {model} {quant}**: {}.", inline(&best.reason)));
        out.code("sh", &[&best.command]);
    }
    for (profile, list) in &view.recommendations {
        // what was not tried has a section of its own
        let tried = |model: &str, quant: &str| {
            !super::decisions::decided(&view.cells).any(|(c, _)| c.cell.model == model && c.cell.quant == quant)
        };
        let list = list.iter().filter(|r| tried(&r.model, &r.quant));
        let items: Vec<String> =
            list.map(|r| format!("{} {}: {} ({})", r.model, r.quant, r.mark.name(), r.reason)).collect();
        out.list(&format!("Advice for the {} profile", profile.name()), &items);
    }
}

fn section(out: &mut Text, cell: &CellView) {
    out.paragraph(format_args!("## {} {}", inline(&cell.cell.model), inline(&cell.cell.quant)));
    let verdict = cell.verdict.map(|verdict| format!(", verdict: {}", verdict.name())).unwrap_or_default();
    let reason = cell.reason.as_deref().map(|reason| format!(": {}", inline(reason))).unwrap_or_default();
    out.paragraph(format_args!("Status: {}{verdict}{reason}.", super::csv::status(cell.status)));
    memory(out, cell);
    for profile in &cell.profiles {
        self::profile(out, profile);
    }
    if let (Some(efficiency), Some(benefit)) = (cell.efficiency_score, cell.cost_benefit_score) {
        out.paragraph(format_args!(
            "Efficiency score {} (tokens/s per GB of memory), cost-benefit score {} of 100.",
            number(efficiency),
            number(benefit)
        ));
    }
    out.list("Notes", &cell.notes);
    if let Some(log) = &cell.log {
        out.paragraph(format_args!("Log of the engine: {}", inline(log)));
    }
}

fn memory(out: &mut Text, cell: &CellView) {
    let Some(memory) = &cell.memory else { return };
    let gb = |bytes| format!("{:.3}", crate::stats::gigabytes(bytes));
    let peak = cell.peak_resident_gb.map(|peak| format!("; peak resident {peak:.3} GB")).unwrap_or_default();
    let load = cell.load_seconds.map(|load| format!("; loaded in {}", seconds(load))).unwrap_or_default();
    out.paragraph(format_args!(
        "Memory {} GB: weights {} (of them repacked {}), KV cache {}, compute {}{peak}{load}.",
        gb(memory.total_bytes()),
        gb(memory.weights_bytes()),
        gb(memory.repacked_bytes()),
        gb(memory.kv_bytes()),
        gb(memory.compute_bytes())
    ));
}

fn profile(out: &mut Text, profile: &ProfileView) {
    let rating = profile.rating.map(|rating| format!(", {rating}")).unwrap_or_default();
    out.paragraph(format_args!("### {}: {}{rating}", profile.profile.name(), profile.status.name()));
    if let Some(words) = &profile.interpretation {
        out.paragraph(format_args!("{}", inline(words)));
    }
    if let Some(reason) = &profile.reason {
        let exit = profile.exit.map(|exit| format!(" (worker: {exit})")).unwrap_or_default();
        out.paragraph(format_args!("{}{exit}", inline(reason)));
    }
    if !profile.criteria.is_empty() {
        let grades: Vec<String> = profile.criteria.iter().map(|(name, rating)| format!("`{name}` {rating}")).collect();
        out.paragraph(format_args!("The rating is the worst of: {}.", grades.join(", ")));
    }
    for (what, ended_by) in &profile.ended_by {
        out.paragraph(format_args!(
            "The {what} ended {}.",
            match ended_by {
                EndedBy::Confidence => "when the median's 95 % confidence interval was narrow enough",
                EndedBy::Interrupted => "because somebody stopped the run",
                EndedBy::Limit => "at their limit, before the median's 95 % confidence interval was narrow enough",
            }
        ));
    }
    if !profile.metrics.is_empty() {
        out.paragraph(format_args!("| Metric | Value |\n|---|--:|"));
        for metric in &profile.metrics {
            let value = metric.value.map_or_else(|| EMPTY.to_owned(), exact_count_or_number);
            out.line(format_args!("| `{}` | {value} |", metric.name));
        }
    }
    if let Some(summary) = &profile.long_context {
        out.paragraph(format_args!("{}", super::long_context::loads(summary)));
    }
    if !profile.log_tail.is_empty() {
        out.paragraph(format_args!("End of the engine's log:"));
        out.code("text", &profile.log_tail.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// A count has no digits behind the point.
fn exact_count_or_number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e9 { format!("{value:.0}") } else { number(value) }
}

fn method(out: &mut Text, view: &View) {
    let machine = &view.run.machine;
    out.paragraph(format_args!("## How it was measured"));
    let mut items = vec![
        format!("Engine: {}", view.engine()),
        format!("Machine: {}", view.hardware()),
        format!("Arguments: {}; seed {}", view.run.arguments.join(" "), view.run.seed),
        format!("`memory_gb` is {MEMORY_INCLUDES}."),
        "TTFT runs from before the chat template to the first token as text; ITL is each gap between output tokens; \
         tokens/s counts the tokens after the first. Medians; percentiles of up to 1000 gaps are exact, of more they come \
         from a histogram with 3 digits. The warm-up is left out."
            .to_owned(),
    ];
    items.extend(machine.virtualization.iter().map(|what| format!("Virtual machine: {what}")));
    items.extend(machine.container.iter().map(|what| format!("Container: {what}")));
    out.list("Facts", &items);
    let configuration = serde_json::to_string_pretty(&view.run.configuration).unwrap_or_default();
    out.paragraph(format_args!("Configuration:"));
    out.code("json", &configuration.lines().collect::<Vec<_>>());
}

/// Text within a line of Markdown or a table's cell: no line ends, no column ends, no tags.
pub(super) fn inline(text: &str) -> String {
    let line: String = printable(text).split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('|', "\\|").replace('<', "&lt;")
}

fn longest_run(line: &str, wanted: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in line.chars() {
        run = if c == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}
