//! Every kind of end that a sweep can have.

use sweetspot::probe::context_limit::found::{FailureKind, LimitedBy, Sweep};
use sweetspot::probe::context_limit::task::Proof;
use sweetspot::report::context::Facts;

use super::{F16, facts, fails, fits, planned, sweep};

/// 5.1 GB already for the smallest context.
pub fn nothing_fits() -> Facts {
    let mut sweep = sweep("f16", F16);
    sweep.probes.clear();
    let prediction = sweep.prediction.as_mut().unwrap();
    (prediction.max_context, prediction.at_max) = (0, planned(256, 16_000_000));
    (prediction.curve, prediction.above) = (vec![], None);
    prediction.other_budgets = vec![(8_000_000_000, 0)];
    facts(vec![sweep])
}

/// A recurrent model: no cache that grows; the search ends before the memory.
pub fn recurrent() -> Facts {
    let mut sweep = sweep("f16", 0);
    let prediction = sweep.prediction.as_mut().unwrap();
    (prediction.max_context, prediction.limited_by) = (1 << 20, LimitedBy::Ceiling);
    (prediction.at_max, prediction.above) = (planned(1 << 20, 0), None);
    (prediction.curve, prediction.other_budgets) = (vec![planned(256, 0)], vec![]);
    prediction.kv_bytes_per_token_formula = None;
    sweep.probes = vec![fits(1 << 20, false)];
    let mut facts = facts(vec![sweep]);
    "mamba2".clone_into(&mut facts.model.as_mut().unwrap().architecture);
    facts
}

/// A type that cannot be, one that was being searched, and one that was not reached.
pub fn interrupted() -> Facts {
    let mut impossible = Sweep::new("q4_0".parse().unwrap());
    impossible.impossible = Some("values in fewer bits need flash attention, which is off".to_owned());
    let mut searched = sweep("f16", F16);
    searched.probes = vec![fits(4096, false)];
    searched.unfinished = Some("interrupted".to_owned());
    let mut not_reached = Sweep::new("q8_0".parse().unwrap());
    not_reached.unfinished = Some("interrupted".to_owned());
    let mut facts = facts(vec![impossible, searched, not_reached]);
    facts.interrupted = true;
    facts
}

/// Less than predicted: the kernel killed the worker, twice.
pub fn less_than_predicted() -> Facts {
    let mut sweep = sweep("f16", F16);
    let max = sweep.prediction.as_ref().unwrap().max_context;
    let killed = "the worker was killed by signal 9 (out of memory)";
    sweep.probes = vec![
        fails(max, FailureKind::WorkerDied, killed),
        fits(max - 1024, false),
        fails(max - 768, FailureKind::WorkerDied, killed),
    ];
    facts(vec![sweep])
}

pub fn unproved() -> Facts {
    let mut sweep = sweep("f16", F16);
    sweep.probes.clear();
    let mut facts = facts(vec![sweep]);
    facts.task.proof = Proof::None;
    facts
}

pub fn trained_for_little() -> Facts {
    let mut facts = facts(vec![sweep("f16", F16)]);
    facts.model.as_mut().unwrap().n_ctx_train = 4096;
    facts
}
