//! RAM, swap, and what a container leaves of them.
//!
//! Left out on purpose: the bandwidth of the memory ([`crate::probe::bandwidth`]) and what a model takes of it
//! ([`crate::engine::MemoryBreakdown`]).

use serde::{Deserialize, Serialize};

use super::platform;

/// RAM and swap of the whole machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// All RAM that the operating system manages.
    pub total_bytes: u64,
    /// RAM that new processes could get without swapping, the page cache that can be dropped included.
    pub available_bytes: u64,
    /// Size of all swap areas.
    pub swap_total_bytes: u64,
    /// What is used of them.
    pub swap_used_bytes: u64,
}

/// What this process may use, where that is less than the machine has: a container's real size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The smallest memory limit of the process's control groups.
    pub memory_limit_bytes: Option<u64>,
    /// What can still be had under these limits: limit less use, cached files that can be dropped not counted as use.
    pub memory_headroom_bytes: Option<u64>,
    /// CPU time that the process's control groups get, in CPUs; 1.5 is three halves of one CPU.
    pub cpu_quota: Option<f64>,
    /// Logical cores that the process may run on, where it may not run on all.
    pub cpus_allowed: Option<u32>,
}

impl Limits {
    /// The CPU quota as a number of threads that can all run at once, at least 1.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, which is what is wanted
    pub fn whole_cpus(&self) -> Option<u32> {
        self.cpu_quota.map(|quota| (quota.floor() as u32).max(1))
    }
}

/// RAM that a new process could really get now: what the machine has available, or what the container's limit leaves,
/// whichever is less. 0 where nothing can be read.
#[must_use]
pub fn available_bytes() -> u64 {
    obtainable(platform::memory().available_bytes, platform::limits().as_ref())
}

/// [`available_bytes`] of given facts.
#[must_use]
pub fn obtainable(available_bytes: u64, limits: Option<&Limits>) -> u64 {
    let headroom = limits.and_then(|limits| limits.memory_headroom_bytes);
    headroom.map_or(available_bytes, |headroom| headroom.min(available_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_headroom_is_the_real_limit_and_never_more_than_the_machine_has() {
        let limits = |headroom| Limits { memory_headroom_bytes: Some(headroom), ..Limits::default() };
        assert_eq!(obtainable(8_000, Some(&limits(3_000))), 3_000);
        assert_eq!(obtainable(8_000, Some(&limits(30_000))), 8_000);
        assert_eq!(obtainable(8_000, Some(&Limits::default())), 8_000);
        assert_eq!(obtainable(8_000, None), 8_000);
    }

    #[test]
    fn a_quota_of_less_than_a_cpu_is_still_one_thread() {
        let whole = |quota| Limits { cpu_quota: Some(quota), ..Limits::default() }.whole_cpus();
        assert_eq!([whole(0.25), whole(1.5), whole(4.0)], [Some(1), Some(1), Some(4)]);
        assert_eq!(Limits::default().whole_cpus(), None);
    }

    #[test]
    fn this_machine_has_memory_to_give() {
        assert!(available_bytes() > 1 << 20);
    }
}
