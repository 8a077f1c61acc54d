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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_failures_of_a_model_in_a_row_open_its_circuit_and_no_others() {
        let mut circuit = Circuit::new(3);
        circuit.failed("a", "Q4_K_M", "killed by signal 11");
        circuit.failed("a", "Q5_K_M", "killed by signal 11");
        circuit.failed("b", "Q4_K_M", "killed by signal 6");
        assert_eq!(circuit.open("a"), None);
        circuit.failed("a", "Q6_K", "unknown architecture");
        let skip = circuit.open("a").unwrap();
        assert_eq!(skip.rule, Rule::CircuitOpen);
        assert_eq!(skip.reason, "3 cells of this model failed one after the other; the last: unknown architecture");
        let evidence: Vec<_> = skip.evidence.iter().map(|e| (e.quant.as_str(), e.what.as_str())).collect();
        let crash = "killed by signal 11";
        assert_eq!(evidence, [("Q4_K_M", crash), ("Q5_K_M", crash), ("Q6_K", "unknown architecture")]);
        assert_eq!(circuit.open("b"), None);
    }

    #[test]
    fn a_success_between_failures_counts_from_the_start_again() {
        let mut circuit = Circuit::new(2);
        circuit.failed("a", "Q4_K_M", "crashed");
        circuit.succeeded("a");
        circuit.failed("a", "Q5_K_M", "crashed");
        assert_eq!(circuit.open("a"), None);
        circuit.failed("a", "Q6_K", "crashed");
        assert!(circuit.open("a").is_some());
    }

    #[test]
    fn a_circuit_of_no_failures_never_opens() {
        let mut circuit = Circuit::new(0);
        (0..9).for_each(|_| circuit.failed("a", "Q4_K_M", "crashed"));
        assert_eq!(circuit.open("a"), None);
    }
}
