//! How long it takes until a worker without a model is ready, from its parent's side: from the call that starts it to its
//! first event. Prints a table; fails when the median is above what was promised.
//!
//! `cargo bench --bench worker_start -- [STARTS]`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sweetspot::engine::fake::Script;
use sweetspot::worker::process::{self, Options};
use sweetspot::worker::protocol::{EngineChoice, Event, Job, VERSION};
use tokio::sync::watch;

/// A worker without a model is ready within this time.
const PROMISED: Duration = Duration::from_millis(50);
/// Starts when none are asked for.
const STARTS: usize = 100;
/// Starts when this runs as a test.
const STARTS_AS_TEST: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = arguments.iter().find_map(|argument| argument.parse().ok());
    let as_bench = arguments.iter().any(|argument| argument == "--bench");
    let starts = asked.unwrap_or(if as_bench { STARTS } else { STARTS_AS_TEST }).max(1);

    let log = std::env::temp_dir().join(format!("sweetspot-worker-start-{}.log", std::process::id()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut ready, mut whole): (Vec<Duration>, Vec<Duration>) =
        (0..starts).map(|_| runtime.block_on(start_once(log.clone()))).unzip();
    let _ = std::fs::remove_file(&log);

    println!("{starts} workers without a model, milliseconds");
    println!("{:<24} {:>8} {:>8} {:>8} {:>8}", "", "min", "median", "p95", "max");
    let median = row("start to ready", &mut ready);
    row("start to reaped", &mut whole);
    if median > PROMISED {
        eprintln!("a worker is to be ready within {} ms", PROMISED.as_millis());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// From the start of a worker to its first event, and to its end.
async fn start_once(log: PathBuf) -> (Duration, Duration) {
    let job = Job {
        version: VERSION,
        engine: EngineChoice::Fake(Script::default()),
        model: None,
        memory_cap_bytes: None,
        tasks: Vec::new(),
    };
    let options = Options { program: Some(env!("CARGO_BIN_EXE_sweetspot").into()), ..Options::new(log) };
    let (_cancel, mut cancelled) = watch::channel(false);
    let started = Instant::now();
    let mut ready = None;
    let mut on_event = |event: &Event| {
        if let Event::Ready { .. } = event {
            ready = Some(started.elapsed());
        }
    };
    let ending = process::run(&job, &options, &mut cancelled, &mut on_event).await.expect("a worker");
    assert!(ending.done, "{}", ending.reason());
    (ready.expect("a ready worker"), started.elapsed())
}

/// Prints one row and gives its median.
fn row(name: &str, times: &mut [Duration]) -> Duration {
    times.sort();
    // Nearest rank: the smallest time that at least this share of the times does not exceed.
    let rank = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (min, max) = (times[0], times[times.len() - 1]);
    println!("{name:<24} {:>8.2} {:>8.2} {:>8.2} {:>8.2}", ms(min), ms(rank(50)), ms(rank(95)), ms(max));
    rank(50)
}
