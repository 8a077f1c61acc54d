//! Writes GGUF headers (version 3, little endian): metadata first, then the list of tensors, padded to where the weights begin.
//!
//! Left out on purpose: the weights, which the caller streams behind the header.

use super::{GgmlType, ValueType};

/// Collects metadata and tensors, then gives the header's bytes.
#[derive(Debug, Default)]
pub struct HeaderWriter {
    metadata: Vec<u8>,
    n_entries: u64,
    tensors: Vec<(String, Vec<u64>, GgmlType)>,
}

/// A finished header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// All bytes before the first tensor's, padding included.
    pub bytes: Vec<u8>,
    /// Each tensor's size in the order they were given; each is followed by padding up to the alignment.
    pub tensor_bytes: Vec<u64>,
    /// The length of the whole file, padding after the last tensor included.
    pub file_bytes: u64,
    /// Tensors begin at multiples of this many bytes.
    pub alignment: u64,
}

impl HeaderWriter {
    /// An entry that is already encoded (key, type and value), as [`super::Entry::bytes`] has it.
    pub fn raw_entry(&mut self, bytes: &[u8]) {
        self.metadata.extend_from_slice(bytes);
        self.n_entries += 1;
    }

    /// A text.
    pub fn string(&mut self, key: &str, value: &str) {
        self.start(key, ValueType::String);
        self.text(value);
    }

    /// A whole number.
    pub fn u32(&mut self, key: &str, value: u32) {
        self.start(key, ValueType::U32);
        self.metadata.extend_from_slice(&value.to_le_bytes());
    }

    /// A whole number of 64 bits.
    pub fn u64(&mut self, key: &str, value: u64) {
        self.start(key, ValueType::U64);
        self.metadata.extend_from_slice(&value.to_le_bytes());
    }

    /// A floating point number.
    pub fn f32(&mut self, key: &str, value: f32) {
        self.start(key, ValueType::F32);
        self.metadata.extend_from_slice(&value.to_le_bytes());
    }

    /// A truth value.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.start(key, ValueType::Bool);
        self.metadata.push(value.into());
    }

    /// An array of texts.
    pub fn strings(&mut self, key: &str, values: &[String]) {
        self.start_array(key, ValueType::String, values.len());
        for value in values {
            self.text(value);
        }
    }

    /// An array of floating point numbers.
    pub fn f32s(&mut self, key: &str, values: &[f32]) {
        self.start_array(key, ValueType::F32, values.len());
        self.metadata.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }

    /// An array of whole numbers.
    pub fn i32s(&mut self, key: &str, values: &[i32]) {
        self.start_array(key, ValueType::I32, values.len());
        self.metadata.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }

    /// A tensor; its place in the file follows from the order.
    pub fn tensor(&mut self, name: &str, dims: &[u64], kind: GgmlType) {
        self.tensors.push((name.to_owned(), dims.to_vec(), kind));
    }

    /// The header. None when a tensor's row is no whole number of its type's blocks, or the file would not fit 64 bits.
    #[must_use]
    pub fn finish(self, alignment: u64) -> Option<Header> {
        let mut bytes = Vec::with_capacity(self.metadata.len() + self.tensors.len() * 96 + 64);
        bytes.extend_from_slice(b"GGUF");
        bytes.extend_from_slice(&3_u32.to_le_bytes());
        bytes.extend_from_slice(&(self.tensors.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.n_entries.to_le_bytes());
        bytes.extend_from_slice(&self.metadata);
        let mut offset = 0_u64;
        let mut tensor_bytes = Vec::with_capacity(self.tensors.len());
        for (name, dims, kind) in &self.tensors {
            let size = kind.tensor_bytes(dims)?;
            push_text(&mut bytes, name);
            bytes.extend_from_slice(&u32::try_from(dims.len()).ok()?.to_le_bytes());
            bytes.extend(dims.iter().flat_map(|d| d.to_le_bytes()));
            bytes.extend_from_slice(&kind.id.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
            tensor_bytes.push(size);
            offset = offset.checked_add(size)?.checked_next_multiple_of(alignment)?;
        }
        if !self.tensors.is_empty() {
            bytes.resize(bytes.len().checked_next_multiple_of(usize::try_from(alignment).ok()?)?, 0);
        }
        let file_bytes = offset.checked_add(bytes.len() as u64)?;
        Some(Header { bytes, tensor_bytes, file_bytes, alignment })
    }

    fn start(&mut self, key: &str, kind: ValueType) {
        self.text(key);
        self.metadata.extend_from_slice(&(kind as u32).to_le_bytes());
        self.n_entries += 1;
    }

    fn start_array(&mut self, key: &str, element: ValueType, len: usize) {
        self.start(key, ValueType::Array);
        self.metadata.extend_from_slice(&(element as u32).to_le_bytes());
        self.metadata.extend_from_slice(&(len as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        push_text(&mut self.metadata, text);
    }
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}
