//! Context sweeps made by hand: a model of known sizes, of which the largest context can be worked out.

#![allow(dead_code)] // each test that includes this uses a part of it

pub mod cases;

use std::path::PathBuf;

use serde_json::json;
use sweetspot::engine::{BufferUse, ContextParams, EngineInfo, MemoryBreakdown, ModelInfo, ModelParams};
use sweetspot::lab::run_file::Program;
use sweetspot::machine::vitals::ProcessMemory;
use sweetspot::machine::{Cpu, Machine, Memory};
use sweetspot::probe::context_limit::found::{
    Failure, FailureKind, Fit, LimitedBy, Planned, Prediction, Probe, ProbeResult, Sweep,
};
use sweetspot::probe::context_limit::task::{Budget, BudgetSource, DeviceBudget, Proof, Task};
use sweetspot::probe::kv_growth::{EndedBy, Growth, Point};
use sweetspot::report::context::Facts;

pub const BUDGET: u64 = 4 << 30;
const WEIGHTS: u64 = 100_000_000;
const REPACKED: u64 = 600_000_000;
const COMPUTE: u64 = 120_000_000;
const PROGRAM: u64 = 60_000_000;
/// llama.cpp's record of a cell.
const CELL: u64 = 33;
const STEP: u32 = 256;

/// Bytes a token of 16 layers with 8 KV heads of 64.
pub const F16: u64 = 32_768;
pub const Q8_0: u64 = 17_408;
pub const Q4_0: u64 = 9_216;

/// By hand: (4 294 967 296 − 100 − 600 − 600 − 120 − 60 million) ÷ (bytes a token + 33), in whole granules.
#[must_use]
pub fn max_by_hand(per_token: u64) -> u32 {
    let left = BUDGET - WEIGHTS - 2 * REPACKED - COMPUTE - PROGRAM;
    u32::try_from(left / (per_token + CELL) / 256 * 256).unwrap()
}

pub fn planned(n_ctx: u32, per_token: u64) -> Planned {
    let buffer = |name: &str, weights_bytes, kv_bytes, compute_bytes| BufferUse {
        name: name.to_owned(),
        device: "CPU".to_owned(),
        is_host: true,
        weights_bytes,
        kv_bytes,
        compute_bytes,
    };
    let kv = u64::from(n_ctx) * per_token;
    let buffers = vec![buffer("CPU_REPACK", REPACKED, 0, 0), buffer("CPU", WEIGHTS, kv, COMPUTE)];
    Planned { n_ctx, memory: MemoryBreakdown { buffers }, beside_bytes: u64::from(n_ctx) * CELL }
}

pub fn prediction(per_token: u64) -> Prediction {
    let max = max_by_hand(per_token);
    let gb = 1_000_000_000;
    Prediction {
        max_context: max,
        limited_by: LimitedBy::Budget,
        at_max: planned(max, per_token),
        above: Some(planned(max + STEP, per_token)),
        curve: [256, max / 2 / STEP * STEP, max / 2 * 3 / STEP * STEP].map(|n| planned(n, per_token)).into(),
        #[allow(clippy::cast_precision_loss)] // small
        kv_bytes_per_token: per_token as f64,
        #[allow(clippy::cast_precision_loss)]
        kv_bytes_per_token_formula: Some(per_token as f64),
        repacked_bytes: REPACKED,
        mapped: true,
        program_bytes: PROGRAM,
        other_budgets: vec![(8 * gb, 2 * max), (12 * gb, 3 * max), (16 * gb, 4 * max), (24 * gb, 6 * max), (48 * gb, 12 * max)],
    }
}

pub fn fits(n_ctx: u32, filled: bool) -> Probe {
    let process =
        ProcessMemory { rss_bytes: 2_000_000_000, rss_anon_bytes: Some(1_200_000_000), ..ProcessMemory::default() };
    let fit = Fit {
        made: Some(process),
        pages_touched: true,
        filled_tokens: filled.then_some(n_ctx - 16),
        generated_tokens: filled.then_some(16),
        ..Fit::default()
    };
    Probe { n_ctx, result: ProbeResult::Fits(Box::new(fit)), seconds: 0.5 }
}

pub fn fails(n_ctx: u32, kind: FailureKind, reason: &str) -> Probe {
    Probe { n_ctx, result: ProbeResult::Failed(Failure { kind, reason: reason.to_owned() }), seconds: 0.01 }
}

/// Predicted and, as it was, proved.
pub fn sweep(kv: &str, per_token: u64) -> Sweep {
    let prediction = prediction(per_token);
    let max = prediction.max_context;
    let refused = "llama.cpp could not allocate the KV cache";
    Sweep {
        prediction: Some(prediction),
        probes: vec![fits(max, false), fails(max + STEP, FailureKind::Refused, refused)],
        ..Sweep::new(kv.parse().unwrap())
    }
}

/// Prompt tokens of 2 ms and 40 ns for each token before them; generated ones of 30 ms and 1 µs; each a little off.
pub fn growth(per_token: u64, steps: u64, ended_by: EndedBy) -> Growth {
    let point = |i: u64| {
        let (tokens, off) = (2048 * (i + 1), 1000 + [3, -4, 5, -2][usize::try_from(i % 4).unwrap()]);
        let off = u64::try_from(off).unwrap();
        Point {
            tokens: u32::try_from(tokens).unwrap(),
            prefill_tokens: 2032,
            prefill_ns: 2032 * (2_000_000 + 40 * (tokens - 16 - 1016)) / 1000 * off,
            gen_ns: vec![(30_000_000 + 1000 * (tokens - 8)) / 1000 * off; 16],
            kv_used_bytes: tokens * per_token,
            process: Some(ProcessMemory { rss_bytes: 2_100_000_000 + tokens * per_token, ..ProcessMemory::default() }),
            gpu_used_bytes: vec![],
        }
    };
    Growth { n_ctx: 16_384, points: (0..steps).map(point).collect(), ended_by }
}

pub fn model() -> ModelInfo {
    ModelInfo {
        name: "Story 1B".to_owned(),
        architecture: "llama".to_owned(),
        description: "llama 1B Q4_0".to_owned(),
        quantization: "Q4_0".to_owned(),
        size_bytes: WEIGHTS + REPACKED,
        n_params: 1_200_000_000,
        n_layer: 16,
        n_embd: 2048,
        n_head: 32,
        n_head_kv: 8,
        head_size: 64,
        n_vocab: 32_000,
        n_ctx_train: 1 << 20,
        bos: None,
        adds_bos: false,
        bos_text: String::new(),
        eos_text: String::new(),
        chat_template: None,
        named_templates: vec![],
        synthetic: false,
    }
}

fn machine() -> Machine {
    Machine {
        hostname: Some("desk".to_owned()),
        os: Some("Fedora Linux 42".to_owned()),
        kernel: None,
        virtualization: None,
        container: None,
        cpu: Cpu {
            brand: Some("AMD Ryzen 7 5800X 8-Core Processor".to_owned()),
            architecture: "x86_64".to_owned(),
            physical_cores: Some(8),
            logical_cores: 16,
            ..Cpu::default()
        },
        memory: Memory { total_bytes: 32 << 30, available_bytes: 30_000_000_000, ..Memory::default() },
        limits: None,
        gpus: vec![],
        gpu_note: None,
        temperatures: vec![],
        load_average: None,
        power: None,
    }
}

pub fn facts(sweeps: Vec<Sweep>) -> Facts {
    Facts {
        timestamp: "2026-01-02T03:04:05Z".to_owned(),
        duration_seconds: 14.5,
        program: Program { version: "0.1.0".to_owned(), revision: "abcdef0".to_owned() },
        arguments: ["context", "story-1b.gguf"].map(str::to_owned).into(),
        configuration: json!({"limits": {"reserve_gb": 1.0}}),
        machine: machine(),
        engine: Some(EngineInfo {
            llama_cpp: "b1".to_owned(),
            build: "0.1.0".to_owned(),
            cpu_features: vec!["AVX2".to_owned()],
            native: true,
            backends: vec!["CPU".to_owned()],
            devices: vec![],
        }),
        model: Some(model()),
        task: Task {
            model: ModelParams::new(&PathBuf::from("/models/story 1b.gguf")),
            context: ContextParams::new(0, 8),
            budget: Budget { host_bytes: BUDGET, source: BudgetSource::Given, devices: vec![] },
            other_budgets: vec![],
            granularity: STEP,
            ceiling: None,
            proof: Proof::Alloc,
            fill_seconds: 600,
            allow_swap: false,
            growth: None,
            sweeps,
        },
        tokens_per_request: 512,
        beyond_training: false,
        load_seconds: vec![1.5],
        interrupted: false,
        notes: vec![],
    }
}

/// Three types, all proved: one filled, one with its growth, one whose filling was stopped by time.
pub fn three_types() -> Facts {
    let mut filled = sweep("f16", F16);
    filled.probes[0] = fits(filled.probes[0].n_ctx, true);
    filled.growth = Some(growth(F16, 8, EndedBy::Target));
    let mut grown = sweep("q8_0", Q8_0);
    grown.growth = Some(growth(Q8_0, 5, EndedBy::Time));
    facts(vec![filled, grown, sweep("q4_0", Q4_0)])
}

/// The same, half of it on a GPU.
pub fn on_a_gpu() -> Facts {
    let mut sweep = sweep("f16", F16);
    let prediction = sweep.prediction.as_mut().unwrap();
    let planned = prediction.curve.iter_mut().chain([&mut prediction.at_max]).chain(prediction.above.as_mut());
    for buffer in planned.flat_map(|planned| &mut planned.memory.buffers).filter(|buffer| buffer.name == "CPU") {
        (buffer.name, buffer.device, buffer.is_host) = ("CUDA0".to_owned(), "CUDA0".to_owned(), false);
    }
    let mut facts = facts(vec![sweep]);
    facts.task.budget.devices = vec![DeviceBudget {
        name: "CUDA0".to_owned(),
        total_bytes: 8_000_000_000,
        free_bytes: 6_000_000_000,
        allowed_bytes: 5_500_000_000,
    }];
    facts
}
