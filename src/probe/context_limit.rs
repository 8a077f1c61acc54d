//! How much context a model really has in a given memory: predicted exactly by llama.cpp itself (`no_alloc`), then proved by
//! allocating it.
//!
//! Runs in a worker: [`task`] is what it is asked, [`found`] what it finds. Left out on purpose: starting workers again and
//! asking on after one has died, which is the lab's; what the numbers mean for a user, which is the report's.

pub mod finding;
pub mod formula;
pub mod found;
pub mod narrow;
pub mod predict;
mod prove;
pub mod sweep;
pub mod task;
mod weights;

pub use finding::Finding;
pub use found::{Failure, FailureKind, Fit, LimitedBy, Planned, Prediction, Probe, ProbeResult, Sweep};
pub use task::{Budget, BudgetSource, DeviceBudget, KvPair, Proof, Task};
