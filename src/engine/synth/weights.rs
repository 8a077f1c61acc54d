//! Which weights a tensor gets, from its name and extents: random, one number, or zeros.
//!
//! The aim is a model that computes: activations neither explode nor die away, so that no logit is infinite and tokens
//! differ. Matrices have standard deviation 1/sqrt(columns), which keeps a normalised input's spread; norms and scales
//! are 1, biases 0. Left out on purpose: any likeness to trained weights.

use std::ops::Range;

use half::{bf16, f16};

use super::blocks::fill_random;
use super::random::Random;
use crate::engine::gguf::GgmlType;

/// Rows of tokens that should not be sampled (control tokens, single bytes) are smaller by this.
const QUIET: f64 = 1.0 / 16.0;

/// What a stretch of a tensor is filled with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Weights {
    /// Random around zero with this standard deviation.
    Random(f64),
    /// One number throughout.
    Constant(f32),
}

impl Weights {
    /// What a tensor of this name should hold.
    pub(super) fn of(name: &str, dims: &[u64], kind: GgmlType) -> Self {
        #[allow(clippy::cast_precision_loss)] // widths are far below 2^53
        let spread = Self::Random(1.0 / (dims.first().copied().unwrap_or(1).max(1) as f64).sqrt());
        if !matches!(kind, GgmlType::F32 | GgmlType::F16 | GgmlType::BF16) {
            return spread;
        }
        if name.ends_with("ssm_dt.bias") {
            // softplus(-4) = 0.02: a time step as trained ones are.
            return Self::Constant(-4.0);
        }
        if name.rsplit('.').next() == Some("bias") {
            return Self::Constant(0.0);
        }
        if name.ends_with("ssm_a") {
            // The state decays: exp(time step × -1).
            return Self::Constant(-1.0);
        }
        let is_one =
            name.contains("norm") || name.contains("rope_f") || name.contains("scale") || name.ends_with("ssm_d");
        if is_one { Self::Constant(1.0) } else { spread }
    }

    /// Fills whole blocks.
    pub(super) fn fill(self, kind: GgmlType, buffer: &mut [u8], random: &mut Random) {
        match self {
            Self::Random(std) => fill_random(kind, std, buffer, random),
            Self::Constant(value) => match kind {
                GgmlType::F32 => repeat(buffer, value.to_le_bytes()),
                GgmlType::F16 => repeat(buffer, f16::from_f32(value).to_le_bytes()),
                GgmlType::BF16 => repeat(buffer, bf16::from_f32(value).to_le_bytes()),
                _ => buffer.fill(0),
            },
        }
    }
}

fn repeat<const N: usize>(buffer: &mut [u8], value: [u8; N]) {
    buffer.chunks_exact_mut(N).for_each(|bytes| bytes.copy_from_slice(&value));
}

/// The stretches of a tensor in order: how many rows, and what they hold. `quiet` rows (sorted, apart) get smaller weights.
pub(super) fn stretches(n_rows: u64, weights: Weights, quiet: &[Range<u64>]) -> Vec<(u64, Weights)> {
    let Weights::Random(std) = weights else { return vec![(n_rows, weights)] };
    let mut stretches = Vec::new();
    let mut row = 0;
    for range in quiet {
        let (start, end) = (range.start.clamp(row, n_rows), range.end.clamp(row, n_rows));
        stretches.push((start - row, weights));
        stretches.push((end - start, Weights::Random(std * QUIET)));
        row = end;
    }
    stretches.push((n_rows - row, weights));
    stretches.retain(|(rows, _)| *rows > 0);
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_rows_split_a_matrix_and_nothing_is_lost() {
        let loud = Weights::Random(1.0);
        let quiet = Weights::Random(QUIET);
        assert_eq!(stretches(10, loud, &[0..3, 5..6]), [(3, quiet), (2, loud), (1, quiet), (4, loud)]);
        let beyond_the_end = [2..9, 9..10];
        assert_eq!(stretches(4, loud, &beyond_the_end), [(2, loud), (2, quiet)]);
        assert_eq!(stretches(4, Weights::Constant(1.0), &beyond_the_end), [(4, Weights::Constant(1.0))]);
    }

    #[test]
    fn norms_are_one_and_biases_zero_but_matrices_random() {
        let of = |name, dims: &[u64]| Weights::of(name, dims, GgmlType::F32);
        assert_eq!(of("blk.0.attn_norm.weight", &[64]), Weights::Constant(1.0));
        assert_eq!(of("blk.0.attn_q.bias", &[64]), Weights::Constant(0.0));
        assert_eq!(of("blk.0.ssm_a", &[16, 64]), Weights::Constant(-1.0));
        assert_eq!(of("blk.0.ffn_up.weight", &[64, 8]), Weights::Random(0.125));
    }
}
