//! Graphics processors, as far as their driver's library says: NVIDIA's NVML, loaded at run time and rightly absent on most
//! machines.
//!
//! Left out on purpose: what the engine can compute on ([`crate::engine::DeviceInfo`] says that for every backend).

use std::sync::OnceLock;

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::device::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::error::NvmlError;
use serde::{Deserialize, Serialize};

use super::vitals::GpuVitals;

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

/// What [`detect`] found.
pub(super) struct Found {
    /// The devices.
    pub(super) gpus: Vec<Gpu>,
    /// Why there may be fewer than there should be.
    pub(super) note: Option<String>,
}

/// Asks NVML for its devices. No driver, no library and no device are states of a healthy machine: they make a note.
pub(super) fn detect() -> Found {
    let nvml = match nvml() {
        Ok(nvml) => nvml,
        Err(note) => return Found { gpus: Vec::new(), note: Some(note.clone()) },
    };
    let driver = nvml.sys_driver_version().ok();
    let cuda_version = nvml.sys_cuda_driver_version().ok().map(|version| {
        let (major, minor) =
            (nvml_wrapper::cuda_driver_version_major(version), nvml_wrapper::cuda_driver_version_minor(version));
        format!("{major}.{minor}")
    });
    let count = nvml.device_count().unwrap_or(0);
    let mut gpus = Vec::new();
    let mut note = (count == 0).then(|| "the NVIDIA driver is there and sees no GPU".to_owned());
    for index in 0..count {
        match nvml.device_by_index(index) {
            Ok(device) => gpus.push(describe(index, &device, driver.clone(), cuda_version.clone())),
            Err(error) => note = Some(format!("GPU {index} cannot be read: {error}")),
        }
    }
    Found { gpus, note }
}

/// How the devices are doing; empty where there is no NVML.
#[must_use]
pub fn vitals() -> Vec<GpuVitals> {
    let Ok(nvml) = nvml() else { return Vec::new() };
    let devices = (0..nvml.device_count().unwrap_or(0)).filter_map(|index| nvml.device_by_index(index).ok());
    devices
        .map(|device| GpuVitals {
            temperature_c: device.temperature(TemperatureSensor::Gpu).ok().map(f64::from),
            clock_mhz: device.clock_info(Clock::SM).ok().map(f64::from),
            power_watts: device.power_usage().ok().map(watts),
            memory_used_bytes: device.memory_info().ok().map(|memory| memory.used),
            throttle_reasons: throttle_reasons(&device),
        })
        .collect()
}

/// NVML, loaded once: every further load would cost the driver's start again.
fn nvml() -> &'static Result<Nvml, String> {
    static NVML: OnceLock<Result<Nvml, String>> = OnceLock::new();
    NVML.get_or_init(|| Nvml::init().map_err(|error| note_of(&error)))
}

fn note_of(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) => {
            "no NVIDIA driver library (NVML) on this machine; GPUs of other makers are not listed here".to_owned()
        }
        NvmlError::DriverNotLoaded => "NVML is there, but the NVIDIA driver is not loaded".to_owned(),
        NvmlError::NoPermission => "this user may not talk to the NVIDIA driver".to_owned(),
        error => format!("NVML does not start: {error}"),
    }
}

fn describe(index: u32, device: &Device<'_>, driver: Option<String>, cuda_version: Option<String>) -> Gpu {
    let memory = device.memory_info().ok();
    Gpu {
        index,
        name: device.name().unwrap_or_else(|_| "NVIDIA GPU without a name".to_owned()),
        memory_total_bytes: memory.as_ref().map(|memory| memory.total),
        memory_free_bytes: memory.as_ref().map(|memory| memory.free),
        memory_used_bytes: memory.as_ref().map(|memory| memory.used),
        driver,
        cuda_version,
        compute_capability: device.cuda_compute_capability().ok().map(|c| format!("{}.{}", c.major, c.minor)),
        temperature_c: device.temperature(TemperatureSensor::Gpu).ok().map(f64::from),
        power_watts: device.power_usage().ok().map(watts),
        power_limit_watts: device.enforced_power_limit().ok().map(watts),
        clock_mhz: device.clock_info(Clock::SM).ok().map(f64::from),
        clock_max_mhz: device.max_clock_info(Clock::SM).ok().map(f64::from),
        memory_clock_mhz: device.clock_info(Clock::Memory).ok().map(f64::from),
        pcie_generation: device.current_pcie_link_gen().ok(),
        pcie_width: device.current_pcie_link_width().ok(),
        throttle_reasons: throttle_reasons(device),
    }
}

fn watts(milliwatts: u32) -> f64 {
    f64::from(milliwatts) / 1000.0
}

fn throttle_reasons(device: &Device<'_>) -> Vec<String> {
    device.current_throttle_reasons().map(names_of).unwrap_or_default()
}

/// The reasons that cost speed. Idling and clocks that the user chose are none.
fn names_of(reasons: ThrottleReasons) -> Vec<String> {
    let named = [
        (ThrottleReasons::SW_POWER_CAP, "sw_power_cap"),
        (ThrottleReasons::HW_SLOWDOWN, "hw_slowdown"),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, "sw_thermal_slowdown"),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hw_thermal_slowdown"),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "hw_power_brake_slowdown"),
    ];
    named.into_iter().filter(|(flag, _)| reasons.contains(*flag)).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_nvml_says_so_and_one_with_it_lists_devices_or_says_why_not() {
        let found = detect();
        assert!(!found.gpus.is_empty() || found.note.is_some());
        assert!(found.gpus.len() >= vitals().len());
    }

    #[test]
    fn idling_and_chosen_clocks_are_no_throttling() {
        let idle = ThrottleReasons::GPU_IDLE | ThrottleReasons::APPLICATIONS_CLOCKS_SETTING;
        assert_eq!(names_of(idle), Vec::<String>::new());
        assert_eq!(names_of(idle | ThrottleReasons::HW_SLOWDOWN), ["hw_slowdown"]);
    }

    #[test]
    fn a_missing_driver_is_told_in_words() {
        assert_eq!(note_of(&NvmlError::DriverNotLoaded), "NVML is there, but the NVIDIA driver is not loaded");
        assert!(note_of(&NvmlError::Unknown).starts_with("NVML does not start: "));
    }
}
