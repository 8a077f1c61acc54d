//! llama-bench's table as statements for sqlite3. Its columns stay exactly as they are, so that both programs can fill one
//! database; prompt and generation of a combined test go to a table of their own.

use super::rows::{self, Average, FIELDS, Kind, Row};
use crate::profiles::bench::Part;

const PARTS_TABLE: &str = "CREATE TABLE IF NOT EXISTS sweetspot_bench_parts (
  build_commit TEXT,
  model_filename TEXT,
  test_time TEXT,
  n_prompt INTEGER,
  n_gen INTEGER,
  n_depth INTEGER,
  part TEXT,
  avg_ns INTEGER,
  stddev_ns INTEGER,
  avg_ts REAL,
  stddev_ts REAL
);

";

/// Makes the tables that are not there yet.
pub(super) fn header(parts: bool) -> String {
    let columns: Vec<String> = FIELDS.iter().map(|(name, kind)| format!("  {name} {}", sql_type(*kind))).collect();
    let table = format!("CREATE TABLE IF NOT EXISTS llama_bench (\n{}\n);\n\n", columns.join(",\n"));
    if parts { table + PARTS_TABLE } else { table }
}

/// Adds one test and, where it has both prompt and generation, the two apart.
pub(super) fn insert(row: &Row<'_>) -> String {
    let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    let values = rows::values(row);
    let mut text = format!("INSERT INTO llama_bench ({}) VALUES ({});\n", names.join(", "), list(&values));
    for part in rows::parts(row.samples) {
        text += &insert_part(row, *part);
    }
    text
}

fn insert_part(row: &Row<'_>, part: Part) -> String {
    let average = Average::of(row.samples, part);
    let values = [
        row.build.commit.clone(),
        row.model_filename.to_owned(),
        row.test_time.to_owned(),
        row.samples.n_prompt.to_string(),
        row.samples.n_gen.to_string(),
        row.samples.n_depth.to_string(),
        row.samples.test_name(part),
        average.ns.to_string(),
        average.ns_stddev.to_string(),
        format!("{:.6}", average.ts),
        format!("{:.6}", average.ts_stddev),
    ];
    let names =
        "build_commit, model_filename, test_time, n_prompt, n_gen, n_depth, part, avg_ns, stddev_ns, avg_ts, stddev_ts";
    format!("INSERT INTO sweetspot_bench_parts ({names}) VALUES ({});\n", list(&values))
}

/// Every value in quotes, as llama-bench writes them; a quote inside is doubled.
fn list(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|v| format!("'{}'", v.replace('\'', "''"))).collect();
    quoted.join(", ")
}

fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "TEXT",
        Kind::Bool | Kind::Int => "INTEGER",
        Kind::Float => "REAL",
    }
}
