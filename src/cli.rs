//! The command line: clap's definitions, and llama.cpp's single-dash flags (`-ngl`, `-ctk`), which clap cannot spell.
//!
//! Left out on purpose: what a command does with its arguments ([`crate::cmd`]).

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::cmd;

/// Which local language model, quantization and context size suit this machine: measured, not guessed.
#[derive(Debug, Parser)]
#[command(name = "sweetspot", version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SWEETSPOT_GIT_REVISION"), ")"), about, max_term_width = 120)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands, one file each in [`crate::cmd`].
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure models: every profile on every model and quantization, with a report.
    Run(cmd::run::Args),
    /// Prompt processing and generation speed, as llama-bench measures them.
    Bench(cmd::bench::Args),
    /// How much context a model really has here: predicted exactly, then proved.
    Context(cmd::context::Args),
    /// What a quantization costs in answers: scored prompts, and divergence from a reference.
    Quality(cmd::quality::Args),
    /// Print the exact prompt that a model sees for a list of messages.
    Template(cmd::template::Args),
    /// Write a GGUF file of any shape and quantization with synthetic weights.
    Synth(cmd::synth::Args),
    /// Make quantizations of a model, as llama-quantize makes them, and keep them.
    Quantize(cmd::quantize::Args),
    /// What models are here, and what there is to fetch.
    Models(cmd::models::Args),
    /// What this machine is and what it can do at most.
    Machine(cmd::machine::Args),
    /// Print the configuration that is in force, with every key explained; or check a file.
    Config(cmd::config::Args),
    /// Build the reports of a run again.
    Report(cmd::report::Args),
    /// Print a shell's completion script.
    Completions(cmd::completions::Args),
    /// The child process that the engine lives in.
    #[command(hide = true)]
    Worker(cmd::worker::Args),
}

/// llama.cpp's flags that are longer than one letter behind a single dash, and the long flags they stand for here.
const LLAMA_FLAGS: &[(&str, &str)] = &[
    ("-pg", "--prompt-gen"),
    ("-ub", "--ubatch-size"),
    ("-ctk", "--cache-type-k"),
    ("-ctv", "--cache-type-v"),
    ("-ngl", "--n-gpu-layers"),
    ("-fa", "--flash-attn"),
    ("-oe", "--output-err"),
    ("-hf", "--hf-repo"),
];

/// Parses the program's arguments, the program's name first.
///
/// # Errors
/// clap's, which print themselves (with suggestions) and carry the exit code.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(args.map(spell_out))
}

/// `-ngl` to `--n-gpu-layers`, `-ngl=1` to `--n-gpu-layers=1`; all else as it is.
fn spell_out(arg: OsString) -> OsString {
    let Some(text) = arg.to_str() else { return arg };
    let (flag, value) = text.split_once('=').map_or((text, None), |(f, v)| (f, Some(v)));
    match (LLAMA_FLAGS.iter().find(|(short, _)| *short == flag), value) {
        (Some((_, long)), None) => (*long).into(),
        (Some((_, long)), Some(value)) => format!("{long}={value}").into(),
        (None, _) => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_of_all_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_flag_of_llama_cpp_is_spelled_out_with_and_without_a_value() {
        assert_eq!(spell_out("-ngl".into()), "--n-gpu-layers");
        assert_eq!(spell_out("-ctk=q8_0".into()), "--cache-type-k=q8_0");
        assert_eq!(spell_out("-p".into()), "-p");
        assert_eq!(spell_out("-1".into()), "-1");
    }
}
