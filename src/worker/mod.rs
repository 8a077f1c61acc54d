//! WHERE it runs: the child process that the engine lives in, so that its death is a line in a report and not the end of
//! a run. [`process`] is the parent's side, [`serve`] the child's, [`protocol`] what they say to each other.
//!
//! What only some systems have is chosen here and nowhere else: `limits` is Linux' or none, `control` Unix' or none.

pub mod ask;
mod budget;
pub mod exit;
pub mod process;
pub mod protocol;
pub mod serve;

mod course;
mod lines;
mod log;
mod output;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(target_os = "linux")]
use linux as limits;
#[cfg(not(target_os = "linux"))]
use other::limits;

#[cfg(not(unix))]
use other::control;
#[cfg(unix)]
use unix as control;
