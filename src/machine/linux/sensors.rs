//! `/sys/class/hwmon`, `thermal` and `power_supply`: temperatures, throttle counts, and where the electricity comes from.

use std::path::{Path, PathBuf};

use super::{line, number};
use crate::machine::{Power, PowerSource, Temperature};

/// Drivers of sensors that sit in the processor.
const PROCESSOR_CHIPS: &[&str] = &["coretemp", "k10temp", "zenpower", "fam15h_power", "cpu_thermal", "scpi_sensors"];
/// Beginnings of the names of thermal zones that are the processor's.
const PROCESSOR_ZONES: &[&str] = &["x86_pkg_temp", "cpu", "soc-thermal", "bigcore", "littlecore"];
/// Files looked at in one folder; sensors beyond are another machine's problem.
const MOST: u32 = 64;

/// A file that holds thousandths of a degree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sensor {
    name: String,
    file: PathBuf,
    in_processor: bool,
}

impl Sensor {
    /// Whether it tells the processor's temperature.
    pub(super) fn is_processor(&self) -> bool {
        self.in_processor
    }

    /// Reads it; `None` for a sensor that sleeps or says nonsense.
    pub(super) fn read(&self) -> Option<Temperature> {
        let celsius = line(&self.file)?.parse::<f64>().ok()? / 1000.0;
        // Inputs that are not connected read as zero, below, or far above what silicon survives.
        (celsius > 0.0 && celsius < 150.0).then(|| Temperature { sensor: self.name.clone(), temperature_c: celsius })
    }
}

/// All sensors below `root`; thermal zones only where there is no sensor chip, as they mostly show the same ones again.
pub(super) fn find(root: &Path) -> Vec<Sensor> {
    let chips = chips(root);
    if chips.is_empty() { zones(root) } else { chips }
}

fn chips(root: &Path) -> Vec<Sensor> {
    let mut sensors = Vec::new();
    for chip in 0..MOST {
        let folder = root.join(format!("sys/class/hwmon/hwmon{chip}"));
        let Some(name) = line(folder.join("name")) else { continue };
        for input in 1..MOST {
            let file = folder.join(format!("temp{input}_input"));
            if file.exists() {
                let label = line(folder.join(format!("temp{input}_label"))).unwrap_or_else(|| format!("temp{input}"));
                sensors.push(Sensor {
                    name: format!("{name} {label}"),
                    in_processor: PROCESSOR_CHIPS.contains(&name.as_str()),
                    file,
                });
            }
        }
    }
    sensors
}

fn zones(root: &Path) -> Vec<Sensor> {
    let zones = (0..MOST).map(|zone| root.join(format!("sys/class/thermal/thermal_zone{zone}")));
    let sensors = zones.filter_map(|folder| {
        let kind = line(folder.join("type"))?;
        Some(Sensor {
            in_processor: PROCESSOR_ZONES.iter().any(|zone| kind.starts_with(zone)),
            name: kind,
            file: folder.join("temp"),
        })
    });
    sensors.collect()
}

/// Files that count how often Intel's processors slowed themselves down: one for the package, some for cores.
pub(super) fn throttle_counts(root: &Path, cores: &[u32], most: usize) -> Vec<PathBuf> {
    let step = cores.len().div_ceil(most.max(1)).max(1);
    let folder = |cpu: &u32| root.join(format!("sys/devices/system/cpu/cpu{cpu}/thermal_throttle"));
    let package = cores.iter().take(1).map(|cpu| folder(cpu).join("package_throttle_count"));
    let each = cores.iter().step_by(step).map(|cpu| folder(cpu).join("core_throttle_count"));
    package.chain(each).filter(|file| number(file).is_some()).collect()
}

/// Mains or battery. A machine that lists no supply (a desktop, a server) tells nothing.
pub(super) fn power(root: &Path) -> Option<Power> {
    let entries = std::fs::read_dir(root.join("sys/class/power_supply")).ok()?;
    let (mut mains, mut battery, mut discharging) = (None, None, false);
    for folder in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        // A mouse's battery is a device's, not the machine's.
        if line(folder.join("scope")).as_deref() == Some("Device") {
            continue;
        }
        match line(folder.join("type")).as_deref() {
            Some("Mains" | "USB") => mains = Some(mains == Some(true) || number(folder.join("online")) == Some(1)),
            Some("Battery") => {
                battery = number(folder.join("capacity")).and_then(|percent| u8::try_from(percent).ok()).or(battery);
                discharging |= line(folder.join("status")).as_deref() == Some("Discharging");
            }
            _ => {}
        }
    }
    let source = match (mains, battery) {
        (Some(true), _) => PowerSource::Mains,
        (_, Some(_)) if discharging => PowerSource::Battery,
        (None, Some(_)) => PowerSource::Mains,
        _ => return None,
    };
    Some(Power { source, battery_percent: battery })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn root(files: &[(&str, &str)]) -> TempDir {
        let root = TempDir::new().expect("a folder");
        for (file, text) in files {
            let path = root.path().join("sys").join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        root
    }

    #[test]
    fn chips_are_read_with_their_labels_and_the_processors_is_known() {
        let root = root(&[
            ("class/hwmon/hwmon0/name", "nvme\n"),
            ("class/hwmon/hwmon0/temp1_input", "38850\n"),
            ("class/hwmon/hwmon2/name", "k10temp\n"),
            ("class/hwmon/hwmon2/temp1_input", "61250\n"),
            ("class/hwmon/hwmon2/temp1_label", "Tctl\n"),
            ("class/hwmon/hwmon2/temp3_input", "0\n"),
            ("class/thermal/thermal_zone0/type", "acpitz\n"),
            ("class/thermal/thermal_zone0/temp", "20000\n"),
        ]);
        let sensors = find(root.path());
        let read: Vec<(String, f64)> =
            sensors.iter().filter_map(Sensor::read).map(|t| (t.sensor, t.temperature_c)).collect();
        assert_eq!(read, [("nvme temp1".to_owned(), 38.85), ("k10temp Tctl".to_owned(), 61.25)]);
        assert_eq!(sensors.iter().map(Sensor::is_processor).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn a_board_with_thermal_zones_only_uses_them() {
        let root = root(&[
            ("class/thermal/thermal_zone0/type", "cpu-thermal\n"),
            ("class/thermal/thermal_zone0/temp", "54000\n"),
            ("class/thermal/thermal_zone1/type", "gpu-thermal\n"),
        ]);
        let sensors = find(root.path());
        assert_eq!(sensors[0].read(), Some(Temperature { sensor: "cpu-thermal".to_owned(), temperature_c: 54.0 }));
        assert!(sensors[0].is_processor() && !sensors[1].is_processor());
        assert_eq!(sensors[1].read(), None);
    }

    #[test]
    fn a_laptop_on_battery_and_on_mains() {
        let laptop = |online, status| {
            let root = root(&[
                ("class/power_supply/AC/type", "Mains\n"),
                ("class/power_supply/AC/online", online),
                ("class/power_supply/BAT0/type", "Battery\n"),
                ("class/power_supply/BAT0/status", status),
                ("class/power_supply/BAT0/capacity", "72\n"),
                ("class/power_supply/mouse/type", "Battery\n"),
                ("class/power_supply/mouse/scope", "Device\n"),
                ("class/power_supply/mouse/capacity", "5\n"),
            ]);
            power(root.path())
        };
        let power = |source| Some(Power { source, battery_percent: Some(72) });
        assert_eq!(laptop("0\n", "Discharging\n"), power(PowerSource::Battery));
        assert_eq!(laptop("1\n", "Charging\n"), power(PowerSource::Mains));
    }

    #[test]
    fn a_machine_without_sensors_or_supplies_tells_nothing() {
        let root = root(&[("class/power_supply/.keep", "")]);
        assert_eq!(find(root.path()), []);
        assert_eq!(power(root.path()), None);
        assert_eq!(throttle_counts(root.path(), &[0, 1], 16), Vec::<PathBuf>::new());
    }

    #[test]
    fn throttle_counts_are_the_package_and_the_cores() {
        let count =
            |cpu: u32, what: &str| format!("devices/system/cpu/cpu{cpu}/thermal_throttle/{what}_throttle_count");
        let files = [count(0, "package"), count(0, "core"), count(1, "package"), count(1, "core")];
        let root = root(&files.iter().map(|file| (file.as_str(), "3\n")).collect::<Vec<_>>());
        assert_eq!(throttle_counts(root.path(), &[0, 1], 16).len(), 3);
        assert_eq!(throttle_counts(root.path(), &[0, 1], 1).len(), 2);
    }
}
