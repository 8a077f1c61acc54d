//! The loop: both models made ready, the text cut into chunks, chunks read until the mean is as sure as wanted.

use std::ops::ControlFlow;

use super::compare::Compared;
use super::lanes::{self, Lane};
use super::{Chunk, EndedBy, Job, Samples, metrics, vocabulary};
use crate::engine::{AbortHandle, ContextParams, Demand, EngineError, Model, ModelParams, Token, need};
use crate::profiles::{ProfileError, Progress, Rig};

/// Measures until the mean divergence is as sure as the job asks, or the text ends.
///
/// The candidate's memory is not noted for the report: it is larger here (logits of many tokens) than in use.
///
/// # Errors
/// [`ProfileError::Impossible`] when both models do not fit the memory, differ in their vocabularies or compute no numbers,
/// and for a text shorter than a chunk; [`ProfileError::Engine`] when the reference cannot be loaded or a computation fails.
pub fn run(job: &Job, rig: &mut Rig<'_>) -> Result<Samples, ProfileError> {
    job.check().map_err(ProfileError::Impossible)?;
    let (text_tokens, chunks) = job.chunks(rig.model)?;
    let allowed = rig.memory_allowed_bytes;
    if let Some(reason) = allowed.and_then(|bytes| need::exceeded(rig.engine, &job.demands(rig.loaded), bytes)) {
        return Err(ProfileError::Impossible(reason));
    }
    let loaded = job.reference.as_ref().map(|params| load(params, rig)).transpose()?;
    let reference = loaded.as_deref().unwrap_or(rig.model);
    if let Some(difference) = loaded.as_deref().and_then(|reference| vocabulary::difference(reference, rig.model)) {
        return Err(ProfileError::Impossible(format!(
            "the vocabularies differ: {difference}; the reference must be a file of the same model"
        )));
    }
    let mut lanes =
        (0..job.lanes).map(|_| lane(job, reference, rig.model, &rig.abort)).collect::<Result<Vec<_>, EngineError>>()?;
    let mut samples = Samples {
        chunks: Vec::new(),
        ended_by: EndedBy::Text,
        text_name: job.text_name.clone(),
        text_tokens,
        chunk_tokens: job.chunk_tokens,
        precision_percent: job.precision_percent,
        reference: loaded.as_ref().map(|model| format!("{} {}", model.info().name, model.info().quantization)),
        seed: job.seed,
    };
    let total = chunks.len() as u64;
    (rig.progress)(Progress { done: 0, total, unit: "chunks".to_owned() });
    let read = lanes::run(&mut lanes, &chunks, &mut |chunk| {
        samples.chunks.push(chunk);
        (rig.progress)(Progress { done: samples.chunks.len() as u64, total, unit: "chunks".to_owned() });
        if metrics::is_settled(&samples) {
            samples.ended_by = EndedBy::Precision;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    match read {
        Ok(()) => Ok(samples),
        // what was read before somebody stopped the run counts
        Err(ProfileError::Engine(EngineError::Aborted)) if !samples.chunks.is_empty() => {
            Ok(Samples { ended_by: EndedBy::Interrupted, ..samples })
        }
        Err(error) => Err(error),
    }
}

impl Job {
    /// What must fit the memory at the same time: both models and all lanes' contexts.
    #[must_use]
    pub fn demands<'a>(&'a self, own: &'a ModelParams) -> Vec<Demand<'a>> {
        let reference = self.reference.as_ref().unwrap_or(own);
        vec![
            Demand { model: own, context: &self.context, copies: self.lanes },
            Demand { model: reference, context: &self.reference_context, copies: self.lanes },
        ]
    }

    fn check(&self) -> Result<(), String> {
        let scored = self.chunk_tokens - self.chunk_tokens / 2;
        let holds = |context: &ContextParams| {
            context.n_ctx >= self.chunk_tokens && context.n_batch >= self.chunk_tokens && context.n_outputs_max > 0
        };
        if self.chunk_tokens < 4 || self.lanes == 0 || scored == 0 {
            return Err(format!("a chunk of {} tokens in {} lanes cannot be scored", self.chunk_tokens, self.lanes));
        }
        if !holds(&self.context) || !holds(&self.reference_context) {
            return Err(format!("the contexts do not hold a chunk of {} tokens", self.chunk_tokens));
        }
        if !(self.precision_percent >= 0.0 && self.precision_percent.is_finite()) {
            return Err(format!("a precision of {} % cannot be reached", self.precision_percent));
        }
        Ok(())
    }

    /// The text's tokens, how many and in whole chunks, as llama-perplexity cuts them: a rest is left out, and BOS stands in
    /// the place of each chunk's first token where the model wants one.
    fn chunks(&self, model: &dyn Model) -> Result<(u64, Vec<Vec<Token>>), ProfileError> {
        // llama.cpp's programs read a text file without its last line break
        let text = self.text.strip_suffix('\n').unwrap_or(&self.text);
        let tokens = model.tokenize(text, true, false);
        let bos = model.info().bos.filter(|_| model.info().adds_bos);
        let mut chunks: Vec<_> = tokens.chunks_exact(self.chunk_tokens as usize).map(<[Token]>::to_vec).collect();
        if let Some(bos) = bos {
            for chunk in &mut chunks {
                chunk[0] = bos;
            }
        }
        if chunks.is_empty() {
            return Err(ProfileError::Impossible(format!(
                "the text '{}' has {} tokens for this model, a chunk takes {}: give a longer text (--text) or a shorter chunk (-c)",
                self.text_name,
                tokens.len(),
                self.chunk_tokens,
            )));
        }
        Ok((tokens.len() as u64, chunks))
    }
}

fn load(params: &ModelParams, rig: &Rig<'_>) -> Result<Box<dyn Model>, EngineError> {
    let abort = rig.abort.clone();
    // each question is a sign of life: a large reference takes long
    rig.engine
        .load(params, Box::new(move |_| if abort.ask() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }))
}

fn lane<'m>(
    job: &Job,
    reference: &'m dyn Model,
    candidate: &'m dyn Model,
    abort: &AbortHandle,
) -> Result<Lane<'m>, EngineError> {
    let n_vocab = candidate.info().n_vocab;
    let context = |params: &ContextParams| {
        let params = params.with_outputs_for(n_vocab);
        ContextParams { abort: abort.clone(), ..params }
    };
    let (of_reference, of_candidate) = (context(&job.reference_context), context(&job.context));
    Ok(Lane {
        rows: of_reference.n_outputs_max.min(of_candidate.n_outputs_max) as usize,
        n_vocab: n_vocab as usize,
        reference: reference.session(&of_reference)?,
        candidate: candidate.session(&of_candidate)?,
    })
}

impl Chunk {
    /// Counts one more token.
    pub(super) fn add(&mut self, token: Compared) {
        let change = (-token.nll).exp() - (-token.nll_reference).exp();
        self.kld_sum += token.kld;
        self.kld_max = self.kld_max.max(token.kld);
        self.same_top += u32::from(token.same_top);
        self.nll_sum += token.nll;
        self.nll_reference_sum += token.nll_reference;
        self.p_change_sum += change;
        self.p_change_square_sum += change * change;
        self.kld.push(four_digits(token.kld));
    }
}

/// Enough for a percentile, at half the room in the run's folder.
#[allow(clippy::cast_possible_truncation)] // rounded to less than an f32 holds
fn four_digits(value: f64) -> f32 {
    format!("{value:.3e}").parse().unwrap_or(value as f32)
}
