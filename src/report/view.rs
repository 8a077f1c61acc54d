//! The one view model: everything that a report shows, computed once from a run's folder. The exporters only lay it out.
//!
//! Left out on purpose: files ([`super::folder`]), clocks and this machine: a view of the same folder is the same anywhere.

use super::cell::{self, CellView};
use super::folder::RunFolder;
use super::metadata::{Hardware, engine_line};
use crate::lab::outcome::{Outcome, Status};
use crate::lab::run_file::RunFile;
use crate::plan::config::Thresholds;
use crate::profiles::ProfileName;
use crate::verdict::interpretation::{NOT_NATIVE, counted};
use crate::verdict::recommendation::{self, Overall, Recommendation, Settings};

/// What `memory_gb` counts, for every report.
pub const MEMORY_INCLUDES: &str = "weights (mapped file and repacked copies), KV cache and compute buffers of the largest \
    context that chats and prompts used, as allocated by the engine; without the program itself";

/// Everything that a report shows.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// What was planned, on what, with which settings.
    pub run: RunFile,
    /// How long the run took; where it was killed, the sum of its cells.
    pub duration_seconds: f64,
    /// One for each planned cell, in the plan's order.
    pub cells: Vec<CellView>,
    /// Advice for each profile that can give some.
    pub recommendations: Vec<(ProfileName, Vec<Recommendation>)>,
    /// The one to start with.
    pub overall: Option<Overall>,
    /// What the reader should know about the run as a whole.
    pub notes: Vec<String>,
}

impl View {
    /// Computes the view.
    #[must_use]
    pub fn of(folder: RunFolder) -> Self {
        let RunFolder { run, outcomes, warnings } = folder;
        let mut cells = cells(&run, &outcomes);
        super::quality::compare_quants(&mut cells);
        let candidates: Vec<_> = cells.iter().map(|cell| cell.candidate(ProfileName::Interactive)).collect();
        let long = |cell: &&CellView| cell.profile(ProfileName::LongContext).is_some();
        let for_long: Vec<_> = cells.iter().filter(long).map(|cell| cell.candidate(ProfileName::LongContext)).collect();
        let recommendations = [(ProfileName::Interactive, &candidates), (ProfileName::LongContext, &for_long)]
            .map(|(profile, candidates)| (profile, recommendation::recommend(candidates)))
            .into_iter()
            .filter(|(_, advice)| !advice.is_empty())
            .collect();
        let overall = recommendation::overall(&candidates, &settings(&run));
        let mut notes = notes(&run, &cells, warnings);
        if overall.is_none() {
            notes.extend(no_choice(&cells));
        }
        Self {
            duration_seconds: run
                .duration_seconds
                .unwrap_or_else(|| outcomes.iter().map(|outcome| outcome.duration_seconds).sum()),
            recommendations,
            overall,
            notes,
            cells,
            run,
        }
    }

    /// The hardware in one line.
    #[must_use]
    pub fn hardware(&self) -> String {
        Hardware::of(&self.run.machine).line()
    }

    /// The engine in one line.
    #[must_use]
    pub fn engine(&self) -> String {
        engine_line(self.run.engine.as_ref())
    }

    /// The program in a few words.
    #[must_use]
    pub fn program(&self) -> String {
        format!("sweetspot {} ({})", self.run.program.version, self.run.program.revision)
    }
}

/// Without control characters: a model's name or a log must not move a terminal's cursor. Line ends become spaces.
#[must_use]
pub(super) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

fn cells(run: &RunFile, outcomes: &[Outcome]) -> Vec<CellView> {
    let machine_bytes: u64 = run.machine.usable_memory_bytes()
        + run.machine.gpus.iter().filter_map(|gpu| gpu.memory_total_bytes).sum::<u64>();
    let thresholds = Thresholds::of_run(&run.configuration);
    let planned = run.plan.iter().map(|planned| {
        outcomes.iter().find(|outcome| outcome.cell.is(&planned.cell)).map_or_else(
            || cell::not_reached(planned, run.interrupted),
            |outcome| CellView::of(outcome, machine_bytes, &thresholds),
        )
    });
    // An outcome that is in no plan is shown all the same: it was measured.
    // One that was cut off was planned anew, under the name of a file that has come since.
    let is_planned = |outcome: &&Outcome| run.plan.iter().any(|planned| planned.cell.is(&outcome.cell));
    let others = outcomes.iter().filter(|outcome| !outcome.cut_off && !is_planned(outcome));
    planned.chain(others.map(|outcome| CellView::of(outcome, machine_bytes, &thresholds))).collect()
}

fn notes(run: &RunFile, cells: &[CellView], warnings: Vec<String>) -> Vec<String> {
    let mut notes = warnings;
    if run.engine.as_ref().is_some_and(|engine| !engine.native) {
        notes.push(NOT_NATIVE.to_owned());
    }
    let left = cells.iter().filter(|cell| !cell.reached).count();
    if run.interrupted {
        notes.push("the run was interrupted: this report is partial".to_owned());
    } else if left > 0 {
        notes.push(format!("the run ended before its plan was done: {} left out", counted(left, "cell")));
    }
    notes
}

/// Why no model is named to start with, where some were measured.
fn no_choice(cells: &[CellView]) -> Option<String> {
    let mut measured = cells.iter().filter(|cell| cell.status == Status::Measured).peekable();
    measured.peek()?;
    Some(if measured.all(CellView::is_synthetic) {
        "no model to start with: all that were measured have synthetic weights".to_owned()
    } else {
        "no model to start with: none that was measured is usable here".to_owned()
    })
}

/// What a command line needs to repeat how it was measured. The names are those of the configuration file.
fn settings(run: &RunFile) -> Settings {
    let engine =
        |key: &str| run.configuration.get("engine").and_then(|engine| engine.get(key)).filter(|v| !v.is_null());
    let threads = engine("threads").and_then(serde_json::Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let flags = [
        ("n_gpu_layers", "-ngl"),
        ("batch_size", "-b"),
        ("ubatch_size", "-ub"),
        ("cache_type_k", "-ctk"),
        ("cache_type_v", "-ctv"),
        ("flash_attention", "-fa"),
    ];
    let flags = flags.into_iter().filter_map(|(key, flag)| {
        let value = engine(key)?;
        Some((flag.to_owned(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    });
    Settings { threads: threads.unwrap_or_else(|| run.machine.default_threads()), flags: flags.collect() }
}
