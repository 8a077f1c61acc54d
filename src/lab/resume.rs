//! Going on with a run that was stopped, killed or cut off: what its folder holds, and whether it is still the same run.
//!
//! Left out on purpose: deciding for the person. What differs is told; whether to go on all the same is theirs to say.

use std::path::Path;

use serde_json::Value;

use super::outcome::Outcome;
use super::run_file::{PlannedCell, RunFile};
use super::stamp::FileStamp;
use crate::exit_code::UsageError;
use crate::report::RunFolder;

/// A run as its folder tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Earlier {
    /// `run.json`.
    pub run: RunFile,
    /// Cells that ended, and those that were cut off.
    pub outcomes: Vec<Outcome>,
    /// What the folder's files suffered.
    pub warnings: Vec<String>,
}

impl Earlier {
    /// Reads the folder; nothing is changed.
    ///
    /// # Errors
    /// A [`UsageError`] when it is not the folder of a run, is of another version, or is damaged beyond a cut last line.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let RunFolder { run, outcomes, warnings } =
            RunFolder::read_begun(folder).map_err(|error| UsageError::new(format!("--resume {error}")))?;
        Ok(Self { run, outcomes, warnings })
    }

    /// Cells that have ended.
    pub fn finished(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| !outcome.cut_off)
    }

    /// How long it has run so far; of a session that was killed, as long as its cells took.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let cells = self.outcomes.iter().map(|outcome| outcome.duration_seconds).sum();
        self.run.duration_seconds.unwrap_or_default().max(cells)
    }

    /// What is not as it was, each in one line; nothing where the run can go on as if it had not been stopped.
    #[must_use]
    pub fn differences(&self, now: &RunFile) -> Vec<String> {
        let then = &self.run;
        let mut differences = Vec::new();
        let mut differ = |what: &str, then: &dyn std::fmt::Display, now: &dyn std::fmt::Display| {
            let (then, now) = (then.to_string(), now.to_string());
            if then != now {
                differences.push(format!("{what}: {then} then, {now} now"));
            }
        };
        let program = |run: &RunFile| format!("sweetspot {} ({})", run.program.version, run.program.revision);
        differ("program", &program(then), &program(now));
        let engine = |run: &RunFile| match &run.engine {
            Some(engine) => format!("{} ({})", engine.llama_cpp, engine.build),
            None => "unknown".to_owned(),
        };
        differ("engine", &engine(then), &engine(now));
        differ("computer", &then.hostname, &now.hostname);
        let cpu = |run: &RunFile| run.machine.cpu.brand.clone().unwrap_or_default();
        differ("processor", &cpu(then), &cpu(now));
        configuration("", &then.configuration, &now.configuration, &mut differences);
        if then.material_sha256 != now.material_sha256 {
            differences.push("prompts or texts: others than then".to_owned());
        }
        differences.extend(self.plan_differences(now));
        differences
    }

    fn plan_differences(&self, now: &RunFile) -> Vec<String> {
        let mut differences = Vec::new();
        for then in &self.run.plan {
            let name = format!("{} {}", then.cell.model, then.cell.quant);
            match now.plan.iter().find(|planned| is_same(planned, then)) {
                None => differences.push(format!("{name}: planned then, not now ({})", then.cell.path.display())),
                Some(planned) if planned.profiles != then.profiles => {
                    let names = |cell: &PlannedCell| {
                        cell.profiles.iter().map(|profile| profile.name()).collect::<Vec<_>>().join(", ")
                    };
                    differences.push(format!("{name}: profiles {} then, {} now", names(then), names(planned)));
                }
                Some(_) => differences.extend(self.file_differences(then)),
            }
        }
        let is_new = |planned: &&PlannedCell| !self.run.plan.iter().any(|then| is_same(planned, then));
        let new = now.plan.iter().filter(is_new);
        differences.extend(new.map(|planned| {
            format!("{} {}: not planned then ({})", planned.cell.model, planned.cell.quant, planned.cell.path.display())
        }));
        differences
    }

    /// What was measured, or is still to be, as it was then and as it is. A file that is no longer needed may be gone.
    fn file_differences(&self, planned: &PlannedCell) -> Vec<String> {
        let outcome = self.finished().find(|outcome| outcome.cell.is(&planned.cell));
        let then = outcome.map_or(&planned.files, |outcome| &outcome.files);
        let change = |then: &FileStamp| match FileStamp::of(&then.path) {
            Some(now) => then.change_to(&now),
            None if outcome.is_some() => None,
            None => Some(format!("{}: it was there then, and is gone", then.path.display())),
        };
        then.iter().filter_map(change).collect()
    }
}

/// The same file, or the same wish of the hub: its file's place is known only once the hub was asked.
fn is_same(one: &PlannedCell, other: &PlannedCell) -> bool {
    one.cell.is(&other.cell) || (one.wish.is_some() && one.wish == other.wish)
}

/// Every value that differs, by its key's full name.
fn configuration(key: &str, then: &Value, now: &Value, differences: &mut Vec<String>) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            let mut keys: Vec<_> = then.keys().chain(now.keys().filter(|key| !then.contains_key(*key))).collect();
            keys.sort();
            for name in keys {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                let of = |side: &serde_json::Map<String, Value>| side.get(name).cloned().unwrap_or(Value::Null);
                configuration(&key, &of(then), &of(now), differences);
            }
        }
        _ if then != now => differences.push(format!("{key}: {then} then, {now} now")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_differ_are_named_by_their_whole_key_and_new_ones_were_null() {
        let then = serde_json::json!({"a": {"b": 1, "c": [1, 2]}, "d": "x"});
        let now = serde_json::json!({"a": {"b": 2, "c": [1, 2], "e": true}, "d": "x"});
        let mut differences = Vec::new();
        configuration("", &then, &now, &mut differences);
        assert_eq!(differences, ["a.b: 1 then, 2 now", "a.e: null then, true now"]);
        configuration("", &then, &then, &mut differences);
        assert_eq!(differences.len(), 2);
    }
}
