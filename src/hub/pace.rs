//! How fast bytes come, and when they will all be here: over the last seconds, so that a break or a faster line shows soon.
//!
//! Pure: the caller says what time it is.

use std::collections::VecDeque;
use std::time::Duration;

/// What counts as now.
const WINDOW: Duration = Duration::from_secs(5);
/// Before this, a speed would be a guess.
const AT_LEAST: Duration = Duration::from_millis(500);
/// Samples closer than this are one.
const STEP: Duration = Duration::from_millis(100);

/// Bytes that have come, with their times.
#[derive(Debug, Default)]
pub(super) struct Pace {
    samples: VecDeque<(Duration, u64)>,
}

impl Pace {
    /// So many bytes in all have come at this time.
    pub(super) fn at(&mut self, now: Duration, bytes: u64) {
        let before_last = self.samples.len().checked_sub(2).map(|index| self.samples[index].0);
        match self.samples.back_mut() {
            Some(last) if before_last.is_some_and(|at| now.saturating_sub(at) < STEP) => *last = (now, bytes),
            _ => self.samples.push_back((now, bytes)),
        }
        while self.samples.len() > 2 && self.samples.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) > WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Bytes a second; none as long as there is too little to say it.
    pub(super) fn bytes_per_second(&self, now: Duration) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let elapsed = now.saturating_sub(first.0);
        #[allow(clippy::cast_precision_loss)] // a speed
        (elapsed >= AT_LEAST).then(|| last.1.saturating_sub(first.1) as f64 / elapsed.as_secs_f64())
    }

    /// How long the rest takes at this speed.
    pub(super) fn eta(&self, now: Duration, rest_bytes: u64) -> Option<Duration> {
        #[allow(clippy::cast_precision_loss)] // a guess anyway
        let seconds = rest_bytes as f64 / self.bytes_per_second(now).filter(|speed| *speed > 0.0)?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn speed_and_rest_are_those_of_the_last_seconds() {
        let mut pace = Pace::default();
        pace.at(s(0.0), 0);
        assert_eq!(pace.bytes_per_second(s(0.1)), None);
        for second in 1..=10 {
            pace.at(s(f64::from(second)), u64::try_from(second).unwrap() * 100);
        }
        assert!((pace.bytes_per_second(s(10.0)).unwrap() - 100.0).abs() < 1e-9);
        assert_eq!(pace.eta(s(10.0), 1000), Some(s(10.0)));
        for second in 11..=30 {
            pace.at(s(f64::from(second)), 1000); // nothing comes any more
        }
        assert_eq!(pace.bytes_per_second(s(30.0)), Some(0.0));
        assert_eq!(pace.eta(s(30.0), 1000), None);
    }
}
