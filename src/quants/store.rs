//! The cache of quantizations: what is there, what was used when, and what goes when it is too large.
//!
//! `quants/HASH/NAME-QUANT.gguf` with `QUANT.json` beside it, HASH being that of everything that decides the bytes (the base's
//! content, the options, llama.cpp's version). The time of change of `QUANT.json` is when it was last used; `quants/locks/`
//! says who uses or makes what. Left out on purpose: making the files ([`mod@super::make`]).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::hash::Stamp;
use super::lock::Lock;
use super::request::Request;
use crate::engine::gguf::Gguf;
use crate::engine::quantize::Quant;
use crate::exit_code::UsageError;
use crate::report::atomic;

/// The most that the cache keeps where nothing else is said, in GB (10^9 bytes).
pub const DEFAULT_LIMIT_GB: f64 = 50.0;

/// The environment variable that says otherwise.
pub const LIMIT_VARIABLE: &str = "SWEETSPOT_CACHE_LIMIT_GB";

/// What is known of a cached file: `QUANT.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Version of these fields.
    pub schema_version: u32,
    /// The file's name, beside this one.
    pub file: String,
    /// Length and time of change of the file when it was made: another one has been altered.
    pub stamp: Stamp,
    /// To what.
    pub quant: Quant,
    /// The base's name when it was made.
    pub base: String,
    /// Where the base was.
    pub base_path: PathBuf,
    /// Of the base's content.
    pub base_sha256: String,
    /// One type for all tensors.
    pub pure: bool,
    /// Of the importance matrix' content.
    pub imatrix_sha256: Option<String>,
    /// The quantizer's version.
    pub llama_cpp: String,
    /// Bits of the tensors for each number in them.
    pub bits_per_weight: f64,
    /// How long it took to make.
    pub seconds: f64,
}

impl Entry {
    /// The version that this program writes.
    pub const SCHEMA_VERSION: u32 = 1;
}

/// A cached file with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The file.
    pub path: PathBuf,
    /// When it was last used; the far past where the system does not say.
    pub last_used: SystemTime,
    /// What is known of it.
    pub entry: Entry,
}

/// The cache.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    limit_bytes: u64,
}

impl Store {
    /// The cache in this folder, which need not be there; `limit_gb` is the most that it keeps, else the environment's or
    /// [`DEFAULT_LIMIT_GB`].
    ///
    /// # Errors
    /// A [`UsageError`] for a limit that is no number.
    pub fn open(cache: &Path, limit_gb: Option<f64>) -> anyhow::Result<Self> {
        let variable = std::env::var(LIMIT_VARIABLE).ok().filter(|text| !text.trim().is_empty());
        let said = variable.map(|text| {
            let wrong = || UsageError::new(format!("{LIMIT_VARIABLE}={text}: it must be a number of GB, such as 20"));
            text.trim().parse::<f64>().map_err(|_| wrong())
        });
        let gb = match limit_gb {
            Some(gb) => gb,
            None => said.transpose()?.unwrap_or(DEFAULT_LIMIT_GB),
        };
        if !gb.is_finite() || gb < 0.0 {
            return Err(UsageError::new(format!("a cache limit of {gb} GB: it must be a number of 0 or more")));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked; saturates
        let limit_bytes = (gb * 1e9) as u64;
        Ok(Self { root: cache.join("quants"), limit_bytes })
    }

    /// The most that it keeps.
    #[must_use]
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// The cache's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a request's file.
    #[must_use]
    pub fn folder_of(&self, request: &Request) -> PathBuf {
        self.root.join(request.folder_name())
    }

    /// The lock of a request's file.
    #[must_use]
    pub fn lock_path(&self, request: &Request) -> PathBuf {
        self.lock_of(&request.folder_name(), request.quant)
    }

    fn lock_of(&self, folder: &str, quant: Quant) -> PathBuf {
        self.root.join("locks").join(format!("{folder}-{quant}"))
    }

    /// What a request asks for, if it is there as it was made. Nobody may be making it meanwhile: hold its lock.
    #[must_use]
    pub fn find(&self, request: &Request) -> Option<Kept> {
        let kept = read(&entry_path(&self.folder_of(request), request.quant))?;
        let whole = Gguf::open(&kept.path).is_ok_and(|gguf| gguf.file_type() == request.quant.name());
        (whole && Stamp::of(&kept.path).is_ok_and(|stamp| stamp == kept.entry.stamp)).then_some(kept)
    }

    /// Notes that a file is used now.
    pub fn touch(&self, kept: &Kept) {
        let path = kept.path.parent().map(|folder| entry_path(folder, kept.entry.quant));
        // where the time cannot be set the file only goes earlier
        let _ = path
            .and_then(|path| File::options().append(true).open(path).ok())
            .map(|f| f.set_modified(SystemTime::now()));
    }

    /// Moves a finished file into its place. Its maker holds the lock.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn keep(&self, finished: &Path, place: &Path, entry: impl FnOnce(Stamp) -> Entry) -> anyhow::Result<Kept> {
        let context = || format!("{}: cannot be written", place.display());
        let folder = place.parent().unwrap_or(Path::new("."));
        File::open(finished).and_then(|file| file.sync_all()).with_context(context)?;
        fs::rename(finished, place).and_then(|()| atomic::sync_folder_of(place)).with_context(context)?;
        let entry = entry(Stamp::of(place).with_context(context)?);
        atomic::write(&entry_path(folder, entry.quant), &serde_json::to_vec_pretty(&entry)?)?;
        Ok(Kept { path: place.to_owned(), last_used: SystemTime::now(), entry })
    }

    /// Everything that is there, the last used first.
    #[must_use]
    pub fn list(&self) -> Vec<Kept> {
        let entries = files_in(&self.root).filter(|path| path.is_dir()).flat_map(|folder| files_in(&folder));
        let mut kept: Vec<_> = entries
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .filter_map(|path| read(&path))
            .collect();
        kept.sort_by(|a, b| b.last_used.cmp(&a.last_used).then_with(|| a.path.cmp(&b.path)));
        kept
    }

    /// Removes the least recently used files that nobody uses until `more_bytes` more stay within the limit.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn make_room(&self, more_bytes: u64) -> anyhow::Result<Vec<Kept>> {
        self.sweep();
        let mut kept = self.list();
        let mut total = kept.iter().fold(more_bytes, |sum, k| sum.saturating_add(k.entry.stamp.size_bytes));
        let mut removed = Vec::new();
        while total > self.limit_bytes {
            let Some(oldest) = kept.pop() else { break };
            if self.remove(&oldest)? {
                total -= oldest.entry.stamp.size_bytes;
                removed.push(oldest);
            }
        }
        Ok(removed)
    }

    /// Removes what processes that were killed have left: parts of files, and files that nothing is known of.
    pub fn sweep(&self) {
        let known: Vec<_> = self.list().into_iter().map(|kept| kept.path).collect();
        for folder in files_in(&self.root).filter(|path| path.is_dir()) {
            let hash = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            for path in files_in(&folder).filter(|path| !known.contains(path)) {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let is_of = |quant: &&Quant| {
                    name.ends_with(&format!("-{quant}.gguf")) || name.starts_with(&format!(".{quant}."))
                };
                let Some(quant) = Quant::ALL.iter().find(is_of) else { continue };
                if let Ok(Some(_lock)) = Lock::to_make(&self.lock_of(&hash, *quant))
                    && read(&entry_path(&folder, *quant)).is_none_or(|kept| kept.path != path)
                {
                    let _ = fs::remove_file(&path); // it is in nobody's way
                }
            }
        }
    }

    /// Removes a file unless somebody uses it; says whether it is gone.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, kept: &Kept) -> anyhow::Result<bool> {
        let folder = kept.path.parent().unwrap_or(Path::new("."));
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let context = || format!("{}: cannot be removed", kept.path.display());
        let Some(_lock) = Lock::to_make(&self.lock_of(&name, kept.entry.quant)).with_context(context)? else {
            return Ok(false);
        };
        // the entry first: a file without one is not there for anybody
        for path in [entry_path(folder, kept.entry.quant), kept.path.clone()] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(context),
                _ => {}
            }
        }
        let _ = fs::remove_dir(folder); // only when it was the last one
        Ok(true)
    }
}

fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// `QUANT.json` in a folder of the cache.
fn entry_path(folder: &Path, quant: Quant) -> PathBuf {
    folder.join(format!("{quant}.json"))
}

fn read(path: &Path) -> Option<Kept> {
    let entry: Entry = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    // a name with a folder in it would lead out of the cache
    let file = Path::new(&entry.file).file_name()?.to_owned();
    let last_used = fs::metadata(path).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    Some(Kept { path: path.with_file_name(file), last_used, entry })
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
