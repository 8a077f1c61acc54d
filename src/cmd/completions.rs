//! `sweetspot completions`.

use clap::CommandFactory;

use crate::exit_code::Exit;

/// Arguments of `sweetspot completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell: bash, zsh, fish, elvish or powershell.
    shell: clap_complete::Shell,
}

/// Prints the completion script to stdout.
///
/// # Errors
/// None.
#[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)] // every command has the same signature
pub fn run(args: Args) -> anyhow::Result<Exit> {
    clap_complete::generate(args.shell, &mut crate::cli::Cli::command(), "sweetspot", &mut std::io::stdout());
    Ok(Exit::Success)
}
