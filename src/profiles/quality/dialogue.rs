//! From a prompt and the answers so far to the tokens that the model continues.

use super::Reply;
use super::prompts::Prompt;
use crate::engine::chat::{ChatError, ChatTemplate, Message, RenderInput};
use crate::engine::{Model, Token};

/// Renders conversations through a model's chat template.
pub(super) struct Dialogue {
    template: ChatTemplate,
    /// The template knows no system role: its text goes before the first of the user's.
    fold_system: bool,
}

impl Dialogue {
    /// With the model's own template, or the fallback for one that has none. `prompts` are looked at for a system message.
    ///
    /// # Errors
    /// [`ChatError::Syntax`].
    pub(super) fn new(model: &dyn Model, prompts: &[Prompt]) -> Result<Self, ChatError> {
        let template = ChatTemplate::for_model(model.info(), false)?;
        let mut dialogue = Self { template, fold_system: false };
        if let Some(prompt) = prompts.iter().find(|p| p.system.is_some()) {
            // some models' templates refuse a system message on purpose
            let refused = dialogue.text(model, prompt, &[]).is_err();
            dialogue.fold_system = true;
            dialogue.fold_system = refused && dialogue.text(model, prompt, &[]).is_ok();
        }
        Ok(dialogue)
    }

    /// Whether the model has no template of its own.
    pub(super) fn is_fallback(&self) -> bool {
        self.template.is_fallback()
    }

    /// The tokens of all turns up to the first without a reply.
    ///
    /// # Errors
    /// The template's.
    pub(super) fn tokens(
        &self,
        model: &dyn Model,
        prompt: &Prompt,
        replies: &[Reply],
    ) -> Result<Vec<Token>, ChatError> {
        let text = self.text(model, prompt, replies)?;
        let bos = &model.info().bos_text;
        // Most templates write BOS themselves; a second one would be a token that the model never saw in training.
        let has_bos = !bos.is_empty() && text.starts_with(bos);
        Ok(model.tokenize(&text, !has_bos, true))
    }

    fn text(&self, model: &dyn Model, prompt: &Prompt, replies: &[Reply]) -> Result<String, ChatError> {
        let messages = messages(prompt, replies, self.fold_system);
        self.template.render(&RenderInput::new(messages).with_tokens_of(model.info()))
    }
}

fn messages(prompt: &Prompt, replies: &[Reply], fold_system: bool) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut folded = None;
    match &prompt.system {
        Some(system) if fold_system => folded = Some(system),
        Some(system) => messages.push(Message::new("system", system)),
        None => {}
    }
    for (place, turn) in prompt.turns.iter().enumerate().take(replies.len() + 1) {
        match folded.take() {
            Some(system) => messages.push(Message::new("user", &format!("{system}\n\n{}", turn.user))),
            None => messages.push(Message::new("user", &turn.user)),
        }
        if let Some(reply) = replies.get(place) {
            messages.push(Message::new("assistant", &reply.text));
        }
    }
    messages
}
