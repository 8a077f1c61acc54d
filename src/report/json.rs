//! `report.json`: everything, for programs. The names are a contract (`docs/method.md` lists them); fields may be added.
//!
//! What was not measured is `null`; a number is never made up.

use serde::Serialize;
use serde_json::{Map, Value};

use super::cell::{CellView, ProfileView};
use super::metadata::Hardware;
use super::view::{MEMORY_INCLUDES, View};
use crate::machine::Machine;
use crate::plan::termination::Skip;
use crate::profiles::{EndedBy, ProfileName};
use crate::verdict::Rating;
use crate::verdict::recommendation::Recommendation;
use crate::worker::exit::Exit;

/// Version of the report's fields.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'v> {
    schema_version: u32,
    metadata: Metadata<'v>,
    results: Vec<ResultEntry<'v>>,
    recommendations: Map<String, Value>,
}

#[derive(Serialize)]
struct Metadata<'v> {
    timestamp: &'v str,
    hostname: &'v str,
    hardware: Hardware,
    engine: Option<Engine<'v>>,
    config: &'v Value,
    test_duration_seconds: f64,
    program: String,
    arguments: &'v [String],
    seed: u64,
    interrupted: bool,
    memory_gb_includes: &'v str,
    notes: &'v [String],
    machine: &'v Machine,
}

#[derive(Serialize)]
struct Engine<'v> {
    llama_cpp: &'v str,
    build: &'v str,
    cpu_features: &'v [String],
    native: bool,
    backends: &'v [String],
    devices: &'v [crate::engine::DeviceInfo],
}

#[derive(Serialize)]
struct ResultEntry<'v> {
    model: &'v str,
    quantization: &'v str,
    model_size_gb: f64,
    memory_gb: Option<f64>,
    status: crate::lab::outcome::Status,
    verdict: Option<&'v str>,
    reason: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'v Skip>,
    profiles: Map<String, Value>,
    efficiency_score: Option<f64>,
    cost_benefit_score: Option<f64>,
    path: String,
    synthetic: bool,
    memory: Option<Memory>,
    peak_resident_gb: Option<f64>,
    load_seconds: Option<f64>,
    architecture: Option<&'v str>,
    n_params: Option<u64>,
    n_ctx_train: Option<u32>,
    notes: &'v [String],
    log: Option<&'v str>,
    duration_seconds: f64,
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names)] // a unit ends a name
struct Memory {
    total_bytes: u64,
    weights_bytes: u64,
    repacked_bytes: u64,
    kv_bytes: u64,
    compute_bytes: u64,
}

#[derive(Serialize)]
struct ProfileEntry<'v> {
    status: &'v str,
    rating: Option<Rating>,
    metrics: Map<String, Value>,
    interpretation: Option<&'v str>,
    reason: Option<&'v str>,
    criteria: Map<String, Value>,
    ended_by: Map<String, Value>,
    noise: &'v [String],
    exit: Option<Exit>,
    log_tail: &'v [String],
    duration_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long_context: Option<Value>,
}

/// The report, pretty printed, with a newline at its end.
///
/// # Errors
/// None that a view can cause: it holds no map with keys that are no text.
pub fn render(view: &View) -> anyhow::Result<Vec<u8>> {
    let report = Report {
        schema_version: SCHEMA_VERSION,
        metadata: metadata(view),
        results: view.cells.iter().map(result).collect::<Result<_, _>>()?,
        recommendations: recommendations(view),
    };
    let mut bytes = serde_json::to_vec_pretty(&report)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn metadata(view: &View) -> Metadata<'_> {
    let run = &view.run;
    let machine = &run.machine;
    Metadata {
        timestamp: &run.started_at,
        hostname: &run.hostname,
        hardware: Hardware::of(machine),
        engine: run.engine.as_ref().map(|engine| Engine {
            llama_cpp: &engine.llama_cpp,
            build: &engine.build,
            cpu_features: &engine.cpu_features,
            native: engine.native,
            backends: &engine.backends,
            devices: &engine.devices,
        }),
        config: &run.configuration,
        test_duration_seconds: view.duration_seconds,
        program: view.program(),
        arguments: &run.arguments,
        seed: run.seed,
        interrupted: run.interrupted,
        memory_gb_includes: MEMORY_INCLUDES,
        notes: &view.notes,
        machine,
    }
}

fn result(view: &CellView) -> Result<ResultEntry<'_>, serde_json::Error> {
    let mut profiles = Map::new();
    for profile in &view.profiles {
        profiles.insert(key(profile.profile), serde_json::to_value(entry(profile))?);
    }
    Ok(ResultEntry {
        model: &view.cell.model,
        quantization: &view.cell.quant,
        model_size_gb: view.size_gb(),
        memory_gb: view.memory_gb(),
        status: view.status,
        verdict: view.verdict.map(super::cell::Verdict::name),
        reason: view.reason.as_deref(),
        decision: view.decision.as_ref(),
        profiles,
        efficiency_score: view.efficiency_score,
        cost_benefit_score: view.cost_benefit_score,
        path: view.cell.path.to_string_lossy().into_owned(),
        synthetic: view.is_synthetic(),
        memory: view.memory.as_ref().map(|memory| Memory {
            total_bytes: memory.total_bytes(),
            weights_bytes: memory.weights_bytes(),
            repacked_bytes: memory.repacked_bytes(),
            kv_bytes: memory.kv_bytes(),
            compute_bytes: memory.compute_bytes(),
        }),
        peak_resident_gb: view.peak_resident_gb,
        load_seconds: view.load_seconds,
        architecture: view.model.as_ref().map(|model| model.architecture.as_str()),
        n_params: view.model.as_ref().map(|model| model.n_params),
        n_ctx_train: view.model.as_ref().map(|model| model.n_ctx_train),
        notes: &view.notes,
        log: view.log.as_deref(),
        duration_seconds: view.duration_seconds,
    })
}

fn entry(profile: &ProfileView) -> ProfileEntry<'_> {
    let ended_by = |ended: EndedBy| match ended {
        EndedBy::Confidence => "confidence",
        EndedBy::Limit => "limit",
        EndedBy::Interrupted => "interrupted",
    };
    ProfileEntry {
        status: profile.status.name(),
        rating: profile.rating,
        metrics: profile.metrics.iter().map(|m| (m.name.clone(), m.value.map_or(Value::Null, Value::from))).collect(),
        interpretation: profile.interpretation.as_deref(),
        reason: profile.reason.as_deref(),
        criteria: profile.criteria.iter().map(|(name, r)| (name.clone(), r.name().into())).collect(),
        ended_by: profile.ended_by.iter().map(|(what, e)| (what.replace(' ', "_"), ended_by(*e).into())).collect(),
        noise: &profile.noise,
        exit: profile.exit,
        log_tail: &profile.log_tail,
        duration_seconds: profile.duration_seconds,
        quality: profile.quality.as_deref().map(super::quality::json::object),
        long_context: profile.long_context.as_deref().map(super::long_context::json),
    }
}

fn recommendations(view: &View) -> Map<String, Value> {
    let advice = |r: &Recommendation| serde_json::json!({ "model": r.model, "quantization": r.quant, "mark": r.mark, "reason": r.reason });
    let mut all: Map<String, Value> =
        view.recommendations.iter().map(|(profile, list)| (key(*profile), list.iter().map(advice).collect())).collect();
    let overall = view.overall.as_ref().map_or(Value::Null, |best| {
        serde_json::json!({
            "model": best.model, "quantization": best.quant, "reason": best.reason, "command": best.command
        })
    });
    all.insert("overall".to_owned(), overall);
    all
}

/// A profile's key: its name with underscores.
fn key(profile: ProfileName) -> String {
    profile.name().replace('-', "_")
}
