//! The roofline: which speeds of a model this machine's memory and arithmetic allow at most.
//!
//! After Williams, Waterman and Patterson, "Roofline: An Insightful Visual Performance Model for Multicore Architectures",
//! 2009: a computation is as fast as its memory traffic or its arithmetic lets it be, whichever is slower. Generating one
//! token at a time reads all active weights for two operations each, so memory limits it; processing a long prompt uses each
//! weight for hundreds of tokens, so arithmetic limits it. `docs/machine.md` has the derivation.
//!
//! Left out on purpose: measured models; the limits here are pure functions of numbers.

use serde::{Deserialize, Serialize};

use super::{Bandwidth, Throughput, bandwidth, throughput};
use crate::machine::{Machine, memory};
use crate::stats::float;

/// What the machine's memory and arithmetic can do at most, measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roofline {
    /// Read bandwidth with all threads.
    pub bandwidth: Bandwidth,
    /// Read bandwidth of a single thread.
    pub bandwidth_single_thread: Bandwidth,
    /// f32 matrix throughput with all threads.
    pub throughput: Throughput,
    /// f32 matrix throughput of a single thread.
    pub throughput_single_thread: Throughput,
}

impl Roofline {
    /// Measures with `threads` threads, in two to four seconds.
    #[must_use]
    pub fn measure(machine: &Machine, threads: u32) -> Self {
        let buffer_bytes = bandwidth::buffer_bytes(machine.cpu.last_level_cache_bytes(), memory::available_bytes());
        let (bandwidth, bandwidth_single_thread) = bandwidth::measure(threads, buffer_bytes);
        let (throughput, throughput_single_thread) = throughput::measure(threads);
        Self { bandwidth, bandwidth_single_thread, throughput, throughput_single_thread }
    }

    /// The fastest read that was seen, with all threads or with one: a single thread can win where others use the memory.
    #[must_use]
    pub fn bytes_per_second(&self) -> f64 {
        self.bandwidth.bytes_per_second().max(self.bandwidth_single_thread.bytes_per_second())
    }

    /// The fastest arithmetic that was seen, with all threads or with one.
    #[must_use]
    pub fn operations_per_second(&self) -> f64 {
        self.throughput.operations_per_second().max(self.throughput_single_thread.operations_per_second())
    }

    /// [`tg_limit_tokens_per_second`] of this machine, from the fastest repetition.
    #[must_use]
    pub fn tg_limit(&self, active_weight_bytes: u64, kv_bytes: u64) -> Option<f64> {
        tg_limit_tokens_per_second(self.bytes_per_second(), active_weight_bytes, kv_bytes)
    }

    /// [`pp_limit_tokens_per_second`] of this machine, from the fastest repetition.
    #[must_use]
    pub fn pp_limit(&self, n_params_active: u64) -> Option<f64> {
        pp_limit_tokens_per_second(self.operations_per_second(), n_params_active)
    }
}

/// Tokens per second that generation (tg) cannot exceed: bandwidth ÷ (active weight bytes + KV bytes at that depth).
///
/// `active_weight_bytes` are those read for one token: all but the token embedding table where that is not the output matrix
/// too, and in a mixture of experts only the experts used. `kv_bytes` is the KV cache up to the depth. One sequence is
/// assumed; a batch reads the weights once for all its sequences. `None` when nothing is read or the bandwidth is no
/// positive number.
#[must_use]
pub fn tg_limit_tokens_per_second(bandwidth_bytes_per_s: f64, active_weight_bytes: u64, kv_bytes: u64) -> Option<f64> {
    let bytes = active_weight_bytes.saturating_add(kv_bytes);
    (bytes > 0 && bandwidth_bytes_per_s.is_finite() && bandwidth_bytes_per_s > 0.0)
        .then(|| bandwidth_bytes_per_s / float(bytes))
}

/// Tokens per second that prompt processing (pp) cannot exceed: operations per second ÷ (2 × active parameters).
///
/// Every active parameter takes one multiplication and one addition a token. Attention's own operations, which grow with the
/// depth, are left out, so the limit is a little too high at great depths. `flops` measured in f32 is no hard limit for
/// quantized weights on CPUs with integer dot products: more than 100 % is then possible and right. `None` when there are no
/// parameters or `flops` is no positive number.
#[must_use]
pub fn pp_limit_tokens_per_second(flops: f64, n_params_active: u64) -> Option<f64> {
    (n_params_active > 0 && flops.is_finite() && flops > 0.0).then(|| flops / (2.0 * float(n_params_active)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn four_gigabytes_at_forty_gigabytes_a_second_are_ten_tokens_and_the_cache_counts() {
        assert_eq!(tg_limit_tokens_per_second(40e9, 4_000_000_000, 0), Some(10.0));
        assert_eq!(tg_limit_tokens_per_second(40e9, 4_000_000_000, 1_000_000_000), Some(8.0));
    }

    #[test]
    fn a_billion_parameters_at_two_hundred_gflops_are_a_hundred_tokens() {
        assert_eq!(pp_limit_tokens_per_second(200e9, 1_000_000_000), Some(100.0));
    }

    #[test]
    fn no_bytes_no_parameters_and_no_numbers_have_no_limit() {
        assert_eq!(tg_limit_tokens_per_second(40e9, 0, 0), None);
        assert_eq!(pp_limit_tokens_per_second(200e9, 0), None);
        for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(tg_limit_tokens_per_second(nonsense, 1, 1), None);
            assert_eq!(pp_limit_tokens_per_second(nonsense, 1), None);
        }
    }

    proptest! {
        #[test]
        fn a_deeper_cache_never_raises_the_limit(bandwidth in 1e6_f64..1e13, weights in 1_u64..1 << 42, kv in 0_u64..1 << 42, more in 0_u64..1 << 42) {
            let limit = |kv| tg_limit_tokens_per_second(bandwidth, weights, kv).expect("weights are read");
            prop_assert!(limit(kv + more) <= limit(kv));
            prop_assert!(limit(kv).is_finite() && limit(kv) > 0.0);
        }

        #[test]
        fn huge_byte_counts_do_not_overflow(weights in any::<u64>(), kv in any::<u64>()) {
            let limit = tg_limit_tokens_per_second(1e10, weights, kv);
            prop_assert_eq!(limit.is_some(), weights > 0 || kv > 0);
        }
    }
}
