//! Standard output, for what a command prints as a whole. `println!` is not used anywhere: it panics when the reader has gone.

use std::io::{ErrorKind, Write};

use anyhow::Context;

/// Prints a text as it is. A reader that has seen enough, such as `head`, is no failure.
///
/// # Errors
/// Anything else that keeps the text from being written, such as a full disk.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("writing to standard output"),
        _ => Ok(()),
    }
}
