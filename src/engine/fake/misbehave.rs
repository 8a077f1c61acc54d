//! What a script makes go wrong. Left out on purpose: signals where there are none (a fault is an abort there).

use std::sync::PoisonError;
use std::time::Duration;

use super::model::FakeModel;
use super::{Act, Place};

/// Why the engine goes no further.
pub(super) enum Stop {
    /// The abort handle was raised.
    Aborted,
    /// The script says so.
    Failed(String),
}

impl Stop {
    /// In one line.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Aborted => "aborted".into(),
            Self::Failed(reason) => reason,
        }
    }
}

impl FakeModel {
    /// Does what the script says for this place.
    pub(super) fn misbehave(&self, place: Place, mut aborted: impl FnMut() -> bool) -> Result<(), Stop> {
        for misbehaviour in self.script.misbehaviours.iter().filter(|m| m.at == place) {
            match &misbehaviour.act {
                Act::Abort => std::process::abort(),
                Act::Segfault => descriptors::segfault(),
                Act::Exit(code) => std::process::exit(*code),
                Act::Panic(message) => panic!("{message}"),
                Act::Fail(reason) => return Err(Stop::Failed(reason.clone())),
                Act::Allocate(bytes) => self.allocate(*bytes),
                Act::Hang { honours_abort } => {
                    while !(*honours_abort && aborted()) {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    return Err(Stop::Aborted);
                }
                Act::Log(lines) => lines.iter().for_each(|line| eprintln!("{line}")),
                Act::Print(text) => descriptors::print(text),
                Act::CloseStdout => descriptors::close_stdout(),
            }
        }
        Ok(())
    }

    /// Takes the bytes and touches every page, so that they count wherever memory is counted.
    fn allocate(&self, bytes: u64) {
        const BLOCK: u64 = 16 << 20;
        let mut left = bytes;
        while left > 0 {
            let size = left.min(BLOCK);
            self.hoard.lock().unwrap_or_else(PoisonError::into_inner).push(vec![
                1;
                usize::try_from(size)
                    .unwrap_or(usize::MAX)
            ]);
            left -= size;
        }
    }
}

/// File descriptors and signals.
#[cfg(unix)]
mod descriptors {
    use nix::sys::signal::{Signal, raise};

    /// Rust's own handler takes the first signal for the runtime and gives way to the system's default: the next one kills.
    pub(super) fn segfault() -> ! {
        loop {
            if raise(Signal::SIGSEGV).is_err() {
                std::process::abort();
            }
        }
    }

    pub(super) fn print(text: &str) {
        let mut left = text.as_bytes();
        while let Ok(written) = nix::unistd::write(std::io::stdout(), left) {
            left = &left[written..];
            if left.is_empty() {
                break;
            }
        }
    }

    pub(super) fn close_stdout() {
        let _ = nix::unistd::close(1);
    }
}

/// The same where there are no file descriptors.
#[cfg(not(unix))]
mod descriptors {
    use std::io::Write;

    pub(super) fn segfault() -> ! {
        std::process::abort()
    }

    pub(super) fn print(text: &str) {
        let _ = std::io::stdout().write_all(text.as_bytes());
    }

    pub(super) fn close_stdout() {}
}
