//! What the engine says of itself and what it counts, asked in a worker: a backend that hangs or crashes never does so in the
//! program itself.

use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;

use super::process::{self, Options};
use super::protocol::{Counting, EngineChoice, Event, Job, VERSION};
use crate::engine::EngineInfo;
use crate::engine::need::{Need, OwnedDemand};

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

/// What each model would need of main memory for its most demanding profile, see [`Counting::models`]; none where that cannot
/// be counted: its file is not there, broken, or brings the worker down. Ends early, with what is known, when `cancel`
/// becomes true.
///
/// # Errors
/// No worker can be started.
pub async fn needs(
    engine: &EngineChoice,
    models: &[Vec<Vec<OwnedDemand>>],
    cancel: &mut watch::Receiver<bool>,
) -> anyhow::Result<Vec<Option<Need>>> {
    let log = tempfile::Builder::new().prefix("sweetspot-count-").suffix(".log").tempfile()?;
    let options = Options { stop_grace: Duration::ZERO, ..Options::new(log.path().to_owned()) };
    let mut needs = vec![None; models.len()];
    let mut begin = 0;
    // A model that the worker dies of is left out, and another worker counts those after it.
    while begin < models.len() && !*cancel.borrow() {
        let counting = Counting { version: VERSION, engine: engine.clone(), models: models[begin..].to_vec() };
        let mut counted = 0;
        let ending = process::run(&counting, &options, cancel, &mut |event| {
            if let Event::Counted { task, need } = event {
                needs[begin + task] = *need;
                counted = task + 1;
            }
        })
        .await?;
        if counted == 0 && ending.load_failure.is_some() {
            break; // the engine itself does not start
        }
        begin += counted + 1;
    }
    Ok(needs)
}
