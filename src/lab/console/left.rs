//! How long a run will still take: what each cell was expected to take, corrected by what those before it really took.

use std::time::Instant;

use crate::plan::expected;

/// The time that is left.
#[derive(Debug)]
pub(super) struct Left {
    /// Seconds for each cell; those that nobody could foretell as long as the mean of the others.
    expected: Vec<f64>,
    /// Expected and real seconds of the cells that were measured.
    measured: Vec<(f64, f64)>,
    /// The running cell and its begin.
    running: Option<(usize, Instant)>,
    /// Cells that have ended.
    ended: usize,
    /// The expectations only compare cells with one another: nothing is said before one was measured.
    is_rough: bool,
    /// Seconds until the running cell's file is there.
    waiting: f64,
}

impl Left {
    /// Nothing has begun.
    pub(super) fn new(expected_seconds: &[Option<f64>], is_rough: bool) -> Self {
        let known: Vec<f64> = expected_seconds.iter().flatten().copied().collect();
        #[allow(clippy::cast_precision_loss)] // a few thousand cells
        let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
        let expected = if known.is_empty() {
            Vec::new()
        } else {
            expected_seconds.iter().map(|one| one.unwrap_or(mean)).collect()
        };
        Self { expected, measured: Vec::new(), running: None, ended: 0, is_rough, waiting: 0.0 }
    }

    /// A cell begins; the first one is 0.
    pub(super) fn begin(&mut self, cell: usize) {
        self.running = Some((cell, Instant::now()));
        self.ended = cell;
    }

    /// The next cell has ended, after so many seconds. One that was not measured says nothing of the others.
    pub(super) fn end(&mut self, seconds: f64, was_measured: bool) {
        if let Some(&expected) = self.expected.get(self.ended).filter(|_| was_measured) {
            self.measured.push((expected, seconds));
        }
        self.ended += 1;
        self.running = None;
    }

    /// The running cell's file comes in so many seconds.
    pub(super) fn waits(&mut self, seconds: f64) {
        self.waiting = seconds;
    }

    /// `about 8 min left`; none where nobody can say.
    pub(super) fn text(&self) -> Option<String> {
        let elapsed = self.running.map_or(0.0, |(_, begun)| begun.elapsed().as_secs_f64());
        self.seconds(elapsed).map(|seconds| format!("about {} left", duration(seconds)))
    }

    /// Seconds that are left when the running cell has taken so many.
    fn seconds(&self, elapsed: f64) -> Option<f64> {
        if self.expected.is_empty() || (self.is_rough && self.measured.is_empty()) {
            return None;
        }
        let factor = expected::calibration(&self.measured);
        let running = self.running.map_or(0.0, |(cell, _)| (factor * self.expected[cell] - elapsed).max(0.0));
        let next = self.running.map_or(self.ended, |(cell, _)| cell + 1);
        Some(self.waiting + running + factor * self.expected.get(next..).unwrap_or_default().iter().sum::<f64>())
    }
}

/// `45 s`, `8 min`, `3 h 20 min`: as exact as a forecast is.
#[must_use]
pub fn duration(seconds: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // not negative; a forecast of centuries saturates
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..90 => format!("{whole} s"),
        90..5400 => format!("{} min", (whole + 30) / 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // whole numbers
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_corrects_what_is_expected_of_the_rest() {
        let mut left = Left::new(&[Some(10.0), None, Some(30.0), Some(20.0)], false);
        assert_eq!(left.seconds(0.0), Some(80.0), "the second one is taken for the mean");
        left.begin(0);
        assert_eq!(left.seconds(4.0), Some(76.0));
        left.end(20.0, true);
        assert_eq!(left.seconds(0.0), Some(140.0), "twice as long as expected");
        left.begin(1);
        left.end(0.0, false);
        assert_eq!(left.seconds(0.0), Some(100.0), "a skipped cell takes nothing and teaches nothing");
        left.begin(2);
        assert_eq!(left.seconds(70.0), Some(40.0), "one that takes longer is over at any moment");
    }

    #[test]
    fn where_nothing_is_expected_nothing_is_said() {
        let mut left = Left::new(&[None, None], false);
        left.begin(0);
        assert_eq!(left.text(), None);
    }

    #[test]
    fn rough_expectations_are_told_once_a_cell_was_measured() {
        let mut left = Left::new(&[Some(1.0), Some(2.0)], true);
        left.begin(0);
        assert_eq!(left.text(), None);
        left.end(30.0, true);
        assert_eq!(left.text().as_deref(), Some("about 60 s left"));
    }

    #[test]
    fn durations_are_as_exact_as_forecasts_are() {
        assert_eq!([45.4, 100.0, 4000.0, 12_000.0].map(duration), ["45 s", "2 min", "67 min", "3 h 20 min"]);
    }
}
