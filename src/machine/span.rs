//! What happened to the machine between two readings, and which of it may have disturbed a measurement.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::vitals::{Snapshot, Vitals};
use crate::stats::float;
use crate::stats::mean;

/// Other load above this share of all CPUs is told.
const OTHER_LOAD_PERCENT: f64 = 10.0;
/// A fall of the clock above this is told.
const FREQUENCY_DROP_PERCENT: f64 = 10.0;
/// Pages swapped, in and out together, from which on it is told (1 MiB of 4 KiB pages): a page now and then is anyone's.
const SWAPPED_PAGES: u64 = 256;
/// The kernel counts CPU time in ticks of 10 ms; a share of a shorter span would be made of rounding.
const SHORTEST_LOAD_SECONDS: f64 = 0.5;

/// What happened between the first and the last of some [`Snapshot`]s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitalsSpan {
    /// From the first to the last reading.
    pub seconds: f64,
    /// Share of all CPUs that was busy with anything but this program, stolen time included. `None` for spans under half a
    /// second, too short for the kernel's ticks, and where the system does not tell.
    pub other_load_percent: Option<f64>,
    /// Pages read from swap, by anyone.
    pub swap_in_pages: Option<u64>,
    /// Pages written to swap, by anyone.
    pub swap_out_pages: Option<u64>,
    /// The most swap that was in use at a reading.
    pub swap_used_max_bytes: Option<u64>,
    /// Lowest clock at a reading (mean over the cores).
    pub frequency_mhz_min: Option<f64>,
    /// Mean of the readings' clocks.
    pub frequency_mhz_mean: Option<f64>,
    /// Largest fall of the clock from one reading to a later one, in percent of the higher; 0 where it only rose.
    pub frequency_drop_percent: Option<f64>,
    /// Hottest reading of the processor.
    pub temperature_max_c: Option<f64>,
    /// The processor slowed itself down because of heat or power, as far as it counts that.
    pub throttled: bool,
    /// Thread time lost to a container's CPU quota, in seconds.
    pub quota_throttled_seconds: Option<f64>,
    /// The most that was resident of the watched process at a reading.
    pub rss_max_bytes: Option<u64>,
    /// The most of it that no file backed.
    pub rss_anon_max_bytes: Option<u64>,
    /// Hottest reading of a GPU.
    pub gpu_temperature_max_c: Option<f64>,
    /// Lowest clock of a GPU at a reading.
    pub gpu_clock_mhz_min: Option<f64>,
    /// Mean power of all GPUs together, over the readings.
    pub gpu_power_mean_watts: Option<f64>,
    /// Why a GPU's clock was held back at any reading.
    pub gpu_throttle_reasons: Vec<String>,
}

impl VitalsSpan {
    /// What happened from the first to the last snapshot; the ones in between make lows and peaks sharper. Nothing for none.
    #[must_use]
    pub fn over(snapshots: &[Snapshot]) -> Self {
        let (Some(first), Some(last)) = (snapshots.first(), snapshots.last()) else { return Self::default() };
        let seconds = last.at.saturating_duration_since(first.at).as_secs_f64();
        let (from, to) = (&first.counters, &last.counters);
        let each = |reading: fn(&Vitals) -> Option<f64>| snapshots.iter().filter_map(move |s| reading(&s.vitals));
        let frequencies: Vec<f64> = each(|v| v.frequency_mhz).collect();
        let most = |reading: fn(&Vitals) -> Option<u64>| snapshots.iter().filter_map(|s| reading(&s.vitals)).max();
        Self {
            seconds,
            other_load_percent: other_load(first, last).filter(|_| seconds >= SHORTEST_LOAD_SECONDS),
            swap_in_pages: growth(from.swap_in_pages, to.swap_in_pages),
            swap_out_pages: growth(from.swap_out_pages, to.swap_out_pages),
            swap_used_max_bytes: most(|v| v.swap_used_bytes),
            frequency_mhz_min: frequencies.iter().copied().reduce(f64::min),
            frequency_mhz_mean: mean(&frequencies),
            frequency_drop_percent: largest_fall_percent(&frequencies),
            temperature_max_c: each(|v| v.temperature_c).reduce(f64::max),
            throttled: growth(from.throttle_events, to.throttle_events).is_some_and(|events| events > 0),
            quota_throttled_seconds: from
                .quota_throttled
                .zip(to.quota_throttled)
                .map(|(from, to)| to.saturating_sub(from).as_secs_f64()),
            rss_max_bytes: most(|v| v.process.map(|p| p.rss_bytes)),
            rss_anon_max_bytes: most(|v| v.process.and_then(|p| p.rss_anon_bytes)),
            gpu_temperature_max_c: each(|v| v.gpus.iter().filter_map(|g| g.temperature_c).reduce(f64::max))
                .reduce(f64::max),
            gpu_clock_mhz_min: each(|v| v.gpus.iter().filter_map(|g| g.clock_mhz).reduce(f64::min)).reduce(f64::min),
            gpu_power_mean_watts: mean(
                &each(|v| v.gpus.iter().filter_map(|g| g.power_watts).reduce(|a, b| a + b)).collect::<Vec<_>>(),
            ),
            gpu_throttle_reasons: gpu_throttle_reasons(snapshots),
        }
    }

    /// What may have disturbed a measurement in this span.
    #[must_use]
    pub fn warnings(&self) -> Vec<NoiseWarning> {
        let mut warnings = Vec::new();
        if let Some(percent) = self.other_load_percent.filter(|percent| *percent > OTHER_LOAD_PERCENT) {
            warnings.push(NoiseWarning::OtherLoad { percent });
        }
        let (in_pages, out_pages) = (self.swap_in_pages.unwrap_or(0), self.swap_out_pages.unwrap_or(0));
        if in_pages.saturating_add(out_pages) >= SWAPPED_PAGES {
            warnings.push(NoiseWarning::Swapping { in_pages, out_pages });
        }
        if let Some(percent) = self.frequency_drop_percent.filter(|percent| *percent > FREQUENCY_DROP_PERCENT) {
            warnings.push(NoiseWarning::FrequencyDrop { percent });
        }
        if self.throttled {
            warnings.push(NoiseWarning::Throttled { temperature_max_c: self.temperature_max_c });
        }
        if let Some(seconds) = self.quota_throttled_seconds.filter(|seconds| *seconds > 0.0) {
            warnings.push(NoiseWarning::QuotaThrottled { seconds });
        }
        if !self.gpu_throttle_reasons.is_empty() {
            warnings.push(NoiseWarning::GpuThrottled { reasons: self.gpu_throttle_reasons.clone() });
        }
        warnings
    }
}

/// Something that may have disturbed a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NoiseWarning {
    /// Other programs kept the CPUs busy.
    OtherLoad {
        /// Share of all CPUs.
        percent: f64,
    },
    /// Memory went to or came from swap.
    Swapping {
        /// Pages read.
        in_pages: u64,
        /// Pages written.
        out_pages: u64,
    },
    /// The processor's clock fell.
    FrequencyDrop {
        /// Fall in percent of the higher clock.
        percent: f64,
    },
    /// The processor slowed itself down.
    Throttled {
        /// Its hottest reading.
        temperature_max_c: Option<f64>,
    },
    /// A container's CPU quota held threads back.
    QuotaThrottled {
        /// Thread time lost.
        seconds: f64,
    },
    /// A GPU's clock was held back.
    GpuThrottled {
        /// The driver's reasons.
        reasons: Vec<String>,
    },
}

impl fmt::Display for NoiseWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherLoad { percent } => write!(f, "other programs used {percent:.0} % of all CPUs"),
            Self::Swapping { in_pages, out_pages } => {
                write!(f, "the machine was swapping ({in_pages} pages in, {out_pages} pages out)")
            }
            Self::FrequencyDrop { percent } => write!(f, "the CPU clock fell by {percent:.0} %"),
            Self::Throttled { temperature_max_c: Some(celsius) } => {
                write!(f, "the CPU throttled itself (hottest reading {celsius:.0} °C)")
            }
            Self::Throttled { temperature_max_c: None } => f.write_str("the CPU throttled itself"),
            Self::QuotaThrottled { seconds } => {
                write!(f, "the container's CPU quota held threads back for {seconds:.2} s")
            }
            Self::GpuThrottled { reasons } => write!(f, "the GPU's clock was held back ({})", reasons.join(", ")),
        }
    }
}

fn growth(from: Option<u64>, to: Option<u64>) -> Option<u64> {
    Some(to?.saturating_sub(from?))
}

/// Busy ticks that were not ours, of all ticks. Both are rounded by the kernel, so that the difference may come out a little
/// below zero on a quiet machine.
fn other_load(first: &Snapshot, last: &Snapshot) -> Option<f64> {
    let (from, to) = (&first.counters, &last.counters);
    let all = growth(from.all_ticks, to.all_ticks).filter(|ticks| *ticks > 0)?;
    let busy = growth(from.busy_ticks, to.busy_ticks)?;
    let own = growth(from.own_ticks, to.own_ticks)?;
    Some((float(busy.saturating_sub(own)) / float(all) * 100.0).min(100.0))
}

fn largest_fall_percent(values: &[f64]) -> Option<f64> {
    let mut highest = *values.first()?;
    let mut fall = 0.0_f64;
    for &value in values {
        highest = highest.max(value);
        if highest > 0.0 {
            fall = fall.max((highest - value) / highest * 100.0);
        }
    }
    Some(fall)
}

fn gpu_throttle_reasons(snapshots: &[Snapshot]) -> Vec<String> {
    let mut reasons: Vec<String> =
        snapshots.iter().flat_map(|s| &s.vitals.gpus).flat_map(|gpu| gpu.throttle_reasons.iter().cloned()).collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::super::vitals::{Counters, GpuVitals};
    use super::*;

    fn snapshot(start: Instant, seconds: f64, counters: Counters, frequency_mhz: f64) -> Snapshot {
        let vitals = Vitals { frequency_mhz: Some(frequency_mhz), ..Vitals::default() };
        Snapshot { at: start + Duration::from_secs_f64(seconds), vitals, counters }
    }

    fn ticks(busy: u64, all: u64, own: u64) -> Counters {
        Counters { busy_ticks: Some(busy), all_ticks: Some(all), own_ticks: Some(own), ..Counters::default() }
    }

    #[test]
    fn other_load_is_the_busy_share_that_is_not_ours() {
        let now = Instant::now();
        let start = snapshot(now, 0.0, ticks(1_000, 5_000, 300), 3_000.0);
        let span = start.until(&snapshot(now, 2.0, ticks(1_300, 5_400, 500), 3_000.0));
        assert_eq!(span.other_load_percent, Some(25.0));
        assert_eq!(span.warnings(), [NoiseWarning::OtherLoad { percent: 25.0 }]);
    }

    #[test]
    fn own_load_alone_is_no_warning_and_rounding_never_makes_it_negative() {
        let now = Instant::now();
        let start = snapshot(now, 0.0, ticks(0, 0, 0), 3_000.0);
        let span = start.until(&snapshot(now, 2.0, ticks(399, 400, 400), 3_000.0));
        assert_eq!(span.other_load_percent, Some(0.0));
        assert_eq!(span.warnings(), []);
    }

    #[test]
    fn a_span_shorter_than_the_kernels_ticks_can_tell_claims_no_load() {
        let now = Instant::now();
        let start = snapshot(now, 0.0, ticks(0, 0, 0), 3_000.0);
        assert_eq!(start.until(&snapshot(now, 0.02, ticks(4, 4, 0), 3_000.0)).other_load_percent, None);
    }

    #[test]
    fn a_dip_of_the_clock_in_the_middle_is_a_drop_and_a_rise_is_none() {
        let now = Instant::now();
        let at = |seconds, mhz| snapshot(now, seconds, Counters::default(), mhz);
        let span = VitalsSpan::over(&[at(0.0, 4_000.0), at(1.0, 3_000.0), at(2.0, 4_000.0)]);
        assert_eq!(span.warnings(), [NoiseWarning::FrequencyDrop { percent: 25.0 }]);
        assert_eq!(span.frequency_mhz_min, Some(3_000.0));
        assert_eq!(at(0.0, 800.0).until(&at(1.0, 4_000.0)).warnings(), []);
    }

    #[test]
    fn swapping_throttling_and_a_quota_are_each_told_once() {
        let now = Instant::now();
        let counters = |pages, events, millis| Counters {
            swap_in_pages: Some(pages),
            swap_out_pages: Some(0),
            throttle_events: Some(events),
            quota_throttled: Some(Duration::from_millis(millis)),
            ..Counters::default()
        };
        let start = snapshot(now, 0.0, counters(10, 7, 100), 3_000.0);
        assert_eq!(start.until(&snapshot(now, 1.0, counters(20, 7, 100), 3_000.0)).warnings(), []);
        let told = start.until(&snapshot(now, 1.0, counters(10_010, 8, 350), 3_000.0)).warnings();
        let text: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "the machine was swapping (10000 pages in, 0 pages out)",
                "the CPU throttled itself",
                "the container's CPU quota held threads back for 0.25 s"
            ]
        );
    }

    #[test]
    fn reasons_of_several_gpus_and_readings_are_told_together() {
        let gpu = |reason: &str| GpuVitals { throttle_reasons: vec![reason.to_owned()], ..GpuVitals::default() };
        let mut start = snapshot(Instant::now(), 0.0, Counters::default(), 3_000.0);
        let mut end = start.clone();
        start.vitals.gpus = vec![gpu("sw_power_cap"), gpu("hw_slowdown")];
        end.vitals.gpus = vec![gpu("sw_power_cap")];
        let warnings = start.until(&end).warnings();
        assert_eq!(warnings[0].to_string(), "the GPU's clock was held back (hw_slowdown, sw_power_cap)");
    }

    #[test]
    fn a_span_over_nothing_is_empty_and_survives_json() {
        let span = VitalsSpan::over(&[]);
        assert_eq!(span, VitalsSpan::default());
        let json = serde_json::to_string(&span).expect("plain data");
        assert_eq!(serde_json::from_str::<VitalsSpan>(&json).expect("own output"), span);
    }

    proptest! {
        #[test]
        fn other_load_is_always_a_percentage(busy in 0_u64..1_000_000, idle in 0_u64..1_000_000, own in 0_u64..2_000_000) {
            let now = Instant::now();
            let start = snapshot(now, 0.0, ticks(0, 0, 0), 3_000.0);
            let span = start.until(&snapshot(now, 1.0, ticks(busy, busy + idle, own), 3_000.0));
            prop_assert!(span.other_load_percent.is_none_or(|percent| (0.0..=100.0).contains(&percent)));
        }

        #[test]
        fn the_fall_of_a_clock_is_a_percentage_and_zero_when_it_only_rises(mut clocks in prop::collection::vec(1.0_f64..6e3, 1..20)) {
            let fall = largest_fall_percent(&clocks).expect("not empty");
            prop_assert!((0.0..100.0).contains(&fall));
            clocks.sort_by(f64::total_cmp);
            prop_assert_eq!(largest_fall_percent(&clocks), Some(0.0));
        }
    }
}
