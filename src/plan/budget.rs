//! How much memory a model and its contexts may take: what the person says, else what is free now less a stated reserve.
//!
//! Pure: the machine's facts come in as numbers.

use parse_size::Config;

use super::config::LimitsConfig;
use crate::engine::DeviceInfo;
use crate::machine::Gpu;
use crate::probe::context_limit::{Budget, BudgetSource, DeviceBudget};

/// Least main memory that is kept for everything else.
const LEAST_RESERVE_BYTES: u64 = 512_000_000;
/// The share of all main memory that is kept, if that is more: one in so many bytes.
const RESERVE_SHARE: u64 = 20;
/// The same of a GPU, whose driver and screen take little.
const LEAST_DEVICE_RESERVE_BYTES: u64 = 256_000_000;
const DEVICE_RESERVE_SHARE: u64 = 50;

/// What the machine has now.
#[derive(Clone, Copy, Debug)]
pub struct Free<'a> {
    /// Main memory in bytes, a container's limit regarded.
    pub total_bytes: u64,
    /// What a new process could have of it without swapping.
    pub available_bytes: u64,
    /// Devices, as the engine's backends see them.
    pub devices: &'a [DeviceInfo],
    /// GPUs, as their driver sees them.
    pub gpus: &'a [Gpu],
}

/// The memory for a model and its contexts: `given` on the command line, else configured, else what is free less a reserve. A
/// given budget bounds main memory and the GPUs' memory each; a GPU's is never more than what is free there, other programs'
/// share taken off.
#[must_use]
pub fn budget(given: Option<u64>, limits: &LimitsConfig, free: &Free<'_>) -> Budget {
    let (host_bytes, source) = match (given, limits.max_memory_bytes()) {
        (Some(bytes), _) => (bytes, BudgetSource::Given),
        (None, Some(bytes)) => (bytes, BudgetSource::Configured),
        (None, None) => {
            let usual = LEAST_RESERVE_BYTES.max(free.total_bytes / RESERVE_SHARE);
            let reserve_bytes = limits.reserve_bytes().unwrap_or(usual);
            let free_bytes = free.available_bytes;
            (free_bytes.saturating_sub(reserve_bytes), BudgetSource::Free { free_bytes, reserve_bytes })
        }
    };
    let bound = if let BudgetSource::Free { .. } = source { u64::MAX } else { host_bytes };
    let gpus = free.devices.iter().filter(|device| device.kind == "gpu" || device.kind == "igpu");
    let devices: Vec<DeviceBudget> = gpus.map(|gpu| device(gpu, free.gpus)).collect();
    let budget = Budget { host_bytes, source, devices };
    let together: u64 = budget.devices.iter().map(|device| device.allowed_bytes).sum();
    // the bound holds for all devices together
    if together > bound { budget.of(bound, true) } else { budget }
}

fn device(device: &DeviceInfo, gpus: &[Gpu]) -> DeviceBudget {
    // Backend and driver may count devices in different orders: only a name that stands once says which one is meant.
    let mut same: Vec<&Gpu> = gpus.iter().filter(|gpu| gpu.name == device.description).collect();
    let by_driver = if same.len() == 1 { same.pop().and_then(|gpu| gpu.memory_free_bytes) } else { None };
    let free_bytes = by_driver.map_or(device.memory_free_bytes, |bytes| bytes.min(device.memory_free_bytes));
    let reserve = LEAST_DEVICE_RESERVE_BYTES.max(device.memory_total_bytes / DEVICE_RESERVE_SHARE);
    DeviceBudget {
        name: device.name.clone(),
        total_bytes: device.memory_total_bytes,
        free_bytes,
        allowed_bytes: free_bytes.saturating_sub(reserve),
    }
}

/// A size such as `6G`, `6GB` (10^9), `6Gi`, `6GiB` (2^30), `512M` or a number of bytes.
///
/// # Errors
/// One line.
pub fn size(text: &str) -> Result<u64, String> {
    match Config::new().with_decimal().parse_size(text.trim()) {
        Ok(0) => Err(format!("'{text}' is no memory at all")),
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(format!("'{text}' is no size; write it as 6G, 6GiB or 512M")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Free<'_> =
        Free { total_bytes: 32_000_000_000, available_bytes: 20_000_000_000, devices: &[], gpus: &[] };

    fn gpu(name: &str, total: u64, free: u64) -> DeviceInfo {
        DeviceInfo {
            name: name.into(),
            description: format!("a GPU of {name}"),
            kind: "gpu".into(),
            memory_total_bytes: total,
            memory_free_bytes: free,
        }
    }

    #[test]
    fn the_command_line_goes_before_the_configuration_and_that_before_what_is_free() {
        let limits = LimitsConfig { max_memory_gb: Some(4.0), ..LimitsConfig::default() };
        let given = budget(Some(6_000_000_000), &limits, &FREE);
        assert_eq!((given.host_bytes, given.source), (6_000_000_000, BudgetSource::Given));
        let configured = budget(None, &limits, &FREE);
        assert_eq!((configured.host_bytes, configured.source), (4_000_000_000, BudgetSource::Configured));
        let free = budget(None, &LimitsConfig::default(), &FREE);
        assert_eq!(free.host_bytes, 18_400_000_000, "a twentieth of 32 GB is kept");
        let source = BudgetSource::Free { free_bytes: 20_000_000_000, reserve_bytes: 1_600_000_000 };
        assert_eq!(free.source, source);
    }

    #[test]
    fn a_small_machine_keeps_half_a_gigabyte_and_a_configured_reserve_is_kept_instead() {
        let small = Free { total_bytes: 4_000_000_000, available_bytes: 3_000_000_000, ..FREE };
        assert_eq!(budget(None, &LimitsConfig::default(), &small).host_bytes, 2_488_000_000);
        let limits = LimitsConfig { reserve_gb: Some(0.0), ..LimitsConfig::default() };
        assert_eq!(budget(None, &limits, &small).host_bytes, 3_000_000_000);
        let none = Free { available_bytes: 100, ..small };
        assert_eq!(budget(None, &LimitsConfig::default(), &none).host_bytes, 0);
    }

    #[test]
    fn a_gpu_gives_what_is_free_on_it_by_backend_and_driver_less_a_reserve() {
        let devices = [gpu("CUDA0", 24_000_000_000, 23_000_000_000), gpu("Vulkan1", 8_000_000_000, 7_000_000_000)];
        let driver = |name: &str, free| Gpu {
            name: format!("a GPU of {name}"),
            memory_free_bytes: Some(free),
            ..Gpu::default()
        };
        let gpus = [driver("CUDA0", 15_000_000_000), driver("Vulkan1", 3), driver("Vulkan1", 4)];
        let free = Free { devices: &devices, gpus: &gpus, ..FREE };
        let found = budget(None, &LimitsConfig::default(), &free).devices;
        assert_eq!(found[0].free_bytes, 15_000_000_000, "another program has the rest");
        assert_eq!(found[0].allowed_bytes, 15_000_000_000 - 480_000_000);
        assert_eq!(found[1].free_bytes, 7_000_000_000, "two of that name: nobody knows which");
        assert_eq!(found[1].allowed_bytes, 7_000_000_000 - 256_000_000);
    }

    #[test]
    fn a_given_budget_bounds_all_gpus_together() {
        let devices = [gpu("CUDA0", 24_000_000_000, 20_480_000_000), gpu("CUDA1", 24_000_000_000, 20_480_000_000)];
        let free = Free { devices: &devices, ..FREE };
        let found = budget(Some(10_000_000_000), &LimitsConfig::default(), &free).devices;
        assert_eq!(found.iter().map(|d| d.allowed_bytes).collect::<Vec<_>>(), [5_000_000_000; 2]);
        let roomy = budget(Some(90_000_000_000), &LimitsConfig::default(), &free).devices;
        assert_eq!(roomy[0].allowed_bytes, 20_000_000_000);
    }

    #[test]
    fn sizes_are_decimal_unless_they_say_otherwise() {
        assert_eq!(
            ["6G", "6GB", "6 gb", "1.5G"].map(|s| size(s).unwrap()),
            [6_000_000_000, 6_000_000_000, 6_000_000_000, 1_500_000_000]
        );
        assert_eq!(["6GiB", "6Gi", "512M", "4096"].map(|s| size(s).unwrap()), [6 << 30, 6 << 30, 512_000_000, 4096]);
        for wrong in ["", "G", "-6G", "6X", "0", "six"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
