//! What a context report is made of.

use crate::engine::{EngineInfo, ModelInfo};
use crate::lab::run_file::Program;
use crate::machine::Machine;
use crate::probe::context_limit::task::Task;

/// Everything that is known when a sweep has ended, however it ended.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When it began, RFC 3339 in UTC.
    pub timestamp: String,
    /// How long it took.
    pub duration_seconds: f64,
    /// What measured.
    pub program: Program,
    /// The command line, without the program's name.
    pub arguments: Vec<String>,
    /// Everything that was configured, defaults included.
    pub configuration: serde_json::Value,
    /// What it ran on.
    pub machine: Machine,
    /// What the worker said of its engine; absent when no worker ever started.
    pub engine: Option<EngineInfo>,
    /// What the file says of itself; absent when it was never loaded.
    pub model: Option<ModelInfo>,
    /// What was asked; its sweeps hold what was found. The model's path is best absolute: commands repeat it.
    pub task: Task,
    /// Tokens that one request of the user's service adds to a conversation, its answer included.
    pub tokens_per_request: u32,
    /// Whether more than the model was trained for may be handed over.
    pub beyond_training: bool,
    /// Seconds that each load of the model took: one, and one more for each worker that died.
    pub load_seconds: Vec<f64>,
    /// The person stopped it before its end.
    pub interrupted: bool,
    /// What the reader should know besides.
    pub notes: Vec<String>,
}
