//! Room on a disk, before a large file is written. Unix says it; elsewhere it is not known, and the write itself will tell.

use std::path::Path;

/// Bytes that this user may still write on the disk that the file `path` lies on or will lie on; none where the system does
/// not say it.
#[cfg(unix)]
#[must_use]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = nix::sys::statvfs::statvfs(folder).ok()?;
    #[allow(clippy::useless_conversion)] // narrower on some systems
    u64::from(disk.blocks_available()).checked_mul(u64::from(disk.fragment_size()))
}

/// Not known here.
#[cfg(not(unix))]
#[must_use]
pub fn free_bytes(_path: &Path) -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_room_on_the_disk_is_known_for_a_file_that_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(&dir.path().join("none.gguf")).is_some_and(|free| free > 0));
        assert!(free_bytes(Path::new("none.gguf")).is_some());
    }
}
