//! Who makes a cached file and who uses it: advisory locks on a small file of its own, which the system releases when a
//! process dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// A lock that is held as long as this value lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// The right to make or remove the file: none while anybody else makes or uses it.
    ///
    /// # Errors
    /// The lock's file cannot be made.
    pub fn to_make(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        taken(file.try_lock(), file)
    }

    /// The right to use the file together with others: none while anybody makes or removes it.
    ///
    /// # Errors
    /// The lock's file cannot be made.
    pub fn to_use(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        taken(file.try_lock_shared(), file)
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn taken(result: Result<(), TryLockError>, file: File) -> io::Result<Option<Lock>> {
    match result {
        Ok(()) => Ok(Some(Lock { _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_may_use_a_file_and_nobody_makes_it_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locks/a");
        let (first, second) = (Lock::to_use(&path).unwrap(), Lock::to_use(&path).unwrap());
        assert!(first.is_some() && second.is_some());
        assert!(Lock::to_make(&path).unwrap().is_none());
        drop((first, second));
        let maker = Lock::to_make(&path).unwrap();
        assert!(maker.is_some() && Lock::to_use(&path).unwrap().is_none());
    }
}
