//! Why a chat template gave no prompt.

use std::error::Error as _;

/// Why a chat template gave no prompt. `source_name` is the template's name, `line` counts from 1.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The text is not a template.
    #[error("{source_name}: line {line}: the chat template is not valid: {reason}")]
    Syntax {
        /// The template's name.
        source_name: String,
        /// The line of the fault.
        line: usize,
        /// What the parser said.
        reason: String,
    },
    /// The template refused the conversation by `raise_exception`.
    #[error("{source_name}: line {line}: the chat template refuses this conversation: {message}")]
    Raised {
        /// The template's name.
        source_name: String,
        /// The line that refused.
        line: usize,
        /// What it said.
        message: String,
    },
    /// The template cannot do what it says with this conversation.
    #[error("{source_name}: line {line}: the chat template failed: {reason}")]
    Failed {
        /// The template's name.
        source_name: String,
        /// The line that failed.
        line: usize,
        /// Why.
        reason: String,
    },
    /// The template engine itself failed (it panicked).
    #[error("{source_name}: the template engine cannot render this chat template; please report it with the template")]
    Engine {
        /// The template's name.
        source_name: String,
    },
    /// The model has no template of that name.
    #[error("{model}: no chat template named '{name}'; it has: {}", if known.is_empty() { "none" } else { known })]
    UnknownName {
        /// What was asked for.
        name: String,
        /// The model's name.
        model: String,
        /// The names that there are.
        known: String,
    },
}

/// Marks an engine error as `raise_exception`'s.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct RaisedByTemplate(pub String);

impl ChatError {
    /// The template engine's error with the innermost line it knows.
    pub(super) fn of(source_name: &str, error: &minijinja::Error) -> Self {
        let source_name = source_name.to_owned();
        let innermost = innermost(error);
        let line = innermost.line().or(error.line()).unwrap_or(1);
        let raised = innermost.source().and_then(|source| source.downcast_ref::<RaisedByTemplate>());
        let reason =
            innermost.detail().map_or_else(|| innermost.kind().to_string(), |d| format!("{}: {d}", innermost.kind()));
        match raised {
            Some(raised) => Self::Raised { source_name, line, message: raised.0.clone() },
            None if innermost.kind() == minijinja::ErrorKind::SyntaxError => Self::Syntax { source_name, line, reason },
            None => Self::Failed { source_name, line, reason },
        }
    }
}

/// The engine wraps errors of macros and blocks; the innermost one says what happened, and where.
fn innermost(error: &minijinja::Error) -> &minijinja::Error {
    let mut at = error;
    while let Some(inner) = at.source().and_then(|source| source.downcast_ref::<minijinja::Error>()) {
        at = inner;
    }
    at
}
