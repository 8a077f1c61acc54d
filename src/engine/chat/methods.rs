//! Python's methods of strings, lists and dicts, beyond those of minijinja-contrib's pycompat or more exact than they are.
//!
//! Left out on purpose: methods that change their object, which jinja2's immutable sandbox refuses too.

use minijinja::value::{Tuple, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use minijinja_contrib::pycompat;

use super::args::{Args, text};
use super::source::SLICE;

/// Calls a method of a value that has none of its own.
///
/// # Errors
/// No such method, or wrong arguments.
pub fn call(state: &mut State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if method == SLICE {
        return slice(value, &Args::parse(args, &["start", "end", "step"])?);
    }
    let own = match value.kind() {
        ValueKind::String => string_method(text(value)?, method, args)?,
        ValueKind::Seq | ValueKind::Iterable => list_method(value, method, args)?,
        ValueKind::Map if method == "copy" => Some(value.clone()),
        _ => None,
    };
    own.map_or_else(|| pycompat::unknown_method_callback(state, value, method, args), Ok)
}

/// What Python's `str.isspace()` is true for.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Python's `str.splitlines()`.
pub fn split_lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let is_end =
        |c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_end) {
        let first = rest[at..].chars().next().map_or(0, char::len_utf8);
        let end = at + if rest[at..].starts_with("\r\n") { 2 } else { first };
        lines.push(&rest[..if keep_ends { end } else { at }]);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// Python's `str.strip()` on the chosen sides; without `chars` it strips white space.
pub fn strip<'t>(text: &'t str, chars: Option<&str>, left: bool, right: bool) -> &'t str {
    let unwanted = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    let text = if left { text.trim_start_matches(unwanted) } else { text };
    if right { text.trim_end_matches(unwanted) } else { text }
}

/// Python's `value[start:end:step]`; undefined where Python raises an error that jinja2 turns into that.
fn slice(value: &Value, args: &Args) -> Result<Value, Error> {
    let (Ok(start), Ok(end), Ok(step)) = (args.integer(0), args.integer(1), args.integer(2)) else {
        return Ok(Value::UNDEFINED);
    };
    let step = step.unwrap_or(1);
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if step == 0 {
        return Err(invalid("slice step cannot be zero"));
    }
    if let Some(s) = value.as_str() {
        let chars: Vec<char> = s.chars().collect();
        return Ok(Value::from(indices(chars.len(), start, end, step).map(|i| chars[i]).collect::<String>()));
    }
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) || value.len().is_none() {
        return Ok(Value::UNDEFINED);
    }
    let items: Vec<Value> = value.try_iter()?.collect();
    let items: Vec<Value> = indices(items.len(), start, end, step).map(|i| items[i].clone()).collect();
    Ok(if value.is_tuple() { Value::from(Tuple::from(items)) } else { Value::from(items) })
}

/// The indices that Python's `slice(start, end, step).indices(length)` walks over.
fn indices(length: usize, start: Option<i64>, end: Option<i64>, step: i64) -> impl Iterator<Item = usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clamp = |index: i64| (if index < 0 { index.saturating_add(length) } else { index }).clamp(low, high.max(low));
    let (first, last) = if step > 0 { (low, high) } else { (high, low) };
    let start = start.map_or(first, clamp);
    let end = end.map_or(last, clamp);
    std::iter::successors(Some(start), move |index| index.checked_add(step))
        .take_while(move |index| if step > 0 { *index < end } else { *index > end })
        .filter_map(|index| usize::try_from(index).ok())
}

fn string_method(s: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "strip" | "lstrip" | "rstrip" => {
            let args = Args::parse(args, &["chars"])?;
            Value::from(strip(s, args.text(0)?, method != "rstrip", method != "lstrip"))
        }
        "split" | "rsplit" => {
            let args = Args::parse(args, &["sep", "maxsplit"])?;
            let limit = args.integer(1)?.and_then(|limit| usize::try_from(limit).ok());
            list(split(s, args.text(0)?, limit, method == "rsplit")?)
        }
        "splitlines" => list(split_lines(s, Args::parse(args, &["keepends"])?.is_true(0))),
        "partition" | "rpartition" => {
            partition(s, Args::parse(args, &["sep"])?.required_text(0)?, method == "rpartition")?
        }
        "removeprefix" => {
            let args = Args::parse(args, &["prefix"])?;
            Value::from(s.strip_prefix(args.required_text(0)?).unwrap_or(s))
        }
        "removesuffix" => {
            let args = Args::parse(args, &["suffix"])?;
            Value::from(s.strip_suffix(args.required_text(0)?).unwrap_or(s))
        }
        "find" | "rfind" | "index" | "rindex" => find(s, method, &Args::parse(args, &["sub", "start", "end"])?)?,
        "count" => {
            let args = Args::parse(args, &["sub", "start", "end"])?;
            Value::from(window(s, &args)?.1.matches(args.required_text(0)?).count())
        }
        "startswith" | "endswith" => {
            let args = Args::parse(args, &["affix", "start", "end"])?;
            Value::from(has_affix(window(s, &args)?.1, args.required(0)?, method == "startswith")?)
        }
        "join" => Value::from(join(s, Args::parse(args, &["iterable"])?.required(0)?)?),
        "title" => Value::from(title(s)),
        "casefold" => Value::from(s.to_lowercase().replace('ß', "ss")),
        "swapcase" => Value::from(s.chars().map(swap_case).collect::<String>()),
        "isdecimal" => Value::from(!s.is_empty() && s.chars().all(|c| c.is_ascii_digit())),
        "zfill" => Value::from(fill_zeros(s, Args::parse(args, &["width"])?.integer(0)?)),
        "ljust" | "rjust" | "center" => pad(s, method, &Args::parse(args, &["width", "fillchar"])?)?,
        "expandtabs" => Value::from(expand_tabs(s, Args::parse(args, &["tabsize"])?.integer(0)?.unwrap_or(8))),
        _ => return Ok(None),
    }))
}

fn list_method(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    match method {
        "index" => {
            let args = Args::parse(args, &["value"])?;
            let wanted = args.required(0)?;
            let index = value.try_iter()?.position(|item| item == *wanted);
            index.map(|index| Some(Value::from(index))).ok_or_else(|| invalid("the value is not in the list"))
        }
        "count" => {
            let args = Args::parse(args, &["value"])?;
            let wanted = args.required(0)?;
            Ok(Some(Value::from(value.try_iter()?.filter(|item| item == wanted).count())))
        }
        "copy" => Ok(Some(value.clone())),
        _ => Ok(None),
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn list(items: Vec<&str>) -> Value {
    items.into_iter().map(Value::from).collect::<Vec<_>>().into()
}

fn split<'s>(
    s: &'s str,
    separator: Option<&str>,
    limit: Option<usize>,
    from_right: bool,
) -> Result<Vec<&'s str>, Error> {
    match (separator, limit) {
        (Some(""), _) => Err(invalid("empty separator")),
        (Some(separator), None) => Ok(s.split(separator).collect()),
        (Some(separator), Some(limit)) if from_right => {
            let mut parts: Vec<_> = s.rsplitn(limit + 1, separator).collect();
            parts.reverse();
            Ok(parts)
        }
        (Some(separator), Some(limit)) => Ok(s.splitn(limit + 1, separator).collect()),
        (None, limit) => Ok(split_space(s, limit.unwrap_or(usize::MAX), from_right)),
    }
}

/// Splits at runs of white space; what is left over when the limit is reached keeps its white space on the far side.
fn split_space(s: &str, limit: usize, from_right: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = strip(s, None, !from_right, from_right);
    while !rest.is_empty() && parts.len() < limit {
        let cut = if from_right { rest.rfind(is_space) } else { rest.find(is_space) };
        let Some(at) = cut else { break };
        let after = at + rest[at..].chars().next().map_or(0, char::len_utf8);
        let (part, left_over) = if from_right { (&rest[after..], &rest[..at]) } else { (&rest[..at], &rest[after..]) };
        parts.push(part);
        rest = strip(left_over, None, !from_right, from_right);
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    if from_right {
        parts.reverse();
    }
    parts
}

fn partition(s: &str, separator: &str, from_right: bool) -> Result<Value, Error> {
    if separator.is_empty() {
        return Err(invalid("empty separator"));
    }
    let found = if from_right { s.rsplit_once(separator) } else { s.split_once(separator) };
    let parts = match found {
        Some((before, after)) => [before, separator, after],
        None if from_right => ["", "", s],
        None => [s, "", ""],
    };
    Ok(Value::from(Tuple::from(parts.map(Value::from))))
}

/// The part of a text that `start` and `end` (arguments 1 and 2, in characters, negative from the end) leave, and its start.
fn window<'s>(s: &'s str, args: &Args) -> Result<(i64, &'s str), Error> {
    let (start, end) = (args.integer(1)?, args.integer(2)?);
    if start.is_none() && end.is_none() {
        return Ok((0, s));
    }
    let length = i64::try_from(s.chars().count()).unwrap_or(i64::MAX);
    let clamp = |index: i64| if index < 0 { (index + length).max(0) } else { index.min(length) };
    let (start, end) = (clamp(start.unwrap_or(0)), clamp(end.unwrap_or(length)));
    let byte = |index: i64| {
        let index = usize::try_from(index).unwrap_or(0);
        s.char_indices().nth(index).map_or(s.len(), |(byte, _)| byte)
    };
    Ok((start, if start < end { &s[byte(start)..byte(end)] } else { "" }))
}

fn find(s: &str, method: &str, args: &Args) -> Result<Value, Error> {
    let (start, part) = window(s, args)?;
    let wanted = args.required_text(0)?;
    let at = if method.starts_with('r') { part.rfind(wanted) } else { part.find(wanted) };
    match at {
        Some(at) => Ok(Value::from(start + i64::try_from(part[..at].chars().count()).unwrap_or(i64::MAX))),
        None if method.ends_with("index") => Err(invalid("substring not found")),
        None => Ok(Value::from(-1)),
    }
}

fn has_affix(s: &str, affix: &Value, at_start: bool) -> Result<bool, Error> {
    let has = |affix: &str| if at_start { s.starts_with(affix) } else { s.ends_with(affix) };
    if !affix.is_tuple() {
        return Ok(has(text(affix)?));
    }
    for item in affix.try_iter()? {
        if has(text(&item)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn join(separator: &str, items: &Value) -> Result<String, Error> {
    if items.is_none() {
        return Err(invalid("can only join an iterable"));
    }
    let mut out = String::new();
    for (index, item) in items.try_iter()?.enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        out.push_str(text(&item)?);
    }
    Ok(out)
}

fn title(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    let mut inside = false;
    for c in s.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_lowercase() || c.is_uppercase();
    }
    out
}

fn swap_case(c: char) -> String {
    if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
}

/// Characters that are missing to a width.
fn missing(s: &str, width: Option<i64>) -> usize {
    usize::try_from(width.unwrap_or(0)).unwrap_or(0).saturating_sub(s.chars().count())
}

fn fill_zeros(s: &str, width: Option<i64>) -> String {
    let zeros = "0".repeat(missing(s, width));
    match s.strip_prefix(['+', '-']) {
        Some(digits) => format!("{}{zeros}{digits}", &s[..1]),
        None => zeros + s,
    }
}

fn pad(s: &str, method: &str, args: &Args) -> Result<Value, Error> {
    let missing = missing(s, args.integer(0)?);
    let fill = args.text(1)?.unwrap_or(" ");
    // Python gives an odd space to the left where the width is odd.
    let width = missing + s.chars().count();
    let left = match method {
        "rjust" => missing,
        "center" => missing / 2 + (missing & width & 1),
        _ => 0,
    };
    Ok(Value::from(format!("{}{s}{}", fill.repeat(left), fill.repeat(missing - left))))
}

fn expand_tabs(s: &str, size: i64) -> String {
    let size = usize::try_from(size).unwrap_or(0);
    let mut out = String::with_capacity(s.len());
    let mut column = 0;
    for c in s.chars() {
        match c {
            '\t' if size > 0 => {
                let spaces = size - column % size;
                out.push_str(&" ".repeat(spaces));
                column += spaces;
            }
            '\t' => {}
            c => {
                column = if c == '\n' || c == '\r' { 0 } else { column + 1 };
                out.push(c);
            }
        }
    }
    out
}
