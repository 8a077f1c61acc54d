//! The child's only way to its parent: one event a line, each written and flushed under one lock.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::control;
use super::protocol::Event;

/// Sends events; clones share the pipe.
#[derive(Clone)]
pub(super) struct Output(Arc<Mutex<Box<dyn Write + Send>>>);

impl Output {
    /// Takes stdout away from everybody else.
    pub(super) fn take() -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(control::take_stdout()?))))
    }

    /// Sends an event. A parent that does not read any more is gone: then there is nobody left to measure for.
    pub(super) fn send(&self, event: &Event) {
        if let Err(error) = self.try_send(event) {
            note(&format!("cannot write to the parent: {error}"));
            control::vanish();
        }
    }

    fn try_send(&self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let mut pipe = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pipe.write_all(&line)?;
        pipe.flush()
    }
}

/// A line of the worker's own in its log. Unlike `eprintln!` it does not panic where the log cannot grow.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "sweetspot worker: {text}");
}
