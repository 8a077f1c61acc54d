//! How much memory llama.cpp's quantizer takes, counted before it runs.
//!
//! Its file is mapped (the system can drop those pages at any time), and each tensor goes through two buffers in turn: its
//! rows as 32-bit floats, and the rows quantized (`llama_model_quantize_impl` in `src/llama-quant.cpp`). Both hold at most
//! [`super::MAX_BUFFER_BYTES`] of rows and keep the size of the largest tensor so far; while one grows, the old and the new
//! one are there. Left out on purpose: what the process itself takes, some tens of megabytes, and the importance matrix.

use super::mix::quantizers_order;
use super::{MAX_BUFFER_BYTES, Quant, TensorShape};
use crate::engine::gguf::GgmlType;

/// Most bytes that the quantizer allocates for the buffers of these tensors. An upper bound: a quantized row is taken to
/// have 16 bits a weight, which is what llama.cpp falls back to at most.
#[must_use]
pub fn working_bytes(tensors: &[TensorShape], quant: Quant) -> u64 {
    let out_bytes = if quant == Quant::F32 { 4 } else { 2 };
    let (mut floats, mut work, mut peak) = (0_u64, 0_u64, 0_u64);
    for (_, dims, kind) in quantizers_order(tensors).into_iter().map(|i| &tensors[i]) {
        let columns = dims.first().copied().unwrap_or(1).max(1);
        let rows = dims.iter().skip(1).product::<u64>().max(1);
        let source = kind.tensor_bytes(&[columns]).unwrap_or(columns * 4);
        let as_floats = if *kind == GgmlType::F32 { 0 } else { 4 * columns };
        let row_bytes = (source + as_floats + out_bytes * columns).max(1);
        let rows = rows.min((MAX_BUFFER_BYTES / row_bytes).max(1));
        peak = peak.max(grow(&mut floats, rows * as_floats) + work);
        peak = peak.max(grow(&mut work, rows * out_bytes * columns) + floats);
    }
    // off Linux and Windows the file is read, not mapped
    let read = if cfg!(any(target_os = "linux", windows)) { 0 } else { MAX_BUFFER_BYTES.min(largest(tensors)) };
    peak + read
}

/// What a buffer takes while it grows to `needed`: the old one and the new one.
fn grow(buffer: &mut u64, needed: u64) -> u64 {
    let old = *buffer;
    *buffer = old.max(needed);
    if needed > old { old + needed } else { old }
}

fn largest(tensors: &[TensorShape]) -> u64 {
    tensors.iter().filter_map(|(_, dims, kind)| kind.tensor_bytes(dims)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, columns: u64, rows: u64, kind: GgmlType) -> TensorShape {
        (name.to_owned(), vec![columns, rows], kind)
    }

    #[test]
    fn the_largest_tensor_decides_and_one_that_grows_a_buffer_counts_twice() {
        let large = tensor("token_embd.weight", 256, 100, GgmlType::F16);
        let small = tensor("blk.0.attn_q.weight", 256, 10, GgmlType::F16);
        let alone = working_bytes(std::slice::from_ref(&large), Quant::Q8_0);
        #[cfg(any(target_os = "linux", windows))]
        assert_eq!(alone, 256 * 100 * (4 + 2));
        assert_eq!(working_bytes(&[small.clone(), large.clone()], Quant::Q8_0), alone, "embeddings come first");
        let before = tensor("a.weight", 256, 10, GgmlType::F16); // no layer, and before token_embd by name
        assert!(working_bytes(&[before, large], Quant::Q8_0) > alone);
    }

    #[test]
    fn the_largest_model_takes_no_more_than_the_buffers_limit_says() {
        let huge = tensor("token_embd.weight", 16384, 1 << 20, GgmlType::BF16);
        let need = working_bytes(&[huge], Quant::Q2K);
        assert!(need <= 2 * MAX_BUFFER_BYTES, "{need}");
    }
}
