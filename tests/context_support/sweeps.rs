//! Sweeps over small models, by the real program as worker.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sweetspot::engine::{ContextParams, ModelParams};
use sweetspot::lab::console::Console;
use sweetspot::lab::context::{self, Found};
use sweetspot::probe::context_limit::{Budget, BudgetSource, Failure, ProbeResult, Proof, Sweep, Task};
use sweetspot::worker::process::Options;
use sweetspot::worker::protocol::EngineChoice;
use tokio::sync::watch;

/// The program under test.
pub const SWEETSPOT: &str = env!("CARGO_BIN_EXE_sweetspot");

/// A sweep over these types of the KV cache, under a budget in bytes.
pub fn task(model: &Path, kv_types: &[&str], budget_bytes: u64, proof: Proof) -> Task {
    Task {
        model: ModelParams::new(model),
        context: ContextParams::new(256, 1),
        budget: Budget { host_bytes: budget_bytes, source: BudgetSource::Given, devices: Vec::new() },
        other_budgets: Vec::new(),
        granularity: 256,
        ceiling: None,
        proof,
        fill_seconds: 600,
        allow_swap: false,
        growth: None,
        sweeps: kv_types.iter().map(|kv| Sweep::new(kv.parse().unwrap())).collect(),
    }
}

/// Runs it; `program` is what is started as a worker.
pub fn run(task: &Task, program: PathBuf) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(folder.path().join("worker.log"));
    options.program = Some(program);
    options.stall_timeout = Duration::from_mins(1);
    let (_sender, mut cancel) = watch::channel(false);
    let mut console = Console::new(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(context::run(task, &EngineChoice::Llama, &options, &mut cancel, &mut console)).unwrap()
}

/// The probes that failed: size in tokens, and how.
pub fn failures(sweep: &Sweep) -> Vec<(u32, Failure)> {
    let failure = |result: &ProbeResult| match result {
        ProbeResult::Failed(failure) => Some(failure.clone()),
        ProbeResult::Fits(_) => None,
    };
    sweep.probes.iter().filter_map(|probe| Some((probe.n_ctx, failure(&probe.result)?))).collect()
}
