//! The one place that prints how far a download is: to stderr, as a bar on a terminal and as plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Transfer;

/// Without a terminal, a line is printed this often at most.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Prints how far one model is.
#[derive(Debug)]
pub struct Console {
    title: String,
    bar: ProgressBar,
    is_terminal: bool,
    said: Instant,
}

impl Console {
    /// A model begins to come; `missing_bytes` of it are not here.
    #[must_use]
    pub fn begin(title: &str, missing_bytes: u64) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = "{prefix} [{wide_bar}] {decimal_bytes}/{decimal_total_bytes} {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(title.to_owned());
        if !is_terminal {
            crate::say!("fetching {title}, {}", bytes(missing_bytes));
        }
        Self { title: title.to_owned(), bar, is_terminal, said: Instant::now() }
    }

    /// It is this far.
    pub fn show(&mut self, transfer: &Transfer) {
        if let Some(note) = &transfer.note {
            self.note(&format!("{}: {note}", transfer.file));
        }
        let speed = transfer.bytes_per_second.map(speed).unwrap_or_default();
        let eta = transfer.eta.map(|eta| format!(", {} left", rounded(eta))).unwrap_or_default();
        if self.is_terminal {
            self.bar.set_length(transfer.total_bytes);
            self.bar.set_position(transfer.done_bytes);
            self.bar.set_message(format!("{speed}{eta}"));
        } else if self.said.elapsed() >= PLAIN_INTERVAL {
            let (done, total) = (bytes(transfer.done_bytes), bytes(transfer.total_bytes));
            let speed = if speed.is_empty() { speed } else { format!(", {speed}") };
            crate::say!("fetching {} {done} of {total}{speed}{eta}", self.title);
            self.said = Instant::now();
        }
    }

    /// A line that stays.
    pub fn note(&self, line: &str) {
        if self.is_terminal {
            self.bar.println(line);
        } else {
            crate::say!("{line}");
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// `4.68 GB`
#[allow(clippy::cast_precision_loss)] // shown with three digits
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    if bytes < 1e6 {
        format!("{:.1} kB", bytes / 1e3)
    } else if bytes < 1e9 {
        format!("{:.1} MB", bytes / 1e6)
    } else {
        format!("{:.2} GB", bytes / 1e9)
    }
}

fn speed(bytes_per_second: f64) -> String {
    format!("{:.1} MB/s", bytes_per_second / 1e6)
}

/// `42 s`, `3 min`, `2 h 5 min`
fn rounded(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds @ 100..=5999 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_said_in_few_digits() {
        assert_eq!([bytes(1_500), bytes(2_500_000), bytes(4_683_000_000)], ["1.5 kB", "2.5 MB", "4.68 GB"]);
        let times = [7, 150, 7500].map(|s| rounded(Duration::from_secs(s)));
        assert_eq!(times, ["7 s", "3 min", "2 h 5 min"]);
    }
}
