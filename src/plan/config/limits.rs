//! What a model may take of the machine.

use serde::{Deserialize, Serialize};

use super::check::Problems;

/// Section `[limits]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Most memory of a model and its context, in GB (10^9 bytes); none: what is free.
    pub max_memory_gb: Option<f64>,
    /// Memory that is kept for everything else where [`Self::max_memory_gb`] does not say how much a model may take, in GB; none: a
    /// twentieth of all memory, at least 0.512 GB.
    pub reserve_gb: Option<f64>,
    /// Whether a context counts as fitting although memory was swapped out for it.
    pub allow_swap: bool,
}

impl LimitsConfig {
    /// [`Self::max_memory_gb`] in bytes.
    #[must_use]
    pub fn max_memory_bytes(&self) -> Option<u64> {
        self.max_memory_gb.map(bytes)
    }

    /// [`Self::reserve_gb`] in bytes.
    #[must_use]
    pub fn reserve_bytes(&self) -> Option<u64> {
        self.reserve_gb.map(bytes)
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        if let Some(gb) = self.max_memory_gb {
            problems.above_zero("limits.max_memory_gb", gb);
        }
        if let Some(gb) = self.reserve_gb {
            problems.not_negative("limits.reserve_gb", gb);
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked to be no less than 0; saturates
fn bytes(gb: f64) -> u64 {
    (gb * 1e9) as u64
}

#[cfg(test)]
mod tests {
    use crate::plan::config::Config;

    #[test]
    fn limits_are_read_and_nonsense_is_named_by_its_key() {
        let config = Config::parse("[limits]\nmax_memory_gb = 1.5\nallow_swap = true\nreserve_gb = 2").unwrap();
        assert_eq!(config.limits.max_memory_bytes(), Some(1_500_000_000));
        assert_eq!(config.limits.reserve_bytes(), Some(2_000_000_000));
        assert!(config.limits.allow_swap);
        for (text, key) in [("max_memory_gb = 0", "limits.max_memory_gb"), ("reserve_gb = -1.0", "limits.reserve_gb")] {
            let error = Config::parse(&format!("[limits]\n{text}")).unwrap_err();
            assert!(error.starts_with(key), "{error}");
        }
    }
}
