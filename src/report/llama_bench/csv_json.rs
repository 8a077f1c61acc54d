//! llama-bench's csv, json and jsonl. What it does not have comes after its own fields: JSON always has the samples of
//! prompt and generation apart, and whether the weights are synthetic; CSV has four columns more when a test measures both in
//! one run.

use std::fmt::Write as _;

use serde_json::Value;

use super::rows::{self, Average, FIELDS, Kind, Row};
use crate::profiles::bench::Part;

/// The columns after llama-bench's own.
const PART_COLUMNS: [&str; 4] = ["avg_prompt_ts", "stddev_prompt_ts", "avg_gen_ts", "stddev_gen_ts"];

/// The line of names.
pub(super) fn csv_header(parts: bool) -> String {
    let extra = if parts { &PART_COLUMNS[..] } else { &[] };
    let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).chain(extra.iter().copied()).collect();
    names.join(",") + "\n"
}

/// One line, every field in quotes.
pub(super) fn csv_row(row: &Row<'_>, parts: bool) -> String {
    let mut values = rows::values(row).to_vec();
    if parts {
        values.extend(part_speeds(row).map(|speed| speed.map_or_else(String::new, |s| format!("{s:.6}"))));
    }
    let quoted: Vec<String> = values.iter().map(|v| format!("\"{}\"", v.replace('"', "\"\""))).collect();
    quoted.join(",") + "\n"
}

/// One entry of the array, after a comma unless it is the first.
pub(super) fn json_entry(row: &Row<'_>, first: bool) -> String {
    let mut text = if first { "  {" } else { ",\n  {" }.to_owned();
    for (i, (name, value)) in json_fields(row).into_iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\n    \"{name}\": {value}"); // writing to a String cannot fail
    }
    text + "\n  }"
}

/// One object in one line.
pub(super) fn jsonl_line(row: &Row<'_>) -> String {
    let fields: Vec<String> =
        json_fields(row).into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}\n", fields.join(", "))
}

/// llama-bench's fields with JSON values, its two lists of samples, then what is only here.
fn json_fields(row: &Row<'_>) -> Vec<(&'static str, String)> {
    let values = FIELDS.iter().zip(rows::values(row));
    let mut fields: Vec<(&'static str, String)> =
        values.map(|((name, kind), v)| (*name, json_value(*kind, v))).collect();
    let samples = row.samples;
    fields.push(("samples_ns", list(samples.nanos(Part::Whole))));
    fields.push(("samples_ts", list(samples.rates(Part::Whole))));
    fields.push(("samples_prompt_ns", list(samples.nanos(Part::Prompt))));
    fields.push(("samples_gen_ns", list(samples.nanos(Part::Generation))));
    for (name, speed) in PART_COLUMNS.into_iter().zip(part_speeds(row)) {
        fields.push((name, speed.map_or_else(|| "null".to_owned(), |s| format!("{s:.6}"))));
    }
    fields.push(("synthetic", row.model.synthetic.to_string()));
    fields
}

/// Mean and standard deviation of prompt and generation, in the order of [`PART_COLUMNS`]; none where the test has no such
/// part.
fn part_speeds(row: &Row<'_>) -> [Option<f64>; 4] {
    let speeds = |part| (row.samples.tokens(part) > 0).then(|| Average::of(row.samples, part));
    let (prompt, generation) = (speeds(Part::Prompt), speeds(Part::Generation));
    let mean = |a: &Option<Average>| a.as_ref().map(|a| a.ts);
    let stddev = |a: &Option<Average>| a.as_ref().map(|a| a.ts_stddev);
    [mean(&prompt), stddev(&prompt), mean(&generation), stddev(&generation)]
}

fn json_value(kind: Kind, value: String) -> String {
    match kind {
        Kind::Text => Value::String(value).to_string(),
        Kind::Bool => (value != "0").to_string(),
        Kind::Int | Kind::Float => value,
    }
}

fn list<T: Into<Value>>(values: Vec<T>) -> String {
    let values: Vec<String> = values.into_iter().map(|v| v.into().to_string()).collect();
    format!("[ {} ]", values.join(", "))
}
