//! The shape of a model: what decides its speed and memory, under the names that llama.cpp's metadata has for it.
//!
//! Left out on purpose: which tensors and metadata an architecture makes of it; that is [`crate::engine::synth`]'s business.

use serde::Deserialize;

/// What decides a model's speed and memory, under the names that llama.cpp's metadata has for it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// The shape's name, such as `llama-3.2-1b`.
    pub name: String,
    /// The model's name for people.
    pub model: String,
    /// llama.cpp's architecture.
    pub architecture: Architecture,
    /// Layers.
    pub n_layer: u32,
    /// Width of the residual stream.
    pub n_embd: u32,
    /// Width of the feed-forward layers; 0 where there are none.
    #[serde(default)]
    pub n_ff: u32,
    /// Attention heads; 0 where there is no attention.
    #[serde(default)]
    pub n_head: u32,
    /// Key and value heads.
    #[serde(default)]
    pub n_head_kv: u32,
    /// Width of a head.
    #[serde(default)]
    pub head_dim: u32,
    /// Vocabulary entries.
    pub n_vocab: u32,
    /// Context size it was trained for, in tokens.
    pub n_ctx_train: u32,
    /// Added to the variance that a norm divides by.
    pub norm_epsilon: f32,
    /// Base of the rotary positions.
    pub rope_base: Option<f32>,
    /// Positions are divided by this (linear scaling).
    pub rope_scale: Option<f32>,
    /// Whether the file has factors for the rotary frequencies (`rope_freqs.weight`).
    #[serde(default)]
    pub rope_factors: bool,
    /// Whether the embedding matrix is the output matrix, too.
    pub tied: bool,
    /// The experts of a mixture.
    pub experts: Option<Experts>,
    /// Tokens that the local layers see.
    pub sliding_window: Option<u32>,
    /// The state space of a recurrent model.
    pub ssm: Option<StateSpace>,
    /// The layers of a hybrid that attend; the others are recurrent.
    pub attention_layers: Option<Vec<u32>>,
    /// Tokens that a hybrid's short convolutions see.
    pub short_conv: Option<u32>,
    /// Entries of a head that rotate with the position; none: all of them.
    pub rope_dim: Option<u32>,
    /// Fixed factors between the parts of a model.
    pub factors: Option<Factors>,
}

impl Shape {
    /// Bytes that a token takes in the KV cache at 16 bits an entry, all layers that attend together; those of local layers
    /// count only as far as their window.
    #[must_use]
    pub fn kv_bytes_per_token(&self) -> u64 {
        let layers = self.attention_layers.as_ref().map_or(u64::from(self.n_layer), |layers| layers.len() as u64);
        let layers = if self.n_head == 0 { 0 } else { layers };
        layers * 2 * 2 * u64::from(self.n_head_kv) * u64::from(self.head_dim)
    }
}

macro_rules! architectures {
    ($($variant:ident = $name:literal;)*) => {
        /// The architectures whose files can be made from a shape alone.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
        #[allow(missing_docs)] // the names are llama.cpp's
        pub enum Architecture {
            $(#[serde(rename = $name)] $variant,)*
        }

        impl Architecture {
            /// `general.architecture`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

architectures! {
    Llama = "llama";
    Qwen2 = "qwen2";
    Qwen3 = "qwen3";
    Qwen3Moe = "qwen3moe";
    Gemma3 = "gemma3";
    Phi3 = "phi3";
    Olmo2 = "olmo2";
    Olmoe = "olmoe";
    Granite = "granite";
    GraniteMoe = "granitemoe";
    SmolLm3 = "smollm3";
    Glm4 = "glm4";
    GptOss = "gpt-oss";
    Mamba = "mamba";
    Mamba2 = "mamba2";
    Lfm2 = "lfm2";
}

/// Fixed factors between the parts of a model.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factors {
    /// Of the embeddings.
    pub embedding: f32,
    /// Of what a layer adds.
    pub residual: f32,
    /// Of the attention's scores, in place of one over the root of a head's width.
    pub attention: f32,
    /// What the logits are divided by.
    pub logit: f32,
}

/// The experts of a mixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experts {
    /// How many a layer has.
    pub count: u32,
    /// How many compute a token.
    pub used: u32,
    /// Width of one expert's feed-forward layer.
    pub n_ff: u32,
}

/// The state space of a recurrent model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateSpace {
    /// Width inside a layer.
    pub inner: u32,
    /// State entries of a channel.
    pub state: u32,
    /// Tokens that the convolution sees.
    pub conv: u32,
    /// Rank of the time steps (in mamba2: heads).
    pub dt_rank: u32,
    /// Groups that share their state's inputs; 0 where the architecture has none.
    #[serde(default)]
    pub groups: u32,
}
