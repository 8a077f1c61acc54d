//! `sweetspot template`: the exact prompt that a model sees for a list of messages.
//!
//! The prompt goes to stdout as it is, without a newline after it, so that it can be compared or counted byte by byte.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use crate::engine::chat::{ChatTemplate, Conversation, Message, ModelTemplates, RenderInput, TEMPLATE_KEY};
use crate::engine::gguf::Gguf;
use crate::exit_code::{Exit, UsageError};
use crate::quants::demo;

/// Arguments of `sweetspot template`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model's GGUF file, or `demo`.
    #[arg(required_unless_present = "template")]
    pub model: Option<PathBuf>,
    /// Messages as JSON: a list of objects with `role` and `content`, or an object with `messages` and `tools`; `-` reads
    /// stdin. Without it: a short conversation.
    #[arg(long, value_name = "FILE.json")]
    pub messages: Option<PathBuf>,
    /// Render this Jinja template instead of the model's own.
    #[arg(long, value_name = "FILE.jinja", conflicts_with_all = ["name", "list"])]
    pub template: Option<PathBuf>,
    /// Tools that the model may call: a list of function schemas as JSON.
    #[arg(long, value_name = "FILE.json")]
    pub tools: Option<PathBuf>,
    /// Documents to answer from: a list of objects.
    #[arg(long, value_name = "FILE.json")]
    pub documents: Option<PathBuf>,
    /// Do not end with what begins the assistant's answer.
    #[arg(long)]
    pub no_generation_prompt: bool,
    /// A further variable of the template, such as `enable_thinking=false`.
    #[arg(long = "set", value_name = "KEY=JSON")]
    pub variables: Vec<String>,
    /// Text of the BOS token; without it: the model's.
    #[arg(long, value_name = "TEXT")]
    pub bos_token: Option<String>,
    /// Text of the EOS token; without it: the model's.
    #[arg(long, value_name = "TEXT")]
    pub eos_token: Option<String>,
    /// The time that the template is told, such as `2026-01-31T12:00:00`; without it: now.
    #[arg(long, value_name = "DATETIME")]
    pub now: Option<jiff::civil::DateTime>,
    /// Which of the model's templates to render; without it: `tool_use` where there are tools and it exists, else `default`.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Print the names of the model's templates and end.
    #[arg(long)]
    pub list: bool,
}

/// Runs the command.
///
/// # Errors
/// A file that is not what it should be, or a template that gives no prompt.
#[allow(clippy::needless_pass_by_value)] // all commands take their arguments so
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let model = args.model.as_deref().map(templates_of).transpose()?.unwrap_or_default();
    let mut out = std::io::stdout().lock();
    if args.list {
        model.names().iter().try_for_each(|name| writeln!(out, "{name}"))?;
        return Ok(Exit::Success);
    }
    let input = render_input(&args, &model)?;
    let template = match (&args.template, &args.name) {
        (Some(file), _) => ChatTemplate::from_source(&file.display().to_string(), &read(file)?),
        (None, Some(name)) => model.choose_named(name),
        (None, None) => model.choose(input.tools.is_some()),
    };
    let template = template.map_err(|e| UsageError::new(e.to_string()))?;
    if template.is_fallback() {
        crate::say!("sweetspot: {}: no chat template in the file; this prompt is ChatML", model.model);
    }
    out.write_all(template.render(&input)?.as_bytes())?;
    out.flush()?;
    Ok(Exit::Success)
}

/// The chat templates and their tokens in a model's file.
///
/// # Errors
/// The file is not a GGUF file.
fn templates_of(path: &Path) -> anyhow::Result<ModelTemplates> {
    // all quantizations of the demo model have the same template: none has to be made
    let file = if demo::named(path)?.is_some() { demo::base_file()? } else { super::names::file(path)? };
    let gguf = Gguf::open_header(&file).map_err(|e| UsageError::new(e.to_string()))?;
    let token = |key: &str| -> anyhow::Result<Option<String>> {
        let Some(id) = gguf.get_u64(key) else { return Ok(None) };
        Ok(gguf.read_string_at("tokenizer.ggml.tokens", id)?)
    };
    let named = gguf.entries().iter().filter_map(|entry| {
        let name = entry.key.strip_prefix(TEMPLATE_KEY)?.strip_prefix('.')?;
        Some((name.to_owned(), entry.value.as_str()?.to_owned()))
    });
    Ok(ModelTemplates {
        model: path.display().to_string(),
        default: gguf.get_str(TEMPLATE_KEY).map(str::to_owned),
        named: named.collect(),
        bos_token: token("tokenizer.ggml.bos_token_id")?,
        eos_token: token("tokenizer.ggml.eos_token_id")?,
    })
}

fn render_input(args: &Args, model: &ModelTemplates) -> anyhow::Result<RenderInput> {
    let conversation = match &args.messages {
        Some(path) => {
            Conversation::parse(&read(path)?).map_err(|e| UsageError::new(format!("{}: {e}", path.display())))?
        }
        None => built_in_conversation(),
    };
    let tools = args.tools.as_deref().map(read_list).transpose()?.or(conversation.tools);
    let now = args.now.map(|now| now.to_zoned(TimeZone::system())).transpose();
    Ok(RenderInput {
        messages: conversation.messages,
        tools,
        documents: args.documents.as_deref().map(read_list).transpose()?,
        add_generation_prompt: !args.no_generation_prompt,
        bos_token: args.bos_token.clone().or_else(|| model.bos_token.clone()),
        eos_token: args.eos_token.clone().or_else(|| model.eos_token.clone()),
        now: now.context("--now")?,
        extra: args.variables.iter().map(|text| variable(text)).collect::<anyhow::Result<_>>()?,
    })
}

/// What is rendered where no messages are given: every kind of turn that any template knows.
fn built_in_conversation() -> Conversation {
    let messages = vec![
        Message::new("system", "You are a helpful assistant."),
        Message::new("user", "Which is the largest planet?"),
        Message::new("assistant", "Jupiter."),
        Message::new("user", "How many moons does it have?"),
    ];
    Conversation { messages, tools: None }
}

fn variable(text: &str) -> anyhow::Result<(String, Json)> {
    let Some((key, json)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
        return Err(UsageError::new(format!("--set {text}: expected KEY=JSON, such as enable_thinking=false")));
    };
    let value = serde_json::from_str(json)
        .map_err(|e| UsageError::new(format!("--set {text}: the value is not JSON ({e}); text needs double quotes")))?;
    Ok((key.to_owned(), value))
}

fn read_list(path: &Path) -> anyhow::Result<Vec<Json>> {
    serde_json::from_str(&read(path)?)
        .map_err(|e| UsageError::new(format!("{}: expected a JSON list: {e}", path.display())))
}

/// A file's text; `-` is stdin.
fn read(path: &Path) -> anyhow::Result<String> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|e| UsageError::new(format!("{}: cannot be read: {e}", path.display())))
}
