//! The circuit breaker: after so many cells of a model in a row that failed for no reason of memory, its others are not tried.
//!
//! Pure. Left out on purpose: cells that take too much memory or time, which say nothing of the smaller quantizations
//! ([`super::termination`]).

use std::collections::BTreeMap;

use super::termination::{Evidence, Rule, Skip};

/// Counts failures in a row, model by model.
#[derive(Clone, Debug)]
pub struct Circuit {
    failures: u32,
    of: BTreeMap<String, Vec<Evidence>>,
}

impl Circuit {
    /// Opens after so many failures in a row; 0: never.
    #[must_use]
    pub fn new(failures: u32) -> Self {
        Self { failures, of: BTreeMap::new() }
    }

    /// A cell's worker crashed, or its model did not load for another reason than memory or time.
    pub fn failed(&mut self, model: &str, quant: &str, reason: &str) {
        let evidence = Evidence { model: model.to_owned(), quant: quant.to_owned(), what: reason.to_owned() };
        self.of.entry(model.to_owned()).or_default().push(evidence);
    }

    /// A cell of the model came to its end, whatever it measured: what failed before it was not the model.
    pub fn succeeded(&mut self, model: &str) {
        self.of.remove(model);
    }

    /// Why the model's remaining cells are not tried; none: they are.
    #[must_use]
    pub fn open(&self, model: &str) -> Option<Skip> {
        let failed = self.of.get(model)?;
        let enough = self.failures > 0 && u32::try_from(failed.len()).unwrap_or(u32::MAX) >= self.failures;
        let last = failed.last().filter(|_| enough)?;
        let reason =
            format!("{} cells of this model failed one after the other; the last: {}", failed.len(), last.what);
        Some(Skip { rule: Rule::CircuitOpen, reason, evidence: failed.clone(), expected_seconds: None })
    }
}
