//! Which type each tensor of a model gets in a quantization.
//!
//! The mixes (`Q4_K_M` and the like) are not written down here: llama.cpp's own function chooses the types, so that a
//! synthetic file, an estimate and `llama-quantize` agree. Left out on purpose: mixes under an importance matrix, of which
//! a few differ by a tensor type or two; that function does not know it.

use crate::engine::ffi::{QuantDesc, QuantTensor, quant_types};
use crate::engine::gguf::{GgmlType, Gguf, GgufError, Value};

use super::Quant;

/// Silences llama.cpp for the rest of this process, for commands that run no model: its quantizer warns of every tensor
/// whose rows fit no block of the wanted type, which [`mix`] answers for.
pub fn silence_llama_cpp() {
    llama_cpp_2::send_logs_to_tracing(llama_cpp_2::LogOptions::default().with_logs_enabled(false));
}

/// What llama.cpp's mixes depend on, besides the tensors' names and extents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MixInput {
    /// `general.architecture`.
    pub architecture: String,
    /// Layers.
    pub n_layer: u32,
    /// Width of the residual stream.
    pub n_embd: u32,
    /// Width of the feed-forward layers.
    pub n_ff: u32,
    /// Attention heads of the first layer.
    pub n_head: u32,
    /// Key and value heads of the first layer.
    pub n_head_kv: u32,
    /// Experts; 0 where there are none.
    pub n_expert: u32,
    /// Width of a head's keys.
    pub head_dim_k: u32,
    /// Width of a head's values.
    pub head_dim_v: u32,
}

impl MixInput {
    /// What a file's metadata says of it.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn of(gguf: &Gguf) -> Result<Self, GgufError> {
        let number = |key: &str| first_number(gguf, key).map(Option::unwrap_or_default);
        let (n_embd, n_head) = (number("embedding_length")?, number("attention.head_count")?);
        let head_dim = n_embd.checked_div(n_head).unwrap_or(0);
        Ok(Self {
            architecture: gguf.architecture().unwrap_or_default().to_owned(),
            n_layer: number("block_count")?,
            n_embd,
            n_ff: number("feed_forward_length")?,
            n_head,
            // llama.cpp takes the number of heads where the file does not say it.
            n_head_kv: first_number(gguf, "attention.head_count_kv")?.unwrap_or(n_head),
            n_expert: number("expert_count")?,
            head_dim_k: first_number(gguf, "attention.key_length")?.unwrap_or(head_dim),
            head_dim_v: first_number(gguf, "attention.value_length")?.unwrap_or(head_dim),
        })
    }
}

/// A number of the architecture; of one per layer the first layer's, which is what llama.cpp's mixes look at.
fn first_number(gguf: &Gguf, key: &str) -> Result<Option<u32>, GgufError> {
    let key = format!("{}.{key}", gguf.architecture().unwrap_or_default());
    let first = gguf.read_array(&key, 1)?.and_then(|values| values.first().and_then(Value::as_u64));
    Ok(gguf.get_u64(&key).or(first).and_then(|n| n.try_into().ok()))
}

/// A tensor's name, extents (fastest first) and type.
pub type TensorShape = (String, Vec<u64>, GgmlType);

/// llama.cpp asserts (and would end the process) beyond this.
const MAX_LAYERS: u32 = 512;

/// The types that llama.cpp's quantizer gives the tensors of a model for `quant`, in the order of `tensors`. Tensors that
/// it never quantizes keep theirs.
///
/// # Errors
/// llama.cpp's message, such as for an architecture that it does not know.
pub fn mix(input: &MixInput, quant: Quant, tensors: &[TensorShape]) -> Result<Vec<GgmlType>, String> {
    if !(1..=MAX_LAYERS).contains(&input.n_layer) {
        return Err(format!("{} layers; llama.cpp takes 1 to {MAX_LAYERS}", input.n_layer));
    }
    // The mixes count the tensors of a kind as they come by.
    let order = quantizers_order(tensors);
    let mut sorted = Vec::with_capacity(tensors.len());
    for &i in &order {
        let (name, dims, kind) = &tensors[i];
        let dims = dims.iter().map(|&d| i64::try_from(d)).collect::<Result<Vec<_>, _>>();
        let dims = dims.map_err(|_| format!("tensor {name} has impossible dimensions"))?;
        sorted.push(QuantTensor { name: name.clone(), dims, ggml_type: kind.id.cast_signed() });
    }
    let desc = QuantDesc {
        architecture: input.architecture.clone(),
        n_embd: input.n_embd,
        n_ff: input.n_ff,
        n_layer: input.n_layer,
        n_head: input.n_head,
        n_head_kv: input.n_head_kv,
        n_expert: input.n_expert,
        n_embd_head_k: input.head_dim_k,
        n_embd_head_v: input.head_dim_v,
    };
    quant_types(&desc, quant.ftype().cast_signed(), &mut sorted)?;
    let mut types: Vec<GgmlType> = tensors.iter().map(|t| t.2).collect();
    for (&i, tensor) in order.iter().zip(&sorted) {
        let id = tensor.ggml_type.cast_unsigned();
        types[i] = GgmlType::from_id(id).ok_or_else(|| format!("llama.cpp chose the unknown type {id}"))?;
    }
    Ok(types)
}

/// The places of `tensors` in the order in which llama.cpp's quantizer goes through them, whatever the file's order: by
/// layer, then by name.
pub(super) fn quantizers_order(tensors: &[TensorShape]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|&i| (layer_of(&tensors[i].0), &tensors[i].0));
    order
}

/// The number in `blk.7.…`; tensors of no layer come first.
fn layer_of(name: &str) -> i64 {
    let number = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next());
    number.and_then(|n| n.parse().ok()).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_mix_of_a_llama_is_llama_cpps() {
        let input = MixInput {
            architecture: "llama".to_owned(),
            n_layer: 16,
            n_embd: 256,
            n_ff: 512,
            n_head: 4,
            n_head_kv: 1,
            head_dim_k: 64,
            head_dim_v: 64,
            n_expert: 0,
        };
        let mut tensors = vec![("token_embd.weight".to_owned(), vec![256, 512], GgmlType::F16)];
        // Backwards, to show that the file's order does not matter.
        for layer in (0..16).rev() {
            tensors.push((format!("blk.{layer}.attn_norm.weight"), vec![256], GgmlType::F32));
            tensors.push((format!("blk.{layer}.attn_v.weight"), vec![256, 64], GgmlType::F16));
            tensors.push((format!("blk.{layer}.attn_q.weight"), vec![256, 256], GgmlType::F16));
        }
        let types = mix(&input, Quant::Q4KM, &tensors).unwrap();
        let of = |name: &str| types[tensors.iter().position(|t| t.0 == name).unwrap()];
        assert_eq!(of("token_embd.weight"), GgmlType::Q6_K, "tied embeddings are the output, too");
        assert_eq!(of("blk.3.attn_norm.weight"), GgmlType::F32);
        assert_eq!(of("blk.3.attn_q.weight"), GgmlType::Q4_K);
        // use_more_bits: the first and last eighth, and every third layer between.
        let more: Vec<i32> =
            (0..16).filter(|layer| of(&format!("blk.{layer}.attn_v.weight")) == GgmlType::Q6_K).collect();
        assert_eq!(more, [0, 1, 4, 7, 10, 13, 14, 15]);
    }

    #[test]
    fn an_architecture_that_llama_cpp_does_not_know_is_an_error_not_an_abort() {
        let input = MixInput { architecture: "nonsense".to_owned(), n_layer: 1, ..MixInput::default() };
        mix(&input, Quant::Q4_0, &[]).unwrap_err();
        mix(&MixInput { n_layer: 513, ..input }, Quant::Q4_0, &[]).unwrap_err();
    }
}
