//! The quality profile: what a quantization costs in answers. So far its second half alone: divergence from a reference.

pub mod prompts;
pub mod scorer;

use serde::{Deserialize, Serialize};

use super::divergence;
use super::{Metric, ProfileError, Rig};
use crate::engine::{ContextParams, Demand, ModelParams};

/// What the loop needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The context that answers are written in.
    pub context: ContextParams,
    /// Divergence from a reference, where there is one.
    pub divergence: Option<divergence::Job>,
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// Divergence from a reference.
    pub divergence: Option<divergence::Samples>,
}

impl Job {
    /// What must fit the memory at the same time. (With prompts to be answered, divergence would be left out where it does
    /// not fit.)
    #[must_use]
    pub fn demands<'a>(&'a self, own: &'a ModelParams) -> Vec<Demand<'a>> {
        match &self.divergence {
            Some(divergence) => divergence.demands(own),
            None => vec![Demand::one(own, &self.context)],
        }
    }
}

/// Runs what the job asks for.
///
/// # Errors
/// [`divergence::run`]'s.
pub fn run(job: &Job, rig: &mut Rig<'_>) -> Result<Samples, ProfileError> {
    let divergence = job.divergence.as_ref().map(|job| divergence::run(job, rig)).transpose()?;
    Ok(Samples { divergence })
}

/// The numbers, headline first.
#[must_use]
pub fn metrics(samples: &Samples) -> Vec<Metric> {
    samples.divergence.as_ref().map(divergence::metrics).unwrap_or_default()
}
