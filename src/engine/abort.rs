//! A computation that another thread can stop and see alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// As often as this nobody ever asks.
const NEVER: u64 = u64::MAX;

/// Stops a computation from another thread, and shows that one is alive.
///
/// llama.cpp asks between the nodes of a graph whether to go on; each question is counted, so that a long prefill can be
/// told from one that hangs without the measuring loop doing anything for it. The loop itself only counts its tokens, which
/// costs it about a nanosecond each; another thread tells them to the person who waits.
#[derive(Clone, Debug, Default)]
pub struct AbortHandle(Arc<AbortState>);

#[derive(Debug)]
struct AbortState {
    raised: AtomicBool,
    expired: AtomicBool,
    questions: AtomicU64,
    tokens: AtomicU64,
    /// Questions after which it says no by itself.
    patience: u64,
}

impl Default for AbortState {
    fn default() -> Self {
        Self {
            raised: AtomicBool::new(false),
            expired: AtomicBool::new(false),
            questions: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
            patience: NEVER,
        }
    }
}

impl AbortHandle {
    /// A handle that stops a computation by itself after so many questions: one that only has to begin.
    #[must_use]
    pub fn after(questions: u64) -> Self {
        Self(Arc::new(AbortState { patience: questions, ..AbortState::default() }))
    }

    /// Asks the running computation to stop.
    pub fn raise(&self) {
        self.0.raised.store(true, Ordering::Relaxed);
    }

    /// Whether [`AbortHandle::raise`] was called.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::Relaxed)
    }

    /// Whether the running computation's time is over. It stops like one that was aborted; what is still to come may go on once
    /// this is false again, unless somebody raised the handle.
    pub fn set_expired(&self, expired: bool) {
        self.0.expired.store(expired, Ordering::Relaxed);
    }

    /// How often the engine asked; grows while it computes.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.0.questions.load(Ordering::Relaxed)
    }

    /// Tokens that the measuring loop has counted since [`AbortHandle::reset_tokens`].
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.0.tokens.load(Ordering::Relaxed)
    }

    /// Counts a token of the measurement.
    pub fn count_token(&self) {
        self.0.tokens.fetch_add(1, Ordering::Relaxed);
    }

    /// A new measurement begins.
    pub fn reset_tokens(&self) {
        self.0.tokens.store(0, Ordering::Relaxed);
    }

    /// The engine's question: counts, and says whether to stop.
    #[must_use]
    pub fn ask(&self) -> bool {
        let before = self.0.questions.fetch_add(1, Ordering::Relaxed);
        before >= self.0.patience || self.is_raised() || self.0.expired.load(Ordering::Relaxed)
    }
}

/// All handles are alike where parameters are compared.
impl PartialEq for AbortHandle {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for AbortHandle {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_with_patience_says_no_after_as_many_questions() {
        let handle = AbortHandle::after(2);
        assert_eq!([handle.ask(), handle.ask(), handle.ask(), handle.ask()], [false, false, true, true]);
        assert!(!AbortHandle::default().ask());
    }
}
