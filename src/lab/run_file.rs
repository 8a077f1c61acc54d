//! `run.json`: all that a report needs to know besides the outcomes. Written when a run begins and again when it ends.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outcome::Cell;
use super::stamp::FileStamp;
use crate::engine::EngineInfo;
use crate::engine::need::Need;
use crate::machine::Machine;
use crate::profiles::ProfileName;

/// The contents of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFile {
    /// Version of this file's fields.
    pub schema_version: u32,
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
    /// What was to be measured, in this order.
    pub plan: Vec<PlannedCell>,
    /// Start of all random numbers.
    pub seed: u64,
    /// When the run began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took; absent while it runs, and when it was killed.
    pub duration_seconds: Option<f64>,
    /// The machine's network name.
    pub hostname: String,
    /// The person stopped it before its plan was done.
    pub interrupted: bool,
    /// The folder that relative paths of [`Self::arguments`] begin at.
    #[serde(default)]
    pub working_folder: Option<PathBuf>,
    /// SHA-256 of all prompts and texts that the profiles use, in hexadecimal digits.
    #[serde(default)]
    pub material_sha256: Option<String>,
    /// When it was resumed, RFC 3339 in UTC, each time.
    #[serde(default)]
    pub resumed_at: Vec<String>,
}

/// A version of this program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// Its git revision.
    pub revision: String,
}

impl Program {
    /// This very program.
    #[must_use]
    pub fn this() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), revision: env!("SWEETSPOT_GIT_REVISION").to_owned() }
    }
}

/// A cell and what is measured on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedCell {
    /// The cell.
    pub cell: Cell,
    /// The profiles, in this order.
    pub profiles: Vec<ProfileName>,
    /// Its files as they were when the run was planned; none where they were still to be made or fetched.
    #[serde(default)]
    pub files: Vec<FileStamp>,
    /// What it needs of main memory for its most demanding profile, where that could be counted.
    #[serde(default)]
    pub need: Option<Need>,
    /// How long it was expected to take, before anything was measured.
    #[serde(default)]
    pub expected_seconds: Option<f64>,
    /// What was wished for of the hub, where it is a model of it.
    #[serde(default)]
    pub wish: Option<String>,
}

/// The name of a folder for what was measured at a time on a host, see [`RunFile::folder_name`].
#[must_use]
pub fn folder_name(timestamp: &str, hostname: &str) -> String {
    safe_name(&format!("{timestamp}-{hostname}"))
}

/// With characters alone that stand in files' names on every system.
pub(super) fn safe_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '-' };
    name.chars().map(safe).collect()
}

impl RunFile {
    /// The version that this program writes.
    pub const SCHEMA_VERSION: u32 = 1;
    /// Its name in a run's folder.
    pub const NAME: &str = "run.json";

    /// The file of a run that begins now.
    #[must_use]
    pub fn begin(
        configuration: serde_json::Value,
        seed: u64,
        machine: Machine,
        engine: Option<EngineInfo>,
        plan: Vec<PlannedCell>,
    ) -> Self {
        Self {
            schema_version: Self::SCHEMA_VERSION,
            program: Program::this(),
            arguments: std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect(),
            configuration,
            hostname: machine.hostname.clone().unwrap_or_else(|| "unknown".to_owned()),
            machine,
            engine,
            plan,
            seed,
            started_at: format!("{:.0}", Timestamp::now()),
            duration_seconds: None,
            interrupted: false,
            working_folder: std::env::current_dir().ok(),
            material_sha256: None,
            resumed_at: Vec::new(),
        }
    }

    /// The name of its folder: `2026-01-31T12-00-00Z-host` sorts by time and is a folder's name on every system.
    #[must_use]
    pub fn folder_name(&self) -> String {
        folder_name(&self.started_at, &self.hostname)
    }

    /// Writes it into a run's folder; a reader sees the old file or the new one, never a half.
    ///
    /// # Errors
    /// The folder cannot be written to, with the file's path.
    pub fn save(&self, folder: &Path) -> anyhow::Result<()> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        crate::report::atomic::write(&folder.join(Self::NAME), &bytes)
    }
}
