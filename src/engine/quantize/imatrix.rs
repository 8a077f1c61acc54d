//! Importance matrices: how much each column of a tensor matters, as `llama-imatrix` writes it.
//!
//! Two formats, told apart by their first bytes: a GGUF file with `NAME.in_sum2` and `NAME.counts` tensors, and the older
//! `.dat`. Both are read as `llama-quantize` reads them (llama.cpp's `common/imatrix-loader.cpp`, `tools/quantize/quantize.cpp`),
//! except that nothing is allocated that the file is too short for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::engine::gguf::{GgmlType, Gguf, GgufError, Tensor};

/// Longer names than any tensor's: a file that has one is something else.
const MAX_NAME_BYTES: u64 = 4096;

/// An importance matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Imatrix {
    /// Where it was read from.
    pub path: PathBuf,
    /// Tensor names, and the importance of each of its columns (expert after expert).
    pub entries: Vec<(String, Vec<f32>)>,
    /// The texts that it was computed on.
    pub datasets: Vec<String>,
    /// Chunks of text that it was computed on; 0 where the file does not say.
    pub chunks: u32,
}

/// Why a file is no importance matrix; each is one line with the file's name.
#[derive(Debug, thiserror::Error)]
pub enum ImatrixError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A damaged GGUF file.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// It is something else, or damaged.
    #[error("{}: not an importance matrix: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl Imatrix {
    /// Reads a file of either format.
    ///
    /// # Errors
    /// [`ImatrixError`].
    pub fn read(path: &Path) -> Result<Self, ImatrixError> {
        let io = |source| ImatrixError::Io { path: path.to_owned(), source };
        if path.is_dir() {
            return Err(wrong(path, "it is a folder"));
        }
        let mut file = File::open(path).map_err(io)?;
        let mut magic = [0; 4];
        let is_gguf = file.read_exact(&mut magic).is_ok() && &magic == b"GGUF";
        let matrix = if is_gguf { read_gguf(path)? } else { Legacy::open(path)?.read()? };
        if let Some((name, _)) = matrix.entries.iter().find(|(_, values)| values.iter().any(|v| !v.is_finite())) {
            return Err(wrong(path, format!("'{name}' holds values that are no numbers")));
        }
        Ok(matrix)
    }

    /// Whether it has an entry for one of these tensors at least.
    pub fn knows_any<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        names.any(|name| self.entries.iter().any(|(entry, _)| entry == name))
    }
}

fn wrong(path: &Path, what: impl Into<String>) -> ImatrixError {
    ImatrixError::Wrong { path: path.to_owned(), what: what.into() }
}

fn read_gguf(path: &Path) -> Result<Imatrix, ImatrixError> {
    let gguf = Gguf::open(path)?;
    for key in ["imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"] {
        if gguf.get(key).is_none() {
            return Err(wrong(path, format!("its metadata has no {key}; is it a model?")));
        }
    }
    let mut parts: BTreeMap<&str, [Option<&Tensor>; 2]> = BTreeMap::new();
    for tensor in gguf.tensors() {
        for (place, suffix) in [".in_sum2", ".counts"].into_iter().enumerate() {
            if let Some(name) = tensor.name.strip_suffix(suffix) {
                parts.entry(name).or_default()[place] = Some(tensor);
            }
        }
    }
    let mut file = File::open(path).map_err(|source| ImatrixError::Io { path: path.to_owned(), source })?;
    let mut entries = Vec::with_capacity(parts.len());
    for (name, tensors) in parts {
        let [Some(sums), Some(counts)] = tensors else {
            return Err(wrong(path, format!("'{name}' has not both sums and counts")));
        };
        let (sums, counts) = (floats(&gguf, &mut file, sums)?, floats(&gguf, &mut file, counts)?);
        if counts.is_empty() || sums.len() % counts.len() != 0 {
            let (sums, counts) = (sums.len(), counts.len());
            return Err(wrong(path, format!("'{name}' has {sums} sums for {counts} counts")));
        }
        entries.push((name.to_owned(), means(&sums, &counts)));
    }
    if entries.is_empty() {
        return Err(wrong(path, "it has no entries"));
    }
    let datasets = gguf.read_array("imatrix.datasets", 64)?.unwrap_or_default();
    let datasets = datasets.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    let chunks = gguf.get_u32("imatrix.chunk_count").unwrap_or(0);
    Ok(Imatrix { path: path.to_owned(), entries, datasets, chunks })
}

/// The sums of each expert divided by how often it was asked; one that never was counts as 1 everywhere.
fn means(sums: &[f32], counts: &[f32]) -> Vec<f32> {
    let mean = |(sums, count): (&[f32], &f32)| {
        let count = count.round();
        sums.iter().map(|sum| if count > 0.0 { sum / count } else { 1.0 }).collect::<Vec<_>>()
    };
    sums.chunks(sums.len().max(1) / counts.len().max(1)).zip(counts).flat_map(mean).collect()
}

fn floats(gguf: &Gguf, file: &mut File, tensor: &Tensor) -> Result<Vec<f32>, ImatrixError> {
    if tensor.kind != GgmlType::F32 {
        return Err(wrong(gguf.path(), format!("'{}' is {}, not f32", tensor.name, tensor.kind.name)));
    }
    let io = |source| ImatrixError::Io { path: gguf.path().to_owned(), source };
    file.seek(SeekFrom::Start(gguf.data_offset() + tensor.offset)).map_err(io)?;
    let mut bytes = vec![0; usize::try_from(tensor.size_bytes).unwrap_or(0)]; // the file was seen to be that long
    file.read_exact(&mut bytes).map_err(io)?;
    Ok(to_floats(&bytes))
}

fn to_floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// The `.dat` format: a count of entries; for each its name, how many calls it is the sum of, and its values; then, optionally,
/// the number of chunks and the text's name. All numbers are 32 bits, little endian.
struct Legacy {
    path: PathBuf,
    file: BufReader<File>,
    left: u64,
}

impl Legacy {
    fn open(path: &Path) -> Result<Self, ImatrixError> {
        let io = |source| ImatrixError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let left = file.metadata().map_err(io)?.len();
        Ok(Self { path: path.to_owned(), file: BufReader::new(file), left })
    }

    fn read(mut self) -> Result<Imatrix, ImatrixError> {
        let count = self.number("the number of entries")?;
        if count < 1 {
            return Err(wrong(&self.path, "it has no entries"));
        }
        let mut entries = Vec::new();
        for entry in 1..=count {
            let what = format!("entry {entry} of {count}");
            let name = self.text(&what)?;
            let (calls, values) = (self.number(&what)?, self.number(&what)?);
            let bytes = u64::try_from(values).ok().filter(|&n| n > 0).and_then(|n| n.checked_mul(4));
            let sums = match bytes {
                Some(bytes) => to_floats(&self.bytes(bytes, &what)?),
                None => return Err(wrong(&self.path, format!("{what} ('{name}') has {values} values"))),
            };
            #[allow(clippy::cast_precision_loss)] // as llama.cpp divides
            let divisor = if calls > 0 { calls as f32 } else { 1.0 };
            entries.push((name, sums.into_iter().map(|sum| sum / divisor).collect()));
        }
        // the rest is optional
        let chunks = self.number("chunks").ok().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let datasets = self.text("dataset").ok().filter(|name| !name.is_empty()).into_iter().collect();
        Ok(Imatrix { path: self.path, entries, datasets, chunks })
    }

    fn text(&mut self, what: &str) -> Result<String, ImatrixError> {
        let len = u64::try_from(self.number(what)?).unwrap_or(u64::MAX);
        if len > MAX_NAME_BYTES {
            return Err(wrong(&self.path, format!("{what} has a name of impossible length")));
        }
        let bytes = self.bytes(len, what)?;
        String::from_utf8(bytes).map_err(|_| wrong(&self.path, format!("the name of {what} is not text")))
    }

    fn number(&mut self, what: &str) -> Result<i32, ImatrixError> {
        let bytes = self.bytes(4, what)?;
        Ok(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn bytes(&mut self, len: u64, what: &str) -> Result<Vec<u8>, ImatrixError> {
        if len > self.left {
            return Err(wrong(&self.path, format!("it ends in {what}")));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        self.file.read_exact(&mut bytes).map_err(|source| ImatrixError::Io { path: self.path.clone(), source })?;
        self.left -= len;
        Ok(bytes)
    }
}

#[cfg(test)]
#[path = "imatrix_tests.rs"]
mod tests;
