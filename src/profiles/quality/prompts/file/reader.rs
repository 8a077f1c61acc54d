//! Values out of a prompt file's tables. What is wrong is noted with its line and its prompt, and reading goes on, so that a
//! person sees all of it at once.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Fault;

/// A file's text, and what is wrong with it.
pub(super) struct Reader<'t> {
    text: &'t str,
    /// The prompt that is being read.
    pub(super) id: Option<String>,
    pub(super) faults: Vec<Fault>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, id: None, faults: Vec::new() }
    }

    /// The line of a place, from 1.
    pub(super) fn line(&self, at: &Range<usize>) -> usize {
        let end = at.start.min(self.text.len());
        self.text[..end].matches('\n').count() + 1
    }

    pub(super) fn fault(&mut self, at: &Range<usize>, what: &str) {
        let line = Some(self.line(at));
        self.faults.push(Fault { line, id: self.id.clone(), what: what.to_owned() });
    }

    /// Notes every key that is not one of these.
    pub(super) fn known(&mut self, table: &DeTable<'_>, keys: &[&str], whose: &str) {
        for key in table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref())) {
            let hint = nearest(key.get_ref(), keys);
            self.fault(&key.span(), &format!("{whose} has no key '{}'; {hint}", key.get_ref()));
        }
    }

    /// A string that is not blank; None if there is none, or if it is noted as wrong.
    pub(super) fn text(&mut self, table: &DeTable<'_>, key: &str) -> Option<String> {
        let value = table.get(key)?;
        match value.get_ref().as_str() {
            Some(text) if !text.trim().is_empty() => return Some(text.to_owned()),
            Some(_) => self.fault(&value.span(), &format!("'{key}' is empty")),
            None => self.fault(&value.span(), &format!("'{key}' must be a string")),
        }
        None
    }

    /// A list of strings, empty if there is none. Numbers are the strings that they are written as.
    pub(super) fn texts(&mut self, table: &DeTable<'_>, key: &str) -> Vec<String> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let list = value.get_ref().as_array().and_then(|list| {
            let texts = list.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                // As a person writes them: `answers = [12, "twelve"]`.
                DeValue::Integer(n) => Some(n.to_string()),
                DeValue::Float(n) => Some(n.to_string()),
                _ => None,
            });
            texts.collect::<Option<Vec<_>>>()
        });
        list.unwrap_or_else(|| {
            self.fault(&value.span(), &format!("'{key}' must be a list of strings, such as [\"yes\"]"));
            Vec::new()
        })
    }

    pub(super) fn number(&mut self, table: &DeTable<'_>, key: &str) -> Option<f64> {
        let value = table.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(n) => integer(n).map(
                #[allow(clippy::cast_precision_loss, reason = "beyond 2^53 no answer of a model is exact either")]
                |n| n as f64,
            ),
            DeValue::Float(n) => n.as_str().parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.fault(&value.span(), &format!("'{key}' must be a number"));
        }
        number
    }

    pub(super) fn count(&mut self, table: &DeTable<'_>, key: &str) -> Option<usize> {
        let value = table.get(key)?;
        let count = match value.get_ref() {
            DeValue::Integer(n) => integer(n).and_then(|n| usize::try_from(n).ok()),
            _ => None,
        };
        if count.is_none() {
            self.fault(&value.span(), &format!("'{key}' must be a whole number, 0 or more"));
        }
        count
    }

    pub(super) fn flag(&mut self, table: &DeTable<'_>, key: &str) -> bool {
        let Some(value) = table.get(key) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.fault(&value.span(), &format!("'{key}' must be true or false"));
            false
        })
    }

    /// `max_tokens`: at least one.
    pub(super) fn tokens(&mut self, table: &DeTable<'_>) -> Option<u32> {
        let at = table.get("max_tokens")?.span();
        let count = self.count(table, "max_tokens")?;
        let tokens = u32::try_from(count).ok().filter(|&n| n > 0);
        if tokens.is_none() {
            self.fault(&at, "'max_tokens' must be between 1 and 4294967295");
        }
        tokens
    }

    /// The tables of a list, each with its place.
    pub(super) fn tables<'a, 'i>(&mut self, table: &'a DeTable<'i>, key: &str) -> Vec<(&'a DeTable<'i>, Range<usize>)> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let list = value.get_ref().as_array().and_then(|list| {
            list.iter().map(|item| Some((item.get_ref().as_table()?, item.span()))).collect::<Option<Vec<_>>>()
        });
        match list {
            Some(list) if !list.is_empty() => list,
            _ => {
                self.fault(&value.span(), &format!("'{key}' must be a list of tables"));
                Vec::new()
            }
        }
    }

    /// Any value as JSON. A string that begins like JSON is read as JSON; with `always`, every string is.
    pub(super) fn json(&mut self, table: &DeTable<'_>, key: &str, always: bool) -> Option<Value> {
        let value = table.get(key)?;
        let result = match value.get_ref().as_str() {
            Some(text) if always || text.trim_start().starts_with(['{', '[']) => {
                serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))
            }
            _ => to_json(value),
        };
        result.map_err(|what| self.fault(&value.span(), &format!("'{key}': {what}"))).ok()
    }
}

/// "did you mean …", or what there is.
pub(super) fn nearest(unknown: &str, known: &[&str]) -> String {
    let similar = |name: &&&str| strsim::jaro_winkler(&unknown.to_lowercase(), name);
    match known.iter().max_by(|a, b| similar(a).total_cmp(&similar(b))) {
        Some(name) if similar(&name) > 0.7 => format!("did you mean '{name}'?"),
        _ => format!("known: {}", known.join(", ")),
    }
}

fn integer(number: &toml::de::DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn to_json(value: &Spanned<DeValue<'_>>) -> Result<Value, String> {
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(n) => Value::from(integer(n).ok_or_else(|| format!("{n} is too large"))?),
        DeValue::Float(n) => {
            let float = n.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            Value::Number(float.ok_or_else(|| format!("JSON has no number {n}"))?)
        }
        DeValue::Boolean(b) => Value::from(*b),
        DeValue::Datetime(date) => return Err(format!("JSON has no dates; write \"{date}\" as a string")),
        DeValue::Array(list) => Value::Array(list.iter().map(to_json).collect::<Result<_, _>>()?),
        DeValue::Table(table) => {
            let entries = table.iter().map(|(key, value)| Ok((key.get_ref().to_string(), to_json(value)?)));
            Value::Object(entries.collect::<Result<_, String>>()?)
        }
    })
}
