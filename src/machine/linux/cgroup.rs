//! Control groups, versions 1 and 2: a container's real size.
//!
//! A group's limit binds its subgroups too, so every level up to the mount's root is asked and the tightest one wins. See the
//! kernel's `admin-guide/cgroup-v2.rst` and `admin-guide/cgroup-v1/memory.rst` for the files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{line, number, proc, text};
use crate::machine::memory::Limits;
use crate::stats::float;

/// From here on a limit is version 1's way to say that there is none (the largest page-aligned number).
const NO_LIMIT_BYTES: u64 = 1 << 60;

/// The folders of the process's groups, each with its ancestors, innermost first. Empty where the controller is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cgroups {
    memory: Vec<PathBuf>,
    cpu: Vec<PathBuf>,
}

impl Cgroups {
    /// Finds them from the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`; mount points lie under `root`.
    pub(super) fn find(self_cgroup: &str, mountinfo: &str, root: &Path) -> Self {
        let folders = |controller| controller_folders(controller, self_cgroup, mountinfo, root).unwrap_or_default();
        Self { memory: folders("memory"), cpu: folders("cpu") }
    }

    /// How long CPU quotas have held threads back, at the tightest level that counts it.
    pub(super) fn throttled(&self) -> Option<Duration> {
        self.cpu.iter().filter_map(|folder| throttled(&text(folder.join("cpu.stat")))).max()
    }

    fn memory_limit_bytes(&self) -> Option<u64> {
        self.memory.iter().filter_map(|folder| memory_limit(folder)).min()
    }

    fn memory_headroom_bytes(&self) -> Option<u64> {
        let headroom = |folder: &PathBuf| Some(memory_limit(folder)?.saturating_sub(memory_used(folder)?));
        self.memory.iter().filter_map(headroom).min()
    }

    fn cpu_quota(&self) -> Option<f64> {
        self.cpu.iter().filter_map(|folder| cpu_quota(folder)).reduce(f64::min)
    }
}

/// What is less than the machine has; `None` where nothing is.
pub(super) fn limits(
    cgroups: &Cgroups,
    allowed: Option<u32>,
    logical: Option<u32>,
    total_bytes: u64,
) -> Option<Limits> {
    // A limit above the machine's RAM limits nothing; a headroom without a limit cannot be.
    let memory_limit_bytes = cgroups.memory_limit_bytes().filter(|limit| total_bytes == 0 || *limit < total_bytes);
    let cpus = logical.map_or(f64::INFINITY, f64::from);
    let limits = Limits {
        memory_limit_bytes,
        memory_headroom_bytes: memory_limit_bytes.and_then(|_| cgroups.memory_headroom_bytes()),
        cpu_quota: cgroups.cpu_quota().filter(|quota| *quota < cpus),
        cpus_allowed: allowed.filter(|allowed| logical.is_none_or(|logical| *allowed < logical)),
    };
    (limits != Limits::default()).then_some(limits)
}

fn controller_folders(controller: &str, self_cgroup: &str, mountinfo: &str, root: &Path) -> Option<Vec<PathBuf>> {
    let groups = || {
        self_cgroup.lines().filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            Some((fields.next()?, fields.next()?))
        })
    };
    // A controller is bound to version 1 or to version 2, never to both; version 2's line names none.
    let version_1 = groups().find(|(names, _)| names.split(',').any(|name| name == controller));
    let (group, mount) = match version_1 {
        Some((_, group)) => (
            group,
            find_mount(mountinfo, |kind, options| {
                kind == "cgroup" && options.split(',').any(|option| option == controller)
            })?,
        ),
        None => (groups().find(|(names, _)| names.is_empty())?.1, find_mount(mountinfo, |kind, _| kind == "cgroup2")?),
    };
    // In a container the mount shows a subtree: the part of the group's path above it is not there.
    let inner = group.strip_prefix(mount.shown.as_str()).unwrap_or(group);
    let top = root.join(mount.point.trim_start_matches('/'));
    let leaf = top.join(inner.trim_start_matches('/'));
    let leaf = if leaf.is_dir() && !inner.contains("..") { leaf } else { top.clone() };
    Some(leaf.ancestors().take_while(|folder| folder.starts_with(&top)).map(Path::to_owned).collect())
}

/// A line of `/proc/self/mountinfo`.
struct Mount {
    /// The folder of the file system that the mount shows; `/` for all of it.
    shown: String,
    point: String,
}

fn find_mount(mountinfo: &str, wanted: impl Fn(&str, &str) -> bool) -> Option<Mount> {
    mountinfo.lines().find_map(|line| {
        // 31 23 0:28 /shown /point rw,relatime [optional…] - type source super-options
        let (mount, file_system) = line.split_once(" - ")?;
        let mut file_system = file_system.split(' ');
        let (kind, _, options) = (file_system.next()?, file_system.next()?, file_system.next()?);
        let mut mount = mount.split(' ').skip(3);
        let (shown, point) = (mount.next()?, mount.next()?);
        let shown = if shown == "/" { "" } else { shown };
        wanted(kind, options).then(|| Mount { shown: shown.to_owned(), point: point.to_owned() })
    })
}

fn memory_limit(folder: &Path) -> Option<u64> {
    // `max`, version 2's way to say that there is none, is no number.
    let limit = number(folder.join("memory.max")).or_else(|| number(folder.join("memory.limit_in_bytes")))?;
    (limit < NO_LIMIT_BYTES).then_some(limit)
}

/// Use less the cached files that nobody touched of late: the kernel drops them before it refuses memory.
fn memory_used(folder: &Path) -> Option<u64> {
    let used = number(folder.join("memory.current")).or_else(|| number(folder.join("memory.usage_in_bytes")))?;
    let stat = text(folder.join("memory.stat"));
    let field = |name: &str| {
        let mut fields = stat.lines().filter_map(|line| line.split_once(' '));
        fields.find(|(key, _)| *key == name).and_then(|(_, bytes)| bytes.trim().parse::<u64>().ok())
    };
    // Version 1 has a sum over subgroups besides the group's own share; version 2's numbers are such sums.
    let droppable = field("total_inactive_file").or_else(|| field("inactive_file")).unwrap_or(0);
    Some(used.saturating_sub(droppable))
}

fn cpu_quota(folder: &Path) -> Option<f64> {
    let (quota, period) = match line(folder.join("cpu.max")) {
        Some(line) => {
            let (quota, period) = line.split_once(' ')?;
            (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?)
        }
        // -1, version 1's way to say that there is none, is no unsigned number.
        None => (number(folder.join("cpu.cfs_quota_us"))?, number(folder.join("cpu.cfs_period_us"))?),
    };
    (quota > 0 && period > 0).then(|| float(quota) / float(period))
}

/// `throttled_usec` of version 2, `throttled_time` in nanoseconds of version 1.
fn throttled(cpu_stat: &str) -> Option<Duration> {
    let stat = cpu_stat.replace(' ', ": ");
    let micros = proc::value(&stat, "throttled_usec").and_then(|us| us.parse().ok()).map(Duration::from_micros);
    micros.or_else(|| proc::value(&stat, "throttled_time").and_then(|ns| ns.parse().ok()).map(Duration::from_nanos))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    fn tree(files: &[(&str, &str)]) -> TempDir {
        let root = TempDir::new().expect("a folder");
        for (file, text) in files {
            let path = root.path().join("sys/fs/cgroup").join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        root
    }

    #[test]
    fn the_tightest_level_of_version_2_wins_and_droppable_cache_is_no_use() {
        let root = tree(&[
            ("user.slice/memory.max", "4000000000\n"),
            ("user.slice/memory.current", "3900000000\n"),
            ("user.slice/memory.stat", "anon 5\ninactive_file 1000000000\n"),
            ("user.slice/job/memory.max", "max\n"),
            ("user.slice/job/memory.current", "100\n"),
            ("user.slice/job/cpu.max", "150000 100000\n"),
            ("user.slice/cpu.max", "max 100000\n"),
            ("user.slice/job/cpu.stat", "usage_usec 10\nnr_throttled 3\nthrottled_usec 2500000\n"),
        ]);
        let cgroups = Cgroups::find("0::/user.slice/job\n", V2_MOUNT, root.path());
        let limits = limits(&cgroups, Some(8), Some(8), 16_000_000_000).expect("limits");
        assert_eq!(limits.memory_limit_bytes, Some(4_000_000_000));
        assert_eq!(limits.memory_headroom_bytes, Some(1_100_000_000));
        assert_eq!(limits.cpu_quota, Some(1.5));
        assert_eq!(limits.cpus_allowed, None);
        assert_eq!(cgroups.throttled(), Some(Duration::from_millis(2500)));
    }

    #[test]
    fn version_1_in_a_container_that_sees_only_its_own_subtree() {
        let root = tree(&[
            ("memory/memory.limit_in_bytes", "2000000000\n"),
            ("memory/memory.usage_in_bytes", "500000000\n"),
            ("memory/memory.stat", "inactive_file 7\ntotal_inactive_file 100000000\n"),
            ("cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
            ("cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("cpu,cpuacct/cpu.stat", "nr_periods 9\nthrottled_time 1500000000\n"),
        ]);
        let mounts = "31 30 0:27 /docker/abc /sys/fs/cgroup/memory ro,nosuid master:15 - cgroup cgroup rw,memory\n\
            32 30 0:28 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n";
        let cgroups = Cgroups::find("5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n", mounts, root.path());
        let limits = limits(&cgroups, None, Some(4), 16_000_000_000).expect("limits");
        assert_eq!(limits.memory_limit_bytes, Some(2_000_000_000));
        assert_eq!(limits.memory_headroom_bytes, Some(1_600_000_000));
        assert_eq!(limits.cpu_quota, Some(0.5));
        assert_eq!(cgroups.throttled(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn no_limit_is_no_limits_in_both_versions() {
        let v2 = tree(&[("memory.max", "max\n"), ("memory.current", "5\n"), ("cpu.max", "max 100000\n")]);
        let cgroups = Cgroups::find("0::/\n", V2_MOUNT, v2.path());
        assert_eq!(limits(&cgroups, Some(2), Some(2), 1 << 34), None);
        let v1 = tree(&[("memory/memory.limit_in_bytes", "9223372036854771712\n"), ("cpu/cpu.cfs_quota_us", "-1\n")]);
        let mounts = "31 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        let cgroups = Cgroups::find("4:memory:/a/b\n1:cpu:/\n", mounts, v1.path());
        assert_eq!(limits(&cgroups, None, Some(2), 1 << 34), None);
    }

    #[test]
    fn a_limit_above_the_machines_memory_limits_nothing_and_an_affinity_does() {
        let root = tree(&[("memory.max", "99999999999\n"), ("memory.current", "5\n"), ("cpu.max", "1600000 100000\n")]);
        let cgroups = Cgroups::find("0::/\n", V2_MOUNT, root.path());
        let limits = limits(&cgroups, Some(2), Some(8), 16_000_000_000).expect("an affinity");
        assert_eq!(limits, Limits { cpus_allowed: Some(2), ..Limits::default() });
    }

    #[test]
    fn a_group_outside_the_namespace_falls_back_to_the_mounts_top() {
        let root = tree(&[("memory.max", "1000\n"), ("memory.current", "400\n")]);
        let cgroups = Cgroups::find("0::/../../other\n", V2_MOUNT, root.path());
        assert_eq!(cgroups.memory, [root.path().join("sys/fs/cgroup")]);
        assert_eq!(cgroups.memory_headroom_bytes(), Some(600));
    }

    #[test]
    fn a_system_without_control_groups_has_none() {
        let cgroups = Cgroups::find("", "", Path::new("/"));
        assert_eq!(cgroups, Cgroups::default());
        assert_eq!(cgroups.throttled(), None);
        assert_eq!(Cgroups::find("garbage\n0::\n", "garbage - x\n", Path::new("/")), Cgroups::default());
    }
}
