//! The one place that prints a run's progress: to stderr, as bars on a terminal and as plain lines elsewhere.

mod left;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use left::Left;
pub use left::duration;

use crate::hub::Transfer;
use crate::hub::console::bytes;
use crate::lab::outcome::{Cell, Outcome, Status};
use crate::profiles::{ProfileName, Progress};

/// Without a terminal, a line about the same thing is printed this often at most.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// The unit that pulses count.
const TOKENS: &str = "tokens";

/// How often the clocks on a terminal move on by themselves.
const TICK: Duration = Duration::from_millis(500);

/// Prints how far a run is.
#[derive(Debug)]
pub struct Console {
    /// What the running cell does.
    bar: ProgressBar,
    /// How far the whole run is; only where it has several cells.
    whole: Option<ProgressBar>,
    bars: MultiProgress,
    is_terminal: bool,
    left: Left,
    cells: usize,
    /// Number and name of the running cell.
    cell: String,
    /// The last line printed without a terminal, and when.
    last_line: Option<(String, Instant)>,
    /// What is being counted, and how far it goes.
    counting: Option<(ProfileName, u64)>,
}

impl Console {
    /// A console for so many cells.
    #[must_use]
    pub fn new(cells: usize) -> Self {
        Self::with(cells, &[], true)
    }

    /// A console for a run of cells with the seconds that each is expected to take; it says how long all will take. Rough
    /// expectations only compare the cells with one another.
    #[must_use]
    pub fn for_run(expected_seconds: &[Option<f64>], is_rough: bool) -> Self {
        Self::with(expected_seconds.len(), expected_seconds, is_rough)
    }

    fn with(cells: usize, expected_seconds: &[Option<f64>], is_rough: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bars = MultiProgress::with_draw_target(target(is_terminal));
        let bar = bars.add(ProgressBar::no_length());
        let whole = (is_terminal && expected_seconds.len() > 1).then(|| whole_bar(&bars, expected_seconds.len()));
        let left = Left::new(expected_seconds, is_rough);
        Self { bar, whole, bars, is_terminal, left, cells, cell: String::new(), last_line: None, counting: None }
    }

    /// A line that stays.
    pub fn note(&self, line: &str) {
        if self.is_terminal {
            let _ = self.bars.println(line); // a terminal that is gone cannot be told so
        } else {
            crate::say!("{line}");
        }
    }

    /// A cell begins; the first one has number 1.
    pub fn cell_started(&mut self, number: usize, cell: &Cell) {
        self.cell = format!("[{number}/{}] {} {}", self.cells, cell.model, cell.quant);
        self.last_line = None;
        self.counting = None;
        self.left.begin(number - 1);
        if self.is_terminal {
            self.show("starting", 0, 0, "");
        } else if let Some(left) = self.left.text() {
            crate::say!("{} starts; {left} for all that remain", self.cell);
        }
    }

    /// A cell that had ended before this session began.
    pub fn cell_kept(&mut self, outcome: &Outcome) {
        self.left.end(outcome.duration_seconds, outcome.status == Status::Measured);
        if let Some(whole) = &self.whole {
            whole.inc(1);
        }
    }

    /// Something that nobody can say how far it is.
    pub fn waiting(&mut self, what: &str) {
        self.show(what, 0, 0, "");
    }

    /// A model is being downloaded.
    pub fn transfer(&mut self, transfer: &Transfer) {
        if let Some(note) = &transfer.note {
            self.note(note);
        }
        let speed = transfer.bytes_per_second.map_or_else(String::new, |speed| format!(", {:.1} MB/s", speed / 1e6));
        let left = transfer.eta.map_or_else(String::new, |eta| format!(", about {} left", duration(eta.as_secs_f64())));
        let what =
            format!("downloading {} of {}{speed}{left}", bytes(transfer.done_bytes), bytes(transfer.total_bytes));
        self.left.waits(transfer.eta.unwrap_or_default().as_secs_f64());
        self.draw(&what, transfer.done_bytes, transfer.total_bytes, "{prefix} {msg} [{wide_bar}] {elapsed}");
        if !self.is_terminal {
            self.line(&format!("{} {what}", self.cell), transfer.done_bytes == 0);
        }
    }

    /// Makes room for somebody else's bars.
    pub fn set_aside(&mut self) {
        let _ = self.bars.clear(); // or they would stand there for ever
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Shows its own bars again.
    pub fn take_up(&mut self) {
        self.bars.set_draw_target(target(self.is_terminal));
    }

    /// Something that is no cell begins.
    pub fn begin(&mut self, title: &str) {
        title.clone_into(&mut self.cell);
        self.last_line = None;
        self.counting = None;
    }

    /// It is this far; a `total` of 0 is one that nobody knows.
    pub fn step(&mut self, what: &str, done: u64, total: u64, unit: &str) {
        self.show(what, done, total, unit);
    }

    /// The model is being loaded.
    pub fn loading(&mut self, percent: u8) {
        self.show("loading", percent.into(), 100, "");
    }

    /// A profile is this far.
    pub fn profile(&mut self, profile: ProfileName, progress: Option<&Progress>) {
        self.counting = progress.filter(|p| p.unit == TOKENS).map(|p| (profile, p.total));
        match progress {
            Some(p) => self.show(profile.name(), p.done, p.total, &p.unit),
            None => self.show(profile.name(), 0, 0, "starts"),
        }
    }

    /// So many tokens are done, between two reports of the profile itself.
    pub fn tokens(&mut self, done: u64) {
        if let Some((profile, total)) = self.counting {
            self.show(profile.name(), done.min(total), total, TOKENS);
        }
    }

    /// A cell ended.
    pub fn cell_ended(&mut self, outcome: &Outcome) {
        let seconds = outcome.duration_seconds;
        let what = match (outcome.status, &outcome.reason) {
            (Status::Measured, None) => format!("measured in {seconds:.1} s"),
            (Status::Measured, Some(reason)) => format!("measured in {seconds:.1} s; {reason}"),
            (Status::Failed, reason) => {
                format!("failed after {seconds:.1} s: {}", reason.as_deref().unwrap_or("no reason"))
            }
            (Status::Skipped, reason) => format!("skipped: {}", reason.as_deref().unwrap_or("no reason")),
        };
        self.note(&format!("{} {what}", self.cell));
        self.left.end(seconds, outcome.status == Status::Measured);
        if let Some(whole) = &self.whole {
            whole.inc(1);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
        self.whole.iter().for_each(ProgressBar::finish_and_clear);
    }

    fn show(&mut self, what: &str, done: u64, total: u64, unit: &str) {
        self.left.waits(0.0);
        // the bar takes what is left of the line, so that nothing wraps
        let template = if total > 0 {
            "{prefix} {msg} [{wide_bar}] {pos}/{len} {elapsed}"
        } else {
            "{prefix} {msg} {spinner} {elapsed}"
        };
        self.draw(format!("{what} {unit}").trim_end(), done, total, template);
        if !self.is_terminal {
            let numbers = if total > 0 && done > 0 { format!(" {done}/{total}") } else { String::new() };
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            self.line(&format!("{} {what}{numbers}{unit}", self.cell), done == 0);
        }
    }

    /// The bars of a terminal.
    fn draw(&self, message: &str, done: u64, total: u64, template: &str) {
        if let Some(whole) = &self.whole {
            whole.set_message(self.left.text().unwrap_or_default());
        }
        if !self.is_terminal {
            return;
        }
        // each of these draws: a bar is never to be seen with the length of what was shown before
        if total > 0 {
            self.bar.set_length(total);
            self.bar.set_position(done.min(total));
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_prefix(self.cell.clone());
        self.bar.set_message(message.to_owned());
    }

    /// A plain line, unless it was printed just now; `is_first` ones always are.
    fn line(&mut self, line: &str, is_first: bool) {
        let is_due = is_first || self.last_line.as_ref().is_none_or(|(_, at)| at.elapsed() >= PLAIN_INTERVAL);
        if is_due && self.last_line.as_ref().is_none_or(|(last, _)| last != line) {
            crate::say!("{line}");
            self.last_line = Some((line.to_owned(), Instant::now()));
        }
    }
}

fn target(is_terminal: bool) -> ProgressDrawTarget {
    if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

fn whole_bar(bars: &MultiProgress, cells: usize) -> ProgressBar {
    let bar = bars.add(ProgressBar::new(cells as u64));
    if let Ok(style) = ProgressStyle::with_template("all {pos}/{len} [{wide_bar}] {elapsed} {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(TICK);
    bar
}
