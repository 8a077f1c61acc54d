//! What the interactive profile itself costs a token: sampling, detokenizing and reading clocks, beside llama.cpp's work.
//!
//! `cargo bench --bench overhead -- MODEL.gguf [TOKENS]`. Prints a Markdown table; without a model says so and ends. Not a
//! Criterion bench: the unit is a real token of a real model, and the loop that is measured is the profile's own.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;

use sweetspot::engine::llama::LlamaEngine;
use sweetspot::engine::{AbortHandle, ContextParams, Engine, ModelParams, Sampling};
use sweetspot::profiles::clock::{Clock, Monotonic};
use sweetspot::profiles::interactive::{self, Job, Purpose, Samples};
use sweetspot::profiles::{Job as ProfileJob, Rig, Samples as ProfileSamples};
use sweetspot::stats::median;

/// Clock readings of one turn of the loop: computed, sampled, arrived.
const READINGS_PER_TOKEN: f64 = 3.0;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(model) = arguments.first() else {
        println!("overhead: name a model: cargo bench --bench overhead -- MODEL.gguf [TOKENS]");
        return;
    };
    let tokens = arguments.get(1).and_then(|n| n.parse().ok()).unwrap_or(128);
    let reading_ns = clock_cost_ns();
    println!("| sampling | token ms | sample µs | detokenize µs | clocks µs | all of it, % of a token |");
    println!("|---|---:|---:|---:|---:|---:|");
    let seeded = Sampling::Seeded { seed: 42, temperature: 0.8, top_k: 40, top_p: 0.95, min_p: 0.05 };
    for (name, sampling) in [("greedy", Sampling::Greedy), ("seeded", seeded)] {
        let samples = measure(Path::new(model), tokens, sampling);
        let counted = || samples.requests.iter().filter(|r| r.purpose == Purpose::Generation);
        let gaps: Vec<f64> = counted().flat_map(interactive::Request::gaps_ns).map(to_f64).collect();
        let n: f64 = to_f64(gaps.len() as u64);
        let token_ns = median(&gaps).expect("more than one token was generated");
        let sample_ns = counted().map(|r| to_f64(r.sample_ns)).sum::<f64>() / n;
        let detokenize_ns = counted().map(|r| to_f64(r.detokenize_ns)).sum::<f64>() / n;
        let clocks_ns = READINGS_PER_TOKEN * reading_ns;
        let percent = 100.0 * (sample_ns + detokenize_ns + clocks_ns) / token_ns;
        println!(
            "| {name} | {:.2} | {:.1} | {:.2} | {:.3} | {percent:.2} |",
            token_ns / 1e6,
            sample_ns / 1e3,
            detokenize_ns / 1e3,
            clocks_ns / 1e3
        );
    }
}

fn measure(model: &Path, tokens: u32, sampling: Sampling) -> Samples {
    let engine = LlamaEngine::new().expect("llama.cpp starts");
    let loaded = ModelParams::new(model);
    let model = engine.load(&loaded, Box::new(|_| ControlFlow::Continue(()))).expect("the model loads");
    let threads = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
    let job = Job {
        tokens,
        max_repetitions: 1,
        max_first_tokens: 1,
        interval_width_percent: 5.0,
        sampling,
        context: ContextParams::new(1024.max(2 * tokens), threads),
        prompts: interactive::prompts::built_in(),
    };
    let clock = Monotonic::start();
    let mut rig = Rig {
        engine: &engine,
        loaded: &loaded,
        model: &*model,
        clock: &clock,
        abort: AbortHandle::default(),
        progress: &mut |_| {},
        keep: &mut |_| {},
        memory: None,
        memory_allowed_bytes: None,
    };
    match ProfileJob::Interactive(job).run(&mut rig).expect("the profile runs") {
        ProfileSamples::Interactive(samples) => samples,
        _ => unreachable!("an interactive job gives interactive samples"),
    }
}

/// One reading of the clock, in nanoseconds: the median of many batches.
fn clock_cost_ns() -> f64 {
    let clock = Monotonic::start();
    let batches: Vec<f64> = (0..101)
        .map(|_| {
            let start = clock.now();
            for _ in 0..1000 {
                black_box(clock.now());
            }
            to_f64(clock.nanos_since(start)) / 1000.0
        })
        .collect();
    median(&batches).unwrap_or(0.0)
}

#[allow(clippy::cast_precision_loss)] // times below 2^53 ns
fn to_f64(n: u64) -> f64 {
    n as f64
}
