//! The loop of the interactive profile: requests one after the other, every token's moment kept.
//!
//! Inside the clock are the things that a user waits for: template, tokenizer, engine, sampler, detokenizer. Outside are
//! clearing the cache, building the session, statistics and progress.

use super::metrics::{speeds, times_to_first_token};
use super::{Job, Prompt, Purpose, Request, Samples, Stop};
use crate::engine::chat::{ChatTemplate, Message, RenderInput};
use crate::engine::text_stream::TextStream;
use crate::engine::{AbortHandle, ContextParams, EngineError, Model, Session};
use crate::profiles::clock::Clock;
use crate::profiles::{EndedBy, ProfileError, Progress, Rig};
use crate::stats::confidence::relative_width_percent;

/// Output tokens of the warm-up request: enough to touch all weights and to settle the CPU's clock.
const WARM_UP_TOKENS: u32 = 8;

/// So many answers without a single token, one after the other, and the model has nothing to say.
const MAX_EMPTY_ANSWERS: u32 = 8;

/// Measures until the numbers are as sure as the job asks, or its limits are reached.
///
/// # Errors
/// [`ProfileError::Engine`] when the context cannot be had or a computation fails, [`ProfileError::Chat`] when the model's
/// template fails, [`ProfileError::Impossible`] when prompt and output do not fit the context or the model says nothing.
pub fn run(job: &Job, rig: &mut Rig<'_>) -> Result<Samples, ProfileError> {
    if job.prompts.is_empty() || job.tokens == 0 || job.max_repetitions == 0 {
        return Err(ProfileError::Impossible(
            "the interactive profile needs a prompt, a token and a repetition".into(),
        ));
    }
    let template = ChatTemplate::for_model(rig.model.info(), false)?;
    let context = ContextParams { abort: rig.abort.clone(), ..job.context.clone() };
    let mut session = rig.model.session(&context)?;
    rig.note_memory(&*session);
    session.set_sampling(&job.sampling);
    let n_ctx = session.n_ctx();
    let fold_system = refuses_system(&template, rig.model, &job.prompts[0]);
    let abort = rig.abort.clone();
    let (model, clock) = (rig.model, rig.clock);
    let mut asker = Asker { job, model, clock, abort, template, fold_system, session, requests: Vec::new() };
    asker.ask(Purpose::WarmUp, 0, WARM_UP_TOKENS.min(job.tokens))?;
    if asker.session.logits().iter().any(|logit| logit.is_nan()) {
        return Err(ProfileError::Impossible("the model computes no numbers (NaN): its weights are damaged".into()));
    }
    let generations_ended_by = generations(&mut asker, rig.progress).or_else(|error| asker.keep_whole(error))?;
    let first_tokens_ended_by = match generations_ended_by {
        EndedBy::Interrupted => EndedBy::Interrupted,
        _ => first_tokens(&mut asker, rig.progress).or_else(|error| asker.keep_whole(error))?,
    };
    Ok(Samples {
        target_tokens: job.tokens,
        generations_ended_by,
        first_tokens_ended_by,
        n_ctx,
        fallback_template: asker.template.is_fallback(),
        requests: asker.requests,
    })
}

/// Repeats the whole generation until the median speed of the repetitions is known well enough.
fn generations(asker: &mut Asker<'_>, progress: &mut dyn FnMut(Progress)) -> Result<EndedBy, ProfileError> {
    let job = asker.job;
    let total = u64::from(job.tokens) * u64::from(job.max_repetitions);
    asker.abort.reset_tokens();
    progress(Progress { done: 0, total, unit: "tokens".to_owned() });
    for repetition in 0..job.max_repetitions {
        let mut remaining = job.tokens;
        let mut empty_answers = 0;
        while remaining > 0 {
            let request = asker.ask(Purpose::Generation, repetition, remaining)?;
            let n = u32::try_from(request.token_at_ns.len()).unwrap_or(u32::MAX);
            empty_answers = if n == 0 { empty_answers + 1 } else { 0 };
            if empty_answers == MAX_EMPTY_ANSWERS {
                return Err(ProfileError::Impossible(format!(
                    "the model ended {MAX_EMPTY_ANSWERS} answers in a row without a single token; its chat template may be wrong"
                )));
            }
            remaining -= n.min(remaining);
            let done = u64::from(repetition + 1) * u64::from(job.tokens) - u64::from(remaining);
            progress(Progress { done, total, unit: "tokens".to_owned() });
        }
        if is_settled(&speeds(&asker.requests), job) {
            return Ok(EndedBy::Confidence);
        }
    }
    Ok(EndedBy::Limit)
}

/// Asks for first tokens until the median time to first token is known well enough.
fn first_tokens(asker: &mut Asker<'_>, progress: &mut dyn FnMut(Progress)) -> Result<EndedBy, ProfileError> {
    let job = asker.job;
    loop {
        let times = times_to_first_token(&asker.requests);
        if is_settled(&times, job) {
            return Ok(EndedBy::Confidence);
        }
        let (done, total) = (times.len() as u64, u64::from(job.max_first_tokens));
        progress(Progress { done, total, unit: "first tokens".to_owned() });
        if done >= total {
            return Ok(EndedBy::Limit);
        }
        let request = asker.ask(Purpose::FirstToken, 0, 1)?;
        if request.token_at_ns.is_empty() {
            return Ok(EndedBy::Limit); // the model ends its answer at once: it would do so for ever
        }
    }
}

fn is_settled(samples: &[f64], job: &Job) -> bool {
    relative_width_percent(samples).is_some_and(|width| width <= job.interval_width_percent)
}

/// Sends requests, each with the next prompt.
struct Asker<'a> {
    job: &'a Job,
    model: &'a dyn Model,
    clock: &'a dyn Clock,
    abort: AbortHandle,
    template: ChatTemplate,
    /// The template knows no system role: its text goes before the user's.
    fold_system: bool,
    session: Box<dyn Session + 'a>,
    requests: Vec<Request>,
}

/// A request's first part, up to its first token.
struct Prefilled {
    request: Request,
    start: std::time::Duration,
    token: i32,
}

impl Asker<'_> {
    /// One request for at most `tokens` tokens.
    fn ask(&mut self, purpose: Purpose, repetition: u32, tokens: u32) -> Result<&Request, ProfileError> {
        let prompt = &self.job.prompts[self.requests.len() % self.job.prompts.len()];
        self.session.clear();
        let mut text = TextStream::default();
        let mut piece = Vec::with_capacity(64);
        let Prefilled { mut request, start, mut token } = self.prefill(prompt, purpose, repetition, tokens)?;
        if self.model.is_end_of_generation(token) {
            request.stop = Stop::EndOfGeneration;
        } else {
            let before = self.clock.now();
            self.model.append_piece(token, &mut piece);
            text.push(&piece);
            request.first_detokenize_ns = self.clock.nanos_since(before);
            request.token_at_ns.push(self.clock.nanos_since(start));
            self.abort.count_token();
            while request.token_at_ns.len() < tokens as usize {
                self.session.append(&[token])?;
                self.session.synchronize();
                let computed = self.clock.now();
                token = self.session.sample();
                let sampled = self.clock.now();
                if self.model.is_end_of_generation(token) {
                    request.stop = Stop::EndOfGeneration;
                    break;
                }
                piece.clear();
                self.model.append_piece(token, &mut piece);
                text.push(&piece);
                let arrived = self.clock.now();
                request.sample_ns += nanos(computed, sampled);
                request.detokenize_ns += nanos(sampled, arrived);
                request.token_at_ns.push(nanos(start, arrived));
                self.abort.count_token();
            }
        }
        request.text = text.into_text();
        self.requests.push(request);
        Ok(&self.requests[self.requests.len() - 1])
    }

    /// After an interruption: leaves the repetitions that have all their tokens, if there is one.
    fn keep_whole(&mut self, error: ProfileError) -> Result<EndedBy, ProfileError> {
        let tokens_of = |requests: &[Request], repetition| {
            let of_it = requests.iter().filter(|r| r.purpose == Purpose::Generation && r.repetition == repetition);
            of_it.map(|r| r.token_at_ns.len()).sum::<usize>()
        };
        let is_whole = |repetition| tokens_of(&self.requests, repetition) >= self.job.tokens as usize;
        let whole: Vec<u32> = (0..self.job.max_repetitions).take_while(|&repetition| is_whole(repetition)).collect();
        if !matches!(error, ProfileError::Engine(EngineError::Aborted)) || whole.is_empty() {
            return Err(error);
        }
        self.requests.retain(|r| r.purpose != Purpose::Generation || whole.contains(&r.repetition));
        Ok(EndedBy::Interrupted)
    }

    /// From the request's start to its first sampled token.
    fn prefill(
        &mut self,
        prompt: &Prompt,
        purpose: Purpose,
        repetition: u32,
        tokens: u32,
    ) -> Result<Prefilled, ProfileError> {
        let messages = messages(prompt, self.fold_system);
        let info = self.model.info();
        let start = self.clock.now();
        let rendered = self.template.render(&RenderInput::new(messages).with_tokens_of(info))?;
        let templated = self.clock.now();
        // Most templates write BOS themselves; a second one would be a token that the model never saw in training.
        let has_bos = !info.bos_text.is_empty() && rendered.starts_with(&info.bos_text);
        let prompt_tokens = self.model.tokenize(&rendered, !has_bos, true);
        let tokenized = self.clock.now();
        self.check_fit(prompt, prompt_tokens.len(), tokens)?;
        let prefill_start = self.clock.now();
        self.session.append(&prompt_tokens)?;
        self.session.synchronize();
        let prefilled = self.clock.now();
        let token = self.session.sample();
        let sampled = self.clock.now();
        let request = Request {
            purpose,
            repetition,
            prompt: prompt.id.clone(),
            prompt_tokens: u32::try_from(prompt_tokens.len()).unwrap_or(u32::MAX),
            template_ns: nanos(start, templated),
            tokenize_ns: nanos(templated, tokenized),
            prefill_ns: nanos(prefill_start, prefilled),
            first_sample_ns: nanos(prefilled, sampled),
            first_detokenize_ns: 0,
            token_at_ns: Vec::with_capacity(tokens as usize),
            sample_ns: 0,
            detokenize_ns: 0,
            stop: Stop::TokenCount,
            text: String::new(),
        };
        Ok(Prefilled { request, start, token })
    }

    fn check_fit(&self, prompt: &Prompt, prompt_tokens: usize, tokens: u32) -> Result<(), ProfileError> {
        let needed = prompt_tokens + tokens as usize;
        if prompt_tokens == 0 {
            return Err(ProfileError::Impossible(format!("prompt '{}' has no tokens for this model", prompt.id)));
        }
        if needed > self.session.n_ctx() as usize {
            return Err(ProfileError::Impossible(format!(
                "prompt '{}' ({prompt_tokens} tokens) and {tokens} tokens of output need a context of {needed} tokens; \
                 this one has {}",
                prompt.id,
                self.session.n_ctx()
            )));
        }
        Ok(())
    }
}

fn messages(prompt: &Prompt, fold_system: bool) -> Vec<Message> {
    match &prompt.system {
        None => vec![Message::new("user", &prompt.user)],
        Some(system) if fold_system => vec![Message::new("user", &format!("{system}\n\n{}", prompt.user))],
        Some(system) => vec![Message::new("system", system), Message::new("user", &prompt.user)],
    }
}

/// Whether the template fails with a system message and works without one, as some models' templates do on purpose.
fn refuses_system(template: &ChatTemplate, model: &dyn Model, prompt: &Prompt) -> bool {
    let input = |fold| RenderInput::new(messages(prompt, fold)).with_tokens_of(model.info());
    let works = |fold| template.render(&input(fold)).is_ok();
    prompt.system.is_some() && !works(false) && works(true)
}

fn nanos(from: std::time::Duration, to: std::time::Duration) -> u64 {
    u64::try_from(to.saturating_sub(from).as_nanos()).unwrap_or(u64::MAX)
}
