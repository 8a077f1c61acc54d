//! The scripted sequence of tokens.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::misbehave::Stop;
use super::model::FakeModel;
use super::{END, FIRST_PIECE, Piece, Place};
use crate::engine::{ContextParams, EngineError, MemoryBreakdown, Sampling, Session, Token};

/// A sequence that is answered by the script.
pub(super) struct FakeSession<'m> {
    model: &'m FakeModel,
    params: ContextParams,
    state: State,
    /// Whether the last append left something to sample from.
    has_logits: bool,
    /// Time of appends that has not passed yet.
    owed: Duration,
    logits: Vec<f32>,
    /// Rows of the last scored append.
    scored: Vec<f32>,
}

/// What a snapshot holds.
#[derive(Clone, Copy, Default)]
struct State {
    n_past: u32,
    /// Which sequence of the model's life this is, once a token was appended.
    sequence: Option<usize>,
    /// Pieces of the answer that were sampled.
    sampled: usize,
    /// Appends of one token.
    decoded: usize,
}

impl<'m> FakeSession<'m> {
    pub(super) fn new(model: &'m FakeModel, params: &ContextParams) -> Self {
        let (state, owed) = (State::default(), Duration::ZERO);
        Self { model, params: params.clone(), state, has_logits: false, owed, logits: Vec::new(), scored: Vec::new() }
    }

    /// The token that the script wants next.
    fn next_token(&self) -> Token {
        assert!(self.has_logits, "nothing was appended that a token could be sampled from");
        let answers = &self.model.script.answers;
        let Some(answer) = self.state.sequence.and_then(|sequence| answers.get(sequence % answers.len().max(1))) else {
            return END;
        };
        let Some(place) = self.state.sampled.checked_rem(answer.len()) else { return END };
        if answer[place] == Piece::End {
            return END;
        }
        let before: usize = answers.iter().take(self.state.sequence.unwrap_or(0) % answers.len()).map(Vec::len).sum();
        FIRST_PIECE + Token::try_from(before + place).unwrap_or(Token::MAX - FIRST_PIECE)
    }

    /// The scored row that follows a token: the script's, or one that is certain of what would be sampled.
    fn push_row(&mut self, token: Token) {
        let script = &self.model.script;
        let (begin, n_vocab) = (self.scored.len(), script.model.n_vocab as usize);
        if let Some(row) = usize::try_from(token).ok().and_then(|t| t.checked_rem(script.logit_rows.len())) {
            self.scored.extend(script.logit_rows[row].iter().take(n_vocab));
        } else {
            let certain = usize::try_from(self.next_token()).unwrap_or(0);
            self.scored.resize(begin + certain, 0.0);
            self.scored.push(10.0);
        }
        let rest = if script.logit_rows.is_empty() { 0.0 } else { super::NEVER };
        self.scored.resize(begin + n_vocab, rest);
    }

    /// How long appending these tokens takes.
    fn cost(&mut self, n_tokens: u32) -> Duration {
        let delays = &self.model.script.delays;
        if n_tokens != 1 {
            return delays.prefill_per_token * n_tokens;
        }
        let place = self.state.decoded.min(delays.decode.len().saturating_sub(1));
        self.state.decoded += 1;
        delays.decode.get(place).copied().unwrap_or_default()
    }
}

impl Session for FakeSession<'_> {
    fn n_ctx(&self) -> u32 {
        self.params.n_ctx
    }

    fn n_past(&self) -> u32 {
        self.state.n_past
    }

    fn append(&mut self, tokens: &[Token]) -> Result<(), EngineError> {
        let Some(n_tokens) = u32::try_from(tokens.len()).ok().filter(|n| *n > 0) else { return Ok(()) };
        if self.params.n_ctx - self.state.n_past < n_tokens {
            return Err(EngineError::ContextFull { n_ctx: self.params.n_ctx });
        }
        if self.model.only_planned {
            return Err(EngineError::DecodeFailed { code: -1, reason: "the model is only planned".into() });
        }
        let append = self.model.appends.fetch_add(1, Ordering::Relaxed) + 1;
        let abort = &self.params.abort;
        self.model.misbehave(Place::Append(append), || abort.is_raised()).map_err(|stop| match stop {
            Stop::Aborted => EngineError::Aborted,
            Stop::Failed(reason) => EngineError::DecodeFailed { code: -3, reason },
        })?;
        if self.state.sequence.is_none() {
            self.state.sequence = Some(self.model.sequences.fetch_add(1, Ordering::Relaxed));
        }
        let cost = self.cost(n_tokens);
        if self.model.script.delays.asynchronous {
            let _ = self.params.abort.ask();
            self.owed += cost;
        } else if !self.model.compute(cost, &self.params.abort) {
            return Err(EngineError::Aborted);
        }
        self.state.n_past += n_tokens;
        self.has_logits = true;
        Ok(())
    }

    fn append_scored(&mut self, tokens: &[Token], first_scored: usize) -> Result<(), EngineError> {
        self.scored.clear();
        let n_rows = tokens.len().saturating_sub(first_scored);
        if tokens.len() > self.params.n_batch as usize || n_rows > self.params.n_outputs_max as usize {
            return Err(EngineError::DecodeFailed { code: -1, reason: "the batch is too large".into() });
        }
        self.append(tokens)?;
        for &token in tokens.get(first_scored..).unwrap_or_default() {
            self.push_row(token);
        }
        Ok(())
    }

    fn scored_logits(&mut self) -> &[f32] {
        self.synchronize();
        &self.scored
    }

    fn synchronize(&mut self) {
        let owed = std::mem::take(&mut self.owed);
        if !owed.is_zero() {
            self.model.compute(owed, &self.params.abort);
        }
    }

    /// The script alone decides.
    fn set_sampling(&mut self, _sampling: &Sampling) {}

    fn sample(&mut self) -> Token {
        self.synchronize();
        let sample = self.model.samples.fetch_add(1, Ordering::Relaxed) + 1;
        let abort = &self.params.abort;
        if let Err(Stop::Failed(reason)) = self.model.misbehave(Place::Sample(sample), || abort.is_raised()) {
            panic!("{reason}");
        }
        self.model.pass(self.model.script.delays.sample);
        let token = self.next_token();
        self.state.sampled += 1;
        token
    }

    /// All certain of what [`Session::sample`] would give.
    fn logits(&mut self) -> &[f32] {
        self.synchronize();
        let token = usize::try_from(self.next_token()).unwrap_or(0);
        self.logits.clear();
        self.logits.resize(self.model.script.model.n_vocab as usize, 0.0);
        self.logits[token] = 10.0;
        &self.logits
    }

    fn clear(&mut self) {
        self.synchronize();
        self.state = State::default();
        self.has_logits = false;
        self.scored.clear();
    }

    fn snapshot(&mut self) -> Vec<u8> {
        self.synchronize();
        let State { n_past, sequence, sampled, decoded } = self.state;
        serde_json::to_vec(&(n_past, sequence, sampled, decoded)).unwrap_or_default()
    }

    fn restore(&mut self, snapshot: &[u8]) -> bool {
        self.synchronize();
        let Ok((n_past, sequence, sampled, decoded)) = serde_json::from_slice(snapshot) else { return false };
        if n_past > self.params.n_ctx {
            return false;
        }
        self.state = State { n_past, sequence, sampled, decoded };
        // As llama.cpp: a restored sequence has no logits until a token is appended.
        self.has_logits = false;
        true
    }

    fn kv_used_bytes(&self) -> u64 {
        self.model.script.kv_bytes_per_token * u64::from(self.state.n_past)
    }

    fn memory(&self) -> MemoryBreakdown {
        let mut memory = self.model.script.memory.clone();
        if let Some(buffer) = memory.buffers.first_mut() {
            buffer.kv_bytes += self.model.script.kv_bytes_per_token * u64::from(self.params.n_ctx);
        }
        memory
    }
}
