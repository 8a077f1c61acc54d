//! The worker's log as the parent sees it: a header line for each worker, then what the worker wrote to stderr, and at the
//! end a look at its last lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Lines of a tail, usually.
pub(super) const LINES: usize = 20;
/// Bytes that a tail is looked for in.
const BYTES: u64 = 16 << 10;
/// Characters of a tail's line.
const CHARACTERS: usize = 400;

/// An open log.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Where this worker's lines begin.
    start: u64,
}

impl Log {
    /// Opens or creates the file and appends a header with the time and `command`.
    pub(super) fn open(path: &Path, command: &str) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        file.write_all(format!("# {now} {command}\n").as_bytes())?;
        let start = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, start })
    }

    /// The file as a child's stderr.
    pub(super) fn stderr(&self) -> io::Result<std::process::Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// At most so many of the last lines that this worker wrote; empty when the file cannot be read.
    pub(super) fn tail(&self, lines: usize) -> Vec<String> {
        self.read_tail(lines).unwrap_or_default()
    }

    fn read_tail(&self, most: usize) -> io::Result<Vec<String>> {
        let mut file = File::open(&self.path)?;
        let end = file.metadata()?.len();
        let from = self.start.max(end.saturating_sub(BYTES));
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        // The first line is cut unless it is this worker's first.
        let cut = usize::from(from > self.start);
        let lines: Vec<&str> = text.lines().skip(cut).map(str::trim_end).filter(|line| !line.is_empty()).collect();
        Ok(lines.iter().skip(lines.len().saturating_sub(most)).map(|line| shorten(line)).collect())
    }
}

fn shorten(line: &str) -> String {
    match line.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_with(text: &str) -> (tempfile::TempDir, Log) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs").join("a.log");
        drop(Log::open(&path, "the worker before").unwrap());
        let mut log = Log::open(&path, "a worker").unwrap();
        log.file.write_all(text.as_bytes()).unwrap();
        (folder, log)
    }

    #[test]
    fn the_tail_is_this_workers_last_lines_alone() {
        assert_eq!(log_with("one\n\ntwo\r\nthree").1.tail(LINES), ["one", "two", "three"]);
        assert_eq!(log_with("one\ntwo\nthree").1.tail(2), ["two", "three"]);
        assert!(log_with("").1.tail(LINES).is_empty());
    }

    #[test]
    fn the_tail_of_a_long_log_is_bounded_and_begins_with_a_whole_line() {
        use std::fmt::Write;
        let mut text = String::new();
        for n in 0..10_000 {
            writeln!(text, "line {n}").unwrap();
        }
        let tail = log_with(&text).1.tail(LINES);
        assert_eq!(tail.len(), LINES);
        assert_eq!(tail[0], "line 9980");
        assert_eq!(tail[19], "line 9999");
        let tail = log_with(&"ä".repeat(100_000)).1.tail(LINES);
        assert!(tail.is_empty(), "a line longer than the tail has no whole line to show: {tail:?}");
        assert_eq!(log_with(&"ä".repeat(1000)).1.tail(LINES)[0].chars().count(), CHARACTERS + 1);
    }

    #[test]
    fn each_worker_leaves_a_header_with_its_time() {
        let (_folder, log) = log_with("");
        let text = std::fs::read_to_string(&log.path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("Z the worker before") && lines[1].ends_with("Z a worker"), "{text}");
    }
}
