//! `sweetspot machine`.

use crate::exit_code::Exit;

/// Arguments of `sweetspot machine`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// None yet.
pub fn run(_args: Args) -> anyhow::Result<Exit> {
    todo!()
}
