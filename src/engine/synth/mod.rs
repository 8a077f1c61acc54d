//! GGUF files with synthetic weights: the shape and the quantization of a real model, so that its speed and memory can be
//! measured before it is downloaded.
//!
//! A computer's speed at a model does not depend on the weights' values, only on their number, types and arrangement.
//! Such a file loads and computes like the real one; what it says means nothing. The file itself says so in its metadata
//! (`sweetspot.synthetic`). Left out on purpose: quality, which needs the real weights.

mod blocks;
mod like;
mod random;
mod shape;
mod vocab;
mod weights;
mod write;

use std::ops::Range;
use std::path::PathBuf;

use super::gguf::{GgmlType, GgufError, Header, HeaderWriter};
use super::quantize::{self, MixInput, Quant, TensorShape};
use crate::plan::catalog::Shape;

pub use write::{Progress, partial_path, write};

/// What to write.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Where shape and metadata come from.
    pub source: Source,
    /// The quantization. None: [`Quant::Q4KM`] for a shape, each tensor's own type for a file.
    pub quant: Option<Quant>,
    /// Start of the random numbers; the same seed gives the same bytes.
    pub seed: u64,
    /// Context size, in tokens, that the file claims to be trained for, in place of the source's own.
    pub n_ctx: Option<u32>,
}

/// Where shape and metadata come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The catalogue.
    Shape(&'static Shape),
    /// A GGUF file (any part of a split one), whose metadata, tokenizer and tensors are taken over.
    Like(PathBuf),
}

impl Spec {
    /// A shape of the catalogue in a quantization, with seed 0.
    #[must_use]
    pub fn of_shape(shape: &'static Shape, quant: Quant) -> Self {
        Self { source: Source::Shape(shape), quant: Some(quant), seed: 0, n_ctx: None }
    }

    /// The same tensors and metadata as a file, with seed 0.
    #[must_use]
    pub fn like(path: impl Into<PathBuf>) -> Self {
        Self { source: Source::Like(path.into()), quant: None, seed: 0, n_ctx: None }
    }
}

/// A file before it is written: everything but the weights.
#[derive(Clone, Debug)]
pub struct Plan {
    name: String,
    header: Header,
    tensors: Vec<TensorShape>,
    quiet_rows: Vec<Range<u64>>,
    seed: u64,
}

impl Plan {
    /// The shape's name, or the name that the source file has for its model.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Length of the file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.header.file_bytes
    }

    /// Numbers in all tensors.
    #[must_use]
    pub fn n_params(&self) -> u64 {
        self.tensors.iter().map(|(_, dims, _)| dims.iter().product::<u64>()).sum()
    }

    /// The tensors in the file's order: name, extents (fastest first), type.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[u64], GgmlType)> {
        self.tensors.iter().map(|(name, dims, kind)| (name.as_str(), dims.as_slice(), *kind))
    }
}

/// Decides every byte of a file but the weights.
///
/// # Errors
/// [`SynthError`]; nothing is written.
pub fn plan(spec: &Spec) -> Result<Plan, SynthError> {
    let mut draft = match &spec.source {
        Source::Shape(shape) => shape::draft(shape, spec)?,
        Source::Like(path) => like::draft(path, spec)?,
    };
    if let Some(quant) = draft.quant {
        let types = quantize::mix(&draft.mix, quant, &draft.tensors).map_err(|reason| SynthError::Mix {
            name: draft.name.clone(),
            quant,
            reason,
        })?;
        draft.tensors.iter_mut().zip(types).for_each(|(tensor, kind)| tensor.2 = kind);
        draft.metadata.u32("general.file_type", quant.ftype());
    }
    for (name, dims, kind) in &draft.tensors {
        draft.metadata.tensor(name, dims, *kind);
    }
    let reason = "its extents fit no file".to_owned();
    let impossible = SynthError::Shape { name: draft.name.clone(), reason };
    let header = draft.metadata.finish(draft.alignment).ok_or(impossible)?;
    Ok(Plan { name: draft.name, header, tensors: draft.tensors, quiet_rows: draft.quiet_rows, seed: spec.seed })
}

/// Bytes of all tensors of a shape in a quantization: the size of a file of it but for its metadata, which takes some
/// megabytes where the vocabulary is large. A hundred times quicker than [`plan`], which makes up the vocabulary.
///
/// # Errors
/// [`SynthError::Mix`] for a quantization that llama.cpp cannot mix for this shape.
pub fn tensor_bytes(shape: &Shape, quant: Quant) -> Result<u64, SynthError> {
    let tensors = shape::tensors(shape);
    let wrong = |reason| SynthError::Mix { name: shape.name.clone(), quant, reason };
    let types = quantize::mix(&shape::mix_input(shape), quant, &tensors).map_err(wrong)?;
    let sizes = tensors.iter().zip(types).map(|((_, dims, _), kind)| kind.tensor_bytes(dims).unwrap_or(0));
    Ok(sizes.sum())
}

/// A file whose tensors' types are not decided yet.
struct Draft {
    name: String,
    metadata: HeaderWriter,
    tensors: Vec<TensorShape>,
    mix: MixInput,
    /// None: the tensors keep their types.
    quant: Option<Quant>,
    /// Rows of the output matrix that should not be sampled.
    quiet_rows: Vec<Range<u64>>,
    alignment: u64,
}

/// `GGML_QNT_VERSION`: the version of the quantized types' layouts.
const QUANTIZATION_VERSION: u32 = 2;

/// The entries that say that a file is synthetic, and how to make it again.
fn mark(metadata: &mut HeaderWriter, shape: &str, seed: u64) {
    metadata.bool("sweetspot.synthetic", true);
    metadata.string("sweetspot.shape", shape);
    metadata.u64("sweetspot.seed", seed);
    metadata.string("sweetspot.version", env!("CARGO_PKG_VERSION"));
}

/// Why no file was written. Each is one line for the user.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The file to be like cannot be read, or is damaged.
    #[error(transparent)]
    Like(#[from] GgufError),
    /// A shape that makes no model.
    #[error("{name}: no file can be made of this shape: {reason}")]
    Shape {
        /// The shape, or the model's name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// llama.cpp does not say which types the tensors get.
    #[error("{name}: llama.cpp cannot mix {quant} for this model: {reason}")]
    Mix {
        /// The shape, or the model's name.
        name: String,
        /// The quantization.
        quant: Quant,
        /// llama.cpp's message.
        reason: String,
    },
    /// There is a file already.
    #[error("{}: exists already: choose another name, or overwrite it with --force", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be begun: no such folder, no permission.
    #[error("{}: cannot be written: {source}", path.display())]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Not enough room on the disk, before or while writing. Nothing is left behind.
    #[error("{}: {needed_bytes} bytes are needed but only {free_bytes} are free on this disk: nothing was written", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// Length of the file.
        needed_bytes: u64,
        /// Free when asked, or what had been written when the disk was full.
        free_bytes: u64,
    },
    /// Writing broke off. Nothing is left behind.
    #[error("{}: writing failed: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}
