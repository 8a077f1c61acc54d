//! The loop.
use super::{Job, Samples};
use crate::profiles::{ProfileError, Rig};

/// Runs it.
///
/// # Errors
/// All.
pub fn run(_job: &Job, _rig: &mut Rig<'_>) -> Result<Samples, ProfileError> {
    todo!()
}
