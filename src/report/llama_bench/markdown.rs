//! llama-bench's table: the same columns, widths and order, so that rows of both programs can stand in one table.

use super::Columns;
use super::rows::{self, Average, Build, Row};
use crate::profiles::bench::Part;

/// A column: its name in the header, its width, and on which side its values stand.
struct Column {
    name: &'static str,
    width: usize,
    left: bool,
    value: fn(&Row<'_>, Part) -> String,
}

impl Column {
    const fn left(name: &'static str, width: usize, value: fn(&Row<'_>, Part) -> String) -> Self {
        Self { name, width, left: true, value }
    }

    const fn right(name: &'static str, width: usize, value: fn(&Row<'_>, Part) -> String) -> Self {
        Self { name, width, left: false, value }
    }

    fn cell(&self, text: &str) -> String {
        let width = self.width;
        if self.left { format!(" {text:<width$} |") } else { format!(" {text:>width$} |") }
    }

    fn rule(&self) -> String {
        format!(" {}{} |", "-".repeat(self.width - 1), if self.left { '-' } else { ':' })
    }
}

/// The table's head for these columns on this backend.
pub(super) fn header(columns: Columns, backends: &str) -> String {
    let columns = selected(columns, backends);
    let names: String = columns.iter().map(|c| c.cell(c.name)).collect();
    let rules: String = columns.iter().map(Column::rule).collect();
    format!("|{names}\n|{rules}\n")
}

/// The test's row and, where it has both prompt and generation, a row for each of the two.
pub(super) fn rows(columns: Columns, row: &Row<'_>) -> String {
    let columns = selected(columns, &rows::backends(row.engine));
    let line = |part| {
        let cells: String = columns.iter().map(|c| c.cell(&(c.value)(row, part))).collect();
        format!("|{cells}\n")
    };
    std::iter::once(&Part::Whole).chain(rows::parts(row.samples)).map(|part| line(*part)).collect()
}

/// Which build it was; llama-bench's line with this program's and the engine's names after it. Then which of the models'
/// weights are made up, if any are.
pub(super) fn footer(build: &Build, llama_cpp: &str, synthetic: &[String]) -> String {
    let Build { commit, number, program } = build;
    let build = format!("\nbuild: {commit} ({number}), {program}, llama.cpp {llama_cpp}\n");
    if synthetic.is_empty() {
        return build;
    }
    let files = synthetic.join(", ");
    format!("{build}\nsynthetic weights, whose speed is real and whose words are not: {files}\n")
}

fn selected(columns: Columns, backends: &str) -> Vec<Column> {
    let on_cpu = ["CPU", "BLAS", "ZenDNN"].iter().any(|name| backends.contains(name));
    let mut selected = vec![
        Column::left("model", 30, |row, _| row.model.description.clone()),
        Column::right("size", 10, |row, _| size(row.model.size_bytes)),
        Column::right("params", 10, |row, _| params(row.model.n_params)),
        Column::left("backend", 10, |row, _| rows::backends(row.engine)),
    ];
    let mut add = |wanted: bool, column: Column| {
        if wanted {
            selected.push(column);
        }
    };
    add(!on_cpu, Column::right("ngl", 3, |row, _| rows::layers(row.n_gpu_layers)));
    add(on_cpu || columns.n_threads, Column::right("threads", 7, |row, _| row.job.context.n_threads.to_string()));
    add(columns.n_batch, Column::right("n_batch", 7, |row, _| row.job.context.n_batch.to_string()));
    add(columns.n_ubatch, Column::right("n_ubatch", 8, |row, _| row.job.context.n_ubatch.to_string()));
    add(columns.type_k, Column::right("type_k", 6, |row, _| row.job.context.type_k.name().to_owned()));
    add(columns.type_v, Column::right("type_v", 6, |row, _| row.job.context.type_v.name().to_owned()));
    let flash = |row: &Row<'_>, _| rows::flash_attention(row.job.context.flash_attention).to_owned();
    add(columns.flash_attention, Column::right("fa", 3, flash));
    add(true, Column::right("test", 15, test));
    add(true, Column::right("t/s", 20, speed));
    selected
}

/// `pp512`, `tg128 @ d4096`; a part of a combined test says of which one.
fn test(row: &Row<'_>, part: Part) -> String {
    let whole = row.samples.test_name(Part::Whole);
    match part {
        Part::Whole => whole,
        Part::Prompt | Part::Generation => format!("{} (of {whole})", row.samples.test_name(part)),
    }
}

fn speed(row: &Row<'_>, part: Part) -> String {
    let average = Average::of(row.samples, part);
    format!("{:.2} ± {:.2}", average.ts, average.ts_stddev)
}

#[allow(clippy::cast_precision_loss)] // two decimals are shown
fn size(bytes: u64) -> String {
    const GIB: u64 = 1 << 30;
    let mib = bytes as f64 / 1024.0 / 1024.0;
    if bytes < GIB { format!("{mib:.2} MiB") } else { format!("{:.2} GiB", mib / 1024.0) }
}

#[allow(clippy::cast_precision_loss)] // two decimals are shown
fn params(n: u64) -> String {
    if n < 1_000_000_000 { format!("{:.2} M", n as f64 / 1e6) } else { format!("{:.2} B", n as f64 / 1e9) }
}
