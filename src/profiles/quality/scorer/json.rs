//! The scorer `json`: the JSON value in an answer, against a schema or an expected value. A code fence and text around it are
//! allowed unless the scorer says `only`; two different values are not.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::Scored;
use super::answer::pattern;

/// Scores an answer whose reasoning is left out.
pub(super) fn score(text: &str, schema: Option<&Value>, equals: Option<&Value>, only: bool) -> Scored {
    let value = match read(text, wanted_type(schema, equals), only) {
        Ok(value) => value,
        Err(why) => return Scored::wrong(None, why),
    };
    let read = Some(value.to_string());
    if let Some(schema) = schema {
        match jsonschema::validator_for(schema) {
            Err(error) => return Scored::wrong(read, format!("the scorer's schema is none: {error}")),
            Ok(validator) => {
                if let Some(error) = validator.iter_errors(&value).next() {
                    return Scored::wrong(read, mismatch(&error));
                }
            }
        }
    }
    match equals {
        Some(wanted) if !same(&value, wanted) => Scored::wrong(read, format!("it is not {wanted}")),
        _ => Scored::right(read, "it is the JSON that is wanted".to_owned()),
    }
}

/// What is wrong with a schema, if something is.
pub(super) fn check_schema(schema: &Value) -> Result<(), String> {
    jsonschema::validator_for(schema).map(|_| ()).map_err(|error| match error.instance_path().as_str() {
        "" => error.to_string(),
        place => format!("{error} at {place}"),
    })
}

fn mismatch(error: &jsonschema::ValidationError<'_>) -> String {
    match error.instance_path().as_str() {
        "" => error.to_string(),
        place => format!("at {place}: {error}"),
    }
}

/// Equal values; numbers by value (`5` is `5.0`), objects in any order.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// Whether an object or a list is looked for, as far as the scorer says.
fn wanted_type(schema: Option<&Value>, equals: Option<&Value>) -> Option<char> {
    match (schema.and_then(|s| s.get("type")).and_then(Value::as_str), equals) {
        (Some("object"), _) | (None, Some(Value::Object(_))) => Some('{'),
        (Some("array"), _) | (None, Some(Value::Array(_))) => Some('['),
        _ => None,
    }
}

fn read(text: &str, wanted: Option<char>, only: bool) -> Result<Value, String> {
    let text = text.trim();
    let whole = match serde_json::from_str::<Value>(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let fenced = fences(text);
    if only {
        let alone = fenced.as_slice();
        return match alone {
            [(place, inner)] if place.len() == text.len() => serde_json::from_str(inner).map_err(|e| not_json(&e)),
            _ if text.starts_with(['{', '[']) => Err(not_json(&whole)),
            _ => Err("it is more than JSON alone".to_owned()),
        };
    }
    let parts: Vec<&str> =
        if fenced.is_empty() { vec![text] } else { fenced.into_iter().map(|(_, inner)| inner).collect() };
    let mut values: Vec<Value> = Vec::new();
    let mut broken = None;
    for part in parts {
        match values_in(part) {
            Ok(found) => values.extend(found),
            Err(error) => broken = Some(error),
        }
    }
    let fits = |v: &Value| wanted.is_none_or(|w| if w == '{' { v.is_object() } else { v.is_array() });
    if values.iter().any(fits) {
        values.retain(fits);
    }
    match (values.as_slice(), broken) {
        (_, Some(error)) => Err(error),
        ([], None) => Err("there is no JSON in it".to_owned()),
        ([first, rest @ ..], None) if rest.iter().all(|v| same(v, first)) => Ok(first.clone()),
        (several, None) => Err(format!("it gives {} different JSON values", several.len())),
    }
}

/// The code fences: where each stands with its marks, and what is inside. The last may be open.
fn fences(text: &str) -> Vec<(std::ops::Range<usize>, &str)> {
    static FENCE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?s)```[A-Za-z0-9_+-]*[ ]*\n?(.*?)(?:```|$)"));
    FENCE
        .captures_iter(text)
        .map(|c| (c.get(0).expect("the whole match").range(), c.get(1).map_or("", |m| m.as_str())))
        .collect()
}

/// The objects and lists in a text. An object that begins and is not JSON is an error: what stands inside it is no answer.
fn values_in(text: &str) -> Result<Vec<Value>, String> {
    if let Ok(value) = serde_json::from_str(text.trim()) {
        return Ok(vec![value]);
    }
    let mut values = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(['{', '[']) {
        let begin = at + found;
        let mut stream = serde_json::Deserializer::from_str(&text[begin..]).into_iter::<Value>();
        match stream.next() {
            Some(Ok(value)) => {
                at = begin + stream.byte_offset();
                values.push(value);
            }
            // "[note]" and "{name}" are prose; `{"name": …` is meant as JSON.
            Some(Err(error)) if text[begin + 1..].trim_start().starts_with(['"', '{', '[', '\'']) => {
                return Err(not_json(&error));
            }
            _ => at = begin + 1,
        }
    }
    Ok(values)
}

fn not_json(error: &serde_json::Error) -> String {
    if error.is_eof() { "its JSON is cut off".to_owned() } else { format!("it is not JSON: {error}") }
}

#[cfg(test)]
mod tests;
