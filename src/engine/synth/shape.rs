//! From a shape of the catalogue to metadata and tensors, as llama.cpp's converter would write them for that architecture.
//!
//! Names, extents and required keys follow llama.cpp's loaders (`src/models/*.cpp`). Left out on purpose: architectures
//! beyond the catalogue's; `--like` takes those from a real file.

use super::{Draft, Spec, SynthError, vocab};
use crate::engine::gguf::{DEFAULT_ALIGNMENT, GgmlType, HeaderWriter};
use crate::engine::quantize::{MixInput, Quant, TensorShape};
use crate::plan::catalog::{Architecture, Shape, StateSpace};

/// Metadata and unquantized tensors of a shape.
pub(super) fn draft(shape: &Shape, spec: &Spec) -> Result<Draft, SynthError> {
    if shape.n_vocab < vocab::MIN_ENTRIES {
        let (name, min) = (shape.name.clone(), vocab::MIN_ENTRIES);
        return Err(SynthError::Shape { name, reason: format!("a vocabulary of {} is below {min}", shape.n_vocab) });
    }
    let mut metadata = HeaderWriter::default();
    metadata.string("general.architecture", shape.architecture.name());
    metadata.string("general.type", "model");
    metadata.string("general.name", &format!("{} (synthetic)", shape.model));
    metadata.u32("general.quantization_version", super::QUANTIZATION_VERSION);
    super::mark(&mut metadata, &shape.name, spec.seed);
    write_metadata(&mut metadata, shape, spec.n_ctx.unwrap_or(shape.n_ctx_train));
    vocab::write(&mut metadata, shape.n_vocab);
    Ok(Draft {
        name: shape.name.clone(),
        metadata,
        tensors: tensors(shape),
        mix: mix_input(shape),
        quant: Some(spec.quant.unwrap_or(Quant::Q4KM)),
        quiet_rows: vec![vocab::QUIET_ROWS],
        alignment: DEFAULT_ALIGNMENT,
    })
}

/// What llama.cpp's mixes depend on; of per-layer numbers it takes the first layer's.
pub(super) fn mix_input(shape: &Shape) -> MixInput {
    MixInput {
        architecture: shape.architecture.name().to_owned(),
        n_layer: shape.n_layer,
        n_embd: shape.n_embd,
        n_ff: shape.n_ff,
        n_head: shape.n_head,
        n_head_kv: if attends(shape, 0) { shape.n_head_kv } else { 0 },
        n_expert: shape.experts.map_or(0, |e| e.count),
        head_dim_k: shape.head_dim,
        head_dim_v: shape.head_dim,
    }
}

/// Whether a layer has attention.
fn attends(shape: &Shape, layer: u32) -> bool {
    shape.n_head > 0 && shape.attention_layers.as_ref().is_none_or(|layers| layers.contains(&layer))
}

fn write_metadata(metadata: &mut HeaderWriter, shape: &Shape, n_ctx: u32) {
    let key = |name: &str| format!("{}.{name}", shape.architecture.name());
    metadata.u32(&key("vocab_size"), shape.n_vocab);
    metadata.u32(&key("context_length"), n_ctx);
    metadata.u32(&key("embedding_length"), shape.n_embd);
    metadata.u32(&key("block_count"), shape.n_layer);
    metadata.u32(&key("feed_forward_length"), shape.n_ff);
    metadata.u32(&key("attention.head_count"), shape.n_head);
    metadata.f32(&key("attention.layer_norm_rms_epsilon"), shape.norm_epsilon);
    if shape.attention_layers.is_some() {
        let heads = |layer| if attends(shape, layer) { shape.n_head_kv.cast_signed() } else { 0 };
        metadata.i32s(&key("attention.head_count_kv"), &(0..shape.n_layer).map(heads).collect::<Vec<_>>());
    } else if shape.n_head > 0 {
        metadata.u32(&key("attention.head_count_kv"), shape.n_head_kv);
    }
    if shape.n_head > 0 {
        metadata.u32(&key("attention.key_length"), shape.head_dim);
        metadata.u32(&key("attention.value_length"), shape.head_dim);
        metadata.u32(&key("rope.dimension_count"), shape.rope_dim.unwrap_or(shape.head_dim));
    }
    if let Some(base) = shape.rope_base {
        metadata.f32(&key("rope.freq_base"), base);
    }
    if let Some(scale) = shape.rope_scale {
        metadata.string(&key("rope.scaling.type"), "linear");
        metadata.f32(&key("rope.scaling.factor"), scale);
    }
    if let Some(window) = shape.sliding_window {
        metadata.u32(&key("attention.sliding_window"), window);
    }
    if let Some(experts) = shape.experts {
        metadata.u32(&key("expert_count"), experts.count);
        metadata.u32(&key("expert_used_count"), experts.used);
        metadata.u32(&key("expert_feed_forward_length"), experts.n_ff);
    }
    if let Some(factors) = shape.factors {
        metadata.f32(&key("embedding_scale"), factors.embedding);
        metadata.f32(&key("residual_scale"), factors.residual);
        metadata.f32(&key("attention.scale"), factors.attention);
        metadata.f32(&key("logit_scale"), factors.logit);
    }
    if let Some(tokens) = shape.short_conv {
        metadata.u32(&key("shortconv.l_cache"), tokens);
    }
    if let Some(ssm) = shape.ssm {
        metadata.u32(&key("ssm.conv_kernel"), ssm.conv);
        metadata.u32(&key("ssm.inner_size"), ssm.inner);
        metadata.u32(&key("ssm.state_size"), ssm.state);
        metadata.u32(&key("ssm.time_step_rank"), ssm.dt_rank);
        if ssm.groups > 0 {
            metadata.u32(&key("ssm.group_count"), ssm.groups);
        }
    }
}

/// Collects tensors under llama.cpp's names.
struct Tensors(Vec<TensorShape>);

impl Tensors {
    fn add(&mut self, name: String, dims: &[u32]) {
        // What llama.cpp's converter leaves in 32 bits.
        let is_f32 = dims.len() == 1
            || !name.ends_with(".weight")
            || ["norm", "conv", "ffn_gate_inp"].iter().any(|part| name.contains(part));
        let kind = if is_f32 { GgmlType::F32 } else { GgmlType::F16 };
        self.0.push((name, dims.iter().copied().map(u64::from).collect(), kind));
    }

    /// `blk.LAYER.NAME`
    fn layer(&mut self, layer: u32, name: &str, dims: &[u32]) {
        self.add(format!("blk.{layer}.{name}"), dims);
    }
}

/// The tensors of a shape, in the order of the converter.
pub(super) fn tensors(shape: &Shape) -> Vec<TensorShape> {
    let mut tensors = Tensors(Vec::new());
    tensors.add("token_embd.weight".to_owned(), &[shape.n_embd, shape.n_vocab]);
    if shape.rope_factors {
        tensors.add("rope_freqs.weight".to_owned(), &[shape.head_dim / 2]);
    }
    for layer in 0..shape.n_layer {
        if norms_before(shape.architecture) {
            tensors.layer(layer, "attn_norm.weight", &[shape.n_embd]);
        }
        match (shape.architecture, shape.ssm) {
            (Architecture::Mamba, Some(ssm)) => mamba(&mut tensors, layer, shape.n_embd, ssm),
            (Architecture::Mamba2, Some(ssm)) => mamba2(&mut tensors, layer, shape.n_embd, ssm),
            _ if attends(shape, layer) => attention(&mut tensors, layer, shape),
            _ => short_convolution(&mut tensors, layer, shape),
        }
        if shape.n_ff > 0 {
            feed_forward(&mut tensors, layer, shape);
        }
    }
    // llama.cpp's name for it in this architecture is a mistake that files were published with.
    let norm = if shape.architecture == Architecture::Lfm2 { "token_embd_norm" } else { "output_norm" };
    tensors.add(format!("{norm}.weight"), &[shape.n_embd]);
    if !shape.tied {
        tensors.add("output.weight".to_owned(), &[shape.n_embd, shape.n_vocab]);
    }
    tensors.0
}

/// Whether attention and feed-forward layers have a norm before them; all but this one have.
fn norms_before(architecture: Architecture) -> bool {
    architecture != Architecture::Olmo2
}

fn attention(tensors: &mut Tensors, layer: u32, shape: &Shape) {
    use Architecture::{Gemma3, Glm4, GptOss, Lfm2, Olmo2, Olmoe, Phi3, Qwen2, Qwen3, Qwen3Moe};
    let (q, kv, architecture) = (shape.n_head * shape.head_dim, shape.n_head_kv * shape.head_dim, shape.architecture);
    if architecture == Phi3 {
        tensors.layer(layer, "attn_qkv.weight", &[shape.n_embd, q + 2 * kv]);
    } else {
        let has_bias = matches!(architecture, Qwen2 | GptOss);
        for (name, width) in [("attn_q", q), ("attn_k", kv), ("attn_v", kv)] {
            tensors.layer(layer, &format!("{name}.weight"), &[shape.n_embd, width]);
            if has_bias {
                tensors.layer(layer, &format!("{name}.bias"), &[width]);
            }
        }
    }
    tensors.layer(layer, "attn_output.weight", &[q, shape.n_embd]);
    // some norm each head, others all heads together
    let normed = match architecture {
        Qwen3 | Qwen3Moe | Gemma3 | Lfm2 => Some((shape.head_dim, shape.head_dim)),
        Olmo2 | Olmoe => Some((q, kv)),
        _ => None,
    };
    if let Some((of_q, of_k)) = normed {
        tensors.layer(layer, "attn_q_norm.weight", &[of_q]);
        tensors.layer(layer, "attn_k_norm.weight", &[of_k]);
    }
    if architecture == GptOss {
        tensors.layer(layer, "attn_output.bias", &[shape.n_embd]);
        tensors.layer(layer, "attn_sinks.weight", &[shape.n_head]);
    }
    if matches!(architecture, Gemma3 | Olmo2 | Glm4 | GptOss) {
        tensors.layer(layer, "post_attention_norm.weight", &[shape.n_embd]);
    }
}

fn feed_forward(tensors: &mut Tensors, layer: u32, shape: &Shape) {
    use Architecture::{Gemma3, Glm4, GptOss, Olmo2, Phi3};
    let (n_embd, architecture) = (shape.n_embd, shape.architecture);
    // the norm after attention stands before the experts here
    if norms_before(architecture) && architecture != GptOss {
        tensors.layer(layer, "ffn_norm.weight", &[n_embd]);
    }
    if let Some(experts) = shape.experts {
        tensors.layer(layer, "ffn_gate_inp.weight", &[n_embd, experts.count]);
        tensors.layer(layer, "ffn_gate_exps.weight", &[n_embd, experts.n_ff, experts.count]);
        tensors.layer(layer, "ffn_up_exps.weight", &[n_embd, experts.n_ff, experts.count]);
        tensors.layer(layer, "ffn_down_exps.weight", &[experts.n_ff, n_embd, experts.count]);
        if architecture == GptOss {
            tensors.layer(layer, "ffn_gate_inp.bias", &[experts.count]);
            tensors.layer(layer, "ffn_gate_exps.bias", &[experts.n_ff, experts.count]);
            tensors.layer(layer, "ffn_up_exps.bias", &[experts.n_ff, experts.count]);
            tensors.layer(layer, "ffn_down_exps.bias", &[n_embd, experts.count]);
        }
        return;
    }
    if matches!(architecture, Phi3 | Glm4) {
        // gate and up in one matrix
        tensors.layer(layer, "ffn_up.weight", &[n_embd, 2 * shape.n_ff]);
    } else {
        tensors.layer(layer, "ffn_gate.weight", &[n_embd, shape.n_ff]);
        tensors.layer(layer, "ffn_up.weight", &[n_embd, shape.n_ff]);
    }
    tensors.layer(layer, "ffn_down.weight", &[shape.n_ff, n_embd]);
    if matches!(architecture, Gemma3 | Olmo2 | Glm4) {
        tensors.layer(layer, "post_ffw_norm.weight", &[n_embd]);
    }
}

fn short_convolution(tensors: &mut Tensors, layer: u32, shape: &Shape) {
    let n_embd = shape.n_embd;
    tensors.layer(layer, "shortconv.conv.weight", &[shape.short_conv.unwrap_or(1), n_embd]);
    tensors.layer(layer, "shortconv.in_proj.weight", &[n_embd, 3 * n_embd]);
    tensors.layer(layer, "shortconv.out_proj.weight", &[n_embd, n_embd]);
}

fn mamba(tensors: &mut Tensors, layer: u32, n_embd: u32, ssm: StateSpace) {
    tensors.layer(layer, "ssm_in.weight", &[n_embd, 2 * ssm.inner]);
    tensors.layer(layer, "ssm_conv1d.weight", &[ssm.conv, ssm.inner]);
    tensors.layer(layer, "ssm_conv1d.bias", &[ssm.inner]);
    tensors.layer(layer, "ssm_x.weight", &[ssm.inner, ssm.dt_rank + 2 * ssm.state]);
    tensors.layer(layer, "ssm_dt.weight", &[ssm.dt_rank, ssm.inner]);
    tensors.layer(layer, "ssm_dt.bias", &[ssm.inner]);
    tensors.layer(layer, "ssm_a", &[ssm.state, ssm.inner]);
    tensors.layer(layer, "ssm_d", &[ssm.inner]);
    tensors.layer(layer, "ssm_out.weight", &[ssm.inner, n_embd]);
}

fn mamba2(tensors: &mut Tensors, layer: u32, n_embd: u32, ssm: StateSpace) {
    let groups = ssm.groups.max(1);
    let conv_dim = ssm.inner + 2 * groups * ssm.state;
    tensors.layer(layer, "ssm_in.weight", &[n_embd, ssm.inner + conv_dim + ssm.dt_rank]);
    tensors.layer(layer, "ssm_conv1d.weight", &[ssm.conv, conv_dim]);
    tensors.layer(layer, "ssm_conv1d.bias", &[conv_dim]);
    tensors.layer(layer, "ssm_dt.bias", &[ssm.dt_rank]);
    tensors.layer(layer, "ssm_a", &[1, ssm.dt_rank]);
    tensors.layer(layer, "ssm_d", &[1, ssm.dt_rank]);
    tensors.layer(layer, "ssm_norm.weight", &[ssm.inner / groups, groups]);
    tensors.layer(layer, "ssm_out.weight", &[ssm.inner, n_embd]);
}
