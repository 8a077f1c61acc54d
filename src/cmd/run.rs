//! `sweetspot run`: the main job.

mod args;
mod resumed;

use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::interrupt;

use crate::engine::{EngineInfo, MemoryBreakdown, Sampling};
use crate::exit_code::Exit;
use crate::hub::{Ledger, ledger};
use crate::lab::assembly::{self, Wanted};
use crate::lab::cell::Workers;
use crate::lab::outcome::{Cell, Status};
use crate::lab::resume::Earlier;
use crate::lab::run_file::RunFile;
use crate::lab::whole::{Came, Whole};
use crate::lab::{Entry, Session};
use crate::machine::Machine;
use crate::plan::config::Config;
use crate::plan::matrix::{Limits, Material};
use crate::report;
use crate::report::View;
use crate::report::cell::CellView;
use crate::report::terminal::{self, Look};
use crate::worker::protocol::EngineChoice;
pub use args::Args;
pub(super) use args::max_memory_bytes;

/// Runs the command.
///
/// # Errors
/// A [`crate::exit_code::UsageError`] for wrong arguments or configuration; otherwise what kept the run from being kept (folder,
/// disk).
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let (args, earlier) = resumed::arguments(args)?;
    let config = args::configuration(&args)?;
    let material = args::material(&config)?;
    let machine = Machine::detect();
    let engine = crate::worker::ask::engine_info(&EngineChoice::Llama)?;
    let main_memory = crate::machine::memory::available_bytes();
    let limits = Limits {
        threads: machine.default_threads(),
        memory_bytes: Some(main_memory + gpu_memory(&engine, &config)).filter(|&bytes| bytes > 0),
        max_memory_bytes: config.limits.max_memory_bytes(),
    };
    let profiles = if config.run.profiles.is_empty() { args::all_profiles() } else { config.run.profiles.clone() };
    let catalog = super::questions::catalog(&args.catalog)?;
    let wanted = Wanted {
        models: &args.all_models(),
        quants: &config.run.quants,
        weights: config.run.weights,
        seed: args.seed,
        profiles: &profiles,
        config: &config,
        material: &material,
        limits: &limits,
        catalog: &catalog,
        usual: if args.full { catalog.full_quants() } else { catalog.quick_quants() },
        offline: args.offline,
    };
    let entries = assembly::assemble(&wanted)?;
    // without termination even what swaps is run, or the saving could not be measured
    let free = Some(main_memory).filter(|&bytes| bytes > 0 && config.termination.enabled);
    let cap = limits.max_memory_bytes.or(free);
    let workers = Workers::configured(&config.worker, EngineChoice::Llama, cap);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("tokio cannot start")?;
    runtime.block_on(async {
        let start = Start { args, earlier, config, material, limits, machine, engine, workers };
        Box::pin(start.run(entries, interrupt::watch())).await
    })
}

/// All that is known before anything is counted or measured.
struct Start {
    args: Args,
    earlier: Option<Earlier>,
    config: Config,
    material: Material,
    limits: Limits,
    machine: Machine,
    engine: EngineInfo,
    workers: Workers,
}

impl Start {
    async fn run(self, mut entries: Vec<Entry>, mut cancel: watch::Receiver<bool>) -> anyhow::Result<Exit> {
        let plan_then = self.earlier.iter().flat_map(|earlier| &earlier.run.plan).cloned().collect::<Vec<_>>();
        for entry in &mut entries {
            entry.known_as(&plan_then);
        }
        assembly::count_needs(&mut entries, &self.workers.engine, &mut cancel).await?;
        let mut session = Session::new(&self.config, &self.limits, &self.workers);
        let (machine, limits) = (&self.machine, &self.limits);
        let rates = assembly::measured_rates(&entries, machine, limits, self.args.dry_run, &mut cancel).await;
        session.expects_roughly = rates.is_none();
        assembly::expect(&mut entries, rates);
        if self.args.dry_run {
            let look = Look::of_stdout();
            super::out::print(&report::plan::render(&entries, &session, &self.limits, look))?;
            return Ok(Exit::Success);
        }
        if entries.len() > 1 {
            let plan = report::plan::render(&entries, &session, &self.limits, Look::of_stderr());
            crate::say!("{}", plan.trim_end());
        }
        let mut run_file = self.run_file(&entries)?;
        if let Some(earlier) = &self.earlier {
            if self.args.is_stored {
                run_file.arguments.clone_from(&earlier.run.arguments);
                run_file.working_folder.clone_from(&earlier.run.working_folder);
            }
            resumed::check(earlier, &run_file, self.args.accept_changes)?;
            session.earlier.clone_from(&earlier.outcomes);
        }
        let folder = match (&self.args.resume, &self.args.out) {
            (Some(folder), _) | (None, Some(folder)) => folder.clone(),
            (None, None) => new_folder(&self.config.output.folder, &run_file.folder_name())?,
        };
        let formats = self.config.output.formats.clone();
        let before: Vec<Cell> =
            self.earlier.iter().flat_map(Earlier::finished).map(|outcome| outcome.cell.clone()).collect();
        let whole = Whole { folder, run_file, entries, session, earlier: self.earlier.clone(), formats };
        conclude(whole.run(cancel.clone()).await?, &before, &cancel).await
    }

    fn run_file(&self, entries: &[Entry]) -> anyhow::Result<RunFile> {
        let seed = match self.config.interactive.sampling {
            Sampling::Seeded { seed, .. } => seed.into(),
            Sampling::Greedy => 0,
        };
        let plan = entries.iter().map(Entry::in_run_file).collect();
        let (machine, engine) = (self.machine.clone(), Some(self.engine.clone()));
        let configuration = serde_json::to_value(&self.config)?;
        let material_sha256 = Some(format!("{:x}", Sha256::digest(format!("{:?}", self.material))));
        Ok(RunFile { material_sha256, ..RunFile::begin(configuration, seed, machine, engine, plan) })
    }
}

/// Shows what came of it; `before` are the cells that had ended earlier. All that went wrong is told; the first decides how the
/// program ends.
async fn conclude(came: Came, before: &[Cell], cancel: &watch::Receiver<bool>) -> anyhow::Result<Exit> {
    let mut errors = Vec::new();
    let ended = came.ended.map_err(|error| errors.push(error)).unwrap_or_default();
    match came.view {
        Ok(view) => {
            remember(&view, before);
            super::out::print(&terminal::render(&view, Look::of_stdout()))?;
        }
        Err(error) => errors.push(error),
    }
    for path in &came.written.paths {
        crate::say!("wrote {}", path.display());
    }
    errors.extend(came.written.errors);
    let mut errors = errors.into_iter();
    if let Some(first) = errors.next() {
        errors.for_each(|error| crate::say!("sweetspot: {error:#}"));
        return Err(first);
    }
    tokio::task::yield_now().await; // who interrupts the report itself is heard, too
    Ok(match ended {
        _ if ended.interrupted || *cancel.borrow() => Exit::Interrupted,
        _ if ended.measured > 0 => Exit::Success,
        _ => Exit::Nothing,
    })
}

/// Notes in the ledger which files were measured now and what they needed. It is a convenience: a run without it is a run all the
/// same.
fn remember(view: &View, before: &[Cell]) {
    let is_real = |cell: &&CellView| cell.status == Status::Measured && !cell.is_synthetic() && cell.cell.path.exists();
    let is_new = |cell: &&CellView| !before.iter().any(|other| other.is(&cell.cell));
    for cell in view.cells.iter().filter(is_real).filter(is_new) {
        let tested = ledger::Entry {
            path: std::path::absolute(&cell.cell.path).unwrap_or_else(|_| cell.cell.path.clone()),
            size_bytes: cell.cell.size_bytes,
            model: cell.cell.model.clone(),
            quant: cell.cell.quant.clone(),
            ..ledger::Entry::default()
        };
        let need = cell.memory.as_ref().map(MemoryBreakdown::total_bytes);
        let recorded = Ledger::open().and_then(|ledger| ledger.record_test(&tested, need, jiff::Timestamp::now()));
        if let Err(error) = recorded {
            return crate::say!("sweetspot: when models were tested is not remembered: {error:#}");
        }
    }
}

/// Makes a folder of this name, or of this name with a number where runs began within the same second.
pub(super) fn new_folder(parent: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let context =
        |folder: &Path| format!("{}: the run's folder cannot be made; name another with --out", folder.display());
    std::fs::create_dir_all(parent).with_context(|| context(parent))?;
    let mut folder = parent.join(name);
    for number in 2_u32.. {
        // Unlike a look beforehand, create_dir tells of a folder that another run made just now.
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => return made.with_context(|| context(&folder)).map(|()| folder),
        }
        folder = parent.join(format!("{name}-{number}"));
    }
    anyhow::bail!(context(parent))
}

/// What the GPUs have free for layers: weights that lie there need no main memory.
fn gpu_memory(engine: &EngineInfo, config: &Config) -> u64 {
    if config.engine.n_gpu_layers == Some(0) {
        return 0;
    }
    engine.devices.iter().filter(|device| device.kind == "gpu").map(|device| device.memory_free_bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_taken_gets_a_number() {
        let parent = tempfile::tempdir().unwrap();
        let results = parent.path().join("results");
        let names = [(); 3].map(|()| new_folder(&results, "now").unwrap());
        assert_eq!(names, ["now", "now-2", "now-3"].map(|name| results.join(name)));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_and_ends_the_search() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("results"), "").unwrap();
        let error = new_folder(&parent.path().join("results"), "now").unwrap_err();
        assert!(error.to_string().ends_with("results: the run's folder cannot be made; name another with --out"));
    }
}
