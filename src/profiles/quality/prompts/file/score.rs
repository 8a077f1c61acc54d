//! A prompt file's `score`: which scorer, with its keys.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::{Reader, nearest};
use crate::profiles::quality::scorer::Scorer;

/// The kinds with the keys that each must have and those that it may have.
const KINDS: [(&str, &[&str], &[&str]); 9] = [
    ("number", &["answer"], &["tolerance", "tolerance_percent"]),
    ("choice", &["answer", "options"], &[]),
    ("one_of", &["answers"], &["options"]),
    ("contains", &[], &["all", "any", "none"]),
    ("regex", &["pattern"], &[]),
    ("json", &[], &["schema", "equals", "only"]),
    ("words", &[], &["min", "max"]),
    ("lines", &[], &["min", "max"]),
    ("all", &["of"], &[]),
];

/// The scorer; None if something is wrong with it, which the reader then knows.
pub(super) fn read(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Option<Scorer> {
    let names = KINDS.map(|(name, _, _)| name);
    let Some(table) = value.get_ref().as_table() else {
        reader.fault(&value.span(), "'score' must be a table, such as { kind = \"number\", answer = 42 }");
        return None;
    };
    let Some(kind) = table.get("kind") else {
        reader.fault(&value.span(), &format!("the score has no 'kind'; known: {}", names.join(", ")));
        return None;
    };
    let name = reader.text(table, "kind")?;
    let Some((_, must, may)) = KINDS.iter().find(|(known, _, _)| *known == name) else {
        reader.fault(&kind.span(), &format!("unknown scorer '{name}'; {}", nearest(&name, &names)));
        return None;
    };
    let before = reader.faults.len();
    let keys: Vec<&str> = ["kind"].iter().chain(*must).chain(*may).copied().collect();
    reader.known(table, &keys, &format!("the scorer '{name}'"));
    for key in must.iter().filter(|key| !table.contains_key(**key)) {
        reader.fault(&value.span(), &format!("the scorer '{name}' needs '{key}'"));
    }
    let scorer = build(reader, table, &name)?;
    if before < reader.faults.len() {
        return None;
    }
    if let Err(flaw) = scorer.check() {
        let at = table.get(flaw.key).map_or(value.span(), Spanned::span);
        reader.fault(&at, &format!("the scorer's '{}': {}", flaw.key, flaw.what));
        return None;
    }
    Some(scorer)
}

/// The scorer of this kind. What is missing or wrong has been noted, or is noted by the reader.
fn build(reader: &mut Reader<'_>, table: &DeTable<'_>, kind: &str) -> Option<Scorer> {
    Some(match kind {
        "number" => Scorer::Number {
            answer: reader.number(table, "answer")?,
            tolerance: reader.number(table, "tolerance").unwrap_or(0.0),
            tolerance_percent: reader.number(table, "tolerance_percent").unwrap_or(0.0),
        },
        "choice" => Scorer::Choice { answer: reader.text(table, "answer")?, options: reader.texts(table, "options") },
        "one_of" => Scorer::OneOf { answers: reader.texts(table, "answers"), options: reader.texts(table, "options") },
        "contains" => Scorer::Contains {
            all: reader.texts(table, "all"),
            any: reader.texts(table, "any"),
            none: reader.texts(table, "none"),
        },
        "regex" => Scorer::Regex { pattern: reader.text(table, "pattern")? },
        "json" => Scorer::Json {
            schema: reader.json(table, "schema", true),
            equals: reader.json(table, "equals", false),
            only: reader.flag(table, "only"),
        },
        "words" => Scorer::Words { min: reader.count(table, "min"), max: reader.count(table, "max") },
        "lines" => Scorer::Lines { min: reader.count(table, "min"), max: reader.count(table, "max") },
        "all" => {
            let list = table.get("of")?;
            let Some(scorers) = list.get_ref().as_array() else {
                reader.fault(&list.span(), "'of' must be a list of scorers");
                return None;
            };
            Scorer::All { of: scorers.iter().filter_map(|scorer| read(reader, scorer)).collect() }
        }
        _ => return None,
    })
}
