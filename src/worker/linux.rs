//! What Linux lets a process arrange for itself, and what it tells about another one.

use std::fs;
use std::io;

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// Makes the kernel kill this process when the thread that started it ends. False when `parent` is gone already.
pub(super) fn die_with(parent: Option<u32>) -> io::Result<bool> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have died before the line above: then somebody else is the parent now, and no signal will come.
    Ok(parent.is_none_or(|parent| getppid().as_raw().unsigned_abs() == parent))
}

/// Offers this process to the out-of-memory killer before all others, so that it never takes the user's programs.
pub(super) fn die_first() -> io::Result<()> {
    fs::write("/proc/self/oom_score_adj", "1000")
}

/// No core dumps: a crashed worker would write the model's weights to the disk.
pub(super) fn leave_no_core() -> io::Result<()> {
    Ok(setrlimit(Resource::RLIMIT_CORE, 0, 0)?)
}

/// Whether [`cap_memory`] really caps.
pub(super) const CAPS_MEMORY: bool = true;

/// Caps what this process may allocate for itself; mapped files do not count.
pub(super) fn cap_memory(bytes: u64) -> io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_DATA)?;
    let cap = bytes.min(most);
    Ok(setrlimit(Resource::RLIMIT_DATA, cap, cap)?)
}

/// The largest resident memory that a process has had, in bytes, mapped file pages included; none once it is dead.
pub(super) fn peak_resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// How many processes the kernel has killed for want of memory since it started (containers' own limits included).
pub(super) fn oom_kills() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_counts_the_processes_it_takes() {
        assert!(oom_kills().is_some());
    }

    #[test]
    fn this_process_has_had_some_memory_and_a_process_that_is_not_there_none() {
        assert!(peak_resident_bytes(std::process::id()).is_some_and(|bytes| bytes > 100_000));
        assert_eq!(peak_resident_bytes(u32::MAX), None);
    }
}
