//! Cached files where somebody wants them, under ordinary names.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::exit_code::UsageError;

/// Puts `file` into a folder under a name: a hard link where the folder is on the same disk, else a copy. The folder is made
/// when it is not there. A file of that name with the same content is left as it is.
///
/// # Errors
/// Another file of that name is there, or the folder cannot be written, or the disk is full; nothing is left behind then.
pub fn into_folder(file: &Path, folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let place = folder.join(name);
    let context = || format!("{}: cannot be written", place.display());
    fs::create_dir_all(folder).with_context(|| format!("{}: the folder cannot be made", folder.display()))?;
    if place.symlink_metadata().is_ok() {
        if is_same(file, &place).with_context(context)? {
            return Ok(place);
        }
        return Err(UsageError::new(format!(
            "{}: another file of this name is there: remove it, or name another folder",
            place.display()
        )));
    }
    if fs::hard_link(file, &place).is_ok() {
        return Ok(place);
    }
    let partial = folder.join(format!(".{name}.{}.partial", std::process::id()));
    let copied = fs::copy(file, &partial)
        .and_then(|_| File::open(&partial)?.sync_all())
        .and_then(|()| fs::rename(&partial, &place));
    if copied.is_err() {
        let _ = fs::remove_file(&partial); // the error to tell is the first one
    }
    copied.with_context(context).map(|()| place)
}

/// Whether two files have the same bytes.
fn is_same(a: &Path, b: &Path) -> std::io::Result<bool> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    if !b.metadata()?.is_file() || a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut from_a, mut from_b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let n = a.read(&mut from_a)?;
        if n == 0 {
            return Ok(true);
        }
        b.read_exact(&mut from_b[..n])?;
        if from_a[..n] != from_b[..n] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_into_a_new_folder_once_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cached");
        fs::write(&file, "model").unwrap();
        let out = folder.path().join("out");
        let place = into_folder(&file, &out, "m-Q4_0.gguf").unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"model");
        assert_eq!(into_folder(&file, &out, "m-Q4_0.gguf").unwrap(), place, "the same again is no error");
        fs::write(out.join("m-Q8_0.gguf"), "other").unwrap();
        let error = into_folder(&file, &out, "m-Q8_0.gguf").unwrap_err();
        assert!(error.to_string().ends_with("another file of this name is there: remove it, or name another folder"));
        assert_eq!(fs::read(out.join("m-Q8_0.gguf")).unwrap(), b"other");
        assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
    }
}
