//! A run's folder while it is written: `run.json` first, then one line of `outcomes.jsonl` for each cell that ended, on the
//! disk before the next cell begins. What a crash of this program leaves behind can be reported.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::lab::outcome::{Cell, Outcome};
use crate::lab::run_file::{self, RunFile};
use crate::quants::lock::Lock;
use crate::report::atomic;
use crate::report::folder::OUTCOMES;

/// Name of the lock that keeps a second process out of a run's folder.
const LOCK: &str = "run.lock";

/// An open run folder.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    outcomes: File,
    _lock: Lock,
}

impl Checkpoint {
    /// Makes the folder and writes `run.json`.
    ///
    /// # Errors
    /// One line naming the folder: it cannot be made or written, the disk is full, or a run is in it already.
    pub fn create(folder: &Path, run: &RunFile) -> anyhow::Result<Self> {
        let shown = folder.display();
        let path = folder.join(OUTCOMES);
        let is_taken = || folder.join(RunFile::NAME).exists() || path.exists();
        let taken = || anyhow::anyhow!("{shown}: a run is in this folder already; name another with --out");
        if is_taken() {
            return Err(taken());
        }
        std::fs::create_dir_all(folder.join("logs"))
            .with_context(|| format!("{shown}: the run's folder cannot be made; name another with --out"))?;
        let lock = lock(folder)?;
        if is_taken() {
            return Err(taken()); // of two runs that were given the same folder at once, one is told so
        }
        // first, so that whatever happens from here on the folder is a run's and can be gone on with
        run.save(folder)?;
        let outcomes = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(&path)
            .and_then(|file| atomic::sync_folder_of(&path).map(|()| file))
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        atomic::sync_folder_of(folder).with_context(|| format!("{shown}: cannot be written"))?;
        Ok(Self { folder: folder.to_owned(), outcomes, _lock: lock })
    }

    /// Opens the folder of a run that goes on. A last line that a crash cut is taken away; all others stay.
    ///
    /// # Errors
    /// One line naming the folder: another process runs in it, or it cannot be written to. Nothing was changed then.
    pub fn reopen(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(OUTCOMES);
        let cannot = || format!("{}: cannot be written to", path.display());
        let lock = lock(folder)?;
        std::fs::create_dir_all(folder.join("logs")).with_context(cannot)?;
        let mut outcomes = OpenOptions::new().read(true).append(true).create(true).open(&path).with_context(cannot)?;
        mend(&mut outcomes).with_context(cannot)?;
        Ok(Self { folder: folder.to_owned(), outcomes, _lock: lock })
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a cell's worker writes its log, relative to the folder: unique, whatever the model is called.
    #[must_use]
    pub fn log_name(&self, cell: &Cell) -> String {
        let base = format!("{}_{}", file_name(&cell.model), file_name(&cell.quant));
        let mut name = format!("logs/{base}.log");
        let mut number = 1;
        while self.folder.join(&name).exists() {
            number += 1;
            name = format!("logs/{base}-{number}.log");
        }
        name
    }

    /// Appends an outcome and waits until it is on the disk.
    ///
    /// # Errors
    /// The disk is full or gone.
    pub fn append(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(outcome)?;
        line.push(b'\n');
        self.outcomes
            .write_all(&line)
            .and_then(|()| self.outcomes.sync_data())
            .with_context(|| format!("{}: cannot be written", self.folder.join(OUTCOMES).display()))
    }
}

fn lock(folder: &Path) -> anyhow::Result<Lock> {
    let path = folder.join(LOCK);
    let lock = Lock::to_make(&path).with_context(|| format!("{}: cannot be written", path.display()))?;
    lock.with_context(|| format!("{}: another process is running in this folder; wait for its end", folder.display()))
}

/// Makes the file end with a whole line: a crash may have cut the last one, or kept its end from the disk.
fn mend(outcomes: &mut File) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    outcomes.seek(SeekFrom::Start(0))?;
    outcomes.read_to_end(&mut bytes)?;
    let begin = |end: usize| bytes[..end].iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
    let end = bytes.len();
    let last = begin(end.saturating_sub(usize::from(bytes.ends_with(b"\n"))));
    let is_whole = last == end || serde_json::from_slice::<serde_json::Value>(&bytes[last..]).is_ok();
    if !is_whole {
        outcomes.set_len(last as u64)?;
    } else if end > 0 && !bytes.ends_with(b"\n") {
        outcomes.write_all(b"\n")?;
    }
    outcomes.sync_all()
}

/// A model's name as part of a file's, which is not to be a hidden one.
fn file_name(name: &str) -> String {
    run_file::safe_name(name).trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(model: &str) -> Cell {
        Cell { model: model.into(), quant: "Q4_0".into(), path: "x.gguf".into(), size_bytes: 1, synthetic: true }
    }

    fn run() -> RunFile {
        RunFile::begin(serde_json::Value::Null, 0, crate::machine::Machine::detect(), None, Vec::new())
    }

    #[test]
    fn two_models_of_the_same_name_get_a_log_each_and_no_name_leaves_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::create(folder.path(), &run()).unwrap();
        let first = checkpoint.log_name(&cell("../a b/ü"));
        assert_eq!(first, "logs/-a-b--_Q4_0.log");
        std::fs::write(folder.path().join(&first), "").unwrap();
        assert_eq!(checkpoint.log_name(&cell("../a b/ü")), "logs/-a-b--_Q4_0-2.log");
    }

    #[test]
    fn a_folder_that_holds_a_run_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        Checkpoint::create(folder.path(), &run()).unwrap();
        let error = Checkpoint::create(folder.path(), &run()).unwrap_err();
        assert!(error.to_string().contains("a run is in this folder already"), "{error}");
    }

    fn mended(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(OUTCOMES);
        std::fs::write(&path, text).unwrap();
        drop(Checkpoint::reopen(folder.path()).unwrap());
        std::fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn a_last_line_that_a_crash_cut_is_taken_away_and_all_whole_ones_stay() {
        for (before, after) in [
            ("", ""),
            ("{\"a\":1}\n", "{\"a\":1}\n"),
            ("{\"a\":1}\n{\"b\":", "{\"a\":1}\n"),
            ("{\"a\":1}\n{\"b\":\n", "{\"a\":1}\n"),
            ("{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n{\"b\":2}\n"),
            ("{\"a\":", ""),
        ] {
            assert_eq!(mended(before), after, "{before:?}");
        }
    }

    #[test]
    fn a_folder_in_which_another_process_runs_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = Checkpoint::create(folder.path(), &run()).unwrap();
        let error = Checkpoint::reopen(folder.path()).unwrap_err();
        assert!(error.to_string().contains("another process is running in this folder"), "{error}");
        drop(first);
        Checkpoint::reopen(folder.path()).unwrap();
    }

    #[test]
    fn outcomes_of_another_run_are_never_added_to() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("outcomes.jsonl"), "stale").unwrap();
        let error = Checkpoint::create(folder.path(), &run()).unwrap_err();
        assert!(error.to_string().contains("a run is in this folder already"), "{error}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Checkpoint::create(&file.join("run"), &run()).unwrap_err();
        assert!(error.to_string().contains("file/run: the run's folder cannot be made"), "{error}");
    }
}
