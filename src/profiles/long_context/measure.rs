//! The loop of the long-context profile: one context, as large as memory allows, filled batch by batch.

use std::time::Duration;

use super::loads::Loads;
use super::{Job, Samples, text};
use crate::engine::{ContextParams, Demand, EngineError, Session, need};
use crate::machine::vitals::ProcessMemory;
use crate::probe::kv_growth::{EndedBy, Filler, Growth, Means, Stop};
use crate::profiles::{self, ProfileError, Progress, Rig};

/// So often what was measured is kept, besides at every load.
const KEEP: Duration = Duration::from_secs(10);

/// Computed beforehand: enough to wake everything, little beside a load.
const WARM_UP_TOKENS: u32 = 64;

/// What is kept in case that the process dies says so: it is read only if it did.
const DIED: &str = "the worker ended while the context was filled";

/// Loads the text.
///
/// # Errors
/// [`ProfileError::Impossible`] where no load can be made or the first batch fails, [`ProfileError::Engine`] when it is
/// interrupted before the first load was complete.
pub fn run(job: &Job, rig: &mut Rig<'_>) -> Result<Samples, ProfileError> {
    let n_ctx_train = rig.model.info().n_ctx_train;
    let mut loads = Loads::plan(job, n_ctx_train);
    let (context, mut session) = context(job, rig, &mut loads)?;
    let tokens = text::tokens(rig.model, session.n_ctx() as usize, job.seed);
    let mut samples = Samples {
        loads: loads.all.clone(),
        target_tokens: loads.target_tokens,
        wanted_target_tokens: job.target_tokens,
        gen_tokens: job.gen_tokens,
        seconds: job.seconds,
        n_ctx_train,
        memory: session.memory(),
        before: ProcessMemory::of(std::process::id()),
        growth: Growth { n_ctx: session.n_ctx(), points: Vec::new(), ended_by: EndedBy::Failed(DIED.to_owned()) },
    };
    let abort = rig.abort.clone();
    let means = Means { clock: rig.clock, abort: &abort, n_ubatch: context.n_ubatch };
    let mut filler = Filler::new(&mut *session, &tokens, &means);
    let ended = fill(job, &loads, &mut filler, &mut samples, rig);
    drop(filler);
    samples.growth.ended_by = ended.map_or_else(EndedBy::from, |()| EndedBy::Target);
    let has_load = samples.growth.points.iter().any(|point| !point.gen_ns.is_empty());
    match &samples.growth.ended_by {
        EndedBy::Interrupted if !has_load => Err(ProfileError::Engine(EngineError::Aborted)),
        EndedBy::Failed(reason) if samples.growth.points.is_empty() => Err(ProfileError::Impossible(reason.clone())),
        _ => Ok(samples),
    }
}

/// The context for the largest load that memory allows; larger loads are given up with the reason.
fn context<'m>(
    job: &Job,
    rig: &Rig<'m>,
    loads: &mut Loads,
) -> Result<(ContextParams, Box<dyn Session + 'm>), ProfileError> {
    let mut last_reason = "the model was trained for fewer tokens than are generated after a load".to_owned();
    while let Some(n_ctx) = loads.n_ctx() {
        let context = ContextParams { n_ctx, abort: rig.abort.clone(), ..job.context.clone() };
        let exceeded = |bytes| need::exceeded(rig.engine, &[Demand::one(rig.loaded, &context)], bytes);
        let made = match rig.memory_allowed_bytes.and_then(exceeded) {
            Some(reason) => Err(reason),
            None => rig.model.session(&context).map_err(|error| error.to_string()),
        };
        match made {
            Ok(session) => return Ok((context, session)),
            Err(reason) => loads.narrow(&reason),
        }
        last_reason = loads.reason().unwrap_or(last_reason);
    }
    Err(ProfileError::Impossible(last_reason))
}

/// One load after the other. Only the text's tokens and time count for a load; the time limit does not reach into the
/// generation after it, which is short.
fn fill(
    job: &Job,
    loads: &Loads,
    filler: &mut Filler<'_>,
    samples: &mut Samples,
    rig: &mut Rig<'_>,
) -> Result<(), Stop> {
    let batch = job.context.n_ubatch.max(1);
    let total = loads.made().max().unwrap_or(0);
    let (mut loaded, mut kept) = (0_u32, rig.clock.now());
    let limit = Some(Duration::from_secs(job.seconds.into()));
    filler.limit(limit);
    filler.warm_up(total.min(WARM_UP_TOKENS))?;
    filler.limit(limit);
    for load in loads.made() {
        while loaded < load {
            let unit = "tokens loaded".to_owned();
            (rig.progress)(Progress { done: loaded.into(), total: total.into(), unit });
            let n = batch.min(load - loaded);
            let prefill_ns = filler.prefill(n)?;
            loaded += n;
            let mut gen_ns = Vec::new();
            let generated = if loaded == load { generate(job, filler, &mut gen_ns) } else { Ok(()) };
            samples.growth.points.push(filler.point(n, prefill_ns, gen_ns));
            generated?;
            if loaded == load || rig.clock.now().saturating_sub(kept) >= KEEP {
                (rig.keep)(profiles::Samples::LongContext(samples.clone()));
                kept = rig.clock.now();
            }
        }
    }
    Ok(())
}

fn generate(job: &Job, filler: &mut Filler<'_>, gen_ns: &mut Vec<u64>) -> Result<(), Stop> {
    let left = filler.time_left();
    filler.limit(None);
    let generated = filler.generate(job.gen_tokens, gen_ns);
    filler.limit(left);
    generated
}
