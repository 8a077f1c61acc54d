//! What every report says of where its numbers come from: the hardware and the engine, for programs and in one line for people.

use serde::{Deserialize, Serialize};

use crate::engine::EngineInfo;
use crate::machine::Machine;
use crate::stats::gigabytes;
use crate::verdict::interpretation::counted;

/// The hardware as the reports for programs name it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// The processor's name.
    pub cpu: String,
    /// Its physical cores; logical ones where nobody tells.
    pub cores: u32,
    /// Its hardware threads.
    pub threads: u32,
    /// RAM of the machine in GB.
    pub ram_gb: f64,
    /// RAM that this process could ever have, in GB.
    pub usable_ram_gb: f64,
    /// Graphics processors.
    pub gpus: Vec<Gpu>,
    /// The operating system.
    pub os: Option<String>,
}

/// A graphics processor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// Its name.
    pub name: String,
    /// All its memory in GB.
    pub memory_gb: Option<f64>,
}

impl Hardware {
    /// The part of a machine's facts that reports show.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let gpu = |gpu: &crate::machine::Gpu| Gpu {
            name: gpu.name.clone(),
            memory_gb: gpu.memory_total_bytes.map(gigabytes),
        };
        Self {
            cpu: machine.cpu.brand.clone().unwrap_or_else(|| machine.cpu.architecture.clone()),
            cores: machine.cpu.physical_cores.unwrap_or(machine.cpu.logical_cores),
            threads: machine.cpu.logical_cores,
            ram_gb: gigabytes(machine.memory.total_bytes),
            usable_ram_gb: gigabytes(machine.usable_memory_bytes()),
            gpus: machine.gpus.iter().map(gpu).collect(),
            os: machine.os.clone(),
        }
    }

    /// The same in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let mut parts = vec![
            self.cpu.clone(),
            format!("{} ({} threads)", counted(self.cores as usize, "core"), self.threads),
            format!("{:.1} GB RAM", self.ram_gb),
        ];
        parts.extend(self.gpus.iter().map(|gpu| gpu.name.clone()));
        parts.extend(self.os.clone());
        parts.join(", ")
    }
}

/// The engine in one line.
#[must_use]
pub fn engine_line(engine: Option<&EngineInfo>) -> String {
    let Some(engine) = engine else { return "the engine never started".to_owned() };
    let features = if engine.cpu_features.is_empty() { "none".to_owned() } else { engine.cpu_features.join(" ") };
    let native = if engine.native { "built for this kind of CPU" } else { "built without target-cpu=native" };
    let backends = engine.backends.join(" + ");
    format!("llama.cpp {}, {backends}, {native}, CPU features: {features}", engine.llama_cpp)
}
