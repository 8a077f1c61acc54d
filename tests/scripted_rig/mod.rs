//! A profile's surroundings over the scripted engine and a clock that only the script moves.

use std::ops::ControlFlow;
use std::path::Path;

use sweetspot::engine::fake::{FakeEngine, Script};
use sweetspot::engine::{AbortHandle, Engine, ModelParams};
use sweetspot::profiles::clock::ManualClock;
use sweetspot::profiles::{Progress, Rig};

/// Runs `measure` with such a rig; its abort handle is raised when `stop` says so of the progress.
pub fn run<T>(script: Script, stop: impl Fn(&Progress) -> bool, measure: impl FnOnce(&mut Rig<'_>) -> T) -> T {
    let clock = ManualClock::default();
    let engine = FakeEngine::with_clock(script, clock.clone());
    let params = ModelParams::new(Path::new("fake.gguf"));
    let model = engine.load(&params, Box::new(|_| ControlFlow::Continue(()))).unwrap();
    let abort = AbortHandle::default();
    let raised = abort.clone();
    let mut progress = move |progress| {
        if stop(&progress) {
            raised.raise();
        }
    };
    measure(&mut Rig {
        engine: &engine,
        loaded: &params,
        model: &*model,
        clock: &clock,
        abort,
        progress: &mut progress,
        keep: &mut |_| {},
        memory: None,
        memory_allowed_bytes: None,
    })
}
