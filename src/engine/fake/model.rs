//! The scripted model, and how its time passes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use super::session::FakeSession;
use super::{BOS, END, FIRST_BYTE, FIRST_PIECE, Piece, Place, Script};
use crate::engine::{AbortHandle, ContextParams, EngineError, Model, ModelInfo, Session, Token};
use crate::profiles::clock::ManualClock;

/// A model that answers what the script says.
pub(super) struct FakeModel {
    pub(super) script: Script,
    clock: Option<ManualClock>,
    /// Cannot compute.
    pub(super) only_planned: bool,
    /// Sequences that were begun.
    pub(super) sequences: AtomicUsize,
    pub(super) appends: AtomicU64,
    pub(super) samples: AtomicU64,
    /// What `Act::Allocate` took.
    pub(super) hoard: Mutex<Vec<Vec<u8>>>,
}

impl FakeModel {
    pub(super) fn new(mut script: Script, clock: Option<ManualClock>, only_planned: bool) -> Self {
        let pieces: usize = script.answers.iter().map(Vec::len).sum();
        let needed = u32::try_from(pieces).unwrap_or(u32::MAX).saturating_add(FIRST_PIECE.unsigned_abs());
        script.model.n_vocab = script.model.n_vocab.max(needed);
        let (sequences, appends, samples) = (AtomicUsize::default(), AtomicU64::default(), AtomicU64::default());
        Self { script, clock, only_planned, sequences, appends, samples, hoard: Mutex::default() }
    }

    /// Lets time pass.
    pub(super) fn pass(&self, time: Duration) {
        match &self.clock {
            Some(clock) => clock.advance(time),
            None if time.is_zero() => {}
            None => std::thread::sleep(time),
        }
    }

    /// Lets time pass as a computation does that asks whether to go on; false when it is not to.
    pub(super) fn compute(&self, time: Duration, abort: &AbortHandle) -> bool {
        const BETWEEN_QUESTIONS: Duration = Duration::from_millis(10);
        let mut left = time;
        while !abort.ask() {
            let step = left.min(BETWEEN_QUESTIONS);
            self.pass(step);
            left -= step;
            if left.is_zero() {
                return true;
            }
        }
        false
    }

    fn piece(&self, token: Token) -> Option<&Piece> {
        let place = usize::try_from(token.checked_sub(FIRST_PIECE)?).ok()?;
        self.script.answers.iter().flatten().nth(place)
    }
}

impl Model for FakeModel {
    fn info(&self) -> &ModelInfo {
        &self.script.model
    }

    fn session<'m>(&'m self, params: &ContextParams) -> Result<Box<dyn Session + 'm>, EngineError> {
        if self.only_planned {
            return Ok(Box::new(FakeSession::new(self, params)));
        }
        let n_ctx = params.n_ctx;
        let refused = |reason: String| EngineError::ContextNotCreated { n_ctx, reason };
        let above = self.script.misbehaviours.iter().map(|misbehaviour| misbehaviour.at);
        let above = above.filter(|place| matches!(place, Place::ContextAbove(tokens) if n_ctx > *tokens));
        for place in std::iter::once(Place::Context).chain(above) {
            self.misbehave(place, || params.abort.is_raised()).map_err(|stop| refused(stop.reason()))?;
        }
        if self.script.max_context.is_some_and(|max| n_ctx > max) {
            eprintln!("fake: failed to allocate buffer for kv cache");
            return Err(refused("failed to allocate buffer for kv cache".into()));
        }
        self.pass(self.script.delays.context);
        Ok(Box::new(FakeSession::new(self, params)))
    }

    fn tokenize(&self, text: &str, add_special: bool, _parse_special: bool) -> Vec<Token> {
        self.pass(self.script.delays.tokenize);
        let bos = (add_special && self.script.model.adds_bos).then_some(BOS);
        bos.into_iter().chain(text.bytes().map(|byte| FIRST_BYTE + Token::from(byte))).collect()
    }

    fn append_piece(&self, token: Token, bytes: &mut Vec<u8>) {
        self.pass(self.script.delays.detokenize);
        match self.piece(token) {
            Some(Piece::Text(text)) => bytes.extend_from_slice(text.as_bytes()),
            Some(Piece::Bytes(piece)) => bytes.extend_from_slice(piece),
            Some(Piece::End) => {}
            None => bytes.extend(u8::try_from(token - FIRST_BYTE)),
        }
    }

    fn is_end_of_generation(&self, token: Token) -> bool {
        token == END || self.piece(token) == Some(&Piece::End)
    }
}
