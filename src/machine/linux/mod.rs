//! The machine's facts on Linux: which files to read. What their text means stands in the files beside this one, which take
//! text or a root folder, so that they are tested without the machine they describe.

mod cgroup;
mod cpuinfo;
mod host;
mod proc;
mod sensors;
mod topology;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::cpu::{self, Cpu};
use super::memory::{Limits, Memory};
use super::vitals::{Counters, ProcessMemory, Vitals};
use super::{LoadAverage, Power, System, Temperature};

/// Cores whose clock is asked for in a reading: each costs some microseconds and they resemble each other.
const CORES_ASKED: usize = 16;

pub(super) fn system() -> System {
    host::system(Path::new("/"))
}

pub(super) fn cpu() -> Cpu {
    cpu_at(Path::new("/"), std::env::consts::ARCH)
}

pub(super) fn memory() -> Memory {
    proc::memory(&text("/proc/meminfo"))
}

pub(super) fn limits() -> Option<Limits> {
    let cgroups = cgroup::Cgroups::find(&text("/proc/self/cgroup"), &text("/proc/self/mountinfo"), Path::new("/"));
    let allowed = proc::cpus_allowed(&text("/proc/self/status"));
    cgroup::limits(&cgroups, allowed, topology::logical_cores(Path::new("/")), memory().total_bytes)
}

pub(super) fn temperatures() -> Vec<Temperature> {
    let sensors = sensors::find(Path::new("/"));
    sensors.iter().filter_map(sensors::Sensor::read).collect()
}

pub(super) fn load_average() -> Option<LoadAverage> {
    proc::load_average(&text("/proc/loadavg"))
}

pub(super) fn power() -> Option<Power> {
    sensors::power(Path::new("/"))
}

pub(super) fn process_memory(pid: u32) -> Option<ProcessMemory> {
    proc::process_memory(&text(format!("/proc/{pid}/status")))
}

/// Everything that changes, in some ten small files.
pub(super) fn reading(pid: u32) -> (Vitals, Counters) {
    let watched = Watched::get();
    let me = std::process::id();
    let own = proc::cpu_ticks(&text("/proc/self/stat")).map(|ours| {
        let other = if pid == me { None } else { proc::cpu_ticks(&text(format!("/proc/{pid}/stat"))) };
        ours + other.unwrap_or(0)
    });
    let all = proc::stat(&text("/proc/stat"));
    let (swap_in_pages, swap_out_pages) = proc::swapped_pages(&text("/proc/vmstat"));
    let memory = memory();
    let hottest = watched.processor_sensors.iter().filter_map(sensors::Sensor::read).map(|t| t.temperature_c);
    let vitals = Vitals {
        temperature_c: hottest.reduce(f64::max),
        frequency_mhz: watched.frequency_mhz(),
        swap_used_bytes: (memory.total_bytes > 0).then_some(memory.swap_used_bytes),
        process: process_memory(pid),
        gpus: Vec::new(),
    };
    let counters = Counters {
        busy_ticks: all.map(|ticks| ticks.busy),
        all_ticks: all.map(|ticks| ticks.all),
        own_ticks: own,
        swap_in_pages,
        swap_out_pages,
        throttle_events: watched.throttle_events(),
        quota_throttled: watched.quota_throttled(),
    };
    (vitals, counters)
}

/// The files of a reading that are the same each time; looking for them costs more than reading them.
struct Watched {
    clocks: Vec<PathBuf>,
    cpuinfo_tells_clock: bool,
    processor_sensors: Vec<sensors::Sensor>,
    throttle_counts: Vec<PathBuf>,
    cgroups: cgroup::Cgroups,
}

impl Watched {
    fn get() -> &'static Self {
        static WATCHED: OnceLock<Watched> = OnceLock::new();
        WATCHED.get_or_init(|| {
            let root = Path::new("/");
            let cores = topology::online(root);
            let clocks = topology::clock_files(root, CORES_ASKED);
            Self {
                // A virtual machine has no clock files; its /proc/cpuinfo is short enough to be read each time.
                cpuinfo_tells_clock: clocks.is_empty() && cores.len() <= CORES_ASKED,
                clocks,
                processor_sensors: sensors::find(root).into_iter().filter(sensors::Sensor::is_processor).collect(),
                throttle_counts: sensors::throttle_counts(root, &cores, CORES_ASKED),
                cgroups: cgroup::Cgroups::find(&text("/proc/self/cgroup"), &text("/proc/self/mountinfo"), root),
            }
        })
    }

    fn frequency_mhz(&self) -> Option<f64> {
        if self.cpuinfo_tells_clock {
            return cpuinfo::parse(&text("/proc/cpuinfo")).frequency_mhz;
        }
        topology::mean_clock_mhz(&self.clocks)
    }

    fn throttle_events(&self) -> Option<u64> {
        self.throttle_counts.iter().filter_map(number).reduce(u64::saturating_add)
    }

    fn quota_throttled(&self) -> Option<Duration> {
        self.cgroups.throttled()
    }
}

fn cpu_at(root: &Path, architecture: &str) -> Cpu {
    let info = cpuinfo::parse(&text(root.join("proc/cpuinfo")));
    let flags: Vec<&str> = info.flags.iter().map(String::as_str).collect();
    let clocks = topology::clocks(root);
    let clock_files = topology::clock_files(root, CORES_ASKED);
    Cpu {
        brand: info.brand.clone(),
        vendor: info.vendor.clone(),
        architecture: architecture.to_owned(),
        physical_cores: topology::physical_cores(root).or(info.physical_cores),
        logical_cores: topology::logical_cores(root).or(info.logical_cores).unwrap_or(1),
        frequency_current_mhz: topology::mean_clock_mhz(&clock_files).or(info.frequency_mhz),
        frequency_base_mhz: clocks.base_mhz.or(info.base_mhz),
        frequency_max_mhz: clocks.max_mhz,
        governor: clocks.governor,
        caches: topology::caches(root),
        features: cpu::features_of_flags(&flags),
    }
}

/// A file's text; empty where it is not there or may not be read.
fn text(path: impl AsRef<Path>) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// A file that holds a single line; `None` where it is empty.
fn line(path: impl AsRef<Path>) -> Option<String> {
    let text = text(path);
    let line = text.trim_matches(['\0', ' ', '\n', '\t']);
    (!line.is_empty()).then(|| line.to_owned())
}

/// A file that holds a number.
fn number(path: impl AsRef<Path>) -> Option<u64> {
    line(path)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_holds_the_counters_and_the_watched_process() {
        reading(std::process::id());
        let (vitals, counters) = reading(std::process::id());
        assert!(vitals.process.is_some());
        assert!(counters.busy_ticks <= counters.all_ticks);
        assert!(counters.own_ticks.is_some());
    }

    #[test]
    fn computing_here_is_our_own_load_and_not_another_programs() {
        let spin = |pid| {
            let (_, before) = reading(pid);
            let end = std::time::Instant::now() + Duration::from_millis(300);
            while std::time::Instant::now() < end {
                std::hint::spin_loop();
            }
            let (_, after) = reading(pid);
            after.own_ticks.zip(before.own_ticks).map(|(after, before)| after - before)
        };
        assert!(spin(std::process::id()).is_some_and(|ticks| ticks > 0));
        assert!(spin(u32::MAX - 1).is_some_and(|ticks| ticks > 0));
    }
}
