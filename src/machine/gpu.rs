//! Graphics processors, as far as their driver's library says: NVIDIA's NVML, loaded at run time and rightly absent on most
//! machines.
//!
//! Left out on purpose: what the engine can compute on ([`crate::engine::DeviceInfo`] says that for every backend).

use serde::{Deserialize, Serialize};

/// A graphics processor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// The driver's number of the device.
    pub index: u32,
    /// Its name, such as `NVIDIA GeForce RTX 4090`.
    pub name: String,
    /// All memory of the device.
    pub memory_total_bytes: Option<u64>,
    /// Memory that is free.
    pub memory_free_bytes: Option<u64>,
    /// Memory in use.
    pub memory_used_bytes: Option<u64>,
    /// Version of the driver.
    pub driver: Option<String>,
    /// Newest CUDA version that the driver supports.
    pub cuda_version: Option<String>,
    /// CUDA compute capability, such as `8.9`.
    pub compute_capability: Option<String>,
    /// Degrees Celsius of the chip.
    pub temperature_c: Option<f64>,
    /// Power drawn now.
    pub power_watts: Option<f64>,
    /// Power that it may draw.
    pub power_limit_watts: Option<f64>,
    /// Clock of the multiprocessors now.
    pub clock_mhz: Option<f64>,
    /// The highest clock of the multiprocessors.
    pub clock_max_mhz: Option<f64>,
    /// Clock of the memory now.
    pub memory_clock_mhz: Option<f64>,
    /// PCI Express generation of the link now; lower when idle.
    pub pcie_generation: Option<u32>,
    /// PCI Express lanes of the link now.
    pub pcie_width: Option<u32>,
    /// Why the clock is held back, such as `sw_power_cap`; empty when it is not.
    pub throttle_reasons: Vec<String>,
}
