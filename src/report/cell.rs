//! One cell of the [`super::view::View`]: its numbers, judgements and notes.

use crate::engine::{MemoryBreakdown, ModelInfo};
use crate::lab::outcome::{Cell, Outcome, ProfileOutcome, Status};
use crate::lab::run_file::PlannedCell;
use crate::plan::config::Thresholds;
use crate::plan::termination::Skip;
use crate::profiles::ProfileName;
use crate::stats::gigabytes;
use crate::verdict::interpretation::{SYNTHETIC, counted, ended_early};
use crate::verdict::recommendation::{Candidate, Trial};
use crate::verdict::score;

pub use super::profile::{ProfileStatus, ProfileView};

/// One (model, quant) in the reports.
#[derive(Clone, Debug, PartialEq)]
pub struct CellView {
    /// Which.
    pub cell: Cell,
    /// False where the run ended before it.
    pub reached: bool,
    /// How it ended.
    pub status: Status,
    /// What its profiles make of it; absent where it was skipped.
    pub verdict: Option<Verdict>,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
    /// The decision not to try it, where there was one.
    pub decision: Option<Skip>,
    /// What the engine says of the model.
    pub model: Option<ModelInfo>,
    /// Exact bytes of the largest context used.
    pub memory: Option<MemoryBreakdown>,
    /// The worker's largest resident memory.
    pub peak_resident_gb: Option<f64>,
    /// Time to load the model.
    pub load_seconds: Option<f64>,
    /// In the order they ran in.
    pub profiles: Vec<ProfileView>,
    /// Tokens per second for each GB of memory.
    pub efficiency_score: Option<f64>,
    /// 0 to 100.
    pub cost_benefit_score: Option<f64>,
    /// What the reader should know: made-up weights, early ends, noise, warnings of the run.
    pub notes: Vec<String>,
    /// The worker's log, relative to the run's folder.
    pub log: Option<String>,
    /// How long it took.
    pub duration_seconds: f64,
}

/// What the profiles of a cell make of it together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All that were tried passed.
    Passed,
    /// Some did.
    Partial,
    /// None did.
    Failed,
}

impl Verdict {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

impl CellView {
    /// What is shown of an outcome, on a machine with so much memory, graded by these thresholds.
    #[must_use]
    pub fn of(outcome: &Outcome, machine_bytes: u64, thresholds: &Thresholds) -> Self {
        let profiles: Vec<ProfileView> = outcome.profiles.iter().map(|p| ProfileView::of(p, thresholds)).collect();
        let mut view = Self {
            cell: outcome.cell.clone(),
            reached: true,
            status: outcome.status,
            verdict: verdict(outcome.status, &profiles),
            reason: outcome.reason.clone().or_else(|| outcome.decision.as_ref().map(|skip| skip.reason.clone())),
            decision: outcome.decision.clone(),
            model: outcome.model.clone(),
            memory: outcome.memory.clone().or_else(|| super::long_context::memory(outcome)),
            peak_resident_gb: outcome.peak_resident_bytes.map(gigabytes),
            load_seconds: outcome.load_seconds,
            profiles,
            efficiency_score: None,
            cost_benefit_score: None,
            notes: Vec::new(),
            log: outcome.log.clone(),
            duration_seconds: outcome.duration_seconds,
        };
        if let Some(memory) = view.memory_gb() {
            let speed = view.metric(ProfileName::Interactive, "tokens_per_second");
            let ttft = view.metric(ProfileName::Interactive, "ttft_seconds");
            view.efficiency_score = speed.and_then(|speed| score::efficiency(speed, memory));
            view.cost_benefit_score = speed
                .zip(ttft)
                .and_then(|(speed, ttft)| score::cost_benefit(speed, ttft, memory, gigabytes(machine_bytes)));
        }
        view.notes = notes(&view, outcome);
        view
    }

    /// Size of the file in GB.
    #[must_use]
    pub fn size_gb(&self) -> f64 {
        gigabytes(self.cell.size_bytes)
    }

    /// Weights, KV cache and compute buffers in GB: see [`super::view::MEMORY_INCLUDES`].
    #[must_use]
    pub fn memory_gb(&self) -> Option<f64> {
        self.memory.as_ref().map(|memory| gigabytes(memory.total_bytes()))
    }

    /// A profile, where it was planned.
    #[must_use]
    pub fn profile(&self, name: ProfileName) -> Option<&ProfileView> {
        self.profiles.iter().find(|profile| profile.profile == name)
    }

    /// A number of a profile.
    #[must_use]
    pub fn metric(&self, profile: ProfileName, name: &str) -> Option<f64> {
        self.profile(profile)?.metric(name)
    }

    /// The weights are made up, as the plan or the engine says.
    #[must_use]
    pub fn is_synthetic(&self) -> bool {
        self.cell.synthetic || self.model.as_ref().is_some_and(|model| model.synthetic)
    }

    /// The reason why the cell or, without one, its first profile without numbers has none.
    #[must_use]
    pub fn why_not(&self) -> Option<&str> {
        let of_profiles = || self.profiles.iter().find_map(|profile| profile.reason.as_deref());
        self.reason.as_deref().or_else(of_profiles)
    }

    pub(super) fn candidate(&self, profile: ProfileName) -> Candidate {
        let failed = || Trial::Failed(self.why_not().unwrap_or("could not be measured").to_owned());
        let trial = match (self.status, self.profile(profile)) {
            // what is known beforehand to fail is to be avoided as what failed is
            (Status::Skipped, _) if self.decision.is_some() => {
                Trial::Failed(format!("not tried: {}", self.why_not().unwrap_or_default()))
            }
            (Status::Skipped, _) | (Status::Measured, None) => Trial::Skipped,
            (Status::Failed, _) => failed(),
            (Status::Measured, Some(view)) => match (view.status, view.rating) {
                // not tried, or stopped before anything could be said
                (ProfileStatus::Skipped, _) | (_, None) => Trial::Skipped,
                (ProfileStatus::Passed | ProfileStatus::Failed, Some(rating)) => Trial::Rated {
                    rating,
                    numbers: view.numbers(),
                    tokens_per_second: view.metric("tokens_per_second"),
                    n_ctx: self.useful_n_ctx().unwrap_or_default(),
                },
                _ => failed(),
            },
        };
        Candidate {
            model: self.cell.model.clone(),
            quant: self.cell.quant.clone(),
            path: self.cell.path.clone(),
            size_bytes: self.cell.size_bytes,
            n_params: self.model.as_ref().map(|model| model.n_params),
            synthetic: self.is_synthetic(),
            trial,
            answers: self.answers(),
        }
    }

    /// The context to start the model with: the measured one, but no more than it was trained for.
    fn useful_n_ctx(&self) -> Option<u32> {
        let trained = self.model.as_ref().map_or(u32::MAX, |model| model.n_ctx_train);
        Some(self.n_ctx()?.min(trained))
    }

    /// Context size of the interactive profile in tokens.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it was a u32 before it became a metric
    fn n_ctx(&self) -> Option<u32> {
        self.metric(ProfileName::Interactive, "n_ctx").map(|n_ctx| n_ctx as u32)
    }
}

/// A planned cell without an outcome.
pub(super) fn not_reached(planned: &PlannedCell, interrupted: bool) -> CellView {
    let reason =
        if interrupted { "not reached: the run was interrupted" } else { "not reached: the run ended before it" };
    let profile = |&profile: &ProfileName| ProfileOutcome::without_samples(profile, Status::Skipped, reason);
    let outcome = Outcome {
        schema_version: Outcome::SCHEMA_VERSION,
        cell: planned.cell.clone(),
        status: Status::Skipped,
        reason: Some(reason.to_owned()),
        decision: None,
        model: None,
        memory: None,
        peak_resident_bytes: None,
        load_seconds: None,
        profiles: planned.profiles.iter().map(profile).collect(),
        warnings: Vec::new(),
        log: None,
        started_at: String::new(),
        duration_seconds: 0.0,
        cut_off: false,
        files: Vec::new(),
    };
    CellView { reached: false, ..CellView::of(&outcome, 0, &Thresholds::default()) }
}

fn verdict(status: Status, profiles: &[ProfileView]) -> Option<Verdict> {
    if status == Status::Skipped {
        return None;
    }
    let tried = || profiles.iter().filter(|profile| profile.status != ProfileStatus::Skipped);
    let passed = tried().filter(|profile| profile.status == ProfileStatus::Passed).count();
    Some(match passed {
        0 => Verdict::Failed,
        n if n == tried().count() && status == Status::Measured => Verdict::Passed,
        _ => Verdict::Partial,
    })
}

fn notes(view: &CellView, outcome: &Outcome) -> Vec<String> {
    let mut notes = Vec::new();
    if view.is_synthetic() {
        notes.push(SYNTHETIC.to_owned());
    }
    notes.extend(outcome.warnings.iter().cloned());
    for profile in &view.profiles {
        notes.extend(early_ends(profile));
        notes.extend(profile.noise.iter().map(|noise| format!("noise during {}: {noise}", profile.profile.name())));
    }
    if let (Some(n_ctx), Some(model)) = (view.n_ctx(), &view.model)
        && n_ctx > model.n_ctx_train
        && !outcome.warnings.iter().any(|warning| warning.contains("trained"))
    {
        let trained = counted(model.n_ctx_train as usize, "token");
        notes.push(format!("a context of {n_ctx} tokens is more than the {trained} the model was trained for"));
    }
    notes
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // both were whole numbers before they became metrics
fn early_ends(profile: &ProfileView) -> Option<String> {
    let early = profile.metric("requests_ended_early").filter(|early| *early > 0.0)?;
    Some(ended_early(early as usize, profile.metric("target_tokens")? as u32))
}
