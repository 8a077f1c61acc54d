//! One file a subcommand: arguments in, calls, output. No logic of its own.

pub mod bench;
pub mod completions;
pub mod config;
pub mod context;
pub mod machine;
pub mod models;
mod names;
pub mod out;
pub mod quality;
pub mod quantize;
mod questions;
pub mod report;
pub mod run;
pub mod synth;
pub mod template;
pub mod worker;

use crate::cli::{Cli, Command};
use crate::exit_code::Exit;
use crate::interrupt;

/// Runs the command.
///
/// # Errors
/// Whatever made the command give up; [`crate::exit_code::of`] turns it into the exit code.
pub fn run(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Run(args) => run::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Context(args) => context::run(args),
        Command::Quality(args) => quality::run(args),
        Command::Template(args) => template::run(args),
        Command::Synth(args) => synth::run(args),
        Command::Quantize(args) => quantize::run(args),
        Command::Models(args) => models::run(args),
        Command::Machine(args) => machine::run(args),
        Command::Config(args) => config::run(args),
        Command::Report(args) => report::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Worker(args) => worker::run(args),
    }
}
