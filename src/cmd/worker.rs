//! `sweetspot worker`: hidden, started by the program itself.

use crate::exit_code::Exit;
use crate::worker::serve;

/// Arguments of `sweetspot worker`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The process that started this one: when it is gone already, there is nothing to do.
    #[arg(long, value_name = "PID")]
    parent: Option<u32>,
}

/// Reads a job from stdin and writes events to stdout until it is done.
///
/// # Errors
/// When stdin holds no job of this version.
#[allow(clippy::needless_pass_by_value)] // every command has the same signature
pub fn run(args: Args) -> anyhow::Result<Exit> {
    serve::serve(args.parent)
}
