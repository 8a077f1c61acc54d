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
/// When the output cannot be written.
#[allow(clippy::needless_pass_by_value)] // every command has the same signature
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::Cli::command(), "sweetspot", &mut script);
    super::out::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
