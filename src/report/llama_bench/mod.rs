//! Results in llama-bench's own formats, one test at a time as it finishes, so that what reads llama-bench's output reads
//! this program's: people, sqlite3, and llama.cpp's `compare-llama-bench.py`.
//!
//! A test of prompt and generation in one run (`-pg`) also says how fast each of the two was: as rows of their own in
//! Markdown, as fields after llama-bench's own in JSON and CSV, and as a table of its own in SQL. Markdown and JSON also say
//! which models' weights are synthetic. Left out on purpose: every statistic that llama-bench does not print.

mod csv_json;
mod markdown;
mod rows;
mod sql;

use std::io::{self, Write};
use std::str::FromStr;

use crate::engine::{EngineInfo, FlashAttention, KvType};
use crate::plan::bench_matrix::Parameters;

pub use rows::{Build, Row};

/// llama-bench's output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table to read and to paste.
    Markdown,
    /// A header and a line for each test.
    Csv,
    /// One array.
    Json,
    /// An object a line.
    Jsonl,
    /// Statements for sqlite3.
    Sql,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "md" => Ok(Self::Markdown),
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "jsonl" => Ok(Self::Jsonl),
            "sql" => Ok(Self::Sql),
            _ => Err(format!("unknown output format '{name}'; one of md, csv, json, jsonl, sql")),
        }
    }
}

/// The columns that depend on what was asked for: a list that is not the default is worth a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // one a column
pub struct Columns {
    /// Threads, also where the CPU computes.
    pub n_threads: bool,
    /// Tokens in one call of the engine.
    pub n_batch: bool,
    /// Tokens that are computed at once.
    pub n_ubatch: bool,
    /// Type of the cached keys.
    pub type_k: bool,
    /// Type of the cached values.
    pub type_v: bool,
    /// Flash attention.
    pub flash_attention: bool,
    /// Prompt and generation apart, for tests that have both.
    pub parts: bool,
}

impl Columns {
    /// The columns for these tests, where `default_threads` is what a test without `-t` uses.
    #[must_use]
    pub fn of(parameters: &Parameters, default_threads: u32) -> Self {
        let both = |size: &(u32, u32)| size.0 > 0 && size.1 > 0;
        Self {
            n_threads: parameters.n_threads != [default_threads],
            n_batch: parameters.n_batch != [2048],
            n_ubatch: parameters.n_ubatch != [512],
            type_k: parameters.type_k != [KvType::F16],
            type_v: parameters.type_v != [KvType::F16],
            flash_attention: parameters.flash_attention != [FlashAttention::Auto],
            parts: parameters.n_pg.iter().any(both),
        }
    }
}

/// Writes one format to one place, flushed after every test.
pub struct Printer<W: Write> {
    format: Format,
    columns: Columns,
    build: Build,
    out: W,
    /// What the header said of the engine; none before the header.
    engine: Option<EngineInfo>,
    rows: usize,
    /// Files with made up weights among those that gave a row.
    synthetic: Vec<String>,
}

impl<W: Write> Printer<W> {
    /// A printer that has written nothing yet.
    pub fn new(format: Format, columns: Columns, build: Build, out: W) -> Self {
        Self { format, columns, build, out, engine: None, rows: 0, synthetic: Vec::new() }
    }

    /// Writes the header, the first time that it is called.
    ///
    /// # Errors
    /// What writing gives.
    pub fn begin(&mut self, engine: &EngineInfo) -> io::Result<()> {
        if self.engine.is_some() {
            return Ok(());
        }
        self.engine = Some(engine.clone());
        let header = match self.format {
            Format::Markdown => markdown::header(self.columns, &rows::backends(engine)),
            Format::Csv => csv_json::csv_header(self.columns.parts),
            Format::Json => "[\n".to_owned(),
            Format::Jsonl => String::new(),
            Format::Sql => sql::header(self.columns.parts),
        };
        self.write(&header)
    }

    /// Writes one test.
    ///
    /// # Errors
    /// What writing gives.
    pub fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.begin(row.engine)?;
        let first = self.rows == 0;
        self.rows += 1;
        if row.model.synthetic && !self.synthetic.iter().any(|file| file == row.model_filename) {
            self.synthetic.push(row.model_filename.to_owned());
        }
        let text = match self.format {
            Format::Markdown => markdown::rows(self.columns, row),
            Format::Csv => csv_json::csv_row(row, self.columns.parts),
            Format::Json => csv_json::json_entry(row, first),
            Format::Jsonl => csv_json::jsonl_line(row),
            Format::Sql => sql::insert(row),
        };
        self.write(&text)
    }

    /// Writes what comes after the last test. Without a test, JSON is still an array and a table still has its header;
    /// Markdown then stays empty, because nobody said yet what the tests run on.
    ///
    /// # Errors
    /// What writing gives.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.engine.is_none() && self.format != Format::Markdown {
            self.begin(&nothing_known())?;
        }
        match (self.format, &self.engine) {
            (Format::Markdown, Some(engine)) => {
                let footer = markdown::footer(&self.build, &engine.llama_cpp, &self.synthetic);
                self.write(&footer)
            }
            (Format::Json, _) => self.write("\n]\n"),
            _ => Ok(()),
        }
    }

    /// How many tests were written.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// The engine of a run in which none started.
fn nothing_known() -> EngineInfo {
    EngineInfo {
        llama_cpp: String::new(),
        build: String::new(),
        cpu_features: Vec::new(),
        native: false,
        backends: Vec::new(),
        devices: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
