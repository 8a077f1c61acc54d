//! The program's exit codes and how an error becomes one.

use std::process::ExitCode;

/// How a command ended. The numbers are part of the command line's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// At least one cell was measured, or the command did what it says.
    Success = 0,
    /// Nothing could be measured, or the command failed.
    Nothing = 1,
    /// Wrong arguments or configuration.
    Usage = 2,
    /// `compare` found a regression.
    Regression = 3,
    /// Interrupted; a partial report was written.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error of the person at the keyboard: wrong arguments, wrong configuration, a file that is not what it should be.
/// Wrapped in an [`anyhow::Error`] it makes the program end with [`Exit::Usage`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

impl UsageError {
    /// An [`anyhow::Error`] that ends the program with [`Exit::Usage`].
    #[must_use]
    #[allow(clippy::new_ret_no_self)] // what callers return is the anyhow error
    pub fn new(message: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self(message.into()))
    }
}

/// Somebody wanted the command to end before it was done. Makes the program end with [`Exit::Interrupted`].
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// The exit code of an error.
#[must_use]
pub fn of(error: &anyhow::Error) -> Exit {
    if error.chain().any(<dyn std::error::Error>::is::<Interrupted>) {
        return Exit::Interrupted;
    }
    if error.chain().any(<dyn std::error::Error>::is::<UsageError>) { Exit::Usage } else { Exit::Nothing }
}
