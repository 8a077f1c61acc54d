//! How a cell ended: a failure is data, and every planned cell ends as exactly one [`Outcome`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::stamp::FileStamp;
use crate::engine::{MemoryBreakdown, ModelInfo};
use crate::machine::vitals::VitalsSpan;
use crate::plan::termination::Skip;
use crate::profiles::{ProfileName, Samples};
use crate::worker::exit::Exit;

/// One (model, quant) of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The model's name, without its quantization.
    pub model: String,
    /// The quantization's short name, such as `Q4_K_M`.
    pub quant: String,
    /// The file (the first one of a split model).
    pub path: PathBuf,
    /// Bytes of the file or files.
    pub size_bytes: u64,
    /// The file says that its weights are synthetic.
    pub synthetic: bool,
}

/// How a cell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// At least one profile gave samples.
    Measured,
    /// Nothing could be measured; the reason says why.
    Failed,
    /// Not tried; the reason says why.
    Skipped,
}

/// One line of `outcomes.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Version of this line's fields.
    pub schema_version: u32,
    /// Which cell.
    pub cell: Cell,
    /// How it ended.
    pub status: Status,
    /// Why, in one line: always there when it failed or was skipped.
    pub reason: Option<String>,
    /// The decision not to try it, with its evidence; none where it was tried, or not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Skip>,
    /// What the engine says of the model, once it was loaded.
    pub model: Option<ModelInfo>,
    /// Exact bytes of the largest context that a profile used.
    pub memory: Option<MemoryBreakdown>,
    /// The worker's largest resident memory, in bytes, mapped file pages included.
    pub peak_resident_bytes: Option<u64>,
    /// Time to load the model.
    pub load_seconds: Option<f64>,
    /// One entry for each profile that was planned.
    pub profiles: Vec<ProfileOutcome>,
    /// Things the reader should know, such as a context larger than the model was trained for.
    pub warnings: Vec<String>,
    /// The worker's log, relative to the run's folder.
    pub log: Option<String>,
    /// When the cell began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took.
    pub duration_seconds: f64,
    /// Somebody stopped the run while it was measured, or its file did not come: a resumed run measures what is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut_off: bool,
    /// The files that were measured, as they were then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileStamp>,
}

/// How one profile of a cell ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileOutcome {
    /// Which profile.
    pub profile: ProfileName,
    /// How it ended.
    pub status: Status,
    /// Why, in one line: always there when it failed or was skipped.
    pub reason: Option<String>,
    /// Raw samples, when it was measured; where it failed, what it had measured before, if it kept that.
    pub samples: Option<Samples>,
    /// How the worker ended, when it ended while this profile ran.
    pub exit: Option<Exit>,
    /// The last lines of the worker's log, when it failed.
    pub log_tail: Vec<String>,
    /// What else went on in the machine meanwhile.
    pub vitals: Option<VitalsSpan>,
    /// How long it took.
    pub duration_seconds: f64,
}

impl Cell {
    /// Whether both are the same model, quantization and file. A file's size is only estimated before the file is made.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (&self.model, &self.quant, &self.path) == (&other.model, &other.quant, &other.path)
    }
}

impl Outcome {
    /// The version that this program writes.
    pub const SCHEMA_VERSION: u32 = 1;
}

impl ProfileOutcome {
    /// A profile that was not measured, and why.
    #[must_use]
    pub fn without_samples(profile: ProfileName, status: Status, reason: &str) -> Self {
        Self {
            profile,
            status,
            reason: Some(reason.to_owned()),
            samples: None,
            exit: None,
            log_tail: Vec::new(),
            vitals: None,
            duration_seconds: 0.0,
        }
    }
}
