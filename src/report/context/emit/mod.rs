//! What was found, for the user's own service: `--emit env|toml|json|llama-server|ollama`.
//!
//! One type of the KV cache is handed over: the one that is named, else the first that has a context. Services get the largest
//! context as `MAX_CONTEXT_TOKENS` (never more than the model was trained for, unless that was asked for) and trim by the safe
//! one; servers are started with the safe one.

pub mod llama_server;
pub mod ollama;
mod values;

use clap::ValueEnum;

use super::view::ContextReport;
use crate::probe::context_limit::task::KvPair;

pub use values::Values;

/// A form in which a service takes its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Emit {
    /// `NAME=value` lines, for a shell or a `.env` file.
    Env,
    /// A TOML file.
    Toml,
    /// A JSON object.
    Json,
    /// The command that starts llama.cpp's server.
    LlamaServer,
    /// A Modelfile for ollama.
    Ollama,
}

/// The text, ending with a newline.
///
/// # Errors
/// In a line: the named type was not swept, or nothing has a context that could be handed over, or the form cannot say it.
pub fn render(report: &ContextReport, kv: Option<KvPair>, form: Emit) -> Result<String, String> {
    let sweep = report.choice(kv)?;
    let values = Values::of(report, sweep);
    match form {
        Emit::Env => Ok(values.env()),
        Emit::Toml => Ok(values.toml()),
        Emit::Json => Ok(values.json()),
        Emit::LlamaServer => Ok(format!("{}{}\n", values.comment(), llama_server::command(report, sweep))),
        Emit::Ollama => ollama::modelfile(report, sweep, &values.comment()),
    }
}
