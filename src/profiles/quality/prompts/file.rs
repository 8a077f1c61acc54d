//! The form of a prompt file, and what is wrong with one: file, line, prompt. `docs/quality-prompts.md` describes the form.

mod reader;
mod score;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::path::Path;
use std::{fmt, fs};

use toml::Spanned;
use toml::de::DeTable;

use super::{Category, DEFAULT_MAX_TOKENS, Prompt, PromptSet, Turn};
use reader::Reader;

/// What a file gave: its good prompts, and what is wrong with the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The prompts without a fault.
    pub set: PromptSet,
    /// The faults, in the order of the file's lines.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1; absent if it concerns the whole file.
    pub line: Option<usize>,
    /// The prompt, where it is in one that has an id.
    pub id: Option<String>,
    /// What it is, and what to do.
    pub what: String,
}

/// A prompt file that cannot be used. As text it is one line, the first fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptFileError {
    /// The file.
    pub file: String,
    /// All faults, at least one.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = &self.id {
            write!(f, "prompt '{id}': ")?;
        }
        f.write_str(&self.what)
    }
}

impl fmt::Display for PromptFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        let Some(first) = self.faults.first() else { return Ok(()) };
        if let Some(line) = first.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {first}")?;
        match self.faults.len() - 1 {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}

impl std::error::Error for PromptFileError {}

/// Reads a prompt file and keeps what is good in it. The set is named after the file where its text has no name.
///
/// # Errors
/// [`PromptFileError`] if the file cannot be read, is not TOML, or has no good prompt.
pub fn load(path: &Path) -> Result<Loaded, PromptFileError> {
    let file = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let fault = Fault { line: None, id: None, what: format!("it cannot be read: {error}") };
            return Err(PromptFileError { file, faults: vec![fault] });
        }
    };
    let name = path.file_stem().map_or("prompts".into(), |stem| stem.to_string_lossy());
    let loaded = read(&text, &name);
    if loaded.set.prompts.is_empty() { Err(PromptFileError { file, faults: loaded.faults }) } else { Ok(loaded) }
}

/// Reads a prompt file's text; `name` stands for the file in the error and is the set's name where the text has none.
///
/// # Errors
/// [`PromptFileError`] with every fault.
pub fn parse(text: &str, name: &str) -> Result<PromptSet, PromptFileError> {
    let Loaded { set, faults } = read(text, name);
    if faults.is_empty() { Ok(set) } else { Err(PromptFileError { file: name.to_owned(), faults }) }
}

fn read(text: &str, name: &str) -> Loaded {
    let mut set = PromptSet { name: name.to_owned(), prompts: Vec::new() };
    let mut reader = Reader::new(text);
    match DeTable::parse(text) {
        Ok(table) => file(&mut reader, table.get_ref(), &mut set),
        Err(error) => reader.fault(&error.span().unwrap_or(0..0), &one_line(error.message())),
    }
    if set.prompts.is_empty() && reader.faults.is_empty() {
        reader.faults.push(Fault { line: None, id: None, what: "there is no [[prompt]] in it".to_owned() });
    }
    let mut faults = reader.faults;
    faults.sort_by_key(|fault| fault.line);
    Loaded { set, faults }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What holds for all prompts of a file that do not say otherwise.
struct Defaults {
    system: Option<String>,
    max_tokens: u32,
}

fn file(reader: &mut Reader<'_>, table: &DeTable<'_>, set: &mut PromptSet) {
    reader.known(table, &["name", "system", "max_tokens", "prompt"], "the file");
    if let Some(name) = reader.text(table, "name") {
        set.name = name;
    }
    let system = reader.text(table, "system");
    let max_tokens = reader.tokens(table).unwrap_or(DEFAULT_MAX_TOKENS);
    let defaults = Defaults { system, max_tokens };
    let mut lines = BTreeMap::new();
    for (entry, span) in reader.tables(table, "prompt") {
        reader.id = None;
        let before = reader.faults.len();
        let read = prompt(reader, entry, &span, &defaults);
        if let Some((id, at)) = reader.id.clone().zip(entry.get("id").map(Spanned::span)) {
            match lines.entry(id) {
                Entry::Vacant(vacant) => _ = vacant.insert(reader.line(&at)),
                Entry::Occupied(first) => {
                    reader
                        .fault(&at, &format!("its id is taken by the prompt in line {}; give it another", first.get()));
                }
            }
        }
        if before == reader.faults.len() {
            set.prompts.extend(read);
        }
    }
    reader.id = None;
}

/// A prompt, as far as it can be read; what is wrong with it is with the reader.
fn prompt(reader: &mut Reader<'_>, table: &DeTable<'_>, span: &Range<usize>, defaults: &Defaults) -> Option<Prompt> {
    reader.id = reader.text(table, "id");
    reader.known(table, &["id", "category", "system", "max_tokens", "user", "score", "turn"], "a prompt");
    if !table.contains_key("id") {
        reader.fault(span, "the prompt has no 'id'");
    }
    let category = reader.text(table, "category");
    if !table.contains_key("category") {
        reader.fault(span, "it has no 'category', such as 'math'");
    }
    let category = category.and_then(|name| {
        let at = table.get("category").map_or(span.clone(), Spanned::span);
        Category::new(&name).map_err(|what| reader.fault(&at, &what)).ok()
    });
    let system = reader.text(table, "system").or_else(|| defaults.system.clone());
    let max_tokens = reader.tokens(table).unwrap_or(defaults.max_tokens);
    let turns = match (table.contains_key("user"), table.contains_key("turn")) {
        (true, true) => {
            reader.fault(span, "it has both 'user' and 'turn'; a conversation has [[prompt.turn]] alone");
            Vec::new()
        }
        (false, false) => {
            reader.fault(span, "it has neither 'user' nor a [[prompt.turn]]");
            Vec::new()
        }
        (true, false) => turn(reader, table, span).into_iter().collect(),
        (false, true) => {
            if let Some(score) = table.get("score") {
                reader.fault(&score.span(), "in a conversation, 'score' belongs into the turns");
            }
            let turns = reader.tables(table, "turn");
            turns
                .into_iter()
                .filter_map(|(entry, span)| {
                    reader.known(entry, &["user", "score"], "a turn");
                    turn(reader, entry, &span)
                })
                .collect()
        }
    };
    Some(Prompt { id: reader.id.clone()?, category: category?, system, turns, max_tokens })
}

fn turn(reader: &mut Reader<'_>, table: &DeTable<'_>, span: &Range<usize>) -> Option<Turn> {
    if !table.contains_key("user") {
        reader.fault(span, "the turn has no 'user'");
    }
    let user = reader.text(table, "user");
    let score = table.get("score").and_then(|value| score::read(reader, value));
    Some(Turn { user: user?, score })
}

#[cfg(test)]
mod tests;
