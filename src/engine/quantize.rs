//! The quantizations: their names, their numbers, and which type each tensor of a model gets.
//!
//! The mixes (`Q4_K_M` and the like) are not written down here: llama.cpp's own function chooses the types, so that a
//! synthetic file and `llama-quantize` agree. Left out on purpose: quantizing real weights.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ffi::{QuantDesc, QuantTensor, quant_types};
use super::gguf::GgmlType;

macro_rules! quants {
    ($($variant:ident = $ftype:literal, $name:literal;)*) => {
        /// A quantization by llama.cpp's name, from small to large.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[allow(missing_docs)] // the names are llama.cpp's
        pub enum Quant {
            $(#[serde(rename = $name)] $variant,)*
        }

        impl Quant {
            /// All that this program can write, from small to large.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// llama.cpp's name, such as `Q4_K_M`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// `enum llama_ftype`, which files have as `general.file_type`.
            #[must_use]
            pub fn ftype(self) -> u32 {
                match self {
                    $(Self::$variant => $ftype,)*
                }
            }
        }
    };
}

quants! {
    Q2K = 10, "Q2_K";
    Q3KS = 11, "Q3_K_S";
    Q3KM = 12, "Q3_K_M";
    Q3KL = 13, "Q3_K_L";
    Iq4Xs = 30, "IQ4_XS";
    Q4_0 = 2, "Q4_0";
    Iq4Nl = 25, "IQ4_NL";
    Q4KS = 14, "Q4_K_S";
    Q4KM = 15, "Q4_K_M";
    Q4_1 = 3, "Q4_1";
    Q5_0 = 8, "Q5_0";
    Q5KS = 16, "Q5_K_S";
    Q5KM = 17, "Q5_K_M";
    Q5_1 = 9, "Q5_1";
    Q6K = 18, "Q6_K";
    Q8_0 = 7, "Q8_0";
    F16 = 1, "F16";
    Bf16 = 32, "BF16";
    F32 = 0, "F32";
}

impl Quant {
    /// The quantizations that a model is usually measured with, from small to large.
    pub const LADDER: [Self; 8] =
        [Self::Q2K, Self::Q3KM, Self::Q4_0, Self::Q4KM, Self::Q5KM, Self::Q6K, Self::Q8_0, Self::F16];
}

impl fmt::Display for Quant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Quant {
    type Err = UnknownQuant;

    /// Reads a name; upper and lower case are alike, and `-` may stand for `_`.
    fn from_str(text: &str) -> Result<Self, UnknownQuant> {
        let wanted = text.trim().to_uppercase().replace('-', "_");
        let found = Self::ALL.iter().copied().find(|q| q.name() == wanted);
        found.ok_or_else(|| {
            let nearest = Self::ALL
                .iter()
                .copied()
                .map(|q| (strsim::jaro_winkler(q.name(), &wanted), q))
                .filter(|(similarity, _)| *similarity > 0.7)
                .max_by(|(a, _), (b, _)| a.total_cmp(b));
            UnknownQuant { text: text.to_owned(), nearest: nearest.map(|(_, q)| q) }
        })
    }
}

/// A text that is the name of no quantization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownQuant {
    /// The text.
    pub text: String,
    /// The quantization whose name is nearest, if one is near.
    pub nearest: Option<Quant>,
}

impl fmt::Display for UnknownQuant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown quantization '{}'", self.text)?;
        if let Some(nearest) = self.nearest {
            return write!(f, ": did you mean {nearest}?");
        }
        let names: Vec<_> = Quant::ALL.iter().map(|q| q.name()).collect();
        write!(f, ": choose one of {}", names.join(", "))
    }
}

impl std::error::Error for UnknownQuant {}

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
    // llama-quantize goes by layer, then by name, whatever the file's order; the mixes count the tensors of a kind.
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|&i| (layer_of(&tensors[i].0), &tensors[i].0));
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

/// The number in `blk.7.…`; tensors of no layer come first.
fn layer_of(name: &str) -> i64 {
    let number = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next());
    number.and_then(|n| n.parse().ok()).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::gguf::FILE_TYPES;

    #[test]
    fn every_quantization_is_read_back_from_its_name_in_any_case() {
        for &quant in Quant::ALL {
            assert_eq!(quant.name().parse(), Ok(quant));
            assert_eq!(quant.name().to_lowercase().replace('_', "-").parse(), Ok(quant));
            assert!(
                FILE_TYPES.contains(&(quant.ftype(), quant.name())),
                "{quant} is not GGUF's file type of that number"
            );
        }
    }

    #[test]
    fn an_unknown_quantization_is_answered_with_the_nearest() {
        let message = |text: &str| Quant::from_str(text).unwrap_err().to_string();
        assert_eq!(message("Q4_KM"), "unknown quantization 'Q4_KM': did you mean Q4_K_M?");
        assert!(message("best").ends_with("Q8_0, F16, BF16, F32"));
    }

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
