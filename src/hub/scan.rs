//! What models are here: the GGUF files in folders, as they say themselves, with what the ledger remembers of them.
//!
//! Reads headers only. Left out on purpose: files whose name does not end in `.gguf`, projectors for images, and the headers
//! without weights that this program keeps for itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::ledger;
use super::places::HEADERS;
use crate::engine::gguf::{Gguf, Part};
use crate::plan::matrix::model_name;

/// Deep enough for every cache's layout and most people's folders; a loop of links ends here.
const MAX_DEPTH: u32 = 8;

/// A model that is here.
#[derive(Clone, Debug, Serialize)]
pub struct Here {
    /// The file; of a split model its first part.
    pub path: PathBuf,
    /// From the file's name.
    pub model: String,
    /// As the file says it.
    pub quant: Option<String>,
    /// Bytes of all parts.
    pub size_bytes: u64,
    /// Files that it consists of.
    pub parts: usize,
    /// llama.cpp's name for how it computes, such as `qwen3`.
    pub architecture: Option<String>,
    /// Numbers in all tensors.
    pub n_params: Option<u64>,
    /// Context size that it was trained for, in tokens.
    pub n_ctx_train: Option<u32>,
    /// Whether the file says that its weights are made up.
    pub synthetic: bool,
    /// What is wrong with the file, where something is.
    pub broken: Option<String>,
    /// What the ledger remembers.
    pub ledger: Option<ledger::Entry>,
}

/// The models in these folders and the folders in them, each once, in the order of their paths. A folder that is not there
/// has none.
#[must_use]
pub fn scan(folders: &[PathBuf], entries: &[ledger::Entry]) -> Vec<Here> {
    let mut files = BTreeSet::new();
    for folder in folders {
        walk(folder, 0, &mut files);
    }
    let mut seen = BTreeSet::new();
    files
        .into_iter()
        .map(|path| Part::of(&path).and_then(|part| part.all().into_iter().next()).unwrap_or(path))
        .filter(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())))
        .map(|path| inspect(path, entries))
        .collect()
}

fn walk(folder: &Path, depth: u32, files: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = folder.read_dir() else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if path.is_dir() {
            // blobs have no names of their own; they are found by the snapshots that point to them
            let is_own = name == HEADERS && folder.ends_with("sweetspot");
            let is_hidden = name == "blobs" || name.starts_with('.') || is_own;
            if depth < MAX_DEPTH && !is_hidden {
                walk(&path, depth + 1, files);
            }
        } else if name.ends_with(".gguf") && !name.contains("mmproj") && path.is_file() {
            files.insert(path);
        }
    }
}

fn inspect(path: PathBuf, entries: &[ledger::Entry]) -> Here {
    let whole = path.canonicalize().ok();
    let remembered =
        entries.iter().find(|e| e.path == path || (whole.is_some() && e.path.canonicalize().ok() == whole));
    let stem = Part::of(&path).map_or_else(|| path.with_extension(""), |part| part.prefix);
    let stem = stem.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (parts, broken) = match Gguf::open_all(&path) {
        Ok(parts) => (parts, None),
        // the header may be whole although the file is not
        Err(error) => (Gguf::open_header(&path).into_iter().collect(), Some(error.to_string())),
    };
    let first = parts.first();
    let quant = first.map(Gguf::file_type);
    let is_whole = broken.is_none();
    Here {
        model: model_name(&stem, quant.as_deref().unwrap_or_default()),
        size_bytes: if parts.is_empty() {
            std::fs::metadata(&path).map_or(0, |m| m.len())
        } else {
            parts.iter().map(Gguf::file_bytes).sum()
        },
        parts: parts.len().max(1),
        architecture: first.and_then(Gguf::architecture).map(str::to_owned),
        n_params: is_whole.then(|| parts.iter().map(Gguf::n_params).sum()),
        n_ctx_train: first.and_then(|gguf| gguf.arch_u32("context_length")),
        synthetic: first.is_some_and(Gguf::is_synthetic),
        broken,
        ledger: remembered.cloned(),
        quant,
        path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_walked_by_its_snapshots_and_headers_without_weights_are_no_models() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in [
            "models--a--b/snapshots/c0/m-Q4_0.gguf",
            "models--a--b/blobs/x.gguf",
            "models--a--b/snapshots/c0/mmproj-m.gguf",
            "sweetspot/headers/a/n-Q4_0.gguf",
            "readme.md",
        ] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), "no model").unwrap();
        }
        let here = scan(&[root.to_owned(), root.to_owned(), root.join("none")], &[]);
        assert_eq!(here.len(), 1, "{here:?}");
        assert_eq!(here[0].model, "m-Q4_0", "a file that says nothing keeps its name");
        assert!(here[0].broken.as_ref().unwrap().contains("not a GGUF file"), "{here:?}");
    }
}
