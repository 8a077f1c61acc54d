//! What tells a file from a later one in its place: size, time of the last change, and a hash of its header.
//!
//! Left out on purpose: the hash of the whole file. It would take as long as loading it, and who changes weights writes the file
//! anew, which the time tells.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::gguf::{Gguf, Part};

/// Of a file that is no GGUF, so much is hashed.
const HASHED_BYTES: u64 = 64 << 10;

/// A file at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileStamp {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
    /// When it was last changed, RFC 3339 in UTC.
    pub modified_at: String,
    /// SHA-256 of its header (metadata and tensors' descriptions) in hexadecimal digits.
    pub header_sha256: String,
}

impl FileStamp {
    /// A file as it is now; none where it is not there or cannot be read.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        let header_bytes = Gguf::open_header(path).map_or(HASHED_BYTES, |gguf| gguf.data_offset());
        let mut hash = Sha256::new();
        std::io::copy(&mut File::open(path).ok()?.take(header_bytes), &mut hash).ok()?;
        Some(Self {
            path: path.to_owned(),
            size_bytes: metadata.len(),
            modified_at: modified.map(|time| time.to_string()).unwrap_or_default(),
            header_sha256: format!("{:x}", hash.finalize()),
        })
    }

    /// All parts of a model, as far as they are there.
    #[must_use]
    pub fn of_model(path: &Path) -> Vec<Self> {
        let parts = Part::of(path).map_or_else(|| vec![path.to_owned()], |part| part.all());
        parts.iter().filter_map(|part| Self::of(part)).collect()
    }

    /// What changed since, in words; none where nothing did.
    #[must_use]
    pub fn change_to(&self, now: &Self) -> Option<String> {
        let name = self.path.display();
        if self.size_bytes != now.size_bytes {
            return Some(format!("{name}: {} bytes then, {} now", self.size_bytes, now.size_bytes));
        }
        if self.header_sha256 != now.header_sha256 {
            return Some(format!("{name}: another header (metadata or tensors) than then"));
        }
        (self.modified_at != now.modified_at)
            .then(|| format!("{name}: last changed {} then, {} now", self.modified_at, now.modified_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_another_by_size_header_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gguf");
        std::fs::write(&path, "first").unwrap();
        let first = FileStamp::of(&path).unwrap();
        assert_eq!(first.change_to(&FileStamp::of(&path).unwrap()), None);
        std::fs::write(&path, "longer than first").unwrap();
        let longer = first.change_to(&FileStamp::of(&path).unwrap()).unwrap();
        assert!(longer.ends_with("a.gguf: 5 bytes then, 17 now"), "{longer}");
        std::fs::write(&path, "other").unwrap();
        assert!(first.change_to(&FileStamp::of(&path).unwrap()).unwrap().contains("another header"));
        std::fs::write(&path, "first").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let touched = first.change_to(&FileStamp::of(&path).unwrap()).unwrap();
        assert!(touched.ends_with("1970-01-01T00:00:00Z now"), "{touched}");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(FileStamp::of(&path), None);
    }
}
