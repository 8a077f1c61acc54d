//! The catalogue that is compiled in (`models.toml`): the shapes of published models.
//!
//! A shape is what decides a model's speed and memory: layers, widths, heads, vocabulary. Which tensors and metadata an
//! architecture makes of it is the engine's business ([`crate::engine::synth`]).

use std::sync::LazyLock;

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
}

/// The architectures whose files can be made from a shape alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names are llama.cpp's
pub enum Architecture {
    Llama,
    Qwen3,
    Qwen3Moe,
    Gemma3,
    Mamba,
    Mamba2,
    Lfm2,
}

impl Architecture {
    /// `general.architecture`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen3 => "qwen3",
            Self::Qwen3Moe => "qwen3moe",
            Self::Gemma3 => "gemma3",
            Self::Mamba => "mamba",
            Self::Mamba2 => "mamba2",
            Self::Lfm2 => "lfm2",
        }
    }
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalog {
    shape: Vec<Shape>,
}

static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let catalog: Catalog =
        toml::from_str(include_str!("../../models.toml")).expect("models.toml is compiled in and read by a test");
    catalog.shape
});

/// All shapes in the file's order.
#[must_use]
pub fn shapes() -> &'static [Shape] {
    &SHAPES
}

/// The shapes that are small enough for tests, one of each architecture.
pub fn tiny_shapes() -> impl Iterator<Item = &'static Shape> {
    shapes().iter().filter(|s| s.name.starts_with("tiny"))
}

/// A shape by its name; upper and lower case are alike.
///
/// # Errors
/// [`UnknownShape`] with the nearest name, or all of them.
pub fn shape(name: &str) -> Result<&'static Shape, UnknownShape> {
    let wanted = name.trim().to_lowercase();
    shapes().iter().find(|s| s.name == wanted).ok_or_else(|| {
        let similarities = shapes().iter().map(|s| (strsim::jaro_winkler(&s.name, &wanted), &s.name));
        let nearest = similarities.filter(|(similarity, _)| *similarity > 0.8).max_by(|(a, _), (b, _)| a.total_cmp(b));
        let hint = nearest.map_or_else(
            || format!("choose one of {}", shapes().iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ")),
            |(_, nearest)| format!("did you mean {nearest}?"),
        );
        UnknownShape { name: name.to_owned(), hint }
    })
}

/// A name that no shape has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown shape '{name}': {hint}")]
pub struct UnknownShape {
    /// The name.
    pub name: String,
    /// What to write in its place.
    pub hint: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_shape_has_a_name_of_its_own_and_what_its_architecture_needs() {
        let mut names = HashSet::new();
        for shape in shapes() {
            let name = &shape.name;
            assert!(names.insert(name) && *name == name.to_lowercase(), "{name}");
            let recurrent = matches!(shape.architecture, Architecture::Mamba | Architecture::Mamba2);
            assert_eq!(shape.ssm.is_some(), recurrent, "{name}: ssm");
            assert_eq!(shape.n_head == 0, recurrent, "{name}: n_head");
            assert_eq!(shape.rope_base.is_none(), recurrent, "{name}: rope_base");
            assert_eq!(shape.experts.is_some(), shape.architecture == Architecture::Qwen3Moe, "{name}: experts");
            assert_eq!(shape.sliding_window.is_some(), shape.architecture == Architecture::Gemma3, "{name}: window");
            let hybrid = shape.architecture == Architecture::Lfm2;
            assert_eq!((shape.attention_layers.is_some(), shape.short_conv.is_some()), (hybrid, hybrid), "{name}");
            assert!(recurrent || shape.n_head % shape.n_head_kv == 0, "{name}: heads");
        }
    }

    #[test]
    fn every_architecture_has_a_tiny_shape() {
        let all: HashSet<_> = shapes().iter().map(|s| s.architecture).collect();
        let tiny: HashSet<_> = tiny_shapes().map(|s| s.architecture).collect();
        assert_eq!(all, tiny);
        assert!(tiny_shapes().all(|s| s.n_ctx_train >= 2048 && s.n_vocab <= 1024));
    }

    #[test]
    fn an_unknown_shape_is_answered_with_the_nearest() {
        assert_eq!(shape("Llama-3.2-1B").unwrap().name, "llama-3.2-1b");
        assert_eq!(
            shape("llama3.2-1b").unwrap_err().to_string(),
            "unknown shape 'llama3.2-1b': did you mean llama-3.2-1b?"
        );
        assert!(shape("zzz").unwrap_err().to_string().contains("tiny"));
    }
}
