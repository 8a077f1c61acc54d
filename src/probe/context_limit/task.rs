//! What a context sweep is asked: the model, the types of its KV cache, the memory it may take, and how the answer is proved.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::found::Sweep;
use super::narrow::Grid;
use crate::engine::{ContextParams, KvType, ModelParams};
use crate::probe::kv_growth;

/// Types of the cached keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KvPair {
    /// The keys'.
    pub k: KvType,
    /// The values'.
    pub v: KvType,
}

impl fmt::Display for KvPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.k == self.v { f.pad(self.k.name()) } else { f.pad(&format!("{}/{}", self.k.name(), self.v.name())) }
    }
}

impl FromStr for KvPair {
    type Err = String;

    /// `q8_0`, or `q8_0/q4_0` for keys and values of different types.
    fn from_str(s: &str) -> Result<Self, String> {
        let (k, v) = s.split_once('/').unwrap_or((s, s));
        Ok(Self { k: k.parse()?, v: v.parse()? })
    }
}

/// How a predicted limit is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The context is allocated and every page of it touched.
    Alloc,
    /// The same, and tokens are decoded until it is full.
    Fill,
    /// Not at all.
    None,
}

impl Proof {
    /// The name on the command line and in `context.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Alloc => "alloc",
            Self::Fill => "fill",
            Self::None => "none",
        }
    }
}

/// The memory that model and context may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Main memory: mapped weights, and all that the process takes for itself.
    pub host_bytes: u64,
    /// Where that number comes from.
    pub source: BudgetSource,
    /// Memory of GPUs, by ggml's names; empty where the engine has none.
    pub devices: Vec<DeviceBudget>,
}

impl Budget {
    /// The same with `bytes` of memory where the model lies: of all devices together, each with its share, or of main memory.
    #[must_use]
    pub fn of(&self, bytes: u64, on_devices: bool) -> Self {
        let mut other = self.clone();
        if !on_devices {
            other.host_bytes = bytes;
            return other;
        }
        let all: u64 = self.devices.iter().map(|device| device.allowed_bytes).sum();
        for device in &mut other.devices {
            let share = u128::from(bytes) * u128::from(device.allowed_bytes) / u128::from(all.max(1));
            device.allowed_bytes = u64::try_from(share).unwrap_or(u64::MAX);
        }
        other
    }
}

/// Where a budget comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BudgetSource {
    /// The command line.
    Given,
    /// `limits.max_memory_gb` of the configuration.
    Configured,
    /// What was free, less a reserve for everything else.
    Free {
        /// Bytes that were free.
        free_bytes: u64,
        /// Bytes kept for the rest of the machine.
        reserve_bytes: u64,
    },
}

/// What a GPU may give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceBudget {
    /// ggml's name of the device, such as `CUDA0`.
    pub name: String,
    /// All memory of the device.
    pub total_bytes: u64,
    /// What was free before, other programs' share taken off.
    pub free_bytes: u64,
    /// What model and context may take of it.
    pub allowed_bytes: u64,
}

/// One sweep over KV types.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The model.
    pub model: ModelParams,
    /// How contexts are made, but for their size and KV types.
    pub context: ContextParams,
    /// The memory they may take.
    pub budget: Budget,
    /// Further budgets in bytes whose largest context is predicted, too.
    pub other_budgets: Vec<u64>,
    /// Step of the search in tokens; llama.cpp rounds every context up to a multiple of [`GRANULE`].
    pub granularity: u32,
    /// Largest context that is tried; none: the larger of [`CEILING`] and what the model was trained for.
    pub ceiling: Option<u32>,
    /// How the limit is proved.
    pub proof: Proof,
    /// Seconds after which filling a context ([`Proof::Fill`]) stops.
    pub fill_seconds: u32,
    /// Whether a probe passes although memory was swapped out.
    pub allow_swap: bool,
    /// How the growth of the cache is measured; none: it is not.
    pub growth: Option<kv_growth::Plan>,
    /// The types of the KV cache, with what earlier workers found of them; new ones are empty.
    pub sweeps: Vec<Sweep>,
}

impl Task {
    /// The contexts that are searched, for a model that was trained for so many tokens.
    #[must_use]
    pub fn grid(&self, n_ctx_train: u32) -> Grid {
        let ceiling = self.ceiling.unwrap_or_else(|| CEILING.max(n_ctx_train)).min(LARGEST);
        Grid { step: self.granularity, ceiling: ceiling.max(self.granularity) }
    }
}

/// llama.cpp rounds a context's size up to a multiple of this many tokens (`llama_context`'s constructor).
pub const GRANULE: u32 = 256;

/// No context is larger: a file may claim anything.
const LARGEST: u32 = 1 << 30;

/// The search ends here, unless the model was trained for more: where memory is no limit, a number must be.
pub const CEILING: u32 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_budget_is_of_main_memory_or_shared_by_the_devices_as_they_share_this_one() {
        let device = |name: &str, allowed_bytes| DeviceBudget {
            name: name.to_owned(),
            total_bytes: 10_000,
            free_bytes: 9_000,
            allowed_bytes,
        };
        let devices = vec![device("CUDA0", 6_000), device("CUDA1", 2_000)];
        let budget = Budget { host_bytes: 500, source: BudgetSource::Given, devices };
        assert_eq!(budget.of(1_000, false), Budget { host_bytes: 1_000, ..budget.clone() });
        let shared = budget.of(4_000, true);
        assert_eq!(shared.host_bytes, 500);
        assert_eq!(shared.devices.iter().map(|d| d.allowed_bytes).collect::<Vec<_>>(), [3_000, 1_000]);
    }

    #[test]
    fn a_kv_type_may_name_keys_and_values_apart() {
        let pair: KvPair = "q8_0/q4_0".parse().unwrap();
        assert_eq!(pair, KvPair { k: KvType::Q8_0, v: KvType::Q4_0 });
        assert_eq!(pair.to_string(), "q8_0/q4_0");
        assert_eq!("f16".parse::<KvPair>().unwrap().to_string(), "f16");
        assert!("f16/q9".parse::<KvPair>().unwrap_err().contains("q9"));
    }
}
