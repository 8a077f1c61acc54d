//! Files that are there as a whole or not at all: written beside their place, synced, then renamed into it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Writes a file, replacing the one that may be there.
///
/// # Errors
/// The folder is not writable, the disk is full and the like, with the file's path; nothing is left behind then, and the old
/// file stays as it was.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        // a rename would put a file in the place of a device or a pipe
        anyhow::bail!("{}: cannot be written: it is no regular file", path.display());
    }
    let temporary = beside(path);
    let result =
        fill(&temporary, bytes).and_then(|()| fs::rename(&temporary, path)).and_then(|()| sync_folder_of(path));
    if result.is_err() {
        // Whether it can be removed or not: the error to tell is the first one.
        let _ = fs::remove_file(&temporary);
    }
    result.with_context(|| format!("{}: cannot be written", path.display()))
}

fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Waits until the name of a file that was made or renamed is on the disk, too.
///
/// # Errors
/// The folder cannot be opened or synced. Nothing is done where folders cannot be opened as files.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// In the same folder, because a rename does not cross file systems; with the process's id, because two may write at once.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_stays_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        fs::create_dir(&path).unwrap(); // a folder cannot be replaced by a file
        fs::write(path.join("inside"), b"kept").unwrap();
        let error = format!("{:#}", write(&path, b"new").unwrap_err());
        assert!(error.contains("report.json: cannot be written"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
