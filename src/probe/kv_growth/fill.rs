//! Text into a context, batch by batch, and tokens out of it, with the time that each took.

use std::time::Duration;

use super::Point;
use super::watchdog::Watchdog;
use crate::engine::{AbortHandle, EngineError, Sampling, Session, Token};
use crate::machine::gpu;
use crate::machine::vitals::ProcessMemory;
use crate::profiles::clock::Clock;

/// What a context is filled with the help of.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Monotonic time.
    pub clock: &'a dyn Clock,
    /// The handle that the session was made with.
    pub abort: &'a AbortHandle,
    /// Tokens that the session computes at once ([`crate::engine::ContextParams::n_ubatch`]).
    pub n_ubatch: u32,
}

/// Why a filling goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its time was over.
    Time,
    /// Somebody stopped it.
    Interrupted,
    /// The engine could not, with its reason.
    Failed(String),
}

/// Fills a session from empty.
pub struct Filler<'a> {
    session: &'a mut dyn Session,
    source: &'a [Token],
    /// Tokens of the source that were used, its repetitions counted.
    used: usize,
    batch: Vec<Token>,
    means: Means<'a>,
    limit: Option<Limit>,
}

/// A moment, and what enforces it within a computation.
struct Limit {
    at: Duration,
    _watchdog: Watchdog,
}

impl<'a> Filler<'a> {
    /// Forgets what is in the session; the source's tokens come over and over. Tokens are picked greedily.
    pub fn new(session: &'a mut dyn Session, source: &'a [Token], means: &Means<'a>) -> Self {
        session.clear();
        session.set_sampling(&Sampling::Greedy);
        Self { session, source, used: 0, batch: Vec::new(), means: *means, limit: None }
    }

    /// From now on what is asked may take so long in all; none: as long as it takes.
    pub fn limit(&mut self, time: Option<Duration>) {
        self.limit = None; // the old one's last act must not come after the new one's first
        self.limit = time.map(|time| Limit {
            at: self.means.clock.now().saturating_add(time),
            _watchdog: Watchdog::start(self.means.abort, time),
        });
    }

    /// Time that is left of the limit, where there is one.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        Some(self.limit.as_ref()?.at.saturating_sub(self.means.clock.now()))
    }

    /// Tokens in the cache.
    #[must_use]
    pub fn n_past(&self) -> u32 {
        self.session.n_past()
    }

    /// Computes one batch, at most so many tokens, and forgets it: the first one pays for pages that nobody has touched yet.
    ///
    /// # Errors
    /// [`Stop`]; also for a model that computes no numbers: its speed would be real, but it is damaged.
    pub fn warm_up(&mut self, at_most: u32) -> Result<(), Stop> {
        self.prefill(at_most.min(self.means.n_ubatch).min(self.session.n_ctx()))?;
        if self.session.logits().iter().any(|logit| logit.is_nan()) {
            return Err(Stop::Failed("the model computes no numbers (NaN): its weights are damaged".to_owned()));
        }
        self.session.clear();
        self.used = 0;
        Ok(())
    }

    /// Appends so many tokens of the source; gives the nanoseconds until all was computed.
    ///
    /// # Errors
    /// [`Stop`]; what was appended by then stays.
    pub fn prefill(&mut self, tokens: u32) -> Result<u64, Stop> {
        if self.source.is_empty() {
            return Err(Stop::Failed("there is no text to fill the context with".to_owned()));
        }
        let start = self.means.clock.now();
        let mut left = tokens;
        while left > 0 {
            self.check()?;
            let n = left.min(self.means.n_ubatch.max(1));
            self.take_batch(n as usize);
            self.session.append(&self.batch).map_err(|error| self.stop(&error))?;
            left -= n;
        }
        self.session.synchronize();
        Ok(self.means.clock.nanos_since(start))
    }

    /// Generates so many tokens at the end of what is there, each picked from the logits of the one before it and computed, and
    /// adds the nanoseconds of each to `gen_ns`.
    ///
    /// # Errors
    /// [`Stop`]; the tokens until then stay.
    pub fn generate(&mut self, tokens: u32, gen_ns: &mut Vec<u64>) -> Result<(), Stop> {
        for _ in 0..tokens {
            self.check()?;
            let start = self.means.clock.now();
            // A model that would end here goes on all the same: what it says matters to nobody, how fast it is does.
            let token = self.session.sample();
            self.session.append(&[token]).map_err(|error| self.stop(&error))?;
            self.session.synchronize();
            gen_ns.push(self.means.clock.nanos_since(start));
        }
        Ok(())
    }

    /// What there is to say of a step: its times, and memory as it is now.
    #[must_use]
    pub fn point(&self, prefill_tokens: u32, prefill_ns: u64, gen_ns: Vec<u64>) -> Point {
        Point {
            tokens: self.session.n_past(),
            prefill_tokens,
            prefill_ns,
            gen_ns,
            kv_used_bytes: self.session.kv_used_bytes(),
            process: ProcessMemory::of(std::process::id()),
            gpu_used_bytes: gpu::vitals().into_iter().map(|gpu| gpu.memory_used_bytes).collect(),
        }
    }

    fn take_batch(&mut self, n: usize) {
        self.batch.clear();
        self.batch.extend(self.source.iter().cycle().skip(self.used % self.source.len()).take(n));
        self.used += n;
    }

    fn check(&self) -> Result<(), Stop> {
        if self.means.abort.is_raised() {
            return Err(Stop::Interrupted);
        }
        match self.time_left() {
            Some(Duration::ZERO) => Err(Stop::Time),
            _ => Ok(()),
        }
    }

    /// What an error of the engine means here.
    fn stop(&self, error: &EngineError) -> Stop {
        match error {
            EngineError::Aborted if self.means.abort.is_raised() => Stop::Interrupted,
            EngineError::Aborted => Stop::Time,
            error => Stop::Failed(error.to_string()),
        }
    }
}
