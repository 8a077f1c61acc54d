//! Chat templates.

/// Why a template could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("chat")]
pub struct ChatError;
