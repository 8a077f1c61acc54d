//! How Python writes values: `str()`, `repr()` and `json.dumps()`, which chat templates print and models were trained on.
//!
//! Left out on purpose: integers beyond 128 bits, and the `repr()` of objects that JSON cannot hold.

use std::fmt::Write;

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// Python's `str(value)`; nothing for an undefined value, as jinja2 prints it.
pub fn to_str(value: &Value) -> String {
    let mut out = String::new();
    write_str(&mut out, value);
    out
}

/// Appends Python's `str(value)`.
pub fn write_str(out: &mut impl Write, value: &Value) {
    // Writing to a template's output fails only where its own writer fails, which the engine then reports itself.
    let _ = match (value.kind(), value.as_str()) {
        (_, Some(text)) => out.write_str(text),
        (ValueKind::Undefined, _) => Ok(()),
        _ => write_repr(out, value),
    };
}

/// Appends Python's `repr(value)`.
fn write_repr(out: &mut impl Write, value: &Value) -> std::fmt::Result {
    if let Some(text) = value.as_str() {
        return write_str_repr(out, text);
    }
    match value.kind() {
        ValueKind::Undefined => out.write_str("Undefined"),
        ValueKind::Number if !value.is_integer() => match f64::try_from(value.clone()) {
            Ok(x) => out.write_str(&float(x)),
            Err(_) => write!(out, "{value}"),
        },
        ValueKind::Map => {
            out.write_char('{')?;
            for (index, (key, item)) in pairs(value).into_iter().enumerate() {
                out.write_str(if index > 0 { ", " } else { "" })?;
                write_repr(out, &key)?;
                out.write_str(": ")?;
                write_repr(out, &item)?;
            }
            out.write_char('}')
        }
        ValueKind::Seq | ValueKind::Iterable if value.len().is_some() => {
            let (open, close) = match (value.is_tuple(), value.len()) {
                (true, Some(1)) => ("(", ",)"),
                (true, _) => ("(", ")"),
                (false, _) => ("[", "]"),
            };
            out.write_str(open)?;
            for (index, item) in value.try_iter().into_iter().flatten().enumerate() {
                out.write_str(if index > 0 { ", " } else { "" })?;
                write_repr(out, &item)?;
            }
            out.write_str(close)
        }
        _ => write!(out, "{value}"),
    }
}

fn write_str_repr(out: &mut impl Write, text: &str) -> std::fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            c if c == quote => write!(out, "\\{c}")?,
            c if is_printable(c) => out.write_char(c)?,
            c => match u32::from(c) {
                code @ 0..=0xff => write!(out, "\\x{code:02x}")?,
                code @ 0x100..=0xffff => write!(out, "\\u{code:04x}")?,
                code => write!(out, "\\U{code:08x}")?,
            },
        }
    }
    out.write_char(quote)
}

/// Python's `str.isprintable()` for one character. Rust's `escape_debug` uses the same Unicode categories, but also escapes
/// combining marks at the start of a text; hence the letter before it.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let mut buffer = [b'a', 0, 0, 0, 0];
    let length = 1 + c.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..length]).is_ok_and(|text| text.escape_debug().nth(1) == Some(c))
}

/// Python's `repr(float)`: the shortest digits that read back as the same number, with an exponent below 1e-4 and from 1e16.
pub fn float(x: f64) -> String {
    if x.is_nan() {
        return "nan".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{x:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = x.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// The arguments of Python's `json.dumps()` that templates use.
#[derive(Clone, Debug)]
pub struct JsonStyle {
    /// Write `\uXXXX` for everything beyond ASCII.
    pub ensure_ascii: bool,
    /// What each level is indented by; none: everything on one line.
    pub indent: Option<String>,
    /// Between two items.
    pub item_separator: String,
    /// Between a key and its value.
    pub key_separator: String,
    /// Write a dict's items in the order of their keys.
    pub sort_keys: bool,
}

/// Python's `json.dumps(value)`.
///
/// # Errors
/// Values that JSON cannot hold, such as an undefined one.
pub fn json(value: &Value, style: &JsonStyle) -> Result<String, Error> {
    let mut out = String::new();
    write_json(&mut out, value, style, 0)?;
    Ok(out)
}

fn write_json(out: &mut String, value: &Value, style: &JsonStyle, depth: usize) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&json_number(value)),
        ValueKind::String => write_json_string(out, value.as_str().unwrap_or_default(), style.ensure_ascii),
        ValueKind::Map => {
            let mut items = pairs(value);
            if style.sort_keys {
                items.sort_by(|a, b| a.0.cmp(&b.0));
            }
            write_json_items(out, ['{', '}'], &items, style, depth, |out, (key, item)| {
                write_json_string(out, &json_key(key)?, style.ensure_ascii);
                out.push_str(&style.key_separator);
                write_json(out, item, style, depth + 1)
            })?;
        }
        // An iterable without a length stands for a Python generator, which json.dumps() refuses.
        ValueKind::Seq | ValueKind::Iterable if value.len().is_some() => {
            let items: Vec<Value> = value.try_iter()?.collect();
            write_json_items(out, ['[', ']'], &items, style, depth, |out, item| {
                write_json(out, item, style, depth + 1)
            })?;
        }
        kind => {
            let message = format!("a value of type {kind} is not JSON serializable");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    }
    Ok(())
}

fn write_json_items<T>(
    out: &mut String,
    brackets: [char; 2],
    items: &[T],
    style: &JsonStyle,
    depth: usize,
    mut write: impl FnMut(&mut String, &T) -> Result<(), Error>,
) -> Result<(), Error> {
    let new_line = |out: &mut String, depth| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
    };
    out.push(brackets[0]);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(&style.item_separator);
        }
        new_line(out, depth + 1);
        write(out, item)?;
    }
    if !items.is_empty() {
        new_line(out, depth);
    }
    out.push(brackets[1]);
    Ok(())
}

fn json_number(value: &Value) -> String {
    match (value.is_integer(), f64::try_from(value.clone())) {
        (false, Ok(x)) if x.is_nan() => "NaN".to_owned(),
        (false, Ok(x)) if x.is_infinite() => if x > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        (false, Ok(x)) => float(x),
        _ => value.to_string(),
    }
}

fn json_key(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::None => Ok("null".to_owned()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Number => Ok(json_number(key)),
        kind => Err(Error::new(ErrorKind::InvalidOperation, format!("a key of type {kind} is not JSON serializable"))),
    }
}

fn write_json_string(out: &mut String, text: &str, ensure_ascii: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (ensure_ascii && c > '~') => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The items of a dict, in its order.
pub fn pairs(value: &Value) -> Vec<(Value, Value)> {
    let keys = value.try_iter().into_iter().flatten();
    keys.map(|key| (key.clone(), value.get_item(&key).unwrap_or(Value::UNDEFINED))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_written_as_python_writes_it() {
        // Each line is what CPython 3 prints for the number.
        for (x, text) in [
            (0.1, "0.1"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (123_456_789.125, "123456789.125"),
        ] {
            assert_eq!(float(x), text);
        }
    }

    #[test]
    fn a_string_in_a_list_is_quoted_and_escaped_as_python_does() {
        let list =
            Value::from(vec!["a", "it's", "it's \"so\"", "é\u{301}", "\u{a0}\u{200b}", "\u{1f600}\n\\", "\u{7f}"]);
        assert_eq!(
            to_str(&list),
            "['a', \"it's\", 'it\\'s \"so\"', 'é\u{301}', '\\xa0\\u200b', '\u{1f600}\\n\\\\', '\\x7f']"
        );
    }
}
