//! Memory bandwidth: how fast this machine reads RAM.
//!
//! Generating a token reads every active weight once, so that reading is what matters: each thread sums the words of its own
//! part of a buffer that no cache holds. Writing and copying, which STREAM measures besides, are left out on purpose.

use std::hint::black_box;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Rates, Repeat, timed_passes};
use crate::stats::float;

/// Read where nothing forbids it: well beyond most last-level caches.
const USUAL_BYTES: u64 = 512 << 20;
/// Below this the caches of small machines begin to answer.
const LEAST_BYTES: u64 = 64 << 20;
/// Server CPUs have caches of a gigabyte; filling more than this takes longer than the measurement is worth.
const MOST_BYTES: u64 = 4 << 30;
/// Time for each of the two measurements.
const TIME: Duration = Duration::from_millis(500);

/// Measured read bandwidth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// The fastest repetition, in GB (10^9 bytes) per second: what the hardware can do, with the least noise in it.
    pub best_gb_per_second: f64,
    /// The middle repetition.
    pub median_gb_per_second: f64,
    /// From the slowest to the fastest repetition, in percent of the median.
    pub spread_percent: f64,
    /// Passes over the buffer that were counted.
    pub repetitions: u32,
    /// Threads that read at once.
    pub threads: u32,
    /// Bytes of the buffer.
    pub buffer_bytes: u64,
    /// How it was measured.
    pub method: String,
}

impl Bandwidth {
    /// The fastest repetition in bytes per second.
    #[must_use]
    pub fn bytes_per_second(&self) -> f64 {
        self.best_gb_per_second * 1e9
    }
}

/// Measures with `threads` threads and with one, in about a second and the time that filling `buffer_bytes` takes.
#[must_use]
pub fn measure(threads: u32, buffer_bytes: u64) -> (Bandwidth, Bandwidth) {
    let threads = threads.max(1);
    let words = usize::try_from(buffer_bytes / 8 / u64::from(threads)).unwrap_or(usize::MAX / 8);
    let repeat = Repeat { least: 5, most: 100, time: TIME };
    // Written, not only allocated: pages that nobody wrote are all the same page of zeros.
    let make = |number: u32| vec![u64::from(number) + 1; words];
    let (times, parts) = timed_passes(threads, repeat, make, |part: &mut Vec<u64>| {
        black_box(sum(part));
    });
    let bytes = float((words * 8 * parts.len()) as u64);
    let many = result(&times, bytes, threads);
    if threads == 1 {
        return (many.clone(), many);
    }
    let read_all = |(): &mut ()| {
        black_box(parts.iter().map(|part| sum(part)).fold(0, u64::wrapping_add));
    };
    let (times, _) = timed_passes(1, Repeat { least: 3, ..repeat }, |_| (), read_all);
    let single = result(&times, bytes, 1);
    (many, single)
}

/// How large a buffer to read: four times all last-level caches and at least the usual size, but no more than a quarter of
/// what is available.
#[must_use]
pub fn buffer_bytes(last_level_cache_bytes: Option<u64>, available_bytes: u64) -> u64 {
    let wanted = last_level_cache_bytes.unwrap_or(0).saturating_mul(4).clamp(USUAL_BYTES, MOST_BYTES);
    wanted.min(available_bytes / 4).max(LEAST_BYTES)
}

fn result(times: &[Duration], bytes: f64, threads: u32) -> Bandwidth {
    let rates: Vec<f64> = times.iter().map(|time| bytes / time.as_secs_f64().max(1e-9) / 1e9).collect();
    let rates = Rates::of(&rates);
    Bandwidth {
        best_gb_per_second: rates.best,
        median_gb_per_second: rates.median,
        spread_percent: rates.spread_percent,
        repetitions: rates.repetitions,
        threads,
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it came from a whole number of bytes
        buffer_bytes: bytes as u64,
        method: "streaming sum over a buffer that no cache holds, every thread over its own part".to_owned(),
    }
}

/// The plainest loop on purpose: compilers vectorise this reduction well for every CPU, whereas sums that are laid out by hand
/// were seen to become gathers, ten times slower than memory.
fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_buffer_exceeds_the_caches_four_times_where_memory_allows_it() {
        let gib = 1 << 30;
        assert_eq!(buffer_bytes(Some(32 << 20), 24 * gib), 512 << 20);
        assert_eq!(buffer_bytes(Some(256 << 20), 24 * gib), gib);
        assert_eq!(buffer_bytes(Some(2 * gib), 256 * gib), 4 * gib);
        assert_eq!(buffer_bytes(None, 24 * gib), 512 << 20);
        assert_eq!(buffer_bytes(Some(32 << 20), gib), 256 << 20);
        assert_eq!(buffer_bytes(Some(32 << 20), 0), 64 << 20);
    }

    #[test]
    fn one_thread_and_two_both_read_at_some_speed_and_say_how() {
        let (many, single) = measure(2, 64 << 20);
        assert_eq!((many.threads, single.threads), (2, 1));
        for bandwidth in [&many, &single] {
            assert!(
                bandwidth.median_gb_per_second.is_finite() && bandwidth.median_gb_per_second > 0.1,
                "{bandwidth:?}"
            );
            assert!(bandwidth.best_gb_per_second >= bandwidth.median_gb_per_second);
            assert!(bandwidth.repetitions >= 3);
            assert_eq!(bandwidth.buffer_bytes, 64 << 20);
        }
    }

    #[test]
    fn a_single_thread_is_measured_once() {
        let (many, single) = measure(1, 8 << 20);
        assert_eq!(many, single);
        assert_eq!(many.threads, 1);
    }

    #[test]
    fn the_sum_reads_every_word_and_wraps_around() {
        let words: Vec<u64> = (1..=1001).collect();
        assert_eq!(sum(&words), 1001 * 1002 / 2);
        assert_eq!(sum(&[u64::MAX, 2, 3]), 4);
        assert_eq!(sum(&[]), 0);
    }

    proptest! {
        #[test]
        fn a_buffer_never_takes_more_than_a_quarter_of_what_is_available(cache in any::<u64>(), available in (256_u64 << 20)..u64::MAX) {
            let bytes = buffer_bytes(Some(cache), available);
            prop_assert!((64_u64 << 20..=4 << 30).contains(&bytes) && bytes <= available / 4);
        }
    }
}
