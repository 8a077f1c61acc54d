//! The machine's facts where there is no `/proc`: macOS, Windows and the rest, by way of sysinfo.
//!
//! Stated absences, each `None` or empty in the reports: caches, limits of containers, power source, kind of virtual
//! machine, other load, swap traffic and throttle counts. A port of one of them is a function here.
//!
//! Compiled into the tests on every system, so that it cannot rot unseen.

use sysinfo::{Components, CpuRefreshKind, MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind};

use super::cpu::{self, Cpu};
use super::memory::{Limits, Memory};
use super::vitals::{Counters, ProcessMemory, Vitals};
use super::{LoadAverage, Power, System, Temperature};
use crate::stats::float;

pub(super) fn system() -> System {
    System {
        hostname: sysinfo::System::host_name().ok(),
        os: sysinfo::System::long_os_version().ok(),
        kernel: sysinfo::System::kernel_version().ok(),
        virtualization: None,
        container: None,
    }
}

pub(super) fn cpu() -> Cpu {
    let cpus = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing().with_frequency());
    let system = sysinfo::System::new_with_specifics(cpus).ok();
    let first = system.as_ref().and_then(|system| system.cpus().first());
    let logical = system.as_ref().map_or(0, |system| system.cpus().len());
    Cpu {
        brand: first.map(|cpu| cpu.brand().trim().to_owned()).filter(|brand| !brand.is_empty()),
        vendor: first.map(|cpu| cpu.vendor_id().to_owned()).filter(|vendor| !vendor.is_empty()),
        architecture: std::env::consts::ARCH.to_owned(),
        physical_cores: sysinfo::System::physical_core_count().ok().and_then(|cores| u32::try_from(cores).ok()),
        logical_cores: u32::try_from(logical).unwrap_or(0).max(1),
        frequency_current_mhz: system.as_ref().and_then(frequency_mhz),
        frequency_base_mhz: None,
        frequency_max_mhz: None,
        governor: None,
        caches: Vec::new(),
        features: cpu::features_of_this_cpu(),
    }
}

pub(super) fn memory() -> Memory {
    let kinds = RefreshKind::nothing().with_memory(MemoryRefreshKind::everything());
    sysinfo::System::new_with_specifics(kinds).map_or_else(
        |_| Memory::default(),
        |system| Memory {
            total_bytes: system.total_memory(),
            available_bytes: system.available_memory(),
            swap_total_bytes: system.total_swap(),
            swap_used_bytes: system.used_swap(),
        },
    )
}

pub(super) fn limits() -> Option<Limits> {
    None
}

pub(super) fn temperatures() -> Vec<Temperature> {
    let Ok(components) = Components::new_with_refreshed_list() else { return Vec::new() };
    let readable = components.iter().filter_map(|component| {
        let celsius = component.temperature().filter(|celsius| celsius.is_finite())?;
        Some(Temperature { sensor: component.label().to_owned(), temperature_c: f64::from(celsius) })
    });
    readable.collect()
}

pub(super) fn load_average() -> Option<LoadAverage> {
    let load = sysinfo::System::load_average().ok()?;
    Some(LoadAverage { one_minute: load.one, five_minutes: load.five, fifteen_minutes: load.fifteen })
}

pub(super) fn power() -> Option<Power> {
    None
}

pub(super) fn reading(pid: u32) -> (Vitals, Counters) {
    let kinds = RefreshKind::nothing()
        .with_memory(MemoryRefreshKind::nothing().with_swap())
        .with_cpu(CpuRefreshKind::nothing().with_frequency());
    let Ok(mut system) = sysinfo::System::new_with_specifics(kinds) else {
        return (Vitals::default(), Counters::default());
    };
    let process = memory_of(&mut system, pid);
    let vitals = Vitals {
        temperature_c: temperatures().iter().map(|sensor| sensor.temperature_c).reduce(f64::max),
        frequency_mhz: frequency_mhz(&system),
        swap_used_bytes: Some(system.used_swap()),
        process,
        gpus: Vec::new(),
    };
    (vitals, Counters::default())
}

pub(super) fn process_memory(pid: u32) -> Option<ProcessMemory> {
    memory_of(&mut sysinfo::System::new_with_specifics(RefreshKind::nothing()).ok()?, pid)
}

/// What is resident of a process; what it shares with files cannot be told apart here.
fn memory_of(system: &mut sysinfo::System, pid: u32) -> Option<ProcessMemory> {
    let pid = Pid::from_u32(pid);
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        true,
        ProcessRefreshKind::nothing().with_memory(),
    );
    system.process(pid).map(|process| ProcessMemory { rss_bytes: process.memory(), ..ProcessMemory::default() })
}

/// Mean over the cores that tell.
fn frequency_mhz(system: &sysinfo::System) -> Option<f64> {
    let told: Vec<u64> = system.cpus().iter().map(sysinfo::Cpu::frequency).filter(|mhz| *mhz > 0).collect();
    (!told.is_empty()).then(|| float(told.iter().sum()) / float(told.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_that_every_system_tells_are_there() {
        assert!(cpu().logical_cores >= 1);
        assert!(memory().total_bytes >= memory().swap_used_bytes.min(1));
        assert!(memory().available_bytes <= memory().total_bytes);
        assert!(system().hostname.is_some_and(|name| !name.is_empty()));
        assert!(load_average().is_none_or(|load| load.one_minute >= 0.0));
    }

    #[test]
    fn what_is_not_told_here_is_absent_and_not_zero() {
        assert_eq!(limits(), None);
        assert_eq!(power(), None);
        assert!(temperatures().iter().all(|sensor| sensor.temperature_c.is_finite()));
        assert_eq!(cpu().frequency_max_mhz, None);
    }

    #[test]
    fn the_memory_of_a_process_is_read_and_counters_are_absent() {
        let (vitals, counters) = reading(std::process::id());
        assert!(vitals.process.is_some_and(|process| process.rss_bytes > 0));
        assert!(process_memory(std::process::id()).is_some_and(|process| process.rss_bytes > 0));
        assert_eq!(process_memory(u32::MAX - 1), None);
        assert_eq!(counters, Counters::default());
    }
}
