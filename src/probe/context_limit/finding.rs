//! What a worker tells of a sweep while it runs, one thing at a time, so that nothing is lost when it dies.

use serde::{Deserialize, Serialize};

use super::found::{Prediction, Probe};
use crate::engine::ModelInfo;
use crate::probe::kv_growth;

/// What a worker tells of a sweep while it runs; `sweep` is the place in [`super::Task::sweeps`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case", deny_unknown_fields)]
pub enum Finding {
    /// Something that the reader of the results should know.
    Note {
        /// In a line.
        text: String,
    },
    /// What the file says of itself, before it is loaded.
    Described {
        /// What.
        model: Box<ModelInfo>,
    },
    /// There is no context of this kind.
    Impossible {
        /// Which.
        sweep: usize,
        /// Why.
        reason: String,
    },
    /// The limit is predicted.
    Predicted {
        /// Which.
        sweep: usize,
        /// What.
        prediction: Box<Prediction>,
    },
    /// A context is being made; if the worker dies now, it died of this.
    Probing {
        /// Which.
        sweep: usize,
        /// Its size in tokens.
        n_ctx: u32,
    },
    /// A context is being filled.
    Filling {
        /// Which.
        sweep: usize,
        /// Tokens in it.
        tokens: u32,
        /// Tokens that it holds.
        total: u32,
    },
    /// What came of it.
    Probed {
        /// Which.
        sweep: usize,
        /// The probe.
        probe: Probe,
    },
    /// The search for the limit did not end.
    Unfinished {
        /// Which.
        sweep: usize,
        /// Why.
        reason: String,
    },
    /// A context of this size is being filled step by step; if the worker dies now, it died of this.
    Growing {
        /// Which.
        sweep: usize,
        /// Its size in tokens.
        n_ctx: u32,
    },
    /// A step of it is done.
    Grown {
        /// Which.
        sweep: usize,
        /// The step.
        point: kv_growth::Point,
    },
    /// The last step of it is done, or it ended early.
    GrowthEnded {
        /// Which.
        sweep: usize,
        /// How.
        ended_by: kv_growth::EndedBy,
    },
}

impl Finding {
    /// The place in [`super::Task::sweeps`] that it is about, where it is about one.
    #[must_use]
    pub fn sweep(&self) -> Option<usize> {
        match self {
            Self::Note { .. } | Self::Described { .. } => None,
            Self::Impossible { sweep, .. }
            | Self::Predicted { sweep, .. }
            | Self::Probing { sweep, .. }
            | Self::Filling { sweep, .. }
            | Self::Probed { sweep, .. }
            | Self::Unfinished { sweep, .. }
            | Self::Growing { sweep, .. }
            | Self::Grown { sweep, .. }
            | Self::GrowthEnded { sweep, .. } => Some(*sweep),
        }
    }
}
