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

/// ggml's name of an instruction set and the flag that Linux has for it.
const FEATURES: &[(&str, &str)] = &[
    ("SSE3", "pni"),
    ("SSSE3", "ssse3"),
    ("AVX", "avx"),
    ("AVX_VNNI", "avx_vnni"),
    ("AVX2", "avx2"),
    ("F16C", "f16c"),
    ("FMA", "fma"),
    ("BMI2", "bmi2"),
    ("AVX512", "avx512f"),
    ("AVX512_VBMI", "avx512vbmi"),
    ("AVX512_VNNI", "avx512_vnni"),
    ("AVX512_BF16", "avx512_bf16"),
    ("AVX512_FP16", "avx512_fp16"),
    ("AMX_TILE", "amx_tile"),
    ("AMX_INT8", "amx_int8"),
    ("AMX_BF16", "amx_bf16"),
    ("NEON", "asimd"),
    ("FP16_VA", "asimdhp"),
    ("DOTPROD", "asimddp"),
    ("MATMUL_INT8", "i8mm"),
    ("BF16", "bf16"),
    ("SVE", "sve"),
    ("SVE2", "sve2"),
    ("SME", "sme"),
];

/// The features that matter to ggml among Linux's flags of a processor.
pub(super) fn features_of_flags(flags: &[&str]) -> Vec<String> {
    FEATURES.iter().filter(|(_, flag)| flags.contains(flag)).map(|(name, _)| (*name).to_owned()).collect()
}

/// The features that matter to ggml, as the processor itself tells them; the instructions that the standard library cannot
/// ask for (AMX) are missing.
#[cfg(any(test, not(target_os = "linux")))]
pub(super) fn features_of_this_cpu() -> Vec<String> {
    #[allow(unused_mut)] // stays empty on other architectures
    let mut flags: Vec<&str> = Vec::new();
    macro_rules! ask {
        ($detected:ident: $($flag:literal = $feature:tt),*) => { $(if std::arch::$detected!($feature) { flags.push($flag); })* };
    }
    #[cfg(target_arch = "x86_64")]
    ask!(is_x86_feature_detected: "pni" = "sse3", "ssse3" = "ssse3", "avx" = "avx", "avx_vnni" = "avxvnni", "avx2" = "avx2",
        "f16c" = "f16c", "fma" = "fma", "bmi2" = "bmi2", "avx512f" = "avx512f", "avx512vbmi" = "avx512vbmi",
        "avx512_vnni" = "avx512vnni", "avx512_bf16" = "avx512bf16", "avx512_fp16" = "avx512fp16");
    #[cfg(target_arch = "aarch64")]
    ask!(is_aarch64_feature_detected: "asimd" = "neon", "asimdhp" = "fp16", "asimddp" = "dotprod", "i8mm" = "i8mm",
        "bf16" = "bf16", "sve" = "sve", "sve2" = "sve2");
    features_of_flags(&flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_ggmls_names_and_the_others_are_left_out() {
        assert_eq!(
            features_of_flags(&["fpu", "avx", "avx512f", "fma", "amx_int8"]),
            ["AVX", "FMA", "AVX512", "AMX_INT8"]
        );
        assert_eq!(features_of_flags(&["fp", "asimd", "asimddp", "sve"]), ["NEON", "DOTPROD", "SVE"]);
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn the_kernels_flags_and_the_processors_own_word_agree() {
        let from_kernel = super::super::platform::cpu().features;
        for feature in features_of_this_cpu() {
            assert!(from_kernel.contains(&feature), "{feature} is not in {from_kernel:?}");
        }
    }

    #[test]
    fn the_last_level_is_counted_over_all_its_caches_and_without_instructions() {
        let cache = |level, kind, size_bytes, instances| Cache { level, kind, size_bytes, shared_by: 8, instances };
        let caches = vec![
            cache(1, CacheKind::Data, 32, 16),
            cache(1, CacheKind::Instruction, 64, 16),
            cache(3, CacheKind::Unified, 1000, 2),
        ];
        assert_eq!(Cpu { caches: caches.clone(), ..Cpu::default() }.last_level_cache_bytes(), Some(2000));
        assert_eq!(Cpu::default().last_level_cache_bytes(), None);
        assert_eq!(caches.iter().map(Cache::name).collect::<Vec<_>>(), ["L1d", "L1i", "L3"]);
    }
}
