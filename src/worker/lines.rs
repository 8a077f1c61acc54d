//! Lines from a pipe, whole or not at all: what a dying worker wrote last may be cut, and what is no worker may never end
//! its line.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// More than any event: raw samples of a long task are a few MB.
const LONGEST: usize = 256 << 20;

/// Reads lines.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    longest: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Over a pipe.
    pub(super) fn new(reader: R) -> Self {
        Self { reader: BufReader::with_capacity(64 << 10, reader), line: Vec::new(), longest: LONGEST }
    }

    /// The next line without its end; none at the end of the pipe, where a line that was cut is dropped. Nothing is lost
    /// when the future is dropped.
    ///
    /// # Errors
    /// The pipe's, and `InvalidData` for a line that does not end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let read = self.reader.fill_buf().await?;
            if read.is_empty() {
                return Ok(None);
            }
            let end = read.iter().position(|&byte| byte == b'\n');
            self.line.extend_from_slice(&read[..end.unwrap_or(read.len())]);
            let used = end.map_or(read.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
            if self.line.len() > self.longest {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line that does not end"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(text: &str, longest: usize) -> io::Result<Vec<String>> {
        let mut lines = Lines { longest, ..Lines::new(text.as_bytes()) };
        let mut all = Vec::new();
        while let Some(line) = lines.next().await? {
            all.push(String::from_utf8_lossy(&line).into_owned());
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_line_that_was_cut_by_the_end_is_dropped() {
        assert_eq!(all("one\n\ntwo\nthr", 10).await.unwrap(), ["one", "", "two"]);
    }

    #[tokio::test]
    async fn a_line_that_does_not_end_is_refused() {
        assert_eq!(all("0123456789ab", 10).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
