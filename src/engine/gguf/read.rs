//! Reads a GGUF header from a stream, trusting nothing: every length is checked against what is left of the file before
//! anything is allocated or skipped.
//!
//! Left out on purpose: GGUF version 1 and big-endian files, which llama.cpp does not read either.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::{GgufError, describe_foreign};
use super::types::GgmlType;
use super::value::{ArrayRef, Value, ValueType};
use super::{DEFAULT_ALIGNMENT, Entry, Gguf, MAX_DIMS, MAX_NAME_BYTES, Tensor};

/// More of them than any model has; bounds the memory that a hostile file can ask for.
const MAX_TENSORS: u64 = 1 << 18;
const MAX_ENTRIES: u64 = 1 << 16;
/// Keys are names; llama.cpp's longest are below 100 bytes.
const MAX_KEY_BYTES: u64 = 64 * 1024;
/// Longer strings stay in the file.
const MAX_STRING_IN_MEMORY: u64 = 1 << 20;
/// Arrays in arrays; llama.cpp itself reads none.
const MAX_ARRAY_DEPTH: u32 = 8;
/// A larger alignment than any page of memory.
const MAX_ALIGNMENT: u64 = 1 << 24;
/// The smallest metadata entry (key's length, one byte of key, type, one byte) and tensor (name's length, number of
/// dimensions, type, offset).
const MIN_ENTRY_BYTES: u64 = 14;
const MIN_TENSOR_BYTES: u64 = 24;

/// A file with its position and length.
pub(super) struct Source {
    path: PathBuf,
    file: BufReader<File>,
    position: u64,
    len: u64,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, GgufError> {
        let io = |source| GgufError::Io { path: path.to_owned(), source };
        if path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir()) {
            // a pipe would be waited for, a device read without end
            return Err(io(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no regular file")));
        }
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if metadata.is_dir() {
            return Err(GgufError::Folder { path: path.to_owned() });
        }
        let file = BufReader::with_capacity(64 * 1024, file);
        Ok(Self { path: path.to_owned(), file, position: 0, len: metadata.len() })
    }

    fn io(&self, source: io::Error) -> GgufError {
        GgufError::Io { path: self.path.clone(), source }
    }

    fn cut(&self, offset: u64, what: &str) -> GgufError {
        GgufError::CutHeader { path: self.path.clone(), file_bytes: self.len, offset, what: what.to_owned() }
    }

    fn corrupt(&self, offset: u64, what: impl Into<String>) -> GgufError {
        GgufError::Corrupt { path: self.path.clone(), offset, what: what.into() }
    }

    fn remaining(&self) -> u64 {
        self.len - self.position
    }

    fn exact<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        if self.remaining() < N as u64 {
            return Err(self.cut(self.position, what));
        }
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|e| self.io(e))?;
        self.position += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.exact(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.exact(what)?))
    }

    fn skip(&mut self, bytes: u64, what: &str) -> Result<(), GgufError> {
        if bytes > self.remaining() {
            return Err(self.cut(self.position, what));
        }
        // Checked against the file's length, which is an i64 in every system's interface.
        let step = i64::try_from(bytes).map_err(|_| self.cut(self.position, what))?;
        self.file.seek_relative(step).map_err(|e| self.io(e))?;
        self.position += bytes;
        Ok(())
    }

    pub(super) fn seek(&mut self, position: u64) -> Result<(), GgufError> {
        let position = position.min(self.len);
        self.file.seek(SeekFrom::Start(position)).map_err(|e| self.io(e))?;
        self.position = position;
        Ok(())
    }

    /// Bytes of a length that was just read; the caller bounds it where the file's size is no bound.
    pub(super) fn bytes(&mut self, len: u64, what: &str) -> Result<Vec<u8>, GgufError> {
        if len > self.remaining() {
            return Err(self.cut(self.position, what));
        }
        let size = usize::try_from(len).map_err(|_| self.cut(self.position, what))?;
        let mut bytes = vec![0; size];
        self.file.read_exact(&mut bytes).map_err(|e| self.io(e))?;
        self.position += len;
        Ok(bytes)
    }

    /// A key or a tensor's name, which has to be text.
    fn name(&mut self, max_bytes: u64, what: &str) -> Result<String, GgufError> {
        let at = self.position;
        let len = self.u64(what)?;
        if len > self.remaining() {
            return Err(self.cut(at, what));
        }
        if len > max_bytes {
            return Err(self.corrupt(at, format!("{what} has {len} bytes, at most {max_bytes} are allowed")));
        }
        let bytes = self.bytes(len, what)?;
        let text = String::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control));
        text.ok_or_else(|| self.corrupt(at, format!("{what} is not text")))
    }

    fn value_type(&mut self, what: &str) -> Result<ValueType, GgufError> {
        let at = self.position;
        let id = self.u32(what)?;
        ValueType::from_id(id).ok_or_else(|| self.corrupt(at, format!("{what} has the unknown type {id}")))
    }

    /// One value; of arrays and long strings only the place, which is then skipped.
    pub(super) fn value(&mut self, kind: ValueType, what: &str) -> Result<Value, GgufError> {
        Ok(match kind {
            ValueType::U8 => Value::U8(u8::from_le_bytes(self.exact(what)?)),
            ValueType::I8 => Value::I8(i8::from_le_bytes(self.exact(what)?)),
            ValueType::U16 => Value::U16(u16::from_le_bytes(self.exact(what)?)),
            ValueType::I16 => Value::I16(i16::from_le_bytes(self.exact(what)?)),
            ValueType::U32 => Value::U32(self.u32(what)?),
            ValueType::I32 => Value::I32(i32::from_le_bytes(self.exact(what)?)),
            ValueType::F32 => Value::F32(f32::from_le_bytes(self.exact(what)?)),
            ValueType::U64 => Value::U64(self.u64(what)?),
            ValueType::I64 => Value::I64(i64::from_le_bytes(self.exact(what)?)),
            ValueType::F64 => Value::F64(f64::from_le_bytes(self.exact(what)?)),
            ValueType::Bool => Value::Bool(self.exact::<1>(what)?[0] != 0),
            ValueType::String => self.string(what)?,
            ValueType::Array => Value::Array(self.array(what, 1)?),
        })
    }

    fn string(&mut self, what: &str) -> Result<Value, GgufError> {
        let len = self.u64(what)?;
        let offset = self.position;
        if len > MAX_STRING_IN_MEMORY {
            self.skip(len, what)?;
            return Ok(Value::LongString { offset, len });
        }
        let bytes = self.bytes(len, what)?;
        Ok(Value::String(
            String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
        ))
    }

    /// Reads an array's head and goes past its elements, checking those that have a length of their own.
    fn array(&mut self, what: &str, depth: u32) -> Result<ArrayRef, GgufError> {
        let at = self.position;
        let element = self.value_type(what)?;
        let len = self.u64(what)?;
        let offset = self.position;
        // A string takes at least its length, an array its type and length.
        let at_least = element.fixed_bytes().unwrap_or(if element == ValueType::String { 8 } else { 12 });
        let bytes = len.checked_mul(at_least);
        if bytes.is_none_or(|bytes| bytes > self.remaining()) {
            return Err(self.cut(at, &format!("{what}, an array of {len} elements")));
        }
        match element {
            ValueType::String => {
                for _ in 0..len {
                    let bytes = self.u64(what)?;
                    self.skip(bytes, what)?;
                }
            }
            ValueType::Array => {
                if depth == MAX_ARRAY_DEPTH {
                    return Err(
                        self.corrupt(at, format!("{what} has arrays in arrays more than {MAX_ARRAY_DEPTH} deep"))
                    );
                }
                for _ in 0..len {
                    self.array(what, depth + 1)?;
                }
            }
            _ => self.skip(bytes.unwrap_or(0), what)?,
        }
        Ok(ArrayRef { element, len, offset })
    }
}

/// Reads the header of `path`: all but the check that the tensors' bytes are there.
pub(super) fn read_header(path: &Path) -> Result<Gguf, GgufError> {
    let mut source = Source::open(path)?;
    let version = read_magic_and_version(&mut source)?;
    let n_tensors = read_count(&mut source, "tensors", MAX_TENSORS, MIN_TENSOR_BYTES)?;
    let n_entries = read_count(&mut source, "metadata entries", MAX_ENTRIES, MIN_ENTRY_BYTES)?;
    let entries = read_entries(&mut source, n_entries)?;
    let alignment = read_alignment(&source, &entries)?;
    let mut tensors = Vec::new();
    let mut names = HashSet::new();
    for index in 0..n_tensors {
        let tensor = read_tensor(&mut source, index)?;
        if !names.insert(tensor.name.clone()) {
            return Err(source.corrupt(tensor.info_offset, format!("there are two tensors '{}'", tensor.name)));
        }
        tensors.push(tensor);
    }
    // Cannot overflow: the position is inside a file, the alignment at most MAX_ALIGNMENT.
    let data_offset = if tensors.is_empty() { source.position } else { source.position.next_multiple_of(alignment) };
    Ok(Gguf { path: path.to_owned(), version, file_bytes: source.len, alignment, data_offset, entries, tensors })
}

fn read_magic_and_version(source: &mut Source) -> Result<u32, GgufError> {
    if source.len == 0 {
        return Err(GgufError::Empty { path: source.path.clone() });
    }
    let head = source.bytes(source.len.min(64), "its first bytes")?;
    if !head.starts_with(b"GGUF") {
        if b"GGUF".starts_with(&head) {
            return Err(source.cut(0, "its first four bytes"));
        }
        return Err(GgufError::NotGguf { path: source.path.clone(), found: describe_foreign(&head) });
    }
    source.seek(4)?;
    let version = source.u32("its version")?;
    let hint = match version {
        2 | 3 => return Ok(version),
        1 => "get a newer GGUF of this model",
        v if v.trailing_zeros() >= 16 => "this looks like a big-endian file, get the little-endian one",
        _ => "get a newer version of this program",
    };
    Err(GgufError::Version { path: source.path.clone(), version, hint })
}

/// A number of things that has to fit into what is left of the file.
fn read_count(source: &mut Source, things: &str, max: u64, min_bytes: u64) -> Result<u64, GgufError> {
    let at = source.position;
    let count = source.u64(&format!("the number of {things}"))?;
    if count > max {
        return Err(source.corrupt(at, format!("the header counts {count} {things}, at most {max} are possible")));
    }
    if count * min_bytes > source.remaining() {
        return Err(source.cut(at, &format!("the header, which counts {count} {things}")));
    }
    Ok(count)
}

fn read_entries(source: &mut Source, count: u64) -> Result<Vec<Entry>, GgufError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut keys = HashSet::new();
    for index in 0..count {
        let start = source.position;
        let key = source.name(MAX_KEY_BYTES, &format!("the key of metadata entry {index}"))?;
        if key.is_empty() {
            return Err(source.corrupt(start, format!("the key of metadata entry {index} is empty")));
        }
        let what = format!("metadata '{}'", key.chars().take(100).collect::<String>());
        if !keys.insert(key.clone()) {
            return Err(source.corrupt(start, format!("{what} is there twice")));
        }
        let kind = source.value_type(&what)?;
        let value = source.value(kind, &what)?;
        entries.push(Entry { key, value, bytes: start..source.position });
    }
    Ok(entries)
}

fn read_alignment(source: &Source, entries: &[Entry]) -> Result<u64, GgufError> {
    let Some(entry) = entries.iter().find(|e| e.key == "general.alignment") else { return Ok(DEFAULT_ALIGNMENT) };
    match entry.value {
        Value::U32(a) if a.is_power_of_two() && u64::from(a) <= MAX_ALIGNMENT => Ok(a.into()),
        _ => Err(source.corrupt(entry.bytes.start, "general.alignment is not a U32 that is a power of two")),
    }
}

fn read_tensor(source: &mut Source, index: u64) -> Result<Tensor, GgufError> {
    let info_offset = source.position;
    let name = source.name(MAX_NAME_BYTES, &format!("the name of tensor {index}"))?;
    let what = format!("tensor '{name}'");
    let at = source.position;
    let n_dims = source.u32(&what)?;
    if n_dims > MAX_DIMS {
        return Err(source.corrupt(at, format!("{what} has {n_dims} dimensions, at most {MAX_DIMS} are possible")));
    }
    let mut dims = Vec::with_capacity(MAX_DIMS as usize);
    for _ in 0..n_dims {
        dims.push(source.u64(&what)?);
    }
    // Countable in 63 bits, as ggml wants it.
    let elements = dims.iter().try_fold(1_u64, |n, &d| n.checked_mul(d).filter(|&n| i64::try_from(n).is_ok()));
    if elements.is_none() {
        return Err(source.corrupt(at, format!("{what} has the impossible dimensions {dims:?}")));
    }
    let at = source.position;
    let id = source.u32(&what)?;
    let Some(kind) = GgmlType::from_id(id) else {
        return Err(source.corrupt(at, format!("{what} has the type {id}, which this program does not know")));
    };
    let Some(size_bytes) = kind.tensor_bytes(&dims) else {
        let blocks = kind.block_elements;
        return Err(source.corrupt(
            at,
            format!("{what} is {} but its rows of {dims:?} are not whole blocks of {blocks}", kind.name),
        ));
    };
    let offset = source.u64(&what)?;
    Ok(Tensor { name, dims, kind, offset, size_bytes, info_offset })
}
