//! What can be wrong with a GGUF file, each in one line: the file, what is wrong, where, and what to do.

use std::io;
use std::path::PathBuf;

/// Why a GGUF file was refused.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The file cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A folder was given where a file is needed.
    #[error("{}: this is a folder, not a GGUF file: name a .gguf file in it", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// No bytes at all.
    #[error("{}: the file is empty: download it again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The first four bytes are not `GGUF`.
    #[error("{}: not a GGUF file: {found}", path.display())]
    NotGguf {
        /// The file.
        path: PathBuf,
        /// What it seems to be instead, and what to do.
        found: String,
    },
    /// A version that neither this program nor llama.cpp reads.
    #[error("{}: GGUF version {version} (at byte 4) is not supported, only 2 and 3 are: {hint}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version as read.
        version: u32,
        /// What to do.
        hint: &'static str,
    },
    /// The file ends in its header.
    #[error("{}: the file ends at byte {file_bytes}, in {what}, which begins at byte {offset}: it is cut, download it again", path.display())]
    CutHeader {
        /// The file.
        path: PathBuf,
        /// Its length.
        file_bytes: u64,
        /// Where the thing that is cut begins.
        offset: u64,
        /// What is cut.
        what: String,
    },
    /// The file ends in its weights.
    #[error("{}: the file ends at byte {file_bytes} but tensor '{tensor}' needs up to byte {needed_bytes}: it is cut, download it again", path.display())]
    CutTensor {
        /// The file.
        path: PathBuf,
        /// Its length.
        file_bytes: u64,
        /// The tensor that is not complete; of several, the one that ends last.
        tensor: String,
        /// Where that tensor ends.
        needed_bytes: u64,
    },
    /// Something in the header that cannot be.
    #[error("{}: {what} (at byte {offset}): the file is damaged, download it again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// A part of a split model is not there.
    #[error("{}: {} of {} parts of this split model are missing: {}", path.display(), missing.len(), parts, names(missing))]
    MissingParts {
        /// The part that was named.
        path: PathBuf,
        /// How many parts the model has.
        parts: usize,
        /// Those that are not there.
        missing: Vec<PathBuf>,
    },
    /// An array or string of the metadata is not what the caller needs.
    #[error("{}: metadata '{key}' {what}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is wrong with it.
        what: String,
    },
}

/// The file names of `paths`, with commas; of very many only the first.
fn names(paths: &[PathBuf]) -> String {
    const SHOWN: usize = 8;
    let name = |p: &PathBuf| p.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let mut text = paths.iter().take(SHOWN).map(name).collect::<Vec<_>>().join(", ");
    if paths.len() > SHOWN {
        text.push_str(", …");
    }
    text
}

/// What a file that is not GGUF seems to be, from its first bytes, and what to do about it.
pub(super) fn describe_foreign(head: &[u8]) -> String {
    let starts = |prefix: &[u8]| head.starts_with(prefix);
    if starts(b"FUGG") {
        return "it is a big-endian GGUF: get the little-endian one".to_owned();
    }
    if [b"ggml", b"ggmf", b"ggjt", b"lmgg", b"fmgg", b"tjgg"].iter().any(|magic| starts(*magic)) {
        return "it is of llama.cpp's format before GGUF: get a GGUF of this model".to_owned();
    }
    if starts(b"PK\x03\x04") {
        return "it is a ZIP archive or PyTorch checkpoint: get a GGUF of this model".to_owned();
    }
    if starts(b"version https://git-lfs") {
        return "it is a Git LFS pointer, not the model itself: run `git lfs pull`, or download the file".to_owned();
    }
    if head.len() > 9 && head[8] == b'{' && head[4..8] == [0; 4] {
        return "it looks like safetensors: get a GGUF of this model, or convert it".to_owned();
    }
    let is_text = std::str::from_utf8(head).or_else(|e| if e.error_len().is_none() { Ok("") } else { Err(e) }).is_ok()
        && !head.iter().any(|&b| b < b' ' && !matches!(b, b'\n' | b'\r' | b'\t'));
    if is_text {
        let line: String = String::from_utf8_lossy(head).lines().next().unwrap_or("").chars().take(24).collect();
        return format!(
            "it is a text file that begins with '{line}': a page was saved in place of the model, download it again"
        );
    }
    let shown = &head[..head.len().min(4)];
    format!("it begins with the bytes {shown:02x?} in place of 'GGUF': name a .gguf file, or download it again")
}
