//! SHA-256 of large files, remembered by path, size and time of change, so that a file is read once and not each time.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::report::atomic;
use crate::stats::gigabytes;

/// Files above this are worth a line that says why nothing seems to happen.
const WORTH_A_WORD_BYTES: u64 = 500_000_000;

/// A file's length and time of change: what tells cheaply that it is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// Length in bytes.
    pub size_bytes: u64,
    /// Time of change, in nanoseconds since 1970; 0 where the system does not say.
    pub modified_ns: u64,
}

impl Stamp {
    /// Of a file as it is now.
    ///
    /// # Errors
    /// It is not there or cannot be looked at.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let since = metadata.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let modified_ns = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        Ok(Self { size_bytes: metadata.len(), modified_ns })
    }
}

/// What is remembered of a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    schema_version: u32,
    path: PathBuf,
    stamp: Stamp,
    sha256: String,
}

const SCHEMA_VERSION: u32 = 1;

/// The hash of a file in hexadecimal; `cache` is where hashes are remembered.
///
/// # Errors
/// The file cannot be read. (What cannot be remembered is computed again next time.)
pub fn of_file(path: &Path, cache: &Path) -> anyhow::Result<String> {
    let context = || format!("{}: cannot be read", path.display());
    let whole = path.canonicalize().with_context(context)?;
    let stamp = Stamp::of(&whole).with_context(context)?;
    let name = short(&of_bytes(whole.as_os_str().as_encoded_bytes())).to_owned();
    let memory = cache.join("hashes").join(format!("{name}.json"));
    let remembered = fs::read(&memory).ok().and_then(|bytes| serde_json::from_slice::<Remembered>(&bytes).ok());
    if let Some(known) = remembered.filter(|r| r.path == whole && r.stamp == stamp && stamp.modified_ns > 0) {
        return Ok(known.sha256);
    }
    if stamp.size_bytes >= WORTH_A_WORD_BYTES {
        crate::say!("reading {} once to know it again ({:.1} GB)", path.display(), gigabytes(stamp.size_bytes));
    }
    let sha256 = read_through(&whole).with_context(context)?;
    let known = Remembered { schema_version: SCHEMA_VERSION, path: whole, stamp, sha256 };
    // a cache that cannot be written is told of where something has to go into it
    if fs::create_dir_all(cache.join("hashes")).is_ok() {
        let _ = serde_json::to_vec(&known).map(|json| atomic::write(&memory, &json));
    }
    Ok(known.sha256)
}

/// The hash of some bytes in hexadecimal.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Enough of a hash for a folder's name.
#[must_use]
pub fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

fn read_through(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_remembered_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("base.gguf");
        fs::write(&path, "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2's example
        assert_eq!(of_file(&path, folder.path()).unwrap(), abc);
        let memory = fs::read_dir(folder.path().join("hashes")).unwrap().next().unwrap().unwrap().path();
        let text = fs::read_to_string(&memory).unwrap().replace(abc, "remembered");
        fs::write(&memory, text).unwrap();
        assert_eq!(of_file(&path, folder.path()).unwrap(), "remembered", "not read again");
        fs::write(&path, "abcd").unwrap();
        assert_eq!(of_file(&path, folder.path()).unwrap(), of_bytes(b"abcd"));
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_only_the_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("base.gguf");
        fs::write(&path, "abc").unwrap();
        assert_eq!(of_file(&path, &path).unwrap(), of_bytes(b"abc"));
        assert!(of_file(&folder.path().join("none"), folder.path()).is_err());
    }
}
