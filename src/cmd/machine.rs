//! `sweetspot machine`: what this machine is and what it can do at most.

use anyhow::Context;
use clap::ValueEnum;

use crate::engine::EngineInfo;
use crate::exit_code::Exit;
use crate::machine::Machine;
use crate::machine::sheet::Sheet;
use crate::machine::vitals::Snapshot;
use crate::probe::Roofline;
use crate::worker::protocol::EngineChoice;

/// Columns where the output is no terminal.
const PLAIN_WIDTH: u16 = 100;

/// Arguments of `sweetspot machine`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the facts only; without this, bandwidth and throughput are measured in about 3 seconds.
    #[arg(long)]
    no_measure: bool,
    /// Threads to measure with [default: the physical cores that this process may use].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,
    /// How to print.
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the output cannot be written.
#[allow(clippy::needless_pass_by_value)] // the signature of all commands
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let machine = Machine::detect();
    let mut sheet = Sheet {
        schema_version: Sheet::SCHEMA_VERSION,
        engine: engine_info(),
        roofline: None,
        noise: Vec::new(),
        machine,
    };
    if !args.no_measure {
        let threads = args.threads.unwrap_or_else(|| sheet.machine.default_threads());
        crate::say!("measuring memory bandwidth and matrix throughput with {threads} threads, about 3 seconds");
        let start = Snapshot::take(std::process::id());
        sheet.roofline = Some(Roofline::measure(&sheet.machine, threads));
        sheet.noise = start.until(&Snapshot::take(std::process::id())).warnings();
    }
    let text = match args.format {
        Format::Text => sheet.text(usize::from(columns())),
        Format::Json => serde_json::to_string_pretty(&sheet).context("the machine's sheet as JSON")? + "\n",
    };
    super::out::print(&text)?;
    Ok(Exit::Success)
}

/// What the engine was built with; a machine is described without it, too.
fn engine_info() -> Option<EngineInfo> {
    crate::worker::ask::engine_info(&EngineChoice::Llama).inspect_err(|error| crate::say!("sweetspot: {error:#}")).ok()
}

/// Columns to fill: the terminal's, but lines of more than 120 are hard to read.
fn columns() -> u16 {
    comfy_table::Table::new().width().unwrap_or(PLAIN_WIDTH).clamp(40, 120)
}
