//! One probe: a context that is really made, touched, and filled where that is wanted.

use std::time::Duration;

use memmap2::MmapMut;

use super::found::{Failure, FailureKind, Fit, Probe, ProbeResult};
use super::task::KvPair;
use crate::engine::pages::{Mappings, trim_heap};
use crate::engine::{AbortHandle, ContextParams, EngineError, Model, Sampling, Session, Token};
use crate::machine::vitals::ProcessMemory;
use crate::profiles::clock::Clock;

/// Tokens that are generated at the end of a context that is filled.
pub(super) const GENERATED: u32 = 16;

/// Somebody wants the worker to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interrupted;

/// How a context is filled.
pub(super) struct Filling<'a> {
    /// Tokens to fill it with, over and over.
    pub text: &'a [Token],
    /// Time after which it ends.
    pub limit: Duration,
    /// Told how many tokens are in it.
    pub progress: &'a mut dyn FnMut(u32),
}

/// Makes contexts.
pub(super) struct Prover<'a> {
    pub model: &'a dyn Model,
    pub context: &'a ContextParams,
    pub allow_swap: bool,
    /// Bytes that a computation takes besides the context. They are kept free while a context is made: llama.cpp takes them
    /// when the first batch is decoded, and does not survive it if they cannot be had.
    pub scratch_bytes: u64,
    pub abort: &'a AbortHandle,
    pub clock: &'a dyn Clock,
}

impl<'a> Prover<'a> {
    /// Makes a context of `n_ctx` tokens beside the scratch memory of a computation, touches every page of it, and fills it
    /// where `filling` is given.
    pub(super) fn probe(&self, kv: KvPair, n_ctx: u32, filling: Option<Filling<'_>>) -> Result<Probe, Interrupted> {
        let started = self.clock.now();
        let result = self.make(kv, n_ctx, filling);
        if self.abort.is_raised() {
            return Err(Interrupted);
        }
        let seconds = self.clock.now().saturating_sub(started).as_secs_f64();
        let result = match result {
            Ok(fit) => ProbeResult::Fits(Box::new(fit)),
            Err(failure) => ProbeResult::Failed(failure),
        };
        Ok(Probe { n_ctx, result, seconds })
    }

    fn make(&self, kv: KvPair, n_ctx: u32, filling: Option<Filling<'_>>) -> Result<Fit, Failure> {
        trim_heap(); // a context that failed leaves more in the heap than it needs
        let scratch = scratch(self.scratch_bytes)?;
        let mappings = Mappings::now();
        let mut fit = Fit { before: own_memory(), ..Fit::default() };
        let mut session = self.session(kv, n_ctx, self.abort.clone())?;
        fit.made = own_memory();
        fit.memory = session.memory();
        if let Some(mappings) = mappings {
            fit.pages_touched = touch(&mappings)?;
        }
        drop(scratch);
        if let Some(mut filling) = filling {
            self.fill(&mut *session, &mut filling, &mut fit)?;
        }
        fit.touched = own_memory();
        self.check_swap(&fit)?;
        Ok(fit)
    }

    fn session(&self, kv: KvPair, n_ctx: u32, abort: AbortHandle) -> Result<Box<dyn Session + 'a>, Failure> {
        let params = ContextParams { n_ctx, type_k: kv.k, type_v: kv.v, abort, ..self.context.clone() };
        self.model.session(&params).map_err(|error| Failure {
            kind: FailureKind::Refused,
            reason: match error {
                EngineError::ContextNotCreated { reason, .. } => reason,
                other => other.to_string(),
            },
        })
    }

    /// Decodes tokens until there is room for no more than [`GENERATED`], then generates those.
    fn fill(&self, session: &mut dyn Session, filling: &mut Filling<'_>, fit: &mut Fit) -> Result<(), Failure> {
        let started = self.clock.now();
        let n_prompt = session.n_ctx().saturating_sub(GENERATED);
        if filling.text.is_empty() {
            let reason = "the model has no tokens for any text".to_owned();
            return Err(Failure { kind: FailureKind::DecodeFailed, reason });
        }
        let mut text = filling.text.iter().copied().cycle();
        while session.n_past() < n_prompt {
            if self.clock.now().saturating_sub(started) > filling.limit {
                fit.fill_ended = Some(format!("stopped after {:.0} s", filling.limit.as_secs_f64()));
                break;
            }
            let n = (n_prompt - session.n_past()).min(self.context.n_ubatch.max(1));
            let tokens: Vec<Token> = text.by_ref().take(n as usize).collect();
            session.append(&tokens).map_err(|error| undecodable(&error))?;
            session.synchronize();
            fit.filled_tokens = Some(session.n_past());
            (filling.progress)(session.n_past());
        }
        if fit.fill_ended.is_some() || session.n_past() == 0 {
            return Ok(());
        }
        session.set_sampling(&Sampling::Greedy);
        for generated in 1..=GENERATED.min(session.n_ctx() - session.n_past()) {
            let token = session.sample();
            session.append(&[token]).map_err(|error| undecodable(&error))?;
            session.synchronize();
            fit.generated_tokens = Some(generated);
        }
        fit.filled_tokens = Some(session.n_past());
        Ok(())
    }

    /// Begins to compute a whole batch in a small context and stops at once: llama.cpp starts its threads and takes the scratch
    /// memory for the batch before it looks whether to go on. Gives the growth of this process's private memory in bytes, by
    /// `private_bytes`.
    ///
    /// # Errors
    /// Why there is no such context.
    pub(super) fn begin_to_compute(
        &self,
        kv: KvPair,
        n_ctx: u32,
        text: &[Token],
        private_bytes: &dyn Fn() -> u64,
    ) -> Result<u64, Failure> {
        // one question is the session's own, the next one the engine's after its first step
        let mut session = self.session(kv, n_ctx, AbortHandle::after(1))?;
        let n = self.context.n_ubatch.clamp(1, session.n_ctx()) as usize;
        let tokens: Vec<Token> = text.iter().copied().cycle().take(n).collect();
        let before = private_bytes();
        match session.append(&tokens) {
            Ok(()) | Err(EngineError::Aborted) => Ok(private_bytes().saturating_sub(before)),
            Err(error) => Err(undecodable(&error)),
        }
    }

    fn check_swap(&self, fit: &Fit) -> Result<(), Failure> {
        let swapped = |memory: &Option<ProcessMemory>| memory.and_then(|m| m.swap_bytes).unwrap_or(0);
        let bytes = swapped(&fit.touched).saturating_sub(swapped(&fit.before));
        if bytes == 0 || self.allow_swap {
            return Ok(());
        }
        let mb = crate::stats::float(bytes) / 1e6;
        Err(Failure { kind: FailureKind::Swapped, reason: format!("{mb:.0} MB of the worker were swapped out") })
    }
}

/// Memory in the place of what a computation will take: a mapping of its own, because an allocator may find so much in what it
/// has not given back.
fn scratch(bytes: u64) -> Result<Option<MmapMut>, Failure> {
    if bytes == 0 {
        return Ok(None);
    }
    let mapped = MmapMut::map_anon(usize::try_from(bytes).unwrap_or(usize::MAX));
    mapped.map(Some).map_err(|_| Failure {
        kind: FailureKind::Refused,
        reason: "no memory for the scratch space of a computation".to_owned(),
    })
}

/// Whether the pages could be touched; memory that is not there is a failure.
fn touch(mappings: &Mappings) -> Result<bool, Failure> {
    match mappings.touch_new() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::OutOfMemory => {
            let reason = "allocated, but there is no memory behind it".to_owned();
            Err(Failure { kind: FailureKind::Refused, reason })
        }
        Err(_) => Ok(false), // said in the results: the pages were not touched
    }
}

fn undecodable(error: &EngineError) -> Failure {
    Failure { kind: FailureKind::DecodeFailed, reason: error.to_string() }
}

fn own_memory() -> Option<ProcessMemory> {
    ProcessMemory::of(std::process::id())
}
