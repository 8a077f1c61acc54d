//! The machine's data sheet: what `sweetspot machine` prints, as data and as text.
//!
//! Left out on purpose: finding anything out; the sheet is given its facts and measurements.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::cpu::{Cache, Cpu};
use super::memory::{Limits, Memory};
use super::vitals::NoiseWarning;
use super::{Gpu, Machine, Power, PowerSource, as_f64};
use crate::engine::EngineInfo;
use crate::probe::{Bandwidth, Roofline, Throughput, roofline};

/// Width of the column of labels.
const LABEL: usize = 10;
/// The model that the examples are about: 4 GB, an 8B model at 4 bits.
const EXAMPLE_BYTES: u64 = 4_000_000_000;
/// The parameters of the example for prompts.
const EXAMPLE_PARAMETERS: u64 = 8_000_000_000;
/// Instruction sets that ggml never lists among its own, so that their absence there means nothing.
const NOT_LISTED_BY_GGML: &[&str] = &["AVX512_FP16", "AMX_TILE", "AMX_BF16", "BF16", "SVE2"];

/// Facts and measurements of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    /// Version of this outline.
    pub schema_version: u32,
    /// The facts.
    pub machine: Machine,
    /// What the engine was built with, where it was asked.
    pub engine: Option<EngineInfo>,
    /// What was measured; `None` where only facts were wanted.
    pub roofline: Option<Roofline>,
    /// What may have disturbed the measurements.
    pub noise: Vec<NoiseWarning>,
}

impl Sheet {
    /// The version that [`Sheet::schema_version`] has now.
    pub const SCHEMA_VERSION: u32 = 1;

    /// Text for people, wrapped at `width` columns.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let mut page = Page { text: String::new(), width };
        self.facts(&mut page);
        if let Some(engine) = &self.engine {
            engine_lines(&mut page, engine, &self.machine.cpu);
        }
        if let Some(roofline) = &self.roofline {
            measured_lines(&mut page, roofline);
        }
        for warning in &self.noise {
            page.line("Note", &format!("while measuring, {warning}"));
        }
        page.text
    }

    fn facts(&self, page: &mut Page) {
        let machine = &self.machine;
        page.line("Machine", &host(machine));
        page.line("CPU", &processor(&machine.cpu));
        page.line("", &cores(&machine.cpu));
        let caches: Vec<String> = machine.cpu.caches.iter().map(cache).collect();
        page.line("Caches", &caches.join(", "));
        page.line("Features", &machine.cpu.features.join(" "));
        page.line("Memory", &memory(&machine.memory));
        if let Some(limits) = &machine.limits {
            page.line("Limits", &format!("this process may use {}", limits_text(limits)));
        }
        for gpu in &machine.gpus {
            page.line("GPU", &gpu_text(gpu));
        }
        if let Some(note) = &machine.gpu_note {
            page.line(if machine.gpus.is_empty() { "GPU" } else { "" }, note);
        }
        let sensors: Vec<String> =
            machine.temperatures.iter().map(|t| format!("{} {:.0}\u{a0}°C", t.sensor, t.temperature_c)).collect();
        page.line("Sensors", &sensors.join(", "));
        if let Some(load) = machine.load_average {
            let (one, five, fifteen) = (load.one_minute, load.five_minutes, load.fifteen_minutes);
            page.line("Load", &format!("{one:.2} in the last minute, {five:.2} in 5, {fifteen:.2} in 15 minutes"));
        }
        if let Some(power) = machine.power {
            page.line("Power", &power_text(power));
        }
    }
}

/// Text with a column of labels.
struct Page {
    text: String,
    width: usize,
}

impl Page {
    /// A label and its text, wrapped between words; nothing for an empty text. A no-break space holds a number and its unit
    /// together and is printed as a space.
    fn line(&mut self, label: &str, text: &str) {
        let mut column = LABEL;
        if text.is_empty() {
            return;
        }
        let _ = write!(self.text, "{label:LABEL$}");
        for (number, word) in text.split(' ').enumerate() {
            let length = word.chars().count();
            if number > 0 && column + 1 + length > self.width {
                let _ = write!(self.text, "\n{:LABEL$}", "");
                column = LABEL;
            } else if number > 0 {
                self.text.push(' ');
                column += 1;
            }
            self.text.push_str(&word.replace('\u{a0}', " "));
            column += length;
        }
        self.text.push('\n');
    }
}

fn host(machine: &Machine) -> String {
    let mut parts = vec![machine.hostname.clone().unwrap_or_else(|| "without a name".to_owned())];
    parts.extend(machine.os.clone());
    parts.extend(machine.kernel.as_ref().map(|kernel| format!("kernel {kernel}")));
    match machine.virtualization.as_deref() {
        Some("virtual machine") => parts.push("in a virtual machine".to_owned()),
        Some(kind) => parts.push(format!("in a virtual machine ({kind})")),
        None => {}
    }
    parts.extend(machine.container.as_ref().map(|kind| format!("in a container ({kind})")));
    parts.join(", ")
}

fn processor(cpu: &Cpu) -> String {
    let mut parts = vec![cpu.brand.clone().unwrap_or_else(|| "unknown processor".to_owned())];
    parts.extend(cpu.vendor.clone());
    parts.push(cpu.architecture.clone());
    parts.join(", ")
}

fn cores(cpu: &Cpu) -> String {
    let mut text = match cpu.physical_cores {
        Some(physical) => format!("{}, {}", counted(physical, "core"), counted(cpu.logical_cores, "hardware thread")),
        None => counted(cpu.logical_cores, "hardware thread"),
    };
    let clocks =
        [(cpu.frequency_current_mhz, "now"), (cpu.frequency_base_mhz, "base"), (cpu.frequency_max_mhz, "at most")];
    let clocks: Vec<String> =
        clocks.into_iter().filter_map(|(mhz, when)| Some(format!("{:.2}\u{a0}GHz {when}", mhz? / 1000.0))).collect();
    if !clocks.is_empty() {
        let _ = write!(text, "; clock {}", clocks.join(", "));
    }
    if let Some(governor) = &cpu.governor {
        let _ = write!(text, "; governor {governor}");
    }
    text
}

fn counted(count: u32, noun: &str) -> String {
    format!("{count}\u{a0}{noun}{}", if count == 1 { "" } else { "s" })
}

fn cache(cache: &Cache) -> String {
    let mut text = format!("{} {}\u{a0}×\u{a0}{}", cache.name(), cache.instances, binary(cache.size_bytes));
    if cache.shared_by > 1 {
        let _ = write!(text, " (each shared by {} threads)", cache.shared_by);
    }
    text
}

fn memory(memory: &Memory) -> String {
    let swap = match memory.swap_total_bytes {
        0 => "no swap".to_owned(),
        total => format!("swap {} of {} used", decimal(memory.swap_used_bytes), decimal(total)),
    };
    format!("{} in all, {} available, {swap}", both(memory.total_bytes), both(memory.available_bytes))
}

fn limits_text(limits: &Limits) -> String {
    let mut parts = Vec::new();
    if let Some(bytes) = limits.memory_limit_bytes {
        let left = limits.memory_headroom_bytes.map(|left| format!(", of which {} are left", both(left)));
        parts.push(format!("{} of memory{}", both(bytes), left.unwrap_or_default()));
    }
    parts.extend(limits.cpu_quota.map(|quota| format!("the time of {quota:.2} CPUs")));
    parts.extend(limits.cpus_allowed.map(|cpus| counted(cpus, "hardware thread")));
    parts.join("; ")
}

fn gpu_text(gpu: &Gpu) -> String {
    let mut parts = vec![format!("{}: {}", gpu.index, gpu.name)];
    if let (Some(total), Some(free)) = (gpu.memory_total_bytes, gpu.memory_free_bytes) {
        parts.push(format!("{}, {} free", both(total), both(free)));
    }
    parts.extend(gpu.compute_capability.as_ref().map(|version| format!("compute capability {version}")));
    parts.extend(gpu.driver.as_ref().map(|version| format!("driver {version}")));
    parts.extend(gpu.cuda_version.as_ref().map(|version| format!("CUDA {version}")));
    parts.extend(gpu.temperature_c.map(|celsius| format!("{celsius:.0}\u{a0}°C")));
    parts.extend(gpu.power_watts.map(|watts| match gpu.power_limit_watts {
        Some(limit) => format!("{watts:.0}\u{a0}of\u{a0}{limit:.0}\u{a0}W"),
        None => format!("{watts:.0}\u{a0}W"),
    }));
    parts.extend(gpu.clock_mhz.map(|mhz| match gpu.clock_max_mhz {
        Some(most) => format!("clock {mhz:.0} of {most:.0}\u{a0}MHz"),
        None => format!("clock {mhz:.0}\u{a0}MHz"),
    }));
    parts.extend(gpu.memory_clock_mhz.map(|mhz| format!("memory clock {mhz:.0}\u{a0}MHz")));
    if let (Some(generation), Some(width)) = (gpu.pcie_generation, gpu.pcie_width) {
        parts.push(format!("PCIe\u{a0}{generation}.0\u{a0}x{width}"));
    }
    if !gpu.throttle_reasons.is_empty() {
        parts.push(format!("held back by {}", gpu.throttle_reasons.join(", ")));
    }
    parts.join(", ")
}

fn power_text(power: Power) -> String {
    let source = match power.source {
        PowerSource::Mains => "mains",
        PowerSource::Battery => "battery (many laptops compute slower on it)",
    };
    power.battery_percent.map_or_else(|| source.to_owned(), |percent| format!("{source}, charged to {percent}\u{a0}%"))
}

fn engine_lines(page: &mut Page, engine: &EngineInfo, cpu: &Cpu) {
    page.line("Engine", &format!("llama.cpp {}, sweetspot {}", engine.llama_cpp, engine.build));
    page.line("", &format!("backends {}; compiled for {}", engine.backends.join(", "), engine.cpu_features.join(" ")));
    for device in &engine.devices {
        let total = both(device.memory_total_bytes);
        page.line("", &format!("{} ({}): {}, {total}", device.name, device.kind, device.description));
    }
    let unused = features_not_compiled_in(cpu, engine);
    if !unused.is_empty() {
        page.line("", &format!("This CPU also has {}; this build does not use it.", unused.join(" ")));
    }
    if !engine.native {
        page.line("", "Not compiled for this very CPU (-C target-cpu=native): speeds may be far below what it can do.");
    }
}

/// What the processor has, the engine has kernels for and was not compiled with.
fn features_not_compiled_in<'a>(cpu: &'a Cpu, engine: &EngineInfo) -> Vec<&'a str> {
    let features = cpu.features.iter().map(String::as_str);
    let unused = features.filter(|feature| !engine.cpu_features.iter().any(|compiled| compiled == feature));
    unused.filter(|feature| !NOT_LISTED_BY_GGML.contains(feature)).collect()
}

fn measured_lines(page: &mut Page, roofline: &Roofline) {
    page.line("Bandwidth", &bandwidth(&roofline.bandwidth));
    if roofline.bandwidth.threads > 1 {
        page.line("", &bandwidth(&roofline.bandwidth_single_thread));
    }
    page.line("Matrices", &throughput(&roofline.throughput));
    if roofline.throughput.threads > 1 {
        page.line("", &throughput(&roofline.throughput_single_thread));
    }
    if let Some(limit) = roofline.tg_limit(EXAMPLE_BYTES, 0) {
        page.line(
            "Means",
            &format!(
                "A {} model cannot generate faster than {limit:.1}\u{a0}tokens/s on this CPU, because each token reads it once.",
                decimal(EXAMPLE_BYTES)
            ),
        );
    }
    let operations = roofline.throughput.operations_per_second();
    if let Some(limit) = roofline::pp_limit_tokens_per_second(operations, EXAMPLE_PARAMETERS) {
        let text = format!(
            "With f32 arithmetic an 8B model reads a prompt at up to {limit:.0}\u{a0}tokens/s; integer kernels may exceed that."
        );
        page.line("", &text);
    }
}

fn bandwidth(measured: &Bandwidth) -> String {
    format!(
        "{:.1}\u{a0}GB/s read with {} (median\u{a0}{:.1}, spread\u{a0}{:.0}\u{a0}%, {}\u{a0}passes of {})",
        measured.best_gb_per_second,
        counted(measured.threads, "thread"),
        measured.median_gb_per_second,
        measured.spread_percent,
        measured.repetitions,
        binary(measured.buffer_bytes),
    )
}

fn throughput(measured: &Throughput) -> String {
    format!(
        "{:.1}\u{a0}GFLOP/s in f32 with {} (median\u{a0}{:.1}, spread\u{a0}{:.0}\u{a0}%, {}\u{a0}passes)",
        measured.best_gflops,
        counted(measured.threads, "thread"),
        measured.median_gflops,
        measured.spread_percent,
        measured.repetitions,
    )
}

/// `25.3 GB (23.5 GiB)`.
fn both(bytes: u64) -> String {
    format!("{} ({:.1}\u{a0}GiB)", decimal(bytes), as_f64(bytes) / as_f64(1 << 30))
}

/// GB = 10^9 bytes.
fn decimal(bytes: u64) -> String {
    let gb = as_f64(bytes) / 1e9;
    if gb.fract() == 0.0 { format!("{gb:.0}\u{a0}GB") } else { format!("{gb:.1}\u{a0}GB") }
}

/// Sizes of caches and buffers are powers of two.
fn binary(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x10_0000 => (1 << 10, "KiB"),
        0x10_0000..0x4000_0000 => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    if bytes.is_multiple_of(unit) {
        format!("{}\u{a0}{name}", bytes / unit)
    } else {
        format!("{:.1}\u{a0}{name}", as_f64(bytes) / as_f64(unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::DeviceInfo;

    fn machine() -> Machine {
        let cache =
            |level, kind, size_bytes, shared_by, instances| Cache { level, kind, size_bytes, shared_by, instances };
        Machine {
            hostname: Some("desk".to_owned()),
            os: Some("Fedora Linux 42".to_owned()),
            kernel: Some("6.14.0".to_owned()),
            virtualization: None,
            container: Some("podman".to_owned()),
            cpu: Cpu {
                brand: Some("AMD Ryzen 7 5800X 8-Core Processor".to_owned()),
                vendor: Some("AuthenticAMD".to_owned()),
                architecture: "x86_64".to_owned(),
                physical_cores: Some(8),
                logical_cores: 16,
                frequency_current_mhz: Some(2200.0),
                frequency_base_mhz: None,
                frequency_max_mhz: Some(4850.0),
                governor: Some("powersave".to_owned()),
                caches: vec![
                    cache(1, super::super::CacheKind::Data, 32 << 10, 2, 8),
                    cache(3, super::super::CacheKind::Unified, 32 << 20, 16, 1),
                ],
                features: ["AVX2", "FMA", "AVX512_FP16"].map(str::to_owned).to_vec(),
            },
            memory: Memory {
                total_bytes: 32 << 30,
                available_bytes: 30_000_000_000,
                swap_total_bytes: 8_000_000_000,
                swap_used_bytes: 500_000_000,
            },
            limits: Some(Limits {
                memory_limit_bytes: Some(8 << 30),
                memory_headroom_bytes: Some(2 << 30),
                cpu_quota: Some(1.5),
                cpus_allowed: None,
            }),
            gpus: vec![Gpu {
                name: "NVIDIA GeForce RTX 4090".to_owned(),
                memory_total_bytes: Some(24 << 30),
                memory_free_bytes: Some(23 << 30),
                compute_capability: Some("8.9".to_owned()),
                power_watts: Some(30.4),
                power_limit_watts: Some(450.0),
                pcie_generation: Some(4),
                pcie_width: Some(16),
                ..Gpu::default()
            }],
            gpu_note: None,
            temperatures: vec![super::super::Temperature { sensor: "k10temp Tctl".to_owned(), temperature_c: 61.25 }],
            load_average: None,
            power: Some(Power { source: PowerSource::Battery, battery_percent: Some(72) }),
        }
    }

    fn sheet() -> Sheet {
        let bandwidth = |threads| Bandwidth {
            best_gb_per_second: 40.0,
            median_gb_per_second: 39.0,
            spread_percent: 4.0,
            repetitions: 9,
            threads,
            buffer_bytes: 512 << 20,
            method: "m".to_owned(),
        };
        let throughput = |threads| Throughput {
            best_gflops: 800.0,
            median_gflops: 790.0,
            spread_percent: 2.0,
            repetitions: 50,
            threads,
            method: "m".to_owned(),
        };
        Sheet {
            schema_version: Sheet::SCHEMA_VERSION,
            machine: machine(),
            engine: None,
            roofline: Some(Roofline {
                bandwidth: bandwidth(8),
                bandwidth_single_thread: bandwidth(1),
                throughput: throughput(8),
                throughput_single_thread: throughput(1),
            }),
            noise: vec![NoiseWarning::OtherLoad { percent: 31.0 }],
        }
    }

    #[test]
    fn the_sheet_reads_as_intended_at_80_columns() {
        insta::assert_snapshot!(sheet().text(80));
    }

    #[test]
    fn no_line_is_wider_than_asked_and_wrapping_loses_no_word() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let wide = sheet().text(10_000);
        for width in [60, 80, 120] {
            let text = sheet().text(width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert_eq!(words(&text), words(&wide));
        }
    }

    #[test]
    fn what_the_build_leaves_unused_is_told_and_what_ggml_never_lists_is_not() {
        let engine = EngineInfo {
            llama_cpp: "b1".to_owned(),
            build: "0.1.0".to_owned(),
            cpu_features: vec!["FMA".to_owned()],
            native: false,
            backends: vec!["CPU".to_owned()],
            devices: vec![DeviceInfo {
                name: "CPU".to_owned(),
                description: "a processor".to_owned(),
                kind: "cpu".to_owned(),
                memory_total_bytes: 1 << 30,
                memory_free_bytes: 1 << 30,
            }],
        };
        assert_eq!(features_not_compiled_in(&machine().cpu, &engine), ["AVX2"]);
        let text = Sheet { engine: Some(engine), ..sheet() }.text(200);
        assert!(text.contains("This CPU also has AVX2; this build does not use it."), "{text}");
        assert!(text.contains("Not compiled for this very CPU"), "{text}");
    }

    #[test]
    fn a_sheet_survives_json() {
        let json = serde_json::to_string(&sheet()).expect("plain data");
        assert_eq!(serde_json::from_str::<Sheet>(&json).expect("own output"), sheet());
    }

    #[test]
    fn sizes_are_stated_in_both_units() {
        assert_eq!(both(24 << 30), "25.8\u{a0}GB (24.0\u{a0}GiB)");
        assert_eq!([decimal(4_000_000_000), decimal(500_000_000)], ["4\u{a0}GB", "0.5\u{a0}GB"]);
        assert_eq!(
            [binary(48 << 10), binary(1536 << 10), binary(2 << 30)],
            ["48\u{a0}KiB", "1.5\u{a0}MiB", "2\u{a0}GiB"]
        );
    }
}
