//! `/proc/cpuinfo`: its x86 and ARM dialects. ARM's names no model, so that the maker's and the core's numbers are looked up.

use std::collections::BTreeSet;

use crate::stats;

/// What the text says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CpuInfo {
    pub(super) brand: Option<String>,
    pub(super) vendor: Option<String>,
    pub(super) physical_cores: Option<u32>,
    pub(super) logical_cores: Option<u32>,
    /// Mean of `cpu MHz`.
    pub(super) frequency_mhz: Option<f64>,
    /// The clock at the end of Intel's brand names.
    pub(super) base_mhz: Option<f64>,
    pub(super) flags: Vec<String>,
}

impl CpuInfo {
    /// Linux saw that it runs as a guest.
    pub(super) fn is_virtual(&self) -> bool {
        self.flags.iter().any(|flag| flag == "hypervisor")
    }
}

/// Reads the text of all processors.
pub(super) fn parse(text: &str) -> CpuInfo {
    let fields = || text.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.trim(), value.trim()));
    let first = |key: &str| fields().find(|(k, _)| *k == key).map(|(_, value)| value).filter(|value| !value.is_empty());
    let logical = u32::try_from(fields().filter(|(key, _)| *key == "processor").count()).unwrap_or(0);
    let clocks: Vec<f64> =
        fields().filter(|(key, _)| *key == "cpu MHz").filter_map(|(_, mhz)| mhz.parse().ok()).collect();
    let flags = first("flags").or_else(|| first("Features")).unwrap_or_default();
    let brand = first("model name").map(tidy).or_else(|| arm_brand(text));
    CpuInfo {
        base_mhz: brand.as_deref().and_then(clock_in_brand),
        brand,
        vendor: first("vendor_id").map(str::to_owned).or_else(|| first("CPU implementer").map(arm_vendor)),
        physical_cores: physical_cores(text),
        logical_cores: (logical > 0).then_some(logical),
        frequency_mhz: stats::mean(&clocks),
        flags: flags.split_whitespace().map(str::to_owned).collect(),
    }
}

/// Distinct pairs of package and core; ARM's text has none.
fn physical_cores(text: &str) -> Option<u32> {
    let mut cores = BTreeSet::new();
    let mut package = "";
    for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
        match key.trim() {
            "processor" => package = "",
            "physical id" => package = value.trim(),
            "core id" => {
                cores.insert((package, value.trim()));
            }
            _ => {}
        }
    }
    u32::try_from(cores.len()).ok().filter(|cores| *cores > 0)
}

/// Makers pad their names with spaces.
fn tidy(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz` guarantees 3700 MHz.
fn clock_in_brand(brand: &str) -> Option<f64> {
    let (_, clock) = brand.rsplit_once('@')?;
    Some(clock.trim().strip_suffix("GHz")?.trim().parse::<f64>().ok()? * 1000.0)
}

fn arm_vendor(implementer: &str) -> String {
    let name = match implementer {
        "0x41" => "ARM",
        "0x42" => "Broadcom",
        "0x43" => "Cavium",
        "0x46" => "Fujitsu",
        "0x48" => "HiSilicon",
        "0x4e" => "NVIDIA",
        "0x51" => "Qualcomm",
        "0x53" => "Samsung",
        "0x61" => "Apple",
        "0x6d" => "Microsoft",
        "0xc0" => "Ampere",
        other => return format!("implementer {other}"),
    };
    name.to_owned()
}

/// The kinds of cores, each with its number: `4 × Cortex-A76`, `4 × Cortex-A55 + 4 × Cortex-A76`.
fn arm_brand(text: &str) -> Option<String> {
    let mut kinds: Vec<(String, u32)> = Vec::new();
    let mut implementer = "";
    for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
        match key.trim() {
            "CPU implementer" => implementer = value.trim(),
            "CPU part" => {
                let core = arm_core(implementer, value.trim());
                match kinds.iter_mut().find(|(name, _)| *name == core) {
                    Some((_, count)) => *count += 1,
                    None => kinds.push((core, 1)),
                }
            }
            _ => {}
        }
    }
    let kinds: Vec<String> = kinds.into_iter().map(|(name, count)| format!("{count} × {name}")).collect();
    (!kinds.is_empty()).then(|| kinds.join(" + "))
}

/// The name of ARM's own cores, from their reference manuals' main ID register; other makers' by number.
fn arm_core(implementer: &str, part: &str) -> String {
    if implementer != "0x41" {
        return format!("{} core {part}", arm_vendor(implementer));
    }
    let name = match part {
        "0xd03" => "Cortex-A53",
        "0xd05" => "Cortex-A55",
        "0xd07" => "Cortex-A57",
        "0xd08" => "Cortex-A72",
        "0xd09" => "Cortex-A73",
        "0xd0a" => "Cortex-A75",
        "0xd0b" => "Cortex-A76",
        "0xd0c" => "Neoverse-N1",
        "0xd0d" => "Cortex-A77",
        "0xd40" => "Neoverse-V1",
        "0xd41" => "Cortex-A78",
        "0xd44" => "Cortex-X1",
        "0xd46" => "Cortex-A510",
        "0xd47" => "Cortex-A710",
        "0xd48" => "Cortex-X2",
        "0xd49" => "Neoverse-N2",
        "0xd4d" => "Cortex-A715",
        "0xd4e" => "Cortex-X3",
        "0xd4f" => "Neoverse-V2",
        "0xd80" => "Cortex-A520",
        "0xd81" => "Cortex-A720",
        "0xd82" => "Cortex-X4",
        "0xd84" => "Neoverse-V3",
        other => return format!("ARM core {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AMD: &str = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel name\t: AMD Ryzen 7 5800X 8-Core Processor             \n\
        cpu MHz\t\t: 2200.000\nphysical id\t: 0\ncore id\t\t: 0\ncpu cores\t: 8\nflags\t\t: fpu sse sse2 avx avx2 fma f16c\n\n\
        processor\t: 1\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD Ryzen 7 5800X 8-Core Processor             \n\
        cpu MHz\t\t: 4600.000\nphysical id\t: 0\ncore id\t\t: 0\nflags\t\t: fpu sse sse2 avx avx2 fma f16c\n\n\
        processor\t: 2\ncpu MHz\t\t: 2200.000\nphysical id\t: 0\ncore id\t\t: 1\n";
    const INTEL: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Platinum 8480C CPU @ 2.00GHz\n\
        physical id\t: 0\ncore id\t\t: 0\nflags\t\t: avx512f amx_int8 hypervisor\n\n\
        processor\t: 1\nvendor_id\t: GenuineIntel\nphysical id\t: 1\ncore id\t\t: 0\n";
    const PI5: &str = "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm aes asimdhp asimddp\nCPU implementer\t: 0x41\n\
        CPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\n\
        processor\t: 1\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\nRevision\t: c04170\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n";

    #[test]
    fn an_amd_processor_with_two_threads_a_core() {
        let info = parse(AMD);
        assert_eq!(info.brand.as_deref(), Some("AMD Ryzen 7 5800X 8-Core Processor"));
        assert_eq!(info.vendor.as_deref(), Some("AuthenticAMD"));
        assert_eq!((info.physical_cores, info.logical_cores), (Some(2), Some(3)));
        assert_eq!(info.frequency_mhz, Some(3000.0));
        assert_eq!(info.base_mhz, None);
        assert!(info.flags.contains(&"avx2".to_owned()) && !info.is_virtual());
    }

    #[test]
    fn two_intel_packages_with_the_same_core_number_are_two_cores() {
        let info = parse(INTEL);
        assert_eq!(info.physical_cores, Some(2));
        assert_eq!(info.base_mhz, Some(2000.0));
        assert!(info.is_virtual());
        assert_eq!(info.frequency_mhz, None);
    }

    #[test]
    fn an_arm_board_is_named_by_its_cores() {
        let info = parse(PI5);
        assert_eq!(info.brand.as_deref(), Some("2 × Cortex-A76"));
        assert_eq!(info.vendor.as_deref(), Some("ARM"));
        assert_eq!((info.physical_cores, info.logical_cores), (None, Some(2)));
        assert_eq!(info.flags, ["fp", "asimd", "evtstrm", "aes", "asimdhp", "asimddp"]);
    }

    #[test]
    fn big_and_little_cores_and_unknown_makers_are_told_apart() {
        let text = "CPU implementer : 0x41\nCPU part : 0xd05\nCPU implementer : 0x41\nCPU part : 0xd0b\nCPU implementer : 0x61\nCPU part : 0x022\n";
        assert_eq!(parse(text).brand.as_deref(), Some("1 × Cortex-A55 + 1 × Cortex-A76 + 1 × Apple core 0x022"));
        assert_eq!(arm_vendor("0x99"), "implementer 0x99");
        assert_eq!(arm_core("0x41", "0xfff"), "ARM core 0xfff");
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(parse(""), CpuInfo::default());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-zA-Z :\n\t0-9@x]{0,300}") {
            let _ = parse(&text);
        }
    }
}
