//! What models and engines say of themselves: for the reports, and for those who come without a model in hand.

use serde::{Deserialize, Serialize};

use super::Token;

/// What a model file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// `general.name`, or the file's name.
    pub name: String,
    /// `general.architecture`.
    pub architecture: String,
    /// llama.cpp's own description, such as `llama 1B Q4_0`.
    pub description: String,
    /// Quantization by its short name, such as `Q4_K_M`.
    pub quantization: String,
    /// Bytes of all tensors.
    pub size_bytes: u64,
    /// Parameters.
    pub n_params: u64,
    /// Layers.
    pub n_layer: u32,
    /// Width of the residual stream.
    pub n_embd: u32,
    /// Attention heads.
    pub n_head: u32,
    /// Heads of the KV cache, in the first layer.
    pub n_head_kv: u32,
    /// Width of a head's keys; 0 where there are no heads or nobody said.
    #[serde(default)]
    pub head_size: u32,
    /// Vocabulary entries.
    pub n_vocab: u32,
    /// Context size the model was trained for, in tokens.
    pub n_ctx_train: u32,
    /// Beginning-of-sequence token.
    pub bos: Option<Token>,
    /// Whether a text's tokens begin with BOS.
    pub adds_bos: bool,
    /// Text of the BOS token, for chat templates.
    pub bos_text: String,
    /// Text of the EOS token, for chat templates.
    pub eos_text: String,
    /// `tokenizer.chat_template`, where the file has one.
    pub chat_template: Option<String>,
    /// `tokenizer.chat_template.<name>`: further templates (`tool_use`, `rag`, …) by their name.
    pub named_templates: Vec<(String, String)>,
    /// The file says that its weights are made up (see [`super::synth`]): its speed and memory are real, its words are not.
    pub synthetic: bool,
}

/// What was compiled in and what it runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineInfo {
    /// llama.cpp's version and where it comes from.
    pub llama_cpp: String,
    /// This program's version and git revision.
    pub build: String,
    /// What ggml was compiled with, such as `AVX2`; by itself, not by what the CPU could do.
    pub cpu_features: Vec<String>,
    /// Whether ggml was compiled for the very CPU it was built on (`-C target-cpu=native`).
    pub native: bool,
    /// ggml's backends, such as `CPU` or `CUDA`.
    pub backends: Vec<String>,
    /// Devices that ggml can compute on.
    pub devices: Vec<DeviceInfo>,
}

/// A device that ggml can compute on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceInfo {
    /// ggml's name, such as `CUDA0`.
    pub name: String,
    /// The device's own name.
    pub description: String,
    /// `cpu`, `gpu`, `igpu` or `accel`.
    pub kind: String,
    /// All memory of the device.
    pub memory_total_bytes: u64,
    /// Memory that was free when asked.
    pub memory_free_bytes: u64,
}
