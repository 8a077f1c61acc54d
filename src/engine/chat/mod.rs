//! Chat templates: the prompt that a model sees for a list of messages.
//!
//! A model's own Jinja template (`tokenizer.chat_template` in its GGUF file) is rendered with the settings and functions
//! that Hugging Face's transformers gives it, so that the prompt is the one the model was trained on; `docs/chat-templates.md`
//! says how that is checked. [`ChatTemplate`] is compiled once and rendered many times.
//!
//! Left out on purpose: templates that other templates include, training masks (`{% generation %}` only prints), and
//! everything that llama.cpp's server does around a template to force tool calls.

mod args;
mod conversation;
mod environment;
mod error;
mod filters;
mod methods;
mod python;
mod source;
mod value;

use std::collections::BTreeMap;

use jiff::Zoned;
use minijinja::Environment;
use minijinja::value::Value;
use serde_json::Value as Json;

pub use conversation::{Conversation, ConversationError, Message};
pub use error::ChatError;

use crate::engine::ModelInfo;

/// The template that stands in for a missing one: `ChatML`, which most models without a template have seen.
pub const CHATML: &str = include_str!("chatml.jinja");

/// Key of the model's template in its file; `.<name>` after it for a named one.
pub const TEMPLATE_KEY: &str = "tokenizer.chat_template";

/// Name of the template that stands in for a missing one.
pub const CHATML_NAME: &str = "ChatML (built in, because the model has no chat template)";

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    env: Environment<'static>,
    name: String,
    fallback: bool,
}

/// The templates in a model's file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelTemplates {
    /// The model's name, for messages.
    pub model: String,
    /// `tokenizer.chat_template`.
    pub default: Option<String>,
    /// `tokenizer.chat_template.<name>`, in the file's order.
    pub named: Vec<(String, String)>,
    /// Text of the BOS token; none where the model has no such token.
    pub bos_token: Option<String>,
    /// Text of the EOS token; none where the model has no such token.
    pub eos_token: Option<String>,
}

/// What a template is rendered for.
#[derive(Clone, Debug, Default)]
pub struct RenderInput {
    /// The conversation.
    pub messages: Vec<Message>,
    /// Tools the model may call, as JSON schemas of functions.
    pub tools: Option<Vec<Json>>,
    /// Documents to answer from.
    pub documents: Option<Vec<Json>>,
    /// End with what begins the assistant's answer.
    pub add_generation_prompt: bool,
    /// Text of the BOS token; undefined in the template where there is none.
    pub bos_token: Option<String>,
    /// Text of the EOS token; undefined in the template where there is none.
    pub eos_token: Option<String>,
    /// The time that `strftime_now` tells; none: the local time of the rendering.
    pub now: Option<Zoned>,
    /// Further variables, such as `enable_thinking`. They replace variables of the same name.
    pub extra: serde_json::Map<String, Json>,
}

impl RenderInput {
    /// Messages that the assistant is to answer; nothing else set.
    #[must_use]
    pub fn new(messages: Vec<Message>) -> Self {
        Self { messages, add_generation_prompt: true, ..Self::default() }
    }

    /// The same with a model's BOS and EOS tokens.
    #[must_use]
    pub fn with_tokens_of(mut self, info: &ModelInfo) -> Self {
        let token = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        self.bos_token = token(&info.bos_text);
        self.eos_token = token(&info.eos_text);
        self
    }
}

impl From<&ModelInfo> for ModelTemplates {
    fn from(info: &ModelInfo) -> Self {
        let tokens = RenderInput::default().with_tokens_of(info);
        Self {
            model: info.name.clone(),
            default: info.chat_template.clone(),
            named: info.named_templates.clone(),
            bos_token: tokens.bos_token,
            eos_token: tokens.eos_token,
        }
    }
}

impl ModelTemplates {
    /// Compiles the template that transformers would choose: `tool_use` where there are tools and it exists, else the
    /// default one. A model that has only named templates gives its first one, a model without any gives [`CHATML`].
    ///
    /// # Errors
    /// [`ChatError::Syntax`].
    pub fn choose(&self, tools: bool) -> Result<ChatTemplate, ChatError> {
        let named = |name: &str| self.named.iter().find(|(other, _)| other == name);
        // A blank template would leave the model without a prompt.
        let default = self.default.as_ref().filter(|source| !source.trim().is_empty());
        let chosen = named("tool_use").filter(|_| tools).or_else(|| match default {
            Some(_) => None,
            None => named("default").or(self.named.first()),
        });
        match (chosen, default) {
            (Some((name, source)), _) => self.compile(Some(name), source),
            (None, Some(source)) => self.compile(None, source),
            (None, None) => ChatTemplate::from_source(CHATML_NAME, CHATML)
                .map(|template| ChatTemplate { fallback: true, ..template }),
        }
    }

    /// Compiles one template by its name; `default` is the one without a name.
    ///
    /// # Errors
    /// [`ChatError::Syntax`], or [`ChatError::UnknownName`].
    pub fn choose_named(&self, name: &str) -> Result<ChatTemplate, ChatError> {
        match (self.named.iter().find(|(other, _)| other == name), &self.default) {
            (Some((name, source)), _) => self.compile(Some(name), source),
            (None, Some(source)) if name == "default" => self.compile(None, source),
            (None, _) => Err(ChatError::UnknownName {
                name: name.to_owned(),
                model: self.model.clone(),
                known: self.names().join(", "),
            }),
        }
    }

    /// The templates' names, the one without a name first, as `default`.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let default = self.default.iter().map(|_| "default");
        default.chain(self.named.iter().map(|(name, _)| name.as_str())).collect()
    }

    fn compile(&self, name: Option<&str>, source: &str) -> Result<ChatTemplate, ChatError> {
        let suffix = name.map(|name| format!(".{name}")).unwrap_or_default();
        ChatTemplate::from_source(&format!("{}: tokenizer.chat_template{suffix}", self.model), source)
    }
}

impl ChatTemplate {
    /// Compiles a model's template, as [`ModelTemplates::choose`] picks it.
    ///
    /// # Errors
    /// [`ChatError::Syntax`].
    pub fn for_model(info: &ModelInfo, tools: bool) -> Result<Self, ChatError> {
        ModelTemplates::from(info).choose(tools)
    }

    /// Compiles a template; errors speak of it by `name`.
    ///
    /// # Errors
    /// [`ChatError::Syntax`].
    pub fn from_source(name: &str, source: &str) -> Result<Self, ChatError> {
        let mut env = environment::new();
        env.add_template_owned(name.to_owned(), source::prepare(source)).map_err(|e| ChatError::of(name, &e))?;
        Ok(Self { env, name: name.to_owned(), fallback: false })
    }

    /// Renders the prompt.
    ///
    /// # Errors
    /// [`ChatError::Raised`] or [`ChatError::Failed`] with the template's line; [`ChatError::Engine`].
    pub fn render(&self, input: &RenderInput) -> Result<String, ChatError> {
        render(&self.env, &self.name, variables(input)).or_else(|_| {
            // Once more, slower, to be told the name of what is undefined.
            let mut env = self.env.clone();
            env.set_debug(true);
            render(&env, &self.name, variables(input))
        })
    }

    /// Whether this is the built-in [`CHATML`], because the model has no template.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.fallback
    }

    /// Where the template comes from, for reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn render(env: &Environment, name: &str, variables: Value) -> Result<String, ChatError> {
    let template = env.get_template(name).map_err(|e| ChatError::of(name, &e))?;
    // A template comes from a stranger's file; a fault of the engine that it hits must not end the program.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| template.render(variables))) {
        Ok(result) => result.map_err(|e| ChatError::of(name, &e)),
        Err(_) => Err(ChatError::Engine { source_name: name.to_owned() }),
    }
}

fn variables(input: &RenderInput) -> Value {
    let list = |items: &[Json]| Value::from(items.iter().map(value::from_json).collect::<Vec<_>>());
    let optional = |items: &Option<Vec<Json>>| items.as_deref().map_or_else(|| Value::from(()), list);
    let messages: Vec<Value> =
        input.messages.iter().map(|message| value::from_map(&message.with_reasoning())).collect();
    let mut variables = vec![
        ("messages", Value::from(messages)),
        ("tools", optional(&input.tools)),
        ("documents", optional(&input.documents)),
        ("add_generation_prompt", Value::from(input.add_generation_prompt)),
        ("strftime_now", environment::strftime_now(input.now.clone())),
    ];
    let tokens = [("bos_token", &input.bos_token), ("eos_token", &input.eos_token)];
    variables.extend(tokens.into_iter().filter_map(|(name, text)| Some((name, Value::from(text.as_deref()?)))));
    let extra = input.extra.iter().map(|(name, json)| (name.as_str(), value::from_json(json)));
    Value::from(
        variables.into_iter().chain(extra).map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>(),
    )
}
