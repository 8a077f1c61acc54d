//! The one place that prints how far quantizing is: to stderr, as bars on a terminal and as plain lines elsewhere.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::quantize::Progress;
use crate::stats::gigabytes;

/// Without a terminal, a line about the same file is printed this often at most.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Prints how far several files are.
pub(super) struct Console {
    bars: MultiProgress,
    is_terminal: bool,
}

impl Console {
    pub(super) fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), is_terminal }
    }

    /// A line that stays.
    pub(super) fn note(&self, line: &str) {
        if self.is_terminal {
            let _ = self.bars.println(line); // a terminal that is gone reads nothing
        } else {
            crate::say!("{line}");
        }
    }

    /// A file is begun.
    pub(super) fn begin(&self, title: &str) -> Line<'_> {
        let bar = self.bars.add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template("quantizing {prefix} [{wide_bar}] {percent:>3} % {elapsed}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(title.to_owned());
        if !self.is_terminal {
            crate::say!("quantizing {title}");
        }
        Line { console: self, title: title.to_owned(), bar, said: RefCell::new(Instant::now()) }
    }
}

/// How far one file is; goes away with this value.
pub(super) struct Line<'a> {
    console: &'a Console,
    title: String,
    bar: ProgressBar,
    /// When the last plain line was printed.
    said: RefCell<Instant>,
}

impl Line<'_> {
    pub(super) fn show(&self, progress: Progress) {
        self.bar.set_length(progress.total_bytes.max(1));
        self.bar.set_position(progress.done_bytes);
        let is_due = self.said.borrow().elapsed() >= PLAIN_INTERVAL;
        if !self.console.is_terminal && is_due {
            self.said.replace(Instant::now());
            let (done, total) = (gigabytes(progress.done_bytes), gigabytes(progress.total_bytes));
            crate::say!("quantizing {}: {done:.2} of {total:.2} GB", self.title);
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.console.bars.remove(&self.bar);
    }
}
