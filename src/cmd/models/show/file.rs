//! What a GGUF file says of itself, whether or not a catalogue knows it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::line;
use crate::cmd::models::entry::parameters;
use crate::engine::gguf::{Gguf, GgufError, Value};
use crate::exit_code::UsageError;
use crate::hub::console::bytes;

/// A file's own facts; absent is what it does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    path: PathBuf,
    size_bytes: u64,
    parts: usize,
    name: Option<String>,
    architecture: Option<String>,
    quantization: String,
    n_params: u64,
    n_layer: Option<u32>,
    n_embd: Option<u32>,
    n_head: Option<u32>,
    n_head_kv: Option<u32>,
    head_size: Option<u32>,
    n_vocab: Option<u64>,
    n_ctx_train: Option<u32>,
    sliding_window: Option<u32>,
    /// By formula: all layers that attend, keys and values of 16 bits.
    kv_bytes_per_token: Option<u64>,
    has_chat_template: bool,
    licence: Option<String>,
    synthetic: bool,
}

impl Facts {
    /// Reads the headers of all parts.
    ///
    /// # Errors
    /// A [`UsageError`] for what is no whole GGUF file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Self::of(path).map_err(|error| UsageError::new(error.to_string()))
    }

    fn of(path: &Path) -> Result<Self, GgufError> {
        let parts = Gguf::open_all(path)?;
        let first = &parts[0]; // there is one at least
        let (n_layer, n_embd) = (first.arch_u32("block_count"), first.arch_u32("embedding_length"));
        let heads = numbers(first, "attention.head_count")?;
        let heads_kv = numbers(first, "attention.head_count_kv")?.or_else(|| heads.clone());
        let n_head = heads.and_then(|heads| heads.into_iter().max()).filter(|&n| n > 0);
        let by_width = || n_embd?.checked_div(n_head?);
        let head_size = first.arch_u32("attention.key_length").or_else(by_width);
        let value_size = first.arch_u32("attention.value_length").or(head_size);
        let kv_heads = heads_kv.as_ref().map(|heads| all_layers(heads, n_layer.unwrap_or(0)));
        let per_head = head_size.zip(value_size).map(|(k, v)| u64::from(k) + u64::from(v));
        let vocabulary = match first.get("tokenizer.ggml.tokens") {
            Some(Value::Array(tokens)) => Some(tokens.len),
            _ => first.arch_u32("vocab_size").map(u64::from),
        };
        Ok(Self {
            path: path.to_owned(),
            size_bytes: parts.iter().map(Gguf::file_bytes).sum(),
            parts: parts.len(),
            name: first.get_str("general.name").map(str::to_owned),
            architecture: first.architecture().map(str::to_owned),
            quantization: first.file_type(),
            n_params: parts.iter().map(Gguf::n_params).sum(),
            n_layer,
            n_embd,
            n_head,
            n_head_kv: heads_kv.and_then(|heads| heads.into_iter().max()).filter(|&n| n > 0),
            head_size: head_size.filter(|_| n_head.is_some()),
            n_vocab: vocabulary,
            n_ctx_train: first.arch_u32("context_length"),
            sliding_window: first.arch_u32("attention.sliding_window").filter(|&n| n > 0),
            kv_bytes_per_token: kv_heads
                .zip(per_head)
                .map(|(heads, size)| heads.saturating_mul(size).saturating_mul(2)),
            has_chat_template: first.get_str("tokenizer.chat_template").is_some(),
            licence: first.get_str("general.license").map(str::to_owned),
            synthetic: first.is_synthetic(),
        })
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.path.display());
        let unknown = || "unknown".to_owned();
        let plain = |text: &Option<String>| text.as_ref().map_or_else(unknown, |text| printable(text));
        let number = |n: Option<u32>| n.map_or_else(unknown, |n| n.to_string());
        let parts = if self.parts > 1 { format!(" in {} parts", self.parts) } else { String::new() };
        let made_up = if self.synthetic { " (synthetic weights)" } else { "" };
        line(&mut text, "name", &format!("{}{}", plain(&self.name), if self.name_says_so() { "" } else { made_up }));
        line(&mut text, "size", &format!("{}{parts}", bytes(self.size_bytes)));
        line(&mut text, "architecture", &plain(&self.architecture));
        line(&mut text, "quantization", &self.quantization);
        line(&mut text, "parameters", &parameters(self.n_params));
        line(&mut text, "layers", &format!("{} of width {}", number(self.n_layer), number(self.n_embd)));
        if let (Some(heads), Some(kv), Some(size)) = (self.n_head, self.n_head_kv, self.head_size) {
            line(&mut text, "attention", &format!("{heads} heads, {kv} of keys and values, of {size}"));
        }
        let vocabulary = self.n_vocab.map_or_else(unknown, |n| format!("{n} tokens"));
        line(&mut text, "vocabulary", &vocabulary);
        let mut context = format!("trained for {} tokens", number(self.n_ctx_train));
        if let Some(kv) = self.kv_bytes_per_token {
            let _ = write!(context, "; KV cache {} a token (f16, by formula)", bytes(kv));
        }
        line(&mut text, "context", &context);
        if let Some(window) = self.sliding_window {
            line(&mut text, "", &format!("some layers keep {window} tokens, so that it grows less than that"));
        }
        line(&mut text, "chat template", if self.has_chat_template { "yes" } else { "no: a plain fallback is used" });
        if self.licence.is_some() {
            line(&mut text, "licence", &plain(&self.licence));
        }
        let _ = writeln!(text, "\n  sweetspot run {}", self.path.display());
        text
    }

    fn name_says_so(&self) -> bool {
        self.name.as_ref().is_some_and(|name| name.contains("synthetic"))
    }
}

/// A number that a file has once for all layers, or one for each.
fn numbers(gguf: &Gguf, key: &str) -> Result<Option<Vec<u32>>, GgufError> {
    const MOST_LAYERS: u64 = 4096;
    if let Some(one) = gguf.arch_u32(key) {
        return Ok(Some(vec![one]));
    }
    let Some(architecture) = gguf.architecture() else { return Ok(None) };
    let all = gguf.read_array(&format!("{architecture}.{key}"), MOST_LAYERS)?;
    let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    Ok(all.map(|all| all.iter().map(number).collect()))
}

/// The sum over all layers of a number that stands once for all, or once for each.
fn all_layers(numbers: &[u32], n_layer: u32) -> u64 {
    match numbers {
        [one] => u64::from(*one) * u64::from(n_layer),
        each => each.iter().copied().map(u64::from).sum(),
    }
}

/// Without control characters: a file's text must not move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
