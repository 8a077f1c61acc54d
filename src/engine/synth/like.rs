//! From a real file to a synthetic one: the same metadata, tokenizer and tensors, other weights.
//!
//! Entries are copied byte for byte, so that any architecture works that llama.cpp knows, now or later. A split model
//! becomes one file. Left out on purpose: the weights, of which not one is read.

use std::ops::Range;
use std::path::Path;

use super::{Draft, QUANTIZATION_VERSION, Spec, SynthError};
use crate::engine::gguf::{Gguf, HeaderWriter};
use crate::engine::quantize::MixInput;

/// Metadata and tensors of a file.
pub(super) fn draft(path: &Path, spec: &Spec) -> Result<Draft, SynthError> {
    let parts = Gguf::open_all(path)?;
    let first = &parts[0]; // `open_all` gives at least one
    let file_name = path.file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let name = first.get_str("general.name").unwrap_or(&file_name).trim_end_matches(" (synthetic)").to_owned();
    let context_key = first.architecture().map(|a| format!("{a}.context_length"));
    let mut metadata = HeaderWriter::default();
    for entry in first.entries() {
        let key = entry.key.as_str();
        let is_replaced = key == "general.name"
            || key.starts_with("split.")
            || key.starts_with("sweetspot.")
            || (spec.quant.is_some() && matches!(key, "general.file_type" | "general.quantization_version"))
            || (spec.n_ctx.is_some() && Some(key) == context_key.as_deref());
        if !is_replaced {
            metadata.raw_entry(&first.read_entry(entry)?);
        }
    }
    metadata.string("general.name", &format!("{name} (synthetic)"));
    if spec.quant.is_some() {
        metadata.u32("general.quantization_version", QUANTIZATION_VERSION);
    }
    if let (Some(key), Some(n_ctx)) = (&context_key, spec.n_ctx) {
        metadata.u32(key, n_ctx);
    }
    super::mark(&mut metadata, &name, spec.seed);
    let tensors = parts.iter().flat_map(Gguf::tensors).map(|t| (t.name.clone(), t.dims.clone(), t.kind)).collect();
    Ok(Draft {
        name,
        metadata,
        tensors,
        mix: MixInput::of(first)?,
        quant: spec.quant,
        quiet_rows: end_tokens(first),
        alignment: first.alignment(),
    })
}

/// The rows of the tokens that end a generation, sorted.
fn end_tokens(gguf: &Gguf) -> Vec<Range<u64>> {
    let keys = ["eos_token_id", "eot_token_id", "eom_token_id"];
    let mut ids: Vec<u64> = keys.iter().filter_map(|key| gguf.get_u64(&format!("tokenizer.ggml.{key}"))).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().map(|id| id..id.saturating_add(1)).collect()
}
