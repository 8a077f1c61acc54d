//! A run's folder made by hand, with one cell of every kind that a report must tell: measured, ended early under noise,
//! crashed, skipped, synthetic.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use sweetspot::engine::{BufferUse, EngineInfo, MemoryBreakdown, ModelInfo};
use sweetspot::lab::outcome::{Cell, Outcome, ProfileOutcome, Status};
use sweetspot::lab::run_file::{PlannedCell, Program, RunFile};
use sweetspot::machine::vitals::VitalsSpan;
use sweetspot::machine::{Cpu, Limits, Machine, Memory};
use sweetspot::profiles::interactive::{Purpose, Request, Samples, Stop};
use sweetspot::profiles::{self, EndedBy, ProfileName};
use sweetspot::worker::exit::Exit;

const MS: u64 = 1_000_000;

pub fn cell(model: &str, quant: &str, size_bytes: u64) -> Cell {
    let path = PathBuf::from(format!("models/{model}-{quant}.gguf"));
    Cell { model: model.to_owned(), quant: quant.to_owned(), path, size_bytes, synthetic: false }
}

/// A request with all its times in milliseconds.
pub fn request(purpose: Purpose, repetition: u32, ttft: u64, gaps: &[u64]) -> Request {
    let mut at = ttft * MS;
    let mut token_at_ns = vec![at];
    for gap in gaps {
        at += gap * MS;
        token_at_ns.push(at);
    }
    Request {
        purpose,
        repetition,
        prompt: "lighthouse".to_owned(),
        prompt_tokens: 60,
        template_ns: 50_000,
        tokenize_ns: 120_000,
        prefill_ns: (ttft - 1) * MS,
        first_sample_ns: 300_000,
        first_detokenize_ns: 2_000,
        token_at_ns,
        sample_ns: 300_000 * gaps.len() as u64,
        detokenize_ns: 1_000 * gaps.len() as u64,
        stop: Stop::TokenCount,
        text: "Once upon a time".to_owned(),
    }
}

pub fn samples(requests: Vec<Request>, ended_by: EndedBy) -> Samples {
    Samples {
        requests,
        target_tokens: 9,
        generations_ended_by: ended_by,
        first_tokens_ended_by: EndedBy::Confidence,
        n_ctx: 2048,
        fallback_template: false,
    }
}

fn profile(status: Status, samples: Option<Samples>) -> ProfileOutcome {
    ProfileOutcome {
        profile: ProfileName::Interactive,
        status,
        reason: None,
        samples: samples.map(profiles::Samples::Interactive),
        exit: None,
        log_tail: vec![],
        vitals: Some(VitalsSpan { seconds: 20.0, other_load_percent: Some(1.0), ..VitalsSpan::default() }),
        duration_seconds: 20.0,
    }
}

fn outcome(cell: Cell, status: Status, profile: ProfileOutcome) -> Outcome {
    Outcome {
        schema_version: Outcome::SCHEMA_VERSION,
        cell,
        status,
        reason: profile.reason.clone(),
        decision: None,
        model: None,
        memory: None,
        peak_resident_bytes: None,
        load_seconds: None,
        profiles: vec![profile],
        warnings: vec![],
        log: None,
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        duration_seconds: 22.5,
        cut_off: false,
        files: vec![],
    }
}

fn model(name: &str, quant: &str, size_bytes: u64, n_params: u64) -> ModelInfo {
    ModelInfo {
        name: name.to_owned(),
        architecture: "llama".to_owned(),
        description: format!("llama 1B {quant}"),
        quantization: quant.to_owned(),
        size_bytes,
        n_params,
        n_layer: 16,
        n_embd: 2048,
        n_head: 32,
        n_head_kv: 8,
        head_size: 64,
        n_vocab: 32_000,
        n_ctx_train: 4096,
        bos: Some(1),
        adds_bos: true,
        bos_text: "<s>".to_owned(),
        eos_text: "</s>".to_owned(),
        chat_template: Some("{{ messages }}".to_owned()),
        named_templates: vec![],
        synthetic: false,
    }
}

fn memory(weights_bytes: u64, repacked_bytes: u64) -> MemoryBreakdown {
    let buffer = |name: &str, weights_bytes, kv_bytes, compute_bytes| BufferUse {
        name: name.to_owned(),
        device: "CPU".to_owned(),
        is_host: true,
        weights_bytes,
        kv_bytes,
        compute_bytes,
    };
    let mapped = buffer("CPU_Mapped", weights_bytes, 67_108_864, 104_857_600);
    MemoryBreakdown { buffers: vec![mapped, buffer("CPU_REPACK", repacked_bytes, 0, 0)] }
}

/// Six quick even repetitions.
fn measured() -> Outcome {
    let warm_up = request(Purpose::WarmUp, 0, 900, &[90]);
    let gaps: [[u64; 8]; 6] = std::array::from_fn(|i| [50, 50, 51, 50, 52, 50, 50, 49].map(|gap| gap + i as u64 % 3));
    let counted = gaps.iter().zip(0_u32..).map(|(gaps, i)| request(Purpose::Generation, i, 400 + u64::from(i), gaps));
    let requests = std::iter::once(warm_up).chain(counted).collect();
    let mut outcome = outcome(
        cell("story-1b", "Q4_K_M", 700_000_000),
        Status::Measured,
        profile(Status::Measured, Some(samples(requests, EndedBy::Confidence))),
    );
    outcome.model = Some(model("Story 1B", "Q4_K_M", 699_000_000, 1_100_000_000));
    outcome.memory = Some(memory(699_000_000, 400_000_000));
    outcome.peak_resident_bytes = Some(1_300_000_000);
    outcome.load_seconds = Some(0.8);
    outcome.log = Some("logs/story-1b_Q4_K_M.log".to_owned());
    outcome
}

/// The model ended an answer after three tokens, another program kept the CPUs busy, the context is larger than trained.
fn noisy() -> Outcome {
    let mut early = request(Purpose::Generation, 0, 600, &[120, 80]);
    early.stop = Stop::EndOfGeneration;
    let rest = request(Purpose::Generation, 0, 650, &[100, 900, 60, 110, 95, 100]);
    let mut profile = profile(Status::Measured, Some(samples(vec![early, rest], EndedBy::Limit)));
    profile.vitals = Some(VitalsSpan { seconds: 20.0, other_load_percent: Some(37.0), ..VitalsSpan::default() });
    let mut outcome = outcome(cell("story-1b", "Q8_0", 1_170_000_000), Status::Measured, profile);
    outcome.model = Some(ModelInfo { n_ctx_train: 1024, ..model("Story 1B", "Q8_0", 1_169_000_000, 1_100_000_000) });
    outcome.memory = Some(memory(1_169_000_000, 0));
    outcome.peak_resident_bytes = Some(1_400_000_000);
    outcome.load_seconds = Some(1.2);
    outcome.log = Some("logs/story-1b_Q8_0.log".to_owned());
    outcome
}

fn crashed() -> Outcome {
    let mut profile = profile(Status::Failed, None);
    profile.reason = Some("the worker was ended by signal 11 while the prompt was computed".to_owned());
    profile.exit = Some(Exit::Signal(11));
    profile.log_tail = vec!["load_tensors: layer | 3".to_owned(), "ggml_abort: ``` GGML_ASSERT failed".to_owned()];
    let mut outcome = outcome(cell("story-1b", "Q2_K", 400_000_000), Status::Failed, profile);
    outcome.log = Some("logs/story-1b_Q2_K.log".to_owned());
    outcome
}

fn skipped() -> Outcome {
    let mut profile = profile(Status::Skipped, None);
    profile.reason = Some("needs 13.4 GB, the machine has 8.0 GB".to_owned());
    profile.duration_seconds = 0.0;
    outcome(cell("large-7b", "F16", 13_200_000_000), Status::Skipped, profile)
}

fn synthetic() -> Outcome {
    let requests = (0..6).map(|i| request(Purpose::Generation, i, 200, &[20; 8])).collect();
    let mut outcome = outcome(
        Cell { synthetic: true, ..cell("shape-tiny", "Q4_0", 25_000_000) },
        Status::Measured,
        profile(Status::Measured, Some(samples(requests, EndedBy::Confidence))),
    );
    outcome.model = Some(ModelInfo { synthetic: true, ..model("Shape tiny", "Q4_0", 24_000_000, 40_000_000) });
    outcome.memory = Some(memory(24_000_000, 0));
    outcome
}

/// All kinds of outcomes, in the plan's order.
pub fn outcomes() -> Vec<Outcome> {
    vec![measured(), noisy(), crashed(), skipped(), synthetic()]
}

pub fn machine() -> Machine {
    Machine {
        hostname: Some("bench".to_owned()),
        os: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
        kernel: Some("6.1.0".to_owned()),
        virtualization: Some("KVM".to_owned()),
        container: None,
        cpu: Cpu {
            brand: Some("Example CPU 3000".to_owned()),
            architecture: "x86_64".to_owned(),
            physical_cores: Some(4),
            logical_cores: 8,
            features: vec!["AVX2".to_owned()],
            ..Cpu::default()
        },
        memory: Memory { total_bytes: 16_000_000_000, available_bytes: 12_000_000_000, ..Memory::default() },
        limits: Some(Limits { memory_limit_bytes: Some(8_000_000_000), ..Limits::default() }),
        gpus: vec![],
        gpu_note: None,
        temperatures: vec![],
        load_average: None,
        power: None,
    }
}

pub fn run_file(outcomes: &[Outcome]) -> RunFile {
    RunFile {
        schema_version: RunFile::SCHEMA_VERSION,
        program: Program { version: "0.1.0".to_owned(), revision: "abc1234".to_owned() },
        arguments: ["run", "models", "--quick"].map(str::to_owned).to_vec(),
        configuration: json!({ "engine": { "threads": null, "cache_type_k": "q8_0" }, "interactive": { "tokens": 9 } }),
        machine: machine(),
        engine: Some(EngineInfo {
            llama_cpp: "b6000 (llama-cpp-sys-2 0.1.160)".to_owned(),
            build: "sweetspot 0.1.0 (abc1234)".to_owned(),
            cpu_features: vec!["SSE3".to_owned(), "AVX2".to_owned()],
            native: true,
            backends: vec!["CPU".to_owned()],
            devices: vec![],
        }),
        plan: outcomes
            .iter()
            .map(|outcome| PlannedCell {
                cell: outcome.cell.clone(),
                profiles: vec![ProfileName::Interactive],
                files: vec![],
                need: None,
                expected_seconds: None,
                wish: None,
            })
            .collect(),
        seed: 42,
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        duration_seconds: Some(95.0),
        hostname: "bench".to_owned(),
        interrupted: false,
        working_folder: None,
        material_sha256: None,
        resumed_at: vec![],
    }
}

/// Writes a run's folder as the lab does.
pub fn write(folder: &Path, run: &RunFile, outcomes: &[Outcome]) {
    run.save(folder).unwrap();
    let lines: Vec<String> = outcomes.iter().map(|outcome| serde_json::to_string(outcome).unwrap() + "\n").collect();
    fs::write(folder.join("outcomes.jsonl"), lines.concat()).unwrap();
}
