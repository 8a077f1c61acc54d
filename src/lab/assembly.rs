//! From what a command line names to the plan of a run: the models' files, in the order that they are measured in, with what is
//! known of each before it is loaded.

use std::cell::LazyCell;
use std::path::{Path, PathBuf};

use tokio::sync::{oneshot, watch};

use super::run_file;
use super::source::Source;
use super::stamp::FileStamp;
use super::synthetic;
use super::wishes::Names;
use super::{Entry, fetching, ladder, learn};
use crate::engine::need::OwnedDemand;
use crate::engine::quantize::Quant;
use crate::exit_code::UsageError;
use crate::hub::{Hub, HubError};
use crate::interrupt::stopped;
use crate::machine::Machine;
use crate::plan::catalog::Catalog;
use crate::plan::config::{Config, Weights};
use crate::plan::expected::{Expected, Rates};
use crate::plan::matrix::{self, Found, Limits, Material};
use crate::plan::order::{self, Level};
use crate::probe::roofline::Roofline;
use crate::profiles::{Job, ProfileName};
use crate::quants::{self, demo};
use crate::worker::ask;
use crate::worker::protocol::EngineChoice;

/// What is to be measured, and how.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// As the command line names them; none: the demo model.
    pub models: &'a [PathBuf],
    /// Only these quantizations; none: those that are there.
    pub quants: &'a [Quant],
    /// Whose weights.
    pub weights: Weights,
    /// Seed of made-up weights.
    pub seed: Option<u32>,
    /// Which profiles.
    pub profiles: &'a [ProfileName],
    /// The configuration.
    pub config: &'a Config,
    /// What the profiles ask.
    pub material: &'a Material,
    /// What the machine and the person allow.
    pub limits: &'a Limits,
    /// The models that have names.
    pub catalog: &'a Catalog,
    /// Quantizations of a model of the catalogue that is named without one.
    pub usual: &'a [Quant],
    /// Nobody is asked over the network.
    pub offline: bool,
}

/// The plan, in the order of the run. Nothing is made or loaded; of models of the hub that are not here the headers are fetched.
///
/// # Errors
/// A [`crate::exit_code::UsageError`] for names that stand for nothing.
pub fn assemble(wanted: &Wanted<'_>) -> anyhow::Result<Vec<Entry>> {
    let mut candidates: Vec<(Found, Source)> = Vec::new();
    for (found, source) in self::candidates(wanted)? {
        // two names may stand for one file, as two models of one shape do
        if !candidates.iter().any(|(other, _)| other.cell.is(&found.cell)) {
            candidates.push((found, source));
        }
    }
    order::order(&mut candidates, |(found, _)| (Level::of(&found.cell.quant), found.cell.size_bytes));
    let (found, sources): (Vec<Found>, Vec<Source>) = candidates.into_iter().unzip();
    let facts: Vec<_> = found.iter().map(|f| (f.n_params, f.n_active_params, f.n_ctx_train)).collect();
    let plan = matrix::plan(found, wanted.profiles, wanted.config, wanted.material, wanted.limits);
    let entry = |((planned, source), (n_params, n_active_params, n_ctx_train))| Entry {
        planned,
        source,
        n_params,
        n_active_params,
        n_ctx_train,
        need: None,
        expected_seconds: None,
    };
    Ok(plan.into_iter().zip(sources).zip(facts).map(entry).collect())
}

fn candidates(wanted: &Wanted<'_>) -> anyhow::Result<Vec<(Found, Source)>> {
    let names = Names { catalog: wanted.catalog, quants: wanted.quants, usual: wanted.usual };
    let hub = LazyCell::new(|| Hub::from_env(wanted.offline));
    let hub = || match &*hub {
        Ok(hub) => Ok(hub),
        Err(error) => Err(UsageError::new(error.to_string())),
    };
    if wanted.weights == Weights::Synthetic {
        return synthetic_candidates(wanted, &names, &hub);
    }
    let mut candidates = Vec::new();
    let (local, remote): (Vec<PathBuf>, Vec<PathBuf>) =
        wanted.models.iter().cloned().partition(|model| is_local(model));
    if !local.is_empty() || remote.is_empty() {
        let source = |request: Option<quants::Request>| request.map_or(Source::File, |r| Source::Quantize(Box::new(r)));
        let found = ladder::find(&local, wanted.quants)?;
        candidates.extend(found.into_iter().map(|one| (one.found, source(one.request))));
    }
    let mut is_down = false;
    for text in remote {
        for model in names.find(&text.to_string_lossy())? {
            candidates.push(fetching::candidate(&model, hub()?, &mut is_down));
        }
    }
    Ok(candidates)
}

/// Each name by itself: a repository whose header does not come is a cell that says so.
fn synthetic_candidates<'a>(
    wanted: &Wanted<'_>,
    names: &Names<'_>,
    hub: &dyn Fn() -> anyhow::Result<&'a Hub>,
) -> anyhow::Result<Vec<(Found, Source)>> {
    let texts: Vec<_> = wanted.models.iter().map(|m| m.to_string_lossy().into_owned()).collect();
    let each: Vec<&[String]> = if texts.is_empty() { vec![&[]] } else { texts.chunks(1).collect() };
    let mut candidates = Vec::new();
    for text in each {
        match synthetic::find(text, names, wanted.seed, hub) {
            Ok(found) => {
                candidates.extend(found.into_iter().map(|one| (one.found.clone(), Source::Synthesize(Box::new(one)))));
            }
            Err(error) => {
                let error = error.downcast::<HubError>()?;
                for named in names.find(&text.concat())? {
                    candidates.push((fetching::absent(&named, &error), Source::Absent(named.wish.to_string())));
                }
            }
        }
    }
    Ok(candidates)
}

/// A file or folder, or what looks like one although it is not there; and the demo model.
#[must_use]
pub fn is_local(model: &Path) -> bool {
    let text = model.to_string_lossy();
    let is_demo = text.split(':').next() == Some(demo::NAME);
    let looks_like_a_file =
        model.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf")) || text.starts_with(['.', '/']);
    is_demo || model.exists() || looks_like_a_file
}

/// Counts what each model needs whose file is there. What cannot be counted stays unknown.
///
/// # Errors
/// No worker can be started.
pub async fn count_needs(
    entries: &mut [Entry],
    engine: &EngineChoice,
    cancel: &mut watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let is_there = |entry: &Entry| {
        let has_file = entry.planned.model.path.exists() || entry.source.stub().is_some();
        entry.planned.broken.is_none() && has_file
    };
    let places: Vec<usize> = (0..entries.len()).filter(|&place| is_there(&entries[place])).collect();
    if places.is_empty() {
        return Ok(());
    }
    let models: Vec<_> = places.iter().map(|&place| demands(&entries[place])).collect();
    let needs = ask::needs(engine, &models, cancel).await?;
    for (place, need) in places.into_iter().zip(needs) {
        entries[place].need = need;
    }
    Ok(())
}

/// How fast this machine is, where that is worth measuring (it takes two to four seconds): where the plan is shown, or is large.
/// None where it is not, or somebody stops the run meanwhile.
pub async fn measured_rates(
    entries: &[Entry],
    machine: &Machine,
    limits: &Limits,
    is_shown: bool,
    cancel: &mut watch::Receiver<bool>,
) -> Option<Rates> {
    let bytes = entries.iter().fold(0, |sum, entry| u64::saturating_add(sum, entry.planned.cell.size_bytes));
    if (!is_shown && bytes < WORTH_MEASURING_BYTES) || *cancel.borrow() {
        return None;
    }
    let (sender, measured) = oneshot::channel();
    let (machine, threads) = (machine.clone(), limits.threads);
    let measure = move || {
        let _ = sender.send(Roofline::measure(&machine, threads));
    };
    // on a thread of its own, so that this one hears who wants it to stop
    std::thread::Builder::new().name("roofline".into()).spawn(measure).ok()?;
    tokio::select! {
        roofline = measured => roofline.ok().map(|roofline| Rates {
            memory_bytes_per_second: roofline.bytes_per_second(),
            operations_per_second: roofline.operations_per_second(),
            load_bytes_per_second: LOAD_BYTES_PER_SECOND,
        }),
        () = stopped(cancel) => None,
    }
}

/// Foretells how long each cell takes. Without rates the times only compare cells with one another.
pub fn expect(entries: &mut [Entry], rates: Option<Rates>) {
    let rates = rates.unwrap_or(ROUGH);
    for entry in entries.iter_mut().filter(|entry| entry.planned.broken.is_none()) {
        let expected = Expected::of(&learn::candidate(entry), entry.n_ctx_train, &entry.planned.jobs, &rates);
        entry.expected_seconds = Some(expected.seconds()).filter(|seconds| seconds.is_finite());
    }
}

/// Runs over less than this end sooner than it would help to know when.
const WORTH_MEASURING_BYTES: u64 = 2_000_000_000;

/// A file that is read from a disk of today. The first cells that are measured correct it.
const LOAD_BYTES_PER_SECOND: f64 = 1e9;

/// Some machine: good enough to compare cells with one another.
const ROUGH: Rates =
    Rates { memory_bytes_per_second: 1e10, operations_per_second: 1e11, load_bytes_per_second: LOAD_BYTES_PER_SECOND };

/// What its profiles demand; of a model that is not here by its header.
fn demands(entry: &Entry) -> Vec<Vec<OwnedDemand>> {
    let mut model = entry.planned.model.clone();
    if let Some(stub) = entry.source.stub() {
        stub.clone_into(&mut model.path);
    }
    let of_job = |job: &Job| job.demands(&model).iter().map(OwnedDemand::from).collect();
    entry.planned.jobs.iter().map(of_job).collect()
}

impl Entry {
    /// What a run's folder keeps of the plan.
    #[must_use]
    pub fn in_run_file(&self) -> run_file::PlannedCell {
        let path: &Path = &self.planned.model.path;
        run_file::PlannedCell {
            cell: self.planned.cell.clone(),
            profiles: self.planned.jobs.iter().map(Job::name).collect(),
            files: if self.source.is_here() { FileStamp::of_model(path) } else { Vec::new() },
            need: self.need,
            expected_seconds: self.expected_seconds,
            wish: self.source.wish().map(str::to_owned),
        }
    }

    /// A model that does not come now keeps the name that it had when it could be asked about.
    pub fn known_as(&mut self, earlier: &[run_file::PlannedCell]) {
        let Source::Absent(wish) = &self.source else { return };
        if let Some(then) = earlier.iter().find(|then| then.wish.as_ref() == Some(wish)) {
            self.planned.cell = then.cell.clone();
        }
    }
}
