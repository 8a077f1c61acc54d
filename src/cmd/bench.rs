//! `sweetspot bench`: pp/tg tests as llama-bench runs them, in its formats, by its flags.

pub mod arguments;
pub mod runner;

use anyhow::Context;

use super::interrupt;
use crate::exit_code::Exit;
use crate::report::llama_bench::{Build, Columns, Format, Printer};
use crate::worker::process::Options;
use crate::worker::protocol::EngineChoice;
use runner::{LogPlace, Runner};

/// Arguments of `sweetspot bench`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Lists take commas, ranges ('first-last', 'first-last+step', 'first-last*factor') and repeated flags; \
                        all combinations are measured."
)]
pub struct Args {
    /// GGUF files, or folders of them; `demo` is the model that comes with the program, `demo:Q4_K_M` a quantization of it
    #[arg(short, long, value_name = "FILE", required_unless_present = "hf_repo")]
    pub model: Vec<String>,
    /// Models on Hugging Face, `user/repo[:QUANT]` (-hf)
    #[arg(long, value_name = "REPO")]
    pub hf_repo: Vec<String>,
    /// Prompt sizes in tokens; 0: none [default: 512]
    #[arg(short = 'p', long, value_name = "N")]
    pub n_prompt: Vec<String>,
    /// Generation sizes in tokens; 0: none [default: 128]
    #[arg(short, long, value_name = "N")]
    pub n_gen: Vec<String>,
    /// Prompt, then generation, in one run, also given apart (-pg)
    #[arg(long, value_name = "PP,TG")]
    pub prompt_gen: Vec<String>,
    /// Tokens in the cache beforehand [default: 0]
    #[arg(short = 'd', long, value_name = "N")]
    pub n_depth: Vec<String>,
    /// Tokens in one call of the engine [default: 2048]
    #[arg(short, long, value_name = "N")]
    pub batch_size: Vec<String>,
    /// Tokens that are computed at once (-ub) [default: 512]
    #[arg(long, value_name = "N")]
    pub ubatch_size: Vec<String>,
    /// Types of the cached keys (-ctk) [default: f16]
    #[arg(long, value_name = "TYPE")]
    pub cache_type_k: Vec<String>,
    /// Types of the cached values (-ctv) [default: f16]
    #[arg(long, value_name = "TYPE")]
    pub cache_type_v: Vec<String>,
    /// Threads [default: one a physical core]
    #[arg(short, long, value_name = "N")]
    pub threads: Vec<String>,
    /// Layers on the GPU; -1: all (-ngl) [default: -1]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub n_gpu_layers: Vec<String>,
    /// Flash attention: on, off or auto (-fa) [default: auto]
    #[arg(long, value_name = "MODE", allow_hyphen_values = true)]
    pub flash_attn: Vec<String>,
    /// How often each test is repeated
    #[arg(short, long, value_name = "N", default_value_t = 5)]
    pub repetitions: u32,
    /// Do not run each test once before it counts
    #[arg(long)]
    pub no_warmup: bool,
    /// Rest before each test
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub delay: u32,
    /// Start of the random tokens
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Format on stdout: md, csv, json, jsonl or sql
    #[arg(short, long, value_name = "FORMAT", default_value = "md")]
    pub output: Format,
    /// The same results in another format on stderr (-oe)
    #[arg(long, value_name = "FORMAT")]
    pub output_err: Option<Format>,
    /// Say on stderr how far the tests are
    #[arg(long)]
    pub progress: bool,
    /// Keep llama.cpp's log in this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<std::path::PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Wrong arguments, or output that cannot be written. A model that cannot be measured is a line on stderr.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let default_threads = crate::machine::default_threads();
    let parameters = arguments::parameters(&args, default_threads)?;
    let groups = arguments::groups(&parameters)?;
    let columns = Columns::of(&parameters, default_threads);
    let mut printers = vec![printer(args.output, columns, Box::new(std::io::stdout()))];
    printers.extend(args.output_err.map(|format| printer(format, columns, Box::new(std::io::stderr()))));
    let log = LogPlace::new(args.log).context("no place for the worker's log; name a file with --log")?;
    let runner = Runner::new(EngineChoice::Llama, Options::new(log.path().to_owned()), Build::this(), args.progress);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let summary = match runtime.block_on(async { runner.run(&groups, &mut printers, interrupt::watch()).await }) {
        // A reader that has seen enough, such as `head`, is no failure.
        Err(error) if reader_has_gone(&error) => return Ok(Exit::Success),
        ended => ended?,
    };
    if !summary.failures.is_empty() {
        crate::say!("sweetspot: llama.cpp's log: {}", log.keep().display());
    }
    Ok(summary.exit())
}

fn reader_has_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn printer(format: Format, columns: Columns, out: runner::Out) -> Printer<runner::Out> {
    Printer::new(format, columns, Build::this(), out)
}
