//! The loop of the quality profile: prompts one after the other in one context, each from an empty cache, so that no answer
//! depends on what was asked before it. (A common beginning is not kept from prompt to prompt: computed in other batches it
//! can come out with other roundings.)
//!
//! A prompt that cannot be asked fails alone, with its reason, and the others go on.

use super::consistency;
use super::dialogue::Dialogue;
use super::prompts::Prompt;
use super::{Answer, Asked, Ended, Questions, Reply, one_line};
use crate::engine::text_stream::TextStream;
use crate::engine::{AbortHandle, ContextParams, EngineError, Model, Sampling, Session, Token};
use crate::profiles::clock::Clock;
use crate::profiles::{ProfileError, Progress, Rig};

/// Asks everything.
///
/// # Errors
/// Those of the profile: [`ProfileError::Engine`] when the context cannot be had or nothing was answered before an interruption,
/// [`ProfileError::Chat`] when the model's template is none, [`ProfileError::Impossible`] when no prompt at all could be asked.
pub(super) fn run(job: &Questions, context: &ContextParams, rig: &mut Rig<'_>) -> Result<Asked, ProfileError> {
    if job.set.prompts.is_empty() {
        return Err(ProfileError::Impossible("the quality profile needs a prompt".into()));
    }
    let dialogue = Dialogue::new(rig.model, &job.set.prompts)?;
    let context = ContextParams { abort: rig.abort.clone(), ..context.clone() };
    let session = rig.model.session(&context)?;
    rig.note_memory(&*session);
    let (model, clock, abort) = (rig.model, rig.clock, rig.abort.clone());
    let mut asker = Asker { job, model, clock, abort, dialogue, session, checked: false };
    let mut samples = Asked {
        set: job.set.name.clone(),
        answers: Vec::new(),
        thresholds: job.thresholds.clone(),
        consistency: Vec::new(),
        n_ctx: asker.session.n_ctx(),
        fallback_template: asker.dialogue.is_fallback(),
        prompts_planned: u32::try_from(job.set.prompts.len()).unwrap_or(u32::MAX),
        interrupted: false,
    };
    match ask_all(&mut asker, &mut samples, rig.progress) {
        Err(ProfileError::Engine(EngineError::Aborted)) if !samples.answers.is_empty() => samples.interrupted = true,
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    match samples.answers.iter().map(|answer| answer.failure.as_ref()).collect::<Option<Vec<_>>>() {
        Some(failures) => {
            Err(ProfileError::Impossible(format!("no prompt could be asked; the first: {}", failures[0])))
        }
        None => Ok(samples),
    }
}

fn ask_all(asker: &mut Asker<'_>, samples: &mut Asked, progress: &mut dyn FnMut(Progress)) -> Result<(), ProfileError> {
    let job = asker.job;
    let total = job.set.prompts.len() as u64;
    for (done, prompt) in (0..).zip(&job.set.prompts) {
        progress(Progress { done, total, unit: "prompts".to_owned() });
        samples.answers.push(asker.answer(prompt)?);
    }
    progress(Progress { done: total, total, unit: "prompts".to_owned() });
    if let Some(repetition) = &job.consistency {
        consistency::run(asker, repetition, &mut samples.consistency, progress)?;
    }
    Ok(())
}

/// Asks prompts.
pub(super) struct Asker<'a> {
    pub(super) job: &'a Questions,
    pub(super) model: &'a dyn Model,
    clock: &'a dyn Clock,
    abort: AbortHandle,
    pub(super) dialogue: Dialogue,
    pub(super) session: Box<dyn Session + 'a>,
    /// That the model computes numbers was seen.
    checked: bool,
}

/// What [`Asker::generate`] gives.
pub(super) struct Generated {
    pub(super) tokens: Vec<Token>,
    pub(super) text: String,
    pub(super) ended: Ended,
}

impl Asker<'_> {
    /// All turns of a prompt. Fails only where no other prompt can be asked either.
    fn answer(&mut self, prompt: &Prompt) -> Result<Answer, ProfileError> {
        let mut answer = Answer { prompt: prompt.clone(), replies: Vec::new(), failure: None };
        while answer.replies.len() < prompt.turns.len() {
            match self.reply(prompt, &answer.replies) {
                Ok(reply) => answer.replies.push(reply),
                Err(error @ (ProfileError::Engine(EngineError::Aborted) | ProfileError::Impossible(_))) => {
                    return Err(error);
                }
                Err(error) => {
                    answer.failure = Some(one_line(&error));
                    break;
                }
            }
        }
        if answer.replies.is_empty() && answer.failure.is_none() {
            answer.failure = Some("it has no turn".to_owned());
        }
        Ok(answer)
    }

    /// The answer to the next turn.
    fn reply(&mut self, prompt: &Prompt, before: &[Reply]) -> Result<Reply, ProfileError> {
        let tokens = self.dialogue.tokens(self.model, prompt, before)?;
        let prompt_tokens = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        let room = self.session.n_ctx().saturating_sub(prompt_tokens);
        if before.is_empty() && (room < prompt.max_tokens || tokens.is_empty()) {
            return Err(unfit(prompt, prompt_tokens, self.session.n_ctx()));
        }
        if room == 0 {
            // the model's own answers have filled the context: it has nothing more to say
            return Ok(Reply {
                text: String::new(),
                prompt_tokens,
                tokens: 0,
                seconds: 0.0,
                ended: Ended::ContextFull,
            });
        }
        let limit = prompt.max_tokens.min(room);
        let start = self.clock.now();
        self.session.clear();
        self.session.append(&tokens)?;
        self.check_numbers()?;
        let sampling = self.job.sampling.clone();
        let Generated { tokens, text, mut ended } = self.generate(&sampling, limit, start)?;
        if ended == Ended::TokenLimit && limit < prompt.max_tokens {
            ended = Ended::ContextFull;
        }
        let seconds = self.clock.now().saturating_sub(start).as_secs_f64();
        let tokens = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        Ok(Reply { text, prompt_tokens, tokens, seconds, ended })
    }

    /// Continues what is in the cache by at most `limit` tokens.
    pub(super) fn generate(
        &mut self,
        sampling: &Sampling,
        limit: u32,
        start: std::time::Duration,
    ) -> Result<Generated, EngineError> {
        self.session.set_sampling(sampling);
        let (mut tokens, mut piece) = (Vec::new(), Vec::with_capacity(64));
        let mut text = TextStream::default();
        let ended = loop {
            let token = self.session.sample();
            if self.model.is_end_of_generation(token) {
                break Ended::EndOfGeneration;
            }
            piece.clear();
            self.model.append_piece(token, &mut piece);
            text.push(&piece);
            tokens.push(token);
            self.abort.count_token();
            if tokens.len() >= limit as usize {
                break Ended::TokenLimit;
            }
            if self.clock.now().saturating_sub(start).as_secs_f64() >= self.job.max_answer_seconds {
                break Ended::TimeLimit;
            }
            self.session.append(&[token])?;
        };
        Ok(Generated { tokens, text: text.into_text(), ended })
    }

    /// Time, for [`Asker::generate`].
    pub(super) fn now(&self) -> std::time::Duration {
        self.clock.now()
    }

    /// Once: a model that computes no numbers would give an answer all the same.
    fn check_numbers(&mut self) -> Result<(), ProfileError> {
        if !std::mem::replace(&mut self.checked, true) && self.session.logits().iter().any(|logit| logit.is_nan()) {
            return Err(ProfileError::Impossible(
                "the model computes no numbers (NaN): its weights are damaged".into(),
            ));
        }
        Ok(())
    }
}

/// That a prompt and its answer are more than the context.
fn unfit(prompt: &Prompt, prompt_tokens: u32, n_ctx: u32) -> ProfileError {
    if prompt_tokens == 0 {
        return ProfileError::Unfit("it has no tokens for this model".to_owned());
    }
    let needed = prompt_tokens.saturating_add(prompt.max_tokens);
    ProfileError::Unfit(format!(
        "its {prompt_tokens} tokens and up to {} of an answer need a context of {needed} tokens; this one has {n_ctx} \
         (quality.n_ctx)",
        prompt.max_tokens
    ))
}
