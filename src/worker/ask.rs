//! What the engine says of itself, asked in a worker: a backend that hangs or crashes never does so in the program itself.

use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;

use super::process::{self, Options};
use super::protocol::{EngineChoice, Event, Job, VERSION};
use crate::engine::EngineInfo;

/// A GPU backend may take seconds to start; one that takes longer than this will not be of use.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a worker without a model and returns what its engine says.
///
/// # Errors
/// No worker can be started, or its engine cannot: one line with how it ended.
pub fn engine_info(engine: &EngineChoice) -> anyhow::Result<EngineInfo> {
    let log = tempfile::Builder::new().prefix("sweetspot-engine-").suffix(".log").tempfile()?;
    let options = Options { load_timeout: PATIENCE, ..Options::new(log.path().to_owned()) };
    let job = Job { version: VERSION, engine: engine.clone(), model: None, memory_cap_bytes: None, tasks: Vec::new() };
    let (_never, mut cancel) = watch::channel(false);
    let mut info = None;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("tokio cannot start")?;
    let ending = runtime.block_on(process::run(&job, &options, &mut cancel, &mut |event| {
        if let Event::Engine { info: found } = event {
            info = Some(found.clone());
        }
    }))?;
    info.ok_or_else(|| match ending.timeout {
        Some(patience) => anyhow::anyhow!("the engine does not start within {} s", patience.as_secs()),
        None => anyhow::anyhow!("the engine does not start: {}", ending.reason()),
    })
}
