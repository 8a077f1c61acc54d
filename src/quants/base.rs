//! The file that quantizations are made from.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::hash::{self, Stamp};
use crate::engine::gguf::{Gguf, Part};
use crate::engine::quantize::{self, MixInput, Quant, TensorShape};
use crate::exit_code::UsageError;
use crate::plan::matrix::model_name;

/// A model's file, or the files of a split one, whole and known by their content.
#[derive(Clone, Debug)]
pub struct Base {
    /// The file; the first part of a split model.
    pub path: PathBuf,
    /// The model's name, without its quantization.
    pub name: String,
    /// The quantization's short name, such as `BF16`.
    pub quant: String,
    /// Of the content; of a split model the hash of its parts' hashes.
    pub sha256: String,
    /// Context size it was trained for, in tokens.
    pub n_ctx_train: Option<u32>,
    /// The file says that its weights are synthetic.
    pub synthetic: bool,
    parts: Vec<Gguf>,
    stamps: Vec<Stamp>,
    mix: MixInput,
}

impl Base {
    /// Reads the header, checks that the file is whole, and computes its hash (which is remembered in `cache`).
    ///
    /// # Errors
    /// A [`UsageError`] for a file that is missing, cut, damaged or no model.
    pub fn open(path: &Path, cache: &Path) -> anyhow::Result<Self> {
        let usage = |e: &dyn std::fmt::Display| UsageError::new(e.to_string());
        if !path.exists() {
            return Err(UsageError::new(format!("{}: no such file; name a GGUF file", path.display())));
        }
        let parts = Gguf::open_all(path).map_err(|e| usage(&e))?;
        let first = &parts[0]; // `open_all` gives at least one
        if first.architecture().is_none() {
            let shown = path.display();
            return Err(UsageError::new(format!("{shown}: its metadata names no architecture: it is no model")));
        }
        let hashes = parts.iter().map(|part| hash::of_file(part.path(), cache)).collect::<anyhow::Result<Vec<_>>>()?;
        let sha256 =
            if let [only] = hashes.as_slice() { only.clone() } else { hash::of_bytes(hashes.concat().as_bytes()) };
        let stamps = parts.iter().map(|part| Stamp::of(part.path())).collect::<Result<_, _>>();
        let whole_name = Part::of(path).map_or_else(|| path.with_extension(""), |part| part.prefix);
        let stem = whole_name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let quant = first.file_type();
        Ok(Self {
            path: first.path().to_owned(),
            name: model_name(&stem, &quant),
            sha256,
            n_ctx_train: first.arch_u32("context_length"),
            synthetic: first.is_synthetic(),
            stamps: stamps.with_context(|| format!("{}: cannot be read", path.display()))?,
            mix: MixInput::of(first).map_err(|e| usage(&e))?,
            quant,
            parts,
        })
    }

    /// Bytes of all its files.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.parts.iter().map(Gguf::file_bytes).sum()
    }

    /// Numbers in all its tensors.
    #[must_use]
    pub fn n_params(&self) -> u64 {
        self.parts.iter().map(Gguf::n_params).sum()
    }

    /// Name, extents and type of all its tensors.
    #[must_use]
    pub fn tensors(&self) -> Vec<TensorShape> {
        self.parts.iter().flat_map(Gguf::tensors).map(|t| (t.name.clone(), t.dims.clone(), t.kind)).collect()
    }

    /// Whether some of its tensors are quantized: to quantize those again loses more than once.
    #[must_use]
    pub fn is_quantized(&self) -> bool {
        self.parts.iter().flat_map(Gguf::tensors).any(|t| t.kind.block_elements > 1)
    }

    /// Bytes that its tensors will have in a quantization: exact for llama.cpp's mixes, within a few percent with an importance
    /// matrix or `pure`. The header adds about as much as the base's own.
    #[must_use]
    pub fn estimated_bytes(&self, quant: Quant) -> u64 {
        let tensors = self.tensors();
        let header: u64 = self.parts.iter().map(|p| p.file_bytes().saturating_sub(p.tensor_bytes())).sum();
        quantize::silence_llama_cpp(); // what falls back to another type is no news here
        let Ok(types) = quantize::mix(&self.mix, quant, &tensors) else { return self.size_bytes() };
        let sizes = tensors.iter().zip(types).filter_map(|((_, dims, _), kind)| kind.tensor_bytes(dims));
        header + sizes.map(|bytes| bytes.next_multiple_of(32)).sum::<u64>()
    }

    /// Whether the files are still those that were opened.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.parts.iter().zip(&self.stamps).all(|(part, stamp)| Stamp::of(part.path()).is_ok_and(|now| now == *stamp))
    }
}
