//! HOW each use case is measured: one module a profile, each with the same four parts: job, loop, metrics, thresholds.
//!
//! A profile is plain code over [`Rig`]: a loaded model, a clock, and somewhere to report progress. It runs in the worker
//! without tokio, prints nothing, and gives back raw samples; its metrics are computed later, from the samples, in the
//! parent or from a run's folder. Adding a profile is one module and one line in `profiles!`.

pub mod bench;
pub mod clock;
pub mod divergence;
pub mod interactive;
pub mod long_context;
pub mod quality;

use serde::{Deserialize, Serialize};

use crate::engine::chat::ChatError;
use crate::engine::{
    AbortHandle, ContextParams, Demand, Engine, EngineError, MemoryBreakdown, Model, ModelParams, Session,
};
use clock::Clock;

/// What a profile measures with.
pub struct Rig<'a> {
    /// Loads further models, for a profile that compares.
    pub engine: &'a dyn Engine,
    /// The loaded model.
    pub model: &'a dyn Model,
    /// What it was loaded with.
    pub loaded: &'a ModelParams,
    /// Monotonic time.
    pub clock: &'a dyn Clock,
    /// Stops a computation from outside; goes into every context that the profile makes.
    pub abort: AbortHandle,
    /// Told between measurements, never inside a clock.
    pub progress: &'a mut dyn FnMut(Progress),
    /// Given what was measured so far, so that it is not lost if the process dies; never inside a clock. What counts is the last
    /// that was given, and only where the profile does not come to its end.
    pub keep: &'a mut dyn FnMut(Samples),
    /// Exact bytes of the largest context seen; see [`Rig::note_memory`].
    pub memory: Option<MemoryBreakdown>,
    /// Most main memory that the worker may take; none: no limit.
    pub memory_allowed_bytes: Option<u64>,
}

impl Rig<'_> {
    /// Keeps the session's memory for the report if it is the largest so far.
    pub fn note_memory(&mut self, session: &dyn Session) {
        let memory = session.memory();
        if self.memory.as_ref().is_none_or(|m| m.total_bytes() < memory.total_bytes()) {
            self.memory = Some(memory);
        }
    }
}

/// How far a profile is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units planned; may shrink when the numbers settle early.
    pub total: u64,
    /// What a unit is, such as `tokens`.
    pub unit: String,
}

/// Why a profile gave no samples.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The model's chat template failed.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The job asks for something that this model cannot do.
    #[error("{0}")]
    Impossible(String),
    /// One part of the job does not fit; the others may.
    #[error("{0}")]
    Unfit(String),
}

/// What ended the repetitions of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The 95 % confidence interval of the median became as narrow as configured.
    Confidence,
    /// The repetition limit came first.
    Limit,
    /// Somebody stopped the run: the repetitions that were whole by then count.
    Interrupted,
}

/// One number of a profile, by the name it has in every report. The unit ends the name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Such as `ttft_seconds`.
    pub name: String,
    /// Absent where the samples do not define it (a time per output token needs two tokens).
    pub value: Option<f64>,
}

macro_rules! profiles {
    ($($(#[$doc:meta])* $variant:ident => $module:ident, $name:literal;)+) => {
        /// The profiles by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ProfileName { $($(#[$doc])* $variant,)+ }

        impl ProfileName {
            /// All of them, in the order they run in.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in reports and on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        /// One profile's job: all that its loop needs to know.
        #[allow(clippy::large_enum_variant)] // there are a few in a run
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "profile", content = "job", rename_all = "snake_case", deny_unknown_fields)]
        pub enum Job { $($(#[$doc])* $variant($module::Job),)+ }

        impl Job {
            /// Which profile it is.
            #[must_use]
            pub fn name(&self) -> ProfileName {
                match self { $(Self::$variant(_) => ProfileName::$variant,)+ }
            }

            /// The context it runs in.
            #[must_use]
            pub fn context(&self) -> &ContextParams {
                match self { $(Self::$variant(job) => &job.context,)+ }
            }

            /// Runs the profile's loop.
            ///
            /// # Errors
            /// [`ProfileError`], with nothing measured.
            pub fn run(&self, rig: &mut Rig<'_>) -> Result<Samples, ProfileError> {
                match self { $(Self::$variant(job) => $module::run(job, rig).map(Samples::$variant),)+ }
            }
        }

        /// One profile's raw samples: every summary can be computed from them again.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "profile", content = "samples", rename_all = "snake_case", deny_unknown_fields)]
        pub enum Samples { $($(#[$doc])* $variant($module::Samples),)+ }

        impl Samples {
            /// Which profile they are of.
            #[must_use]
            pub fn name(&self) -> ProfileName {
                match self { $(Self::$variant(_) => ProfileName::$variant,)+ }
            }

            /// The profile's numbers, headline first.
            #[must_use]
            pub fn metrics(&self) -> Vec<Metric> {
                match self { $(Self::$variant(samples) => $module::metrics(samples),)+ }
            }
        }
    };
}

profiles! {
    /// One person in a chat: time to first token, every token's time.
    Interactive => interactive, "interactive";
    /// What a quantization costs in answers.
    Quality => quality, "quality";
    /// Loading long texts: how long it takes, and how fast tokens come after it.
    LongContext => long_context, "long-context";
    /// Prompt processing and generation as llama-bench runs them; `sweetspot bench` only.
    Bench => bench, "bench";
}

impl Job {
    /// What must fit the memory at the same time, or the job need not begin. `own` is the worker's model.
    #[must_use]
    pub fn demands<'a>(&'a self, own: &'a ModelParams) -> Vec<Demand<'a>> {
        match self {
            Self::Quality(job) => job.demands(own),
            // A long context makes do with what there is, and says so: its job names the least that it can begin with.
            Self::Interactive(_) | Self::LongContext(_) | Self::Bench(_) => vec![Demand::one(own, self.context())],
        }
    }
}
