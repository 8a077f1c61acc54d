//! GGUF files: their header (metadata and list of tensors), read and written without llama.cpp.
//!
//! Reading is for deciding: what a file is, how large its parts are, whether it is whole. A hostile or cut file ends in a
//! [`GgufError`] with one clear line, never in a panic or in more memory than the file is large. Left out on purpose: whether
//! an architecture or a tokenizer is known, which is llama.cpp's to say.

mod error;
mod read;
mod split;
mod types;
mod value;
mod write;

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use error::GgufError;
pub use split::Part;
pub use types::{FILE_TYPES, GgmlType, guessed_file_type};
pub use value::{ArrayRef, Value, ValueType};
pub use write::{Header, HeaderWriter};

/// Where the metadata says nothing else, tensors begin at multiples of this many bytes.
pub const DEFAULT_ALIGNMENT: u64 = 32;
/// ggml's limit on a tensor's dimensions.
pub const MAX_DIMS: u32 = 4;
/// ggml's limit on the length of a tensor's name.
pub const MAX_NAME_BYTES: u64 = 63;

/// A GGUF file's header.
#[derive(Clone, Debug)]
pub struct Gguf {
    path: PathBuf,
    version: u32,
    file_bytes: u64,
    alignment: u64,
    data_offset: u64,
    entries: Vec<Entry>,
    tensors: Vec<Tensor>,
}

/// One key and value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Such as `general.architecture`.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Where key, type and value lie in the file, to copy them as they are.
    pub bytes: Range<u64>,
}

/// One entry of the list of tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Extents, fastest first.
    pub dims: Vec<u64>,
    /// Type of the elements.
    pub kind: GgmlType,
    /// Where its bytes begin, counted from [`Gguf::data_offset`].
    pub offset: u64,
    /// How many bytes it takes.
    pub size_bytes: u64,
    info_offset: u64,
}

impl Tensor {
    /// How many numbers it holds.
    #[must_use]
    pub fn n_elements(&self) -> u64 {
        self.dims.iter().product()
    }
}

impl Gguf {
    /// Reads a file's header and checks that the file is whole: see [`Gguf::validate`].
    ///
    /// # Errors
    /// [`GgufError`], in one line for the user.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let gguf = read::read_header(path)?;
        gguf.validate()?;
        Ok(gguf)
    }

    /// Reads a file's header alone, as of a file that is still being downloaded.
    ///
    /// # Errors
    /// [`GgufError`] when the header itself is cut or damaged.
    pub fn open_header(path: &Path) -> Result<Self, GgufError> {
        read::read_header(path)
    }

    /// Opens all parts of a model, the first one first; a model in one file is one part. Any part may be named.
    ///
    /// # Errors
    /// [`GgufError::MissingParts`], or what [`Gguf::open`] says of a part.
    pub fn open_all(path: &Path) -> Result<Vec<Self>, GgufError> {
        let Some(part) = Part::of(path) else { return Ok(vec![Self::open(path)?]) };
        let paths = part.all();
        let missing: Vec<_> = paths.iter().filter(|p| !p.exists()).cloned().collect();
        if missing.is_empty() {
            return paths.iter().map(|p| Self::open(p)).collect();
        }
        Err(GgufError::MissingParts { path: path.to_owned(), parts: paths.len(), missing })
    }

    /// Checks that every tensor begins where ggml expects it (aligned, one after the other) and ends inside the file.
    ///
    /// # Errors
    /// [`GgufError::Corrupt`] for a tensor in the wrong place, [`GgufError::CutTensor`] for a file that ends too early.
    pub fn validate(&self) -> Result<(), GgufError> {
        let mut expected = 0_u64;
        for tensor in &self.tensors {
            let corrupt = |what| GgufError::Corrupt { path: self.path.clone(), offset: tensor.info_offset, what };
            if tensor.offset != expected {
                let (name, offset) = (&tensor.name, tensor.offset);
                return Err(corrupt(format!("tensor '{name}' lies at offset {offset}, it has to be at {expected}")));
            }
            let next =
                expected.checked_add(tensor.size_bytes).and_then(|end| end.checked_next_multiple_of(self.alignment));
            // All places in the file have to fit 64 bits, the data's own offset included.
            expected = next
                .filter(|next| next.checked_add(self.data_offset).is_some())
                .ok_or_else(|| corrupt(format!("tensor '{}' ends beyond any file", tensor.name)))?;
        }
        // The padding after the last tensor may be left out.
        let Some(last) = self.tensors.last() else { return Ok(()) };
        let needed_bytes = self.data_offset + last.offset + last.size_bytes;
        if self.file_bytes < needed_bytes {
            let (path, tensor) = (self.path.clone(), last.name.clone());
            return Err(GgufError::CutTensor { path, file_bytes: self.file_bytes, tensor, needed_bytes });
        }
        Ok(())
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// 2 or 3.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The file's length.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Tensors begin at multiples of this many bytes.
    #[must_use]
    pub fn alignment(&self) -> u64 {
        self.alignment
    }

    /// Where the tensors' bytes begin in the file.
    #[must_use]
    pub fn data_offset(&self) -> u64 {
        self.data_offset
    }

    /// The metadata in the file's order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The tensors in the file's order.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// A tensor by its name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|t| t.name == name)
    }

    /// A value of the metadata.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|e| e.key == key).map(|e| &e.value)
    }

    /// A text of the metadata.
    #[must_use]
    pub fn get_str(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// A number of the metadata, in the file of any width of integer.
    #[must_use]
    pub fn get_u64(&self, key: &str) -> Option<u64> {
        self.get(key)?.as_u64()
    }

    /// A number of the metadata, in the file of any width of integer.
    #[must_use]
    pub fn get_u32(&self, key: &str) -> Option<u32> {
        self.get_u64(key)?.try_into().ok()
    }

    /// A truth value of the metadata.
    #[must_use]
    pub fn get_bool(&self, key: &str) -> Option<bool> {
        self.get(key)?.as_bool()
    }

    /// Reads an array of the metadata from the file, at most its first `max_len` elements; none when there is no such array.
    ///
    /// # Errors
    /// [`GgufError::Io`], or a damaged file that has changed since it was opened.
    pub fn read_array(&self, key: &str, max_len: u64) -> Result<Option<Vec<Value>>, GgufError> {
        let Some(Value::Array(array)) = self.get(key) else { return Ok(None) };
        let mut source = read::Source::open(&self.path)?;
        source.seek(array.offset)?;
        (0..array.len.min(max_len)).map(|_| source.value(array.element, key)).collect::<Result<_, _>>().map(Some)
    }

    /// One element of an array of texts, such as a token's text; none when there is none.
    ///
    /// # Errors
    /// As [`Gguf::read_array`].
    pub fn read_string_at(&self, key: &str, index: u64) -> Result<Option<String>, GgufError> {
        let Some(Value::Array(array)) = self.get(key) else { return Ok(None) };
        if array.element != ValueType::String || index >= array.len {
            return Ok(None);
        }
        let mut source = read::Source::open(&self.path)?;
        source.seek(array.offset)?;
        for _ in 0..index {
            source.value(array.element, key)?;
        }
        Ok(source.value(array.element, key)?.as_str().map(str::to_owned))
    }

    /// The bytes of an entry as they lie in the file: key, type and value.
    ///
    /// # Errors
    /// As [`Gguf::read_array`].
    pub fn read_entry(&self, entry: &Entry) -> Result<Vec<u8>, GgufError> {
        let mut source = read::Source::open(&self.path)?;
        source.seek(entry.bytes.start)?;
        source.bytes(entry.bytes.end - entry.bytes.start, &entry.key)
    }

    /// `general.architecture`, such as `llama`.
    #[must_use]
    pub fn architecture(&self) -> Option<&str> {
        self.get_str("general.architecture")
    }

    /// A number under the architecture's own prefix: `block_count` is `llama.block_count` in a llama.
    #[must_use]
    pub fn arch_u32(&self, key: &str) -> Option<u32> {
        self.get_u32(&format!("{}.{key}", self.architecture()?))
    }

    /// The quantization by its short name, such as `Q4_K_M`: as the file says it, else guessed from the type that holds
    /// most of the bytes.
    #[must_use]
    pub fn file_type(&self) -> String {
        let said = self.get_u32("general.file_type");
        if let Some((_, name)) = FILE_TYPES.iter().find(|(id, _)| Some(*id) == said) {
            return (*name).to_owned();
        }
        let mut bytes: HashMap<GgmlType, u64> = HashMap::new();
        for tensor in &self.tensors {
            let sum = bytes.entry(tensor.kind).or_default();
            *sum = sum.saturating_add(tensor.size_bytes);
        }
        let majority = bytes.into_iter().max_by_key(|&(kind, bytes)| (bytes, kind.id));
        majority.map_or_else(|| "unknown".to_owned(), |(kind, _)| guessed_file_type(kind))
    }

    /// Bytes of all tensors in this file, without padding.
    #[must_use]
    pub fn tensor_bytes(&self) -> u64 {
        self.tensors.iter().fold(0, |sum, t| sum.saturating_add(t.size_bytes))
    }

    /// Numbers in all tensors of this file.
    #[must_use]
    pub fn n_params(&self) -> u64 {
        self.tensors.iter().fold(0, |sum, t| sum.saturating_add(t.n_elements()))
    }

    /// Of those the ones that compute a token: of a mixture's experts only the ones that are used. `first` is the model's first
    /// file, which has the metadata.
    #[must_use]
    pub fn n_active_params(&self, first: &Self) -> u64 {
        let experts = |key| first.arch_u32(key).filter(|&n| n > 0).map(u64::from);
        let share = experts("expert_used_count").zip(experts("expert_count"));
        let active = |tensor: &Tensor| match share {
            Some((used, count)) if tensor.name.contains("_exps.") => tensor.n_elements() / count * used.min(count),
            _ => tensor.n_elements(),
        };
        self.tensors.iter().fold(0, |sum, tensor| sum.saturating_add(active(tensor)))
    }

    /// Whether the file says that its weights are made up ([`crate::engine::synth`]).
    #[must_use]
    pub fn is_synthetic(&self) -> bool {
        self.get_bool("sweetspot.synthetic") == Some(true)
    }
}
