//! llama.cpp's quantizer at work on one file.
//!
//! It is called exactly as `llama-quantize` calls it, so that the same file comes out, byte by byte.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Quant;
use super::imatrix::Imatrix;
use crate::engine::ffi::{self, Override, Quantizing};
use crate::engine::gguf::Gguf;
use crate::engine::llama::LlamaEngine;

/// Most bytes of a tensor's rows that the quantizer holds at once; larger tensors go through it in pieces, with the same
/// result.
pub const MAX_BUFFER_BYTES: u64 = 1 << 30;

/// One file to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The file to quantize; the first part of a split model.
    pub base: PathBuf,
    /// The file to write; what is there is replaced.
    pub output: PathBuf,
    /// To which quantization.
    pub quant: Quant,
    /// One type for all tensors instead of the mix.
    pub pure: bool,
    /// Quantize tensors that are quantized already.
    pub allow_requantize: bool,
    /// An importance matrix.
    pub imatrix: Option<PathBuf>,
    /// Threads that compute.
    pub threads: u32,
}

/// How far the quantizer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Bytes of the base's tensors that are done.
    pub done_bytes: u64,
    /// Bytes of all of them.
    pub total_bytes: u64,
}

/// Makes the file, telling `progress` each tensor that begins. Runs until it is done: llama.cpp's quantizer cannot be
/// interrupted.
///
/// # Errors
/// What is wrong with base, importance matrix or output, in one line. A part of the output may be there then.
pub fn run(task: &Task, mut progress: Box<dyn FnMut(Progress) + Send>) -> Result<(), String> {
    let _backend = LlamaEngine::new().map_err(|e| e.to_string())?;
    let imatrix = task.imatrix.as_deref().map(Imatrix::read).transpose().map_err(|e| e.to_string())?;
    let mut count = Count::of(&Gguf::open_all(&task.base).map_err(|e| e.to_string())?);
    progress(count.progress());
    ffi::listen(Some(Box::new(move |text| {
        if count.hear(text) {
            progress(count.progress());
        }
    })));
    let file = imatrix.as_ref().map(|m| m.path.to_string_lossy().into_owned()).unwrap_or_default();
    let how = Quantizing {
        ftype: task.quant.ftype(),
        threads: task.threads,
        pure: task.pure,
        allow_requantize: task.allow_requantize,
        max_buffer_bytes: usize::try_from(MAX_BUFFER_BYTES).unwrap_or(usize::MAX),
        importance: imatrix.as_ref().map_or(&[], |m| m.entries.as_slice()),
        overrides: &imatrix.as_ref().map_or_else(Vec::new, |m| overrides(m, &file)),
    };
    let result = ffi::quantize(&task.base, &task.output, &how);
    ffi::listen(None);
    result
}

/// What `llama-quantize` writes about an importance matrix, in its order (`tools/quantize/quantize.cpp`).
fn overrides<'a>(imatrix: &'a Imatrix, file: &'a str) -> Vec<(&'a str, Override<'a>)> {
    let mut overrides = vec![("quantize.imatrix.file", Override::Text(file))];
    if let Some(dataset) = imatrix.datasets.first() {
        overrides.push(("quantize.imatrix.dataset", Override::Text(dataset)));
    }
    let entries = u32::try_from(imatrix.entries.len()).unwrap_or(u32::MAX);
    overrides.push(("quantize.imatrix.entries_count", Override::Number(entries)));
    if imatrix.chunks > 0 {
        overrides.push(("quantize.imatrix.chunks_count", Override::Number(imatrix.chunks)));
    }
    overrides
}

/// How far the quantizer is, from the line that it logs when a tensor begins: `[   3/  20] blk.0.attn_q.weight - […`.
struct Count {
    sizes: HashMap<String, u64>,
    /// Size of the tensor that is being quantized.
    current_bytes: u64,
    progress: Progress,
}

impl Count {
    fn of(parts: &[Gguf]) -> Self {
        let sizes: HashMap<_, _> =
            parts.iter().flat_map(Gguf::tensors).map(|t| (t.name.clone(), t.size_bytes)).collect();
        let total_bytes = sizes.values().sum();
        Self { sizes, current_bytes: 0, progress: Progress { done_bytes: 0, total_bytes } }
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    /// Whether a tensor begins with this line.
    fn hear(&mut self, text: &str) -> bool {
        let tensor = text.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("] "));
        let Some(&size) = tensor.and_then(|(_, rest)| self.sizes.get(rest.split_whitespace().next()?)) else {
            return false;
        };
        self.progress.done_bytes += self.current_bytes;
        self.current_bytes = size;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantizers_log_tells_how_far_it_is() {
        let sizes = HashMap::from([("a.weight".to_owned(), 10), ("b.weight".to_owned(), 30)]);
        let mut count = Count { sizes, current_bytes: 0, progress: Progress { done_bytes: 0, total_bytes: 40 } };
        assert!(
            count.hear(
                "[   1/   2]                             a.weight - [   5,     2,     1,     1], type =    f16, "
            )
        );
        assert_eq!(count.progress().done_bytes, 0);
        assert!(!count.hear("size =     0.00 MiB ->     0.00 MiB\n"));
        assert!(!count.hear("[wrong] c.weight"));
        assert!(count.hear("[   2/   2] b.weight"));
        assert_eq!(count.progress(), Progress { done_bytes: 10, total_bytes: 40 });
    }
}
