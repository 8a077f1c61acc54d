//! A run of several cells over scripted workers: some are measured, some fail, some are not tried.

use std::path::Path;

use serde_json::json;
use sweetspot::engine::fake::Script;
use sweetspot::engine::{ContextParams, ModelParams, Sampling};
use sweetspot::lab::cell::Workers;
use sweetspot::lab::outcome::Cell;
use sweetspot::lab::resume::Earlier;
use sweetspot::lab::run_file::RunFile;
use sweetspot::lab::source::Source;
use sweetspot::lab::whole::{Came, Whole};
use sweetspot::lab::{Entry, Session};
use sweetspot::machine::Machine;
use sweetspot::plan::config::{Config, WorkerConfig};
use sweetspot::plan::matrix::{Limits, PlannedCell};
use sweetspot::profiles::{Job, bench, interactive};
use sweetspot::report::Format;
use sweetspot::worker::protocol::EngineChoice;

/// Cells of the run.
pub const CELLS: usize = 9;
/// Those that are measured.
pub const MEASURED: usize = 5;

const GB: u64 = 1_000_000_000;

/// Begins the run in a folder, or goes on with the one that is there. A signal stops it.
pub fn run(folder: &Path) -> Came {
    run_with(folder, script())
}

/// As [`run`] with workers that follow another script.
pub fn run_with(folder: &Path, script: Script) -> Came {
    let (config, limits) =
        (Config::default(), Limits { threads: 1, memory_bytes: Some(14 * GB), max_memory_bytes: None });
    let mut workers = Workers::configured(&WorkerConfig::default(), EngineChoice::Fake(script), None);
    workers.options.program = Some(env!("CARGO_BIN_EXE_sweetspot").into());
    let entries = entries();
    let plan = entries.iter().map(Entry::in_run_file).collect();
    let mut session = Session::new(&config, &limits, &workers);
    // killed before there was anything to go on with: begun anew
    let earlier = folder.join(RunFile::NAME).exists().then(|| Earlier::read(folder).unwrap());
    session.earlier = earlier.iter().flat_map(|earlier| earlier.outcomes.clone()).collect();
    let run_file = RunFile::begin(json!({}), 0, Machine::detect(), None, plan);
    if let Some(earlier) = &earlier {
        assert_eq!(earlier.differences(&run_file), [] as [String; 0], "nothing differs");
    }
    let whole = Whole { folder: folder.to_owned(), run_file, entries, session, earlier, formats: vec![Format::Json] };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { whole.run(sweetspot::interrupt::watch()).await }).unwrap()
}

/// Three that work, one that cannot be loaded in three quantizations, one that is too large.
fn entries() -> Vec<Entry> {
    let cells = [
        ("a", "Q4_K_M", 1),
        ("b", "Q4_K_M", 2),
        ("broken", "Q4_K_M", 3),
        ("a", "Q6_K", 2),
        ("broken", "Q6_K", 4),
        ("b", "Q6_K", 3),
        ("a", "Q8_0", 3),
        ("broken", "Q8_0", 5),
        ("large", "Q8_0", 13),
    ];
    assert_eq!(cells.len(), CELLS);
    cells.into_iter().map(|(model, quant, gb)| entry(model, quant, gb * GB)).collect()
}

fn entry(model: &str, quant: &str, size_bytes: u64) -> Entry {
    let path = format!("{model}.gguf");
    let cell =
        Cell { model: model.into(), quant: quant.into(), path: path.clone().into(), size_bytes, synthetic: false };
    let planned = PlannedCell {
        cell,
        broken: None,
        model: ModelParams::new(Path::new(&path)),
        jobs: vec![interactive_job(), bench_job()],
        warnings: Vec::new(),
    };
    Entry {
        planned,
        source: Source::File,
        n_params: None,
        n_active_params: None,
        n_ctx_train: None,
        need: None,
        expected_seconds: Some(0.1),
    }
}

pub fn script() -> Script {
    let broken = Script { load_failure: Some("its tensors make no sense".into()), ..Script::default() };
    Script { others: vec![("broken.gguf".into(), broken)], ..Script::default() }
}

/// About 16 appends.
pub fn interactive_job() -> Job {
    Job::Interactive(interactive::Job {
        tokens: 8,
        max_repetitions: 1,
        max_first_tokens: 1,
        interval_width_percent: 5.0,
        sampling: Sampling::Greedy,
        context: ContextParams::new(2048, 1),
        prompts: vec![interactive::Prompt { id: "p".into(), system: None, user: "Hello".into() }],
    })
}

/// Two appends.
pub fn bench_job() -> Job {
    Job::Bench(bench::Job {
        n_prompt: 8,
        n_gen: 0,
        n_depth: 0,
        repetitions: 2,
        warm_up: false,
        seed: 1,
        delay_seconds: 0,
        context: ContextParams::new(64, 1),
    })
}
