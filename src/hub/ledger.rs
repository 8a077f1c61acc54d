//! What is remembered of model files: where each came from, what it needed, when it came and when it was last measured.
//!
//! One JSON file in this program's data folder, written as a whole under a lock, so that two processes lose nothing of each
//! other's. It is a convenience: a damaged one is set aside with a line and begun anew. Left out on purpose: what the file
//! itself says (architecture, parameters), which is read from it each time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{Remote, places};
use crate::report::atomic;

const SCHEMA_VERSION: u32 = 1;
const NAME: &str = "models.json";

/// Writing takes milliseconds; who waits longer than this waits for something that hangs.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What is known of a file; what nobody has said is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The file; of a split model its first part.
    pub path: PathBuf,
    /// Bytes of all parts.
    pub size_bytes: u64,
    /// SHA-256 in hexadecimal, of a model in one file that was verified with it.
    pub sha256: Option<String>,
    /// Memory that it needed when it was last measured.
    pub need_bytes: Option<u64>,
    /// The model's name.
    pub model: String,
    /// The quantization.
    pub quant: String,
    /// The model's family, where a catalogue knows it.
    pub family: Option<String>,
    /// `user/repo` that it was downloaded from.
    pub repository: Option<String>,
    /// The repository's commit then.
    pub revision: Option<String>,
    /// When it was downloaded (RFC 3339).
    pub downloaded_at: Option<jiff::Timestamp>,
    /// When it was last measured (RFC 3339).
    pub last_tested_at: Option<jiff::Timestamp>,
}

impl Entry {
    /// Of a model that was just downloaded to this path.
    #[must_use]
    pub fn downloaded(remote: &Remote, path: &Path) -> Self {
        let sha256 = match remote.files.as_slice() {
            [only] => only.sha256.clone(),
            _ => None,
        };
        Self {
            path: path.to_owned(),
            size_bytes: remote.size_bytes(),
            sha256,
            model: remote.model.clone(),
            quant: remote.quant.clone(),
            repository: Some(remote.repository.clone()),
            revision: Some(remote.revision.clone()),
            ..Self::default()
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    schema_version: u32,
    entries: Vec<Entry>,
}

/// The file that remembers.
#[derive(Clone, Debug)]
pub struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// The user's own, in [`places::data`].
    ///
    /// # Errors
    /// The system has no folder for data.
    pub fn open() -> anyhow::Result<Self> {
        Ok(Self::at(&places::data()?))
    }

    /// In this folder, which need not be there yet.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self { path: folder.join(NAME) }
    }

    /// What is remembered, in the order of the paths. A damaged ledger is set aside with a line on stderr.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        match self.read() {
            Ok(entries) => entries,
            Err(_) => {
                // under the lock, so that nobody moves away what another process has just written
                let Ok(_lock) = self.lock() else { return Vec::new() };
                self.read_or_set_aside()
            }
        }
    }

    fn read_or_set_aside(&self) -> Vec<Entry> {
        self.read().unwrap_or_else(|reason| {
            self.set_aside(&reason);
            Vec::new()
        })
    }

    /// What is remembered, or what is wrong with the file.
    fn read(&self) -> Result<Vec<Entry>, String> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                crate::say!("sweetspot: {}: cannot be read, dates are left out: {error}", self.path.display());
                return Ok(Vec::new());
            }
        };
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if stored.schema_version != SCHEMA_VERSION {
            return Err(format!("its schema version is {}, not {SCHEMA_VERSION}", stored.schema_version));
        }
        Ok(stored.entries)
    }

    /// A file was downloaded: `entry` says what is known; need and test of an earlier file at this path are forgotten.
    ///
    /// # Errors
    /// The folder or the file cannot be written, or somebody else writes it for too long.
    pub fn record_download(&self, mut entry: Entry, at: jiff::Timestamp) -> anyhow::Result<()> {
        entry.downloaded_at = Some(at);
        self.change(|entries| {
            entries.retain(|e| e.path != entry.path);
            entries.push(entry);
        })
    }

    /// A file was measured and needed so much memory. One that was not downloaded by this program is remembered from now on.
    ///
    /// # Errors
    /// As [`Ledger::record_download`].
    pub fn record_test(&self, tested: &Entry, need_bytes: Option<u64>, at: jiff::Timestamp) -> anyhow::Result<()> {
        self.change(|entries| {
            if !entries.iter().any(|e| e.path == tested.path) {
                entries.push(tested.clone());
            }
            for entry in entries.iter_mut().filter(|e| e.path == tested.path) {
                entry.last_tested_at = Some(at);
                entry.need_bytes = need_bytes.or(entry.need_bytes);
                entry.family = tested.family.clone().or_else(|| entry.family.take());
            }
        })
    }

    /// Reads, changes and writes under the lock.
    fn change(&self, change: impl FnOnce(&mut Vec<Entry>)) -> anyhow::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
        let _lock = self.lock()?;
        let mut entries = self.read_or_set_aside();
        change(&mut entries);
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let mut json = serde_json::to_vec_pretty(&Stored { schema_version: SCHEMA_VERSION, entries })?;
        json.push(b'\n');
        atomic::write(&self.path, &json)
    }

    /// The system releases it when the process dies, however it dies.
    fn lock(&self) -> anyhow::Result<File> {
        let path = self.path.with_extension("lock");
        let shown = || format!("{}: cannot be locked", path.display());
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).with_context(shown)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if start.elapsed() < LONGEST_WAIT => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    anyhow::bail!("{}: another process has held this lock for {LONGEST_WAIT:?}", path.display())
                }
                Err(TryLockError::Error(error)) => return Err(error).with_context(shown),
            }
        }
    }

    fn set_aside(&self, reason: &str) {
        let aside = self.path.with_extension("damaged.json");
        let kept = match fs::rename(&self.path, &aside) {
            Ok(()) => format!("kept as {}", aside.display()),
            Err(error) => format!("it cannot be moved away: {error}"),
        };
        crate::say!("sweetspot: {}: not readable ({reason}); {kept}", self.path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str) -> Entry {
        Entry { path: path.into(), size_bytes: 7, model: "m".into(), quant: "Q4_0".into(), ..Entry::default() }
    }

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_download_and_then_a_test_are_remembered_with_their_times() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(&folder.path().join("new"));
        ledger.record_download(entry("/m/a.gguf"), at(10)).unwrap();
        ledger.record_test(&entry("/m/a.gguf"), Some(99), at(20)).unwrap();
        ledger.record_test(&entry("/m/0.gguf"), None, at(30)).unwrap();
        let entries = Ledger::at(&folder.path().join("new")).entries();
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].path.to_str(), entries[0].downloaded_at), (Some("/m/0.gguf"), None));
        let a = &entries[1];
        assert_eq!((a.downloaded_at, a.last_tested_at, a.need_bytes), (Some(at(10)), Some(at(20)), Some(99)));
        ledger.record_download(entry("/m/a.gguf"), at(40)).unwrap();
        assert_eq!(ledger.entries()[1].last_tested_at, None, "another file in the same place was never tested");
    }

    #[test]
    fn a_damaged_ledger_is_set_aside_and_never_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        for damage in ["{\"schema_version\": 1, \"entr", "{\"schema_version\": 2, \"entries\": []}", "\u{0}"] {
            let ledger = Ledger::at(folder.path());
            fs::write(folder.path().join(NAME), damage).unwrap();
            assert_eq!(ledger.entries(), []);
            assert_eq!(fs::read_to_string(folder.path().join("models.damaged.json")).unwrap(), damage);
            ledger.record_download(entry("/m/a.gguf"), at(1)).unwrap();
            assert_eq!(ledger.entries().len(), 1);
        }
    }

    #[test]
    fn many_who_write_at_once_lose_nothing_of_each_other() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let ledger = Ledger::at(folder.path());
                scope.spawn(move || {
                    for n in 0..10 {
                        ledger.record_download(entry(&format!("/m/{thread}-{n}.gguf")), at(1)).unwrap();
                    }
                });
            }
        });
        assert_eq!(Ledger::at(folder.path()).entries().len(), 40);
    }
}
