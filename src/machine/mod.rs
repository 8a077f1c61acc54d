//! What this hardware is and how it is doing: [`Machine`] for the facts, [`vitals`] for what changes during a measurement.
//!
//! What is particular to an operating system sits behind the functions of one folder or file, chosen here and nowhere
//! else: `linux/` reads `/proc`, `/sys` and cgroups; `other.rs` asks sysinfo and states what it cannot know.
//!
//! Left out on purpose: measuring what the hardware can do at most ([`crate::probe`]), and what the engine was compiled
//! for ([`crate::engine::EngineInfo`]).

pub mod cpu;
pub mod disk;
pub mod gpu;
pub mod memory;
mod page;
pub mod sheet;
mod span;
pub mod vitals;

#[cfg(any(test, not(target_os = "linux")))]
mod other;
#[cfg(not(target_os = "linux"))]
use other as platform;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as platform;

use serde::{Deserialize, Serialize};

pub use cpu::{Cache, CacheKind, Cpu};
pub use gpu::Gpu;
pub use memory::{Limits, Memory};

/// The facts about the machine, as far as they can be read without measuring. Unknown is `None`, never a guess.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The network name of the machine.
    pub hostname: Option<String>,
    /// The operating system's name and version, such as `Debian GNU/Linux 12 (bookworm)`.
    pub os: Option<String>,
    /// The kernel's version.
    pub kernel: Option<String>,
    /// What the machine is a guest of, such as `KVM`; `None` on bare metal or where nothing tells.
    pub virtualization: Option<String>,
    /// What kind of container the process runs in, such as `docker`.
    pub container: Option<String>,
    /// The processor.
    pub cpu: Cpu,
    /// RAM and swap of the whole machine.
    pub memory: Memory,
    /// What this process may use of it, where that is less.
    pub limits: Option<Limits>,
    /// Graphics processors.
    pub gpus: Vec<Gpu>,
    /// Why `gpus` may lack something, such as a driver library that is not there.
    pub gpu_note: Option<String>,
    /// Every temperature that can be read.
    pub temperatures: Vec<Temperature>,
    /// How many tasks wanted a CPU of late.
    pub load_average: Option<LoadAverage>,
    /// Where the electricity comes from; `None` where nothing tells, as on most desktops and servers.
    pub power: Option<Power>,
}

/// A temperature sensor and what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Temperature {
    /// Chip and label, such as `coretemp Package id 0`.
    pub sensor: String,
    /// Degrees Celsius.
    pub temperature_c: f64,
}

/// Mean number of tasks that ran or wanted to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadAverage {
    /// Over the last minute.
    pub one_minute: f64,
    /// Over the last five minutes.
    pub five_minutes: f64,
    /// Over the last fifteen minutes.
    pub fifteen_minutes: f64,
}

/// Where the electricity comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// The source in use.
    pub source: PowerSource,
    /// Charge of the battery, where there is one.
    pub battery_percent: Option<u8>,
}

/// Where the electricity comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerSource {
    /// The socket.
    Mains,
    /// A battery: many laptops clock lower on it.
    Battery,
}

impl Machine {
    /// Reads all facts. Never fails and takes well under 100 ms; the driver library of a GPU that sleeps may take longer.
    #[must_use]
    pub fn detect() -> Self {
        let system = platform::system();
        let found = gpu::detect();
        Self {
            hostname: system.hostname,
            os: system.os,
            kernel: system.kernel,
            virtualization: system.virtualization,
            container: system.container,
            cpu: platform::cpu(),
            memory: platform::memory(),
            limits: platform::limits(),
            gpus: found.gpus,
            gpu_note: found.note,
            temperatures: platform::temperatures(),
            load_average: platform::load_average(),
            power: platform::power(),
        }
    }

    /// Threads that compute best by default: one for each physical core that this process may use. llama.cpp chooses the
    /// same, but does not see a container's CPU quota. At least 1.
    #[must_use]
    pub fn default_threads(&self) -> u32 {
        threads_for(&self.cpu, self.limits.as_ref())
    }

    /// RAM that this process could ever have: the machine's, or a container's limit where that is less.
    #[must_use]
    pub fn usable_memory_bytes(&self) -> u64 {
        let limit = self.limits.as_ref().and_then(|limits| limits.memory_limit_bytes);
        limit.map_or(self.memory.total_bytes, |limit| limit.min(self.memory.total_bytes))
    }
}

/// [`Machine::default_threads`] of this machine without [`Machine::detect`], which also wakes the drivers of the GPUs.
#[must_use]
pub fn default_threads() -> u32 {
    threads_for(&platform::cpu(), platform::limits().as_ref())
}

fn threads_for(cpu: &Cpu, limits: Option<&Limits>) -> u32 {
    let mut threads = cpu.physical_cores.unwrap_or(cpu.logical_cores);
    if let Some(limits) = limits {
        threads = threads.min(limits.cpus_allowed.unwrap_or(threads));
        threads = threads.min(limits.whole_cpus().unwrap_or(threads));
    }
    threads.max(1)
}

/// What the operating system says of itself; a part of [`Machine`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct System {
    hostname: Option<String>,
    os: Option<String>,
    kernel: Option<String>,
    virtualization: Option<String>,
    container: Option<String>,
}
