//! The processor: its name, cores, caches and the instructions that ggml has kernels for.
//!
//! Left out on purpose: how any of it is read (the platform's files), and how fast it computes ([`crate::probe`]).

use serde::{Deserialize, Serialize};

/// The processor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// Its name, such as `AMD Ryzen 7 5800X 8-Core Processor`.
    pub brand: Option<String>,
    /// Who made it, such as `AuthenticAMD` or `Apple`.
    pub vendor: Option<String>,
    /// Instruction set, such as `x86_64`.
    pub architecture: String,
    /// Cores that are made of silicon.
    pub physical_cores: Option<u32>,
    /// Hardware threads that the operating system schedules on.
    pub logical_cores: u32,
    /// Clock when asked, mean over all cores; low on an idle machine.
    pub frequency_current_mhz: Option<f64>,
    /// Clock that the maker guarantees.
    pub frequency_base_mhz: Option<f64>,
    /// Clock that a single core may reach.
    pub frequency_max_mhz: Option<f64>,
    /// What decides on the clock, such as `performance` or `powersave`.
    pub governor: Option<String>,
    /// Caches, smallest level first.
    pub caches: Vec<Cache>,
    /// Instructions that matter to ggml, by ggml's own names, such as `AVX2`, so that they compare with
    /// [`crate::engine::EngineInfo::cpu_features`].
    pub features: Vec<String>,
}

impl Cpu {
    /// Bytes of all last-level data caches together; what a working set must exceed to be read from RAM.
    #[must_use]
    pub fn last_level_cache_bytes(&self) -> Option<u64> {
        let holds_data = |cache: &&Cache| cache.kind != CacheKind::Instruction;
        let level = self.caches.iter().filter(holds_data).map(|cache| cache.level).max()?;
        Some(self.caches.iter().filter(holds_data).filter(|c| c.level == level).map(Cache::all_bytes).sum())
    }
}

/// All caches of one level, kind and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// 1 is nearest to the core.
    pub level: u8,
    /// What it holds.
    pub kind: CacheKind,
    /// Bytes of one of them.
    pub size_bytes: u64,
    /// Logical cores that share one of them.
    pub shared_by: u32,
    /// How many there are.
    pub instances: u32,
}

impl Cache {
    /// Bytes of all of them.
    #[must_use]
    pub fn all_bytes(&self) -> u64 {
        self.size_bytes * u64::from(self.instances)
    }

    /// The usual short name: `L1d`, `L1i`, `L2`, `L3`.
    #[must_use]
    pub fn name(&self) -> String {
        let suffix = match self.kind {
            CacheKind::Data => "d",
            CacheKind::Instruction => "i",
            CacheKind::Unified => "",
        };
        format!("L{}{suffix}", self.level)
    }
}

/// What a cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheKind {
    /// Data.
    Data,
    /// Instructions.
    Instruction,
    /// Both.
    Unified,
}
