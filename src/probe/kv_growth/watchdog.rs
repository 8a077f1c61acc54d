//! A limit in time that reaches into a running computation: the engine asks while it computes whether to go on, and from a
//! moment on the answer is no.
//!
//! Left out on purpose: engines that do not ask (GPUs compute a batch to its end); whoever hands in batches looks at the clock
//! between them.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::engine::AbortHandle;

/// Stops computations from a moment on, until it is dropped; then the handle is as it was. It never looks like somebody's
/// interruption: that is [`AbortHandle::is_raised`].
pub(super) struct Watchdog {
    abort: AbortHandle,
    /// Dropped to end the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Lets computations with this handle go on for so long.
    pub(super) fn start(abort: &AbortHandle, time: Duration) -> Self {
        let (end, ended) = mpsc::channel();
        let handle = abort.clone();
        let watch = move || {
            if ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                handle.set_expired(true);
            }
        };
        // Without a thread the limit is looked at between batches alone.
        let thread = thread::Builder::new().name("time limit".to_owned()).spawn(watch).ok();
        Self { abort: abort.clone(), end: Some(end), thread }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it must not say no after the next line
        }
        self.abort.set_expired(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computation_is_stopped_when_its_time_is_over_and_a_later_one_is_not() {
        let abort = AbortHandle::default();
        let watchdog = Watchdog::start(&abort, Duration::from_millis(5));
        while !abort.ask() {
            thread::yield_now();
        }
        assert!(!abort.is_raised(), "a limit is nobody's interruption");
        drop(watchdog);
        assert!(!abort.ask());
    }

    #[test]
    fn a_watchdog_that_is_dropped_in_time_ends_at_once_and_stops_nothing() {
        let abort = AbortHandle::default();
        let begun = std::time::Instant::now();
        drop(Watchdog::start(&abort, Duration::from_hours(1)));
        assert!(begun.elapsed() < Duration::from_mins(1));
        assert!(!abort.ask());
        abort.raise();
        drop(Watchdog::start(&abort, Duration::ZERO));
        assert!(abort.ask(), "somebody's interruption stays");
    }
}
