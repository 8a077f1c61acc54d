//! What the hardware can do at most, measured in a few seconds: memory bandwidth and matrix throughput, and the speeds of a
//! model that follow from them.
//!
//! Left out on purpose: models and the engine. These numbers are the ruler that measured models are held against.

pub mod bandwidth;
pub mod context_limit;
pub mod kv_growth;
pub mod roofline;
pub mod throughput;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use bandwidth::Bandwidth;
pub use roofline::Roofline;
pub use throughput::Throughput;

use crate::stats;

/// Best, median and spread of a rate over repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rates {
    best: f64,
    median: f64,
    spread_percent: f64,
    repetitions: u32,
}

impl Rates {
    /// Of at least one rate. The spread is from the lowest to the highest, in percent of the median.
    fn of(rates: &[f64]) -> Self {
        let lowest = rates.iter().copied().reduce(f64::min).unwrap_or(0.0);
        let best = rates.iter().copied().reduce(f64::max).unwrap_or(0.0);
        let median = stats::median(rates).unwrap_or(0.0);
        let spread_percent = if median > 0.0 { (best - lowest) / median * 100.0 } else { 0.0 };
        Self { best, median, spread_percent, repetitions: u32::try_from(rates.len()).unwrap_or(u32::MAX) }
    }
}

/// How often and how long a pass is repeated.
#[derive(Clone, Copy, Debug)]
struct Repeat {
    least: usize,
    most: usize,
    time: Duration,
}

/// Runs the same pass on every worker at once, again and again. A worker is made by its own thread, so that its memory is
/// near that thread's core. Gives each pass's wall time, from the first start to the last end, and the workers.
fn timed_passes<W: Send>(
    threads: u32,
    repeat: Repeat,
    make: impl Fn(u32) -> W + Sync,
    pass: impl Fn(&mut W) + Sync,
) -> (Vec<Duration>, Vec<W>) {
    let together = Barrier::new(threads as usize);
    let over = AtomicBool::new(false);
    let run = |number: u32| {
        let mut worker = make(number);
        // A pass that is not counted: page tables, caches and the clock settle.
        pass(&mut worker);
        let first = Instant::now();
        let mut times = Vec::new();
        while !over.load(Ordering::SeqCst) {
            together.wait();
            let start = Instant::now();
            pass(&mut worker);
            times.push((start, Instant::now()));
            if number == 0 {
                let enough = times.len() >= repeat.least && first.elapsed() >= repeat.time;
                over.store(enough || times.len() >= repeat.most, Ordering::SeqCst);
            }
            // Nobody looks at `over` before thread 0 has decided, and it decides again only after all have looked.
            together.wait();
        }
        (times, worker)
    };
    let ended: Vec<(Vec<(Instant, Instant)>, W)> = std::thread::scope(|scope| {
        let run = &run;
        let handles: Vec<_> = (0..threads).map(|number| scope.spawn(move || run(number))).collect();
        handles.into_iter().filter_map(|handle| handle.join().ok()).collect()
    });
    let passes = ended.iter().map(|(times, _)| times.len()).min().unwrap_or(0);
    let wall = |pass: usize| {
        let start = ended.iter().map(|(times, _)| times[pass].0).min();
        let end = ended.iter().map(|(times, _)| times[pass].1).max();
        start.zip(end).map_or(Duration::ZERO, |(start, end)| end - start)
    };
    ((0..passes).map(wall).collect(), ended.into_iter().map(|(_, worker)| worker).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn best_median_and_spread_of_rates() {
        let rates = Rates::of(&[8.0, 10.0, 9.0]);
        assert_eq!((rates.best, rates.median, rates.repetitions), (10.0, 9.0, 3));
        assert!((rates.spread_percent - 200.0 / 9.0).abs() < 1e-9);
        assert!((Rates::of(&[1.0, 2.0]).median - 1.5).abs() < 1e-12);
        assert_eq!(Rates::of(&[]), Rates { best: 0.0, median: 0.0, spread_percent: 0.0, repetitions: 0 });
    }

    #[test]
    fn all_threads_make_the_same_number_of_passes_and_one_more_to_settle() {
        for threads in [1, 3] {
            let made = AtomicUsize::new(0);
            let repeat = Repeat { least: 2, most: 4, time: Duration::from_hours(1) };
            let (walls, workers) = timed_passes(
                threads,
                repeat,
                |_| {
                    made.fetch_add(1, Ordering::SeqCst);
                    0_usize
                },
                |passes| *passes += 1,
            );
            assert_eq!(made.into_inner(), threads as usize);
            assert_eq!(walls.len(), 4);
            assert_eq!(workers, vec![5; threads as usize]);
        }
    }

    #[test]
    fn time_that_is_over_ends_after_the_least_number_of_passes() {
        let repeat = Repeat { least: 3, most: 100, time: Duration::ZERO };
        assert_eq!(timed_passes(2, repeat, |_| (), |()| ()).0.len(), 3);
    }
}
