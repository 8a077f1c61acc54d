//! `/sys/devices/system/cpu`: cores, caches and clocks. All functions take the root folder that `/sys` lies in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{line, number, proc, text};
use crate::machine::cpu::{Cache, CacheKind};
use crate::stats;
use crate::stats::float;

const CPUS: &str = "sys/devices/system/cpu";

/// Numbers of the logical cores that are switched on.
pub(super) fn online(root: &Path) -> Vec<u32> {
    proc::cpu_list(&text(root.join(CPUS).join("online")))
}

/// How many logical cores are switched on.
pub(super) fn logical_cores(root: &Path) -> Option<u32> {
    u32::try_from(online(root).len()).ok().filter(|cores| *cores > 0)
}

/// Distinct pairs of package and core.
pub(super) fn physical_cores(root: &Path) -> Option<u32> {
    let mut cores = BTreeSet::new();
    for cpu in online(root) {
        let topology = core(root, cpu).join("topology");
        // Siblings name a core beyond doubt; core numbers repeat in clusters of some ARM systems.
        let siblings = line(topology.join("core_cpus_list")).or_else(|| line(topology.join("thread_siblings_list")));
        cores.insert(siblings?);
    }
    u32::try_from(cores.len()).ok().filter(|cores| *cores > 0)
}

/// All caches, those that are alike together, smallest level first.
pub(super) fn caches(root: &Path) -> Vec<Cache> {
    // A cache is seen by every core that shares it.
    let mut seen = BTreeSet::new();
    let mut alike: BTreeMap<(u8, CacheKind, std::cmp::Reverse<u64>, u32), u32> = BTreeMap::new();
    for cpu in online(root) {
        for index in 0_u32.. {
            let folder = core(root, cpu).join(format!("cache/index{index}"));
            let Some(level) = number(folder.join("level")).and_then(|level| u8::try_from(level).ok()) else { break };
            let kind = match line(folder.join("type")).as_deref() {
                Some("Data") => CacheKind::Data,
                Some("Instruction") => CacheKind::Instruction,
                _ => CacheKind::Unified,
            };
            let Some(size_bytes) = line(folder.join("size")).and_then(|size| bytes(&size)) else { continue };
            let shared = line(folder.join("shared_cpu_list")).unwrap_or_else(|| cpu.to_string());
            if seen.insert((level, kind, shared.clone())) {
                let shared_by = u32::try_from(proc::cpu_list(&shared).len()).unwrap_or(1).max(1);
                *alike.entry((level, kind, std::cmp::Reverse(size_bytes), shared_by)).or_default() += 1;
            }
        }
    }
    let caches = alike.into_iter().map(|((level, kind, size, shared_by), instances)| Cache {
        level,
        kind,
        size_bytes: size.0,
        shared_by,
        instances,
    });
    caches.collect()
}

/// Clocks that do not change.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Clocks {
    pub(super) base_mhz: Option<f64>,
    pub(super) max_mhz: Option<f64>,
    pub(super) governor: Option<String>,
}

/// The highest of all cores: with big and little cores they differ.
pub(super) fn clocks(root: &Path) -> Clocks {
    let highest = |file: &str| {
        let files = online(root).into_iter().map(|cpu| core(root, cpu).join("cpufreq").join(file));
        files.filter_map(number).max().map(mhz)
    };
    Clocks {
        base_mhz: highest("base_frequency"),
        max_mhz: highest("cpuinfo_max_freq"),
        governor: line(core(root, *online(root).first().unwrap_or(&0)).join("cpufreq/scaling_governor")),
    }
}

/// The files that tell the clock of at most `most` cores, spread evenly; empty in most virtual machines.
pub(super) fn clock_files(root: &Path, most: usize) -> Vec<PathBuf> {
    let cores = online(root);
    let step = cores.len().div_ceil(most.max(1)).max(1);
    let files = cores.into_iter().step_by(step).map(|cpu| core(root, cpu).join("cpufreq/scaling_cur_freq"));
    files.filter(|file| number(file).is_some()).collect()
}

/// Mean over the files of [`clock_files`].
pub(super) fn mean_clock_mhz(files: &[PathBuf]) -> Option<f64> {
    let clocks: Vec<f64> = files.iter().filter_map(number).map(mhz).collect();
    stats::mean(&clocks)
}

fn core(root: &Path, cpu: u32) -> PathBuf {
    root.join(CPUS).join(format!("cpu{cpu}"))
}

fn mhz(khz: u64) -> f64 {
    float(khz) / 1000.0
}

/// `32K`, `8M` or plain bytes.
fn bytes(size: &str) -> Option<u64> {
    let (digits, unit) = match size.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if size.ends_with('K') => (digits, 1 << 10),
        Some(digits) if size.ends_with('M') => (digits, 1 << 20),
        Some(digits) => (digits, 1 << 30),
        None => (size, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn write(root: &TempDir, file: &str, text: &str) {
        let path = root.path().join(CPUS).join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Two cores of two threads each, one L3.
    fn hyper_threaded() -> TempDir {
        let root = TempDir::new().expect("a folder");
        write(&root, "online", "0-3\n");
        for (cpu, siblings) in [(0, "0,2"), (1, "1,3"), (2, "0,2"), (3, "1,3")] {
            write(&root, &format!("cpu{cpu}/topology/core_cpus_list"), siblings);
            let caches =
                [(1, "Data", "32K", siblings), (1, "Instruction", "64K", siblings), (3, "Unified", "16384K", "0-3")];
            for (index, (level, kind, size, shared)) in caches.into_iter().enumerate() {
                let folder = format!("cpu{cpu}/cache/index{index}");
                write(&root, &format!("{folder}/level"), &format!("{level}\n"));
                write(&root, &format!("{folder}/type"), &format!("{kind}\n"));
                write(&root, &format!("{folder}/size"), &format!("{size}\n"));
                write(&root, &format!("{folder}/shared_cpu_list"), &format!("{shared}\n"));
            }
            write(&root, &format!("cpu{cpu}/cpufreq/scaling_cur_freq"), &format!("{}\n", 1_000_000 * (cpu + 1)));
            write(&root, &format!("cpu{cpu}/cpufreq/cpuinfo_max_freq"), &format!("{}\n", 4_000_000 + cpu));
            write(&root, &format!("cpu{cpu}/cpufreq/scaling_governor"), "powersave\n");
        }
        root
    }

    #[test]
    fn two_threads_of_a_core_are_one_physical_core() {
        let root = hyper_threaded();
        assert_eq!((physical_cores(root.path()), logical_cores(root.path())), (Some(2), Some(4)));
    }

    #[test]
    fn a_cache_is_counted_once_however_many_cores_share_it() {
        let cache =
            |level, kind, size_bytes, shared_by, instances| Cache { level, kind, size_bytes, shared_by, instances };
        assert_eq!(
            caches(hyper_threaded().path()),
            [
                cache(1, CacheKind::Data, 32 << 10, 2, 2),
                cache(1, CacheKind::Instruction, 64 << 10, 2, 2),
                cache(3, CacheKind::Unified, 16 << 20, 4, 1)
            ]
        );
    }

    #[test]
    fn the_clock_is_the_mean_and_the_highest_maximum_counts() {
        let root = hyper_threaded();
        assert_eq!(mean_clock_mhz(&clock_files(root.path(), 16)), Some(2500.0));
        assert_eq!(clock_files(root.path(), 2).len(), 2);
        let clocks = clocks(root.path());
        assert_eq!(clocks, Clocks { base_mhz: None, max_mhz: Some(4_000.003), governor: Some("powersave".to_owned()) });
    }

    #[test]
    fn a_machine_that_tells_nothing_has_unknown_cores() {
        let root = TempDir::new().expect("a folder");
        assert_eq!((physical_cores(root.path()), logical_cores(root.path())), (None, None));
        assert_eq!(caches(root.path()), []);
        assert_eq!(clocks(root.path()), Clocks::default());
        assert_eq!(mean_clock_mhz(&clock_files(root.path(), 16)), None);
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            [bytes("48K"), bytes("2M"), bytes("1G"), bytes("64")],
            [Some(48 << 10), Some(2 << 20), Some(1 << 30), Some(64)]
        );
        assert_eq!([bytes("K"), bytes(""), bytes("99999999999999999999K")], [None; 3]);
    }
}
