//! What parent and worker say to each other: one [`Order`] on the worker's stdin, [`Event`]s on its stdout, JSON lines both.
//!
//! Parent and worker are the same binary, so the version only guards against a program replaced while it runs.

use serde::{Deserialize, Serialize};

use crate::engine::fake::Script;
use crate::engine::need::{Need, OwnedDemand};
use crate::engine::quantize;
use crate::engine::{EngineInfo, MemoryBreakdown, ModelInfo, ModelParams};
use crate::probe::context_limit;
use crate::profiles::{self, ProfileName, Progress, Samples};

/// Version of [`Order`] and [`Event`].
pub const VERSION: u32 = 4;

/// All that a worker does in its life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)] // there is one in a worker's life
pub enum Order {
    /// Load a model and measure it.
    Measure(Job),
    /// Make a quantized file.
    Quantize(Quantizing),
    /// Find the limit of a model's context.
    Context(Sweeping),
    /// Count what models would need.
    Count(Counting),
}

impl Order {
    /// How many tasks its events may speak of.
    #[must_use]
    pub fn tasks(&self) -> usize {
        match self {
            Self::Measure(job) => job.tasks.len(),
            Self::Quantize(_) => 0,
            Self::Context(sweeping) => sweeping.task.sweeps.len(),
            Self::Count(counting) => counting.models.len(),
        }
    }
}

impl From<&Job> for Order {
    fn from(job: &Job) -> Self {
        Self::Measure(job.clone())
    }
}

impl From<&Quantizing> for Order {
    fn from(quantizing: &Quantizing) -> Self {
        Self::Quantize(quantizing.clone())
    }
}

impl From<&Sweeping> for Order {
    fn from(sweeping: &Sweeping) -> Self {
        Self::Context(sweeping.clone())
    }
}

impl From<&Counting> for Order {
    fn from(counting: &Counting) -> Self {
        Self::Count(counting.clone())
    }
}

/// Counting what models would need of main memory, exactly and without using any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counting {
    /// [`VERSION`].
    pub version: u32,
    /// Which engine.
    pub engine: EngineChoice,
    /// For each model what its profiles demand, one list a profile: what exists at the same time.
    pub models: Vec<Vec<Vec<OwnedDemand>>>,
}

/// A context sweep, with what is known of it already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweeping {
    /// [`VERSION`].
    pub version: u32,
    /// Which engine.
    pub engine: EngineChoice,
    /// What is to be found.
    pub task: context_limit::Task,
}

/// One quantized file to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantizing {
    /// [`VERSION`].
    pub version: u32,
    /// From what, to what.
    pub task: quantize::Task,
}

/// Measuring: load one model, run the tasks on it, end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// [`VERSION`].
    pub version: u32,
    /// Which engine.
    pub engine: EngineChoice,
    /// The model; none: say what the engine is and end.
    pub model: Option<ModelParams>,
    /// Most bytes of memory the worker may take for itself (mapped files do not count); none: no cap.
    pub memory_cap_bytes: Option<u64>,
    /// What to measure, in this order.
    pub tasks: Vec<profiles::Job>,
}

/// Which engine the worker runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(clippy::large_enum_variant)] // there is one in a worker's life
pub enum EngineChoice {
    /// llama.cpp.
    Llama,
    /// A script, for tests of the lab.
    Fake(Script),
}

/// What the parent says after the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Abort the running task and end.
    Stop,
}

/// What the worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// First of all, before the engine is started.
    Ready {
        /// [`VERSION`].
        version: u32,
        /// The worker's process id.
        pid: u32,
    },
    /// The engine has started.
    Engine {
        /// What it is.
        info: EngineInfo,
    },
    /// The model is being loaded.
    Loading {
        /// 0 to 100.
        percent: u8,
    },
    /// The model is loaded.
    Loaded {
        /// What it is.
        model: Box<ModelInfo>,
        /// How long it took.
        seconds: f64,
    },
    /// The quantizer is this far. The last one is followed by [`Event::Done`] or [`Event::LoadFailed`].
    Quantizing {
        /// How far.
        progress: quantize::Progress,
    },
    /// Something was found of a context's limit.
    Context {
        /// What.
        finding: Box<context_limit::Finding>,
    },
    /// What a model would need was counted.
    Counted {
        /// Its place in [`Counting::models`].
        task: usize,
        /// That of its most demanding profile; none where it cannot be planned.
        need: Option<Need>,
    },
    /// The model cannot be loaded, or not be quantized; the worker ends.
    LoadFailed {
        /// Why, in one line.
        reason: String,
    },
    /// A task begins.
    TaskStarted {
        /// Its place in [`Job::tasks`].
        task: usize,
        /// Which profile.
        profile: ProfileName,
    },
    /// A task is this far.
    Progress {
        /// Its place in [`Job::tasks`].
        task: usize,
        /// How far.
        progress: Progress,
    },
    /// A computation goes on inside the engine; sent by a thread of its own about once a second, only when the engine moved.
    Pulse {
        /// [`crate::engine::AbortHandle::questions`].
        questions: u64,
        /// [`crate::engine::AbortHandle::tokens`]; 0 where the task counts none.
        tokens: u64,
    },
    /// What a task has measured so far, whole in itself: all that remains of it if the worker dies before its next word.
    Partial {
        /// Its place in [`Job::tasks`].
        task: usize,
        /// Raw samples, more with each such event.
        samples: Box<Samples>,
    },
    /// A task is done.
    TaskDone {
        /// Its place in [`Job::tasks`].
        task: usize,
        /// How long it took.
        seconds: f64,
        /// Raw samples.
        samples: Box<Samples>,
        /// Exact bytes of the largest context that it used, where the engine counts them.
        memory: Option<MemoryBreakdown>,
    },
    /// A task failed; the next one follows.
    TaskFailed {
        /// Its place in [`Job::tasks`].
        task: usize,
        /// Why, in one line.
        reason: String,
    },
    /// Nothing more follows.
    Done,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_says_of_which_kind_it_is_and_holds_no_unknown_field() {
        let job = Job {
            version: VERSION,
            engine: EngineChoice::Llama,
            model: None,
            memory_cap_bytes: None,
            tasks: Vec::new(),
        };
        let task = quantize::Task {
            base: "a.gguf".into(),
            output: "b.gguf".into(),
            quant: quantize::Quant::Q4KM,
            pure: false,
            allow_requantize: false,
            imatrix: None,
            threads: 2,
        };
        for order in [Order::from(&job), Order::from(&Quantizing { version: VERSION, task })] {
            let mut json = serde_json::to_value(&order).unwrap();
            assert_eq!(json["version"], VERSION, "read before all else");
            assert_eq!(serde_json::from_value::<Order>(json.clone()).unwrap(), order);
            json["more"] = 1.into();
            assert!(serde_json::from_value::<Order>(json).is_err());
        }
    }
}
