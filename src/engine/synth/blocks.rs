//! Random blocks of every ggml type, valid by construction: no quantizer runs.
//!
//! A block is filled with random bits, which are random quants; then the fields that may not be random are set: the f16
//! scale (so that the values have the wanted standard deviation) and the minimum (so that their mean is zero). Scales
//! keep a random sign where the quants alone are not symmetric. Layouts: `ggml-common.h` and `ggml-quants.c`.

use half::{bf16, f16};

use super::random::Random;
use crate::engine::gguf::GgmlType;

/// Root mean square of n equally likely levels one apart around zero is `sqrt((n² - 1) / 12)`; ggml's levels for scales
/// and quants that run from -n/2 to n/2 - 1 have `sqrt((n² + 2) / 12)`.
const RMS_2_BITS_CENTERED: f64 = 1.118_034;
const RMS_4_BITS_CENTERED: f64 = 4.609_772;
const RMS_5_BITS_CENTERED: f64 = 9.233_093;
const RMS_3_BITS: f64 = 2.345_208;
const RMS_4_BITS: f64 = 4.636_809;
const RMS_5_BITS: f64 = 9.246_621;
const RMS_6_BITS: f64 = 18.479_720;
const RMS_8_BITS: f64 = 73.901_511;
/// Scales from 0 to 15 and from 0 to 63.
const RMS_SCALE_4_BITS: f64 = 8.803_408;
const RMS_SCALE_6_BITS: f64 = 36.517_119;
/// ggml's `kvalues_iq4nl` and `kvalues_mxfp4`, all entries equally likely.
const RMS_IQ4_NL: f64 = 67.439_602;
const RMS_FP4: f64 = 5.852_350;

/// Fills `buffer` (whole blocks of `kind`) with weights of mean 0 and standard deviation `std`. Types of whole numbers,
/// which hold indices, get zeros.
pub(super) fn fill_random(kind: GgmlType, std: f64, buffer: &mut [u8], random: &mut Random) {
    let size = usize::try_from(kind.block_bytes).unwrap_or(usize::MAX);
    debug_assert_eq!(buffer.len() % size, 0, "{} in {} bytes", kind.name, buffer.len());
    random.fill(buffer);
    match kind {
        GgmlType::F32 => floats::<4>(buffer, |bits| uniform(bits, std).to_le_bytes()),
        GgmlType::F16 => halves(buffer, |x| f16::from_f32(x).to_bits(), std),
        GgmlType::BF16 => halves(buffer, |x| bf16::from_f32(x).to_bits(), std),
        GgmlType::Q4_1 => with_minimum(buffer, size, 0, std / RMS_4_BITS_CENTERED, 7.5, |_| {}),
        GgmlType::Q5_1 => with_minimum(buffer, size, 0, std / RMS_5_BITS_CENTERED, 15.5, |_| {}),
        GgmlType::Q2_K => {
            // Scale and minimum of a group are the halves of one byte; they are made equal, dmin carries the rest.
            let d = std / (RMS_2_BITS_CENTERED * RMS_SCALE_4_BITS);
            with_minimum(buffer, size, 80, d, 1.5, |block| block[..16].iter_mut().for_each(|b| *b = (*b & 15) * 17));
        }
        GgmlType::Q4_K => {
            with_minimum(buffer, size, 0, std / (RMS_4_BITS_CENTERED * RMS_SCALE_6_BITS), 7.5, equal_six_bit_scales);
        }
        GgmlType::Q5_K => {
            with_minimum(buffer, size, 0, std / (RMS_5_BITS_CENTERED * RMS_SCALE_6_BITS), 15.5, equal_six_bit_scales);
        }
        GgmlType::Q8_0 => {
            // ggml's quantizer never makes -128.
            for byte in buffer.iter_mut() {
                *byte = if *byte == 0x80 { 0x81 } else { *byte };
            }
            with_scale(buffer, size, 0, std / RMS_8_BITS);
        }
        GgmlType::MXFP4 => {
            // The scale is a power of two: 2^(e - 128).
            let e = ((std / RMS_FP4).log2().round() + 128.0).clamp(2.0, 254.0);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
            buffer.chunks_exact_mut(size).for_each(|block| block[0] = e as u8);
        }
        GgmlType::NVFP4 => {
            let scale = nearest_ue4m3(std / RMS_FP4);
            buffer.chunks_exact_mut(size).for_each(|block| block[..4].fill(scale));
        }
        GgmlType::IQ1_M => buffer.chunks_exact_mut(size).for_each(|block| set_iq1_m_scale(block, std / 7.0)),
        _ => match scale_field(kind) {
            Some((at, rms)) => with_scale(buffer, size, at, std / rms),
            None => buffer.fill(0),
        },
    }
}

/// Where a type's only scale is in its block, and the root mean square of its values at scale 1. The grids of the smallest
/// types are not uniform; their numbers are measured and good to a tenth.
fn scale_field(kind: GgmlType) -> Option<(usize, f64)> {
    Some(match kind {
        GgmlType::Q4_0 => (0, RMS_4_BITS),
        GgmlType::Q5_0 => (0, RMS_5_BITS),
        GgmlType::Q3_K => (108, RMS_3_BITS * RMS_6_BITS),
        GgmlType::Q6_K => (208, RMS_6_BITS * RMS_8_BITS),
        GgmlType::IQ4_NL => (0, RMS_IQ4_NL),
        GgmlType::IQ4_XS => (0, RMS_IQ4_NL * RMS_6_BITS),
        GgmlType::IQ2_XXS | GgmlType::IQ2_XS | GgmlType::IQ2_S => (0, 60.0),
        GgmlType::IQ3_XXS => (0, 129.0),
        GgmlType::IQ3_S => (0, 148.0),
        GgmlType::IQ1_S => (0, 7.0),
        GgmlType::TQ1_0 => (52, 0.82),
        GgmlType::TQ2_0 => (64, 1.22),
        GgmlType::Q1_0 => (0, 1.0),
        GgmlType::Q2_0 => (0, 1.22),
        _ => return None,
    })
}

/// Evenly spread with the wanted standard deviation.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // rounding is of no matter here
fn uniform(bits: u32, std: f64) -> f32 {
    bits.cast_signed() as f32 * (std * 3_f64.sqrt() / 2_f64.powi(31)) as f32
}

fn floats<const N: usize>(buffer: &mut [u8], value: impl Fn(u32) -> [u8; N]) {
    for bytes in buffer.chunks_exact_mut(N) {
        let mut bits = [0; 4];
        bits.copy_from_slice(&bytes[..4]);
        bytes.copy_from_slice(&value(u32::from_le_bytes(bits)));
    }
}

/// 16-bit floats out of a table: converting each would cost more than all else.
fn halves(buffer: &mut [u8], convert: impl Fn(f32) -> u16, std: f64) {
    const LEVELS: u32 = 4096;
    // The middle of each of the equal steps from the lowest to the highest number of 32 bits: symmetric around zero.
    let step = u32::MAX / LEVELS + 1;
    let table: Vec<[u8; 2]> = (0..LEVELS)
        .map(|level| convert(uniform((level * step + step / 2).wrapping_add(1 << 31), std)).to_le_bytes())
        .collect();
    for bytes in buffer.chunks_exact_mut(2) {
        let level = u16::from_le_bytes([bytes[0], bytes[1]]) & 0x0fff;
        bytes.copy_from_slice(&table[usize::from(level)]);
    }
}

/// An f16 that is never zero nor infinite.
#[allow(clippy::cast_possible_truncation)] // f64 to f32
fn scale_bits(scale: f64) -> u16 {
    f16::from_f32(scale as f32).to_bits().clamp(1, f16::MAX.to_bits())
}

/// Sets the scale at `at`; its sign stays random.
fn with_scale(buffer: &mut [u8], size: usize, at: usize, scale: f64) {
    let [low, high] = scale_bits(scale).to_le_bytes();
    for block in buffer.chunks_exact_mut(size) {
        block[at] = low;
        block[at + 1] = high | (block[at + 1] & 0x80);
    }
}

/// Sets the scale at `at` and the minimum after it to `center` times the scale, so that the mean is zero. In the types
/// without groups the minimum is added, in those with groups it is subtracted.
fn with_minimum(buffer: &mut [u8], size: usize, at: usize, scale: f64, center: f64, fix: impl Fn(&mut [u8])) {
    let d = scale_bits(scale);
    let added = size < 84; // q4_1, q5_1
    let minimum = scale_bits(f64::from(f16::from_bits(d)) * center) | if added { 0x8000 } else { 0 };
    for block in buffer.chunks_exact_mut(size) {
        fix(block);
        block[at..at + 2].copy_from_slice(&d.to_le_bytes());
        block[at + 2..at + 4].copy_from_slice(&minimum.to_le_bytes());
    }
}

/// Makes each of the 8 groups' minimum equal to its scale in the packed 6-bit fields of `q4_K` and `q5_K`.
fn equal_six_bit_scales(block: &mut [u8]) {
    let scales = &mut block[4..16];
    scales.copy_within(0..4, 4);
    scales[8..].iter_mut().for_each(|b| *b = (*b & 15) * 17);
}

/// The f16 scale of `iq1_m` is spread over the top four bits of its four 16-bit scale fields.
fn set_iq1_m_scale(block: &mut [u8], scale: f64) {
    let bits = scale_bits(scale);
    for (i, field) in block[48..56].chunks_exact_mut(2).enumerate() {
        let part = (bits >> (4 * i)) & 15;
        field[1] = (field[1] & 0x0f) | (part.to_le_bytes()[0] << 4);
    }
}

/// The nearest number with 4 bits of exponent and 3 of mantissa, as ggml halves it.
fn nearest_ue4m3(wanted: f64) -> u8 {
    let value = |bits: u8| {
        let (exponent, mantissa) = (i32::from(bits >> 3), f64::from(bits & 7));
        let raw =
            if exponent == 0 { mantissa * 2_f64.powi(-9) } else { (1.0 + mantissa / 8.0) * 2_f64.powi(exponent - 7) };
        raw / 2.0
    };
    (1..0x7f_u8).min_by(|&a, &b| (value(a) - wanted).abs().total_cmp(&(value(b) - wanted).abs())).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and standard deviation of values.
    fn moments(values: &[f64]) -> (f64, f64) {
        #[allow(clippy::cast_precision_loss)] // a few thousand
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    fn random_blocks(kind: GgmlType, std: f64) -> Vec<u8> {
        let mut buffer = vec![0; usize::try_from(kind.block_bytes * (65536 / kind.block_elements)).unwrap()];
        fill_random(kind, std, &mut buffer, &mut Random::new(7, 3));
        buffer
    }

    fn half(bytes: &[u8]) -> f64 {
        f64::from(f16::from_le_bytes([bytes[0], bytes[1]]))
    }

    #[test]
    fn floats_of_all_widths_have_the_wanted_spread_around_zero() {
        let f32s = random_blocks(GgmlType::F32, 0.02);
        let f32s: Vec<f64> =
            f32s.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect();
        let f16s: Vec<f64> = random_blocks(GgmlType::F16, 0.02).chunks_exact(2).map(half).collect();
        let bf16s = random_blocks(GgmlType::BF16, 0.02);
        let bf16s: Vec<f64> = bf16s.chunks_exact(2).map(|b| f64::from(bf16::from_le_bytes([b[0], b[1]]))).collect();
        for values in [f32s, f16s, bf16s] {
            let (mean, std) = moments(&values);
            assert!(mean.abs() < 3e-4 && (std - 0.02).abs() < 4e-4, "{mean} {std}");
        }
    }

    #[test]
    fn four_bit_blocks_have_the_wanted_spread_around_zero() {
        let mut values = Vec::new();
        for block in random_blocks(GgmlType::Q4_0, 0.02).chunks_exact(18) {
            let d = half(block);
            values.extend(block[2..].iter().flat_map(|q| [q & 15, q >> 4]).map(|q| d * (f64::from(q) - 8.0)));
        }
        let (mean, std) = moments(&values);
        assert!(mean.abs() < 3e-4 && (std - 0.02).abs() < 4e-4, "{mean} {std}");
    }

    #[test]
    fn grouped_blocks_have_equal_scales_and_minima() {
        for block in random_blocks(GgmlType::Q4_K, 0.02).chunks_exact(144) {
            let s = &block[4..16];
            for j in 0..8 {
                // get_scale_min_k4 of ggml-quants.c
                let (scale, minimum) = if j < 4 {
                    (s[j] & 63, s[j + 4] & 63)
                } else {
                    ((s[j + 4] & 15) | ((s[j - 4] >> 6) << 4), (s[j + 4] >> 4) | ((s[j] >> 6) << 4))
                };
                assert_eq!(scale, minimum);
            }
            assert!((half(&block[2..]) / half(block) - 7.5).abs() < 0.1);
        }
    }

    #[test]
    fn no_type_has_a_scale_that_is_not_finite_at_any_width() {
        for std in [1e-6, 0.001, 0.02, 1.0, 1e6] {
            for kind in GgmlType::ALL {
                let blocks = random_blocks(*kind, std);
                let Some((at, _)) = scale_field(*kind) else { continue };
                let size = usize::try_from(kind.block_bytes).unwrap();
                assert!(
                    blocks.chunks_exact(size).all(|b| half(&b[at..]).is_finite() && half(&b[at..]) != 0.0),
                    "{} at {std}",
                    kind.name
                );
            }
        }
    }
}
