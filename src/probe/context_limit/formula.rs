//! The closed formula for a KV cache's growth, as a cross-check of llama.cpp's own count. Pure.
//!
//! Left out on purpose: what it cannot know. It takes every layer to attend to everything with the same heads, which is wrong
//! for sliding windows (only some layers grow), hybrids (only some layers attend), latent attention (one compressed vector) and
//! recurrent models (nothing grows). That is why nothing is decided by it.

use super::task::KvPair;
use crate::engine::gguf::GgmlType;
use crate::engine::{KvType, ModelInfo};
use crate::stats::float;

/// Bytes of KV cache that one token takes: 2 · layers · KV heads · head size · bytes of the type, where the 2 stands for keys
/// and values and is here the sum of both, as their types may differ. It is what llama.cpp allocates for plain attention: in
/// each layer a row of keys and one of values a cell, KV heads · head size long (`llama_kv_cache`'s constructor). A quantized
/// type takes its block's bytes for each block of elements (`ggml-common.h`): `q8_0` 34 for 32, `q4_0` 18 for 32.
///
/// None for a model without attention in its first layer (what `ModelInfo` knows the heads of), and for heads that are no
/// whole number of blocks, of which llama.cpp makes no cache.
#[must_use]
pub fn kv_bytes_per_token(model: &ModelInfo, kv: KvPair) -> Option<f64> {
    if model.n_layer == 0 || model.n_head_kv == 0 || model.head_size == 0 {
        return None;
    }
    let heads = u64::from(model.n_layer) * u64::from(model.n_head_kv);
    Some(float(heads.checked_mul(head_bytes(model, kv.k)? + head_bytes(model, kv.v)?)?))
}

/// Bytes of one head's keys or values for one token.
fn head_bytes(model: &ModelInfo, kv: KvType) -> Option<u64> {
    let layout = GgmlType::ALL.iter().find(|layout| layout.name == kv.name())?;
    layout.tensor_bytes(&[u64::from(model.head_size)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(n_layer: u32, n_head_kv: u32, head_size: u32) -> ModelInfo {
        ModelInfo {
            name: "Model".into(),
            architecture: "llama".into(),
            description: "llama 1B Q4_0".into(),
            quantization: "Q4_0".into(),
            size_bytes: 1,
            n_params: 1,
            n_layer,
            n_embd: 2048,
            n_head: 32,
            n_head_kv,
            head_size,
            n_vocab: 128_256,
            n_ctx_train: 131_072,
            bos: None,
            adds_bos: false,
            bos_text: String::new(),
            eos_text: String::new(),
            chat_template: None,
            named_templates: Vec::new(),
            synthetic: true,
        }
    }

    fn bytes(model: &ModelInfo, kv: &str) -> Option<f64> {
        kv_bytes_per_token(model, kv.parse().unwrap())
    }

    #[test]
    fn a_published_models_cache_has_the_size_that_everybody_computes_for_it() {
        let llama_1b = model(16, 8, 64);
        assert_eq!(bytes(&llama_1b, "f16"), Some(32_768.0)); // 2 · 16 · 8 · 64 · 2
        assert_eq!(bytes(&llama_1b, "f32"), Some(65_536.0));
        assert_eq!(bytes(&llama_1b, "q8_0"), Some(17_408.0));
        assert_eq!(bytes(&llama_1b, "q4_0"), Some(9_216.0));
        assert_eq!(bytes(&model(32, 8, 128), "f16"), Some(131_072.0)); // Llama 3.1 8B: 128 KiB a token
    }

    #[test]
    fn keys_and_values_count_with_their_own_types() {
        let model = model(16, 8, 64);
        let half = |kv| bytes(&model, kv).unwrap() / 2.0;
        assert_eq!(bytes(&model, "q8_0/q4_0"), Some(half("q8_0") + half("q4_0")));
    }

    #[test]
    fn every_type_that_a_cache_can_have_has_a_size() {
        assert!(KvType::ALL.iter().all(|kv| bytes(&model(1, 1, 64), kv.name()).is_some_and(|bytes| bytes > 0.0)));
    }

    #[test]
    fn without_heads_and_with_heads_that_are_no_whole_blocks_there_is_no_formula() {
        assert_eq!(bytes(&model(24, 0, 0), "f16"), None);
        assert_eq!(bytes(&model(24, 2, 80), "f16"), Some(15_360.0));
        assert_eq!(bytes(&model(24, 2, 80), "q8_0"), None);
    }
}
