//! jinja2's filters and tests where minijinja's own ones do something else, and `tojson` as Hugging Face defines it.

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::value::{
    Enumerator, Object, ObjectExt, ObjectRepr, Rest, Tuple, Value, ValueIter, ValueKind, ValueOrKwargs,
};
use minijinja::{Environment, Error, ErrorKind, State, filters};

use super::args::Args;
use super::methods::{split_lines, strip};
use super::python::{self, JsonStyle, to_str};
use super::value::is_callable;

/// Adds the filters and tests to an environment.
pub fn add(env: &mut Environment) {
    env.add_filter("tojson", tojson);
    env.add_filter("string", |value: &Value| to_str(value));
    // Without automatic escaping these two only matter in that they give text.
    env.add_filter("safe", |value: &Value| to_str(value));
    env.add_filter("escape", escape);
    env.add_filter("e", escape);
    env.add_filter("trim", trim);
    env.add_filter("replace", replace);
    env.add_filter("join", join);
    env.add_filter("indent", indent);
    env.add_filter("default", default);
    env.add_filter("d", default);
    env.add_filter("int", int);
    env.add_filter("float", float);
    env.add_filter("length", length);
    env.add_filter("count", length);
    env.add_filter("items", items);
    env.add_filter("dictsort", dictsort);
    env.add_filter("list", |value: &Value| Ok::<_, Error>(iter(value)?.collect::<Vec<_>>()));
    add_generators(env);

    env.add_test("iterable", |value: &Value| iter(value).is_ok());
    env.add_test("sequence", is_sequence);
    env.add_test("callable", is_callable);
}

/// The filters that give a generator in jinja2: always true, without a length, not to be printed as JSON.
fn add_generators(env: &mut Environment) {
    type Test<'a> = Option<Cow<'a, str>>;
    type More = Rest<ValueOrKwargs>;
    env.add_filter("select", |state: &mut State, value: Value, test: Test, more: More| {
        filters::select(state, value, test, more).map(generator)
    });
    env.add_filter("reject", |state: &mut State, value: Value, test: Test, more: More| {
        filters::reject(state, value, test, more).map(generator)
    });
    env.add_filter("selectattr", |state: &mut State, value: Value, name: Cow<'_, str>, test: Test, more: More| {
        filters::selectattr(state, value, name, test, more).map(generator)
    });
    env.add_filter("rejectattr", |state: &mut State, value: Value, name: Cow<'_, str>, test: Test, more: More| {
        filters::rejectattr(state, value, name, test, more).map(generator)
    });
    env.add_filter("map", |state: &mut State, value: Value, more: More| {
        filters::map(state, value, more).map(generator)
    });
}

fn generator(items: Vec<Value>) -> Value {
    Value::from_object(Generator(items))
}

/// Items whose number a template cannot tell.
#[derive(Debug)]
struct Generator(Vec<Value>);

impl Object for Generator {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|generator| Box::new(generator.0.iter().cloned()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        None
    }
}

/// A value's items; what Python cannot iterate over is an error.
fn iter(value: &Value) -> Result<ValueIter, Error> {
    if value.is_none() {
        return Err(Error::new(ErrorKind::InvalidOperation, "None is not iterable"));
    }
    value.try_iter()
}

fn is_sequence(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined | ValueKind::String | ValueKind::Map | ValueKind::Seq => true,
        // What `+` and slices make of lists; a generator has no length.
        ValueKind::Iterable => value.len().is_some(),
        _ => false,
    }
}

/// `json.dumps(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False)`, as in Hugging Face's override.
fn tojson(value: &Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = Args::parse(&args.into_values(), &["ensure_ascii", "indent", "separators", "sort_keys"])?;
    let indent = match args.get(1) {
        Some(indent) => Some(match indent.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(usize::try_from(i64::try_from(indent.clone())?).unwrap_or(0)),
        }),
        None => None,
    };
    let (item_separator, key_separator) = match args.get(2) {
        Some(separators) => (to_str(&separators.get_item_by_index(0)?), to_str(&separators.get_item_by_index(1)?)),
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
    };
    let style =
        JsonStyle { ensure_ascii: args.is_true(0), indent, item_separator, key_separator, sort_keys: args.is_true(3) };
    python::json(value, &style)
}

fn escape(value: &Value) -> String {
    let mut out = String::new();
    for c in to_str(value).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn trim(value: &Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = Args::parse(&args.into_values(), &["chars"])?;
    Ok(strip(&to_str(value), args.text(0)?, true, true).to_owned())
}

fn replace(value: &Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = Args::parse(&args.into_values(), &["old", "new", "count"])?;
    let (text, old, new) = (to_str(value), to_str(args.required(0)?), to_str(args.required(1)?));
    Ok(match args.integer(2)?.and_then(|count| usize::try_from(count).ok()) {
        Some(count) => text.replacen(&old, &new, count),
        None => text.replace(&old, &new),
    })
}

fn join(value: &Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = Args::parse(&args.into_values(), &["d", "attribute"])?;
    let separator = args.get(0).map(to_str).unwrap_or_default();
    let attribute = args.get(1).map(to_str);
    let mut out = String::new();
    for (index, item) in iter(value)?.enumerate() {
        if index > 0 {
            out.push_str(&separator);
        }
        match &attribute {
            Some(path) => python::write_str(&mut out, &at_path(&item, path)?),
            None => python::write_str(&mut out, &item),
        }
    }
    Ok(out)
}

/// `a.b.0` of a value, as jinja2's filters read an attribute.
fn at_path(value: &Value, path: &str) -> Result<Value, Error> {
    path.split('.').try_fold(value.clone(), |value, part| match part.parse::<usize>() {
        Ok(index) => value.get_item_by_index(index),
        Err(_) => value.get_item(&Value::from(part)),
    })
}

fn indent(value: &Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = Args::parse(&args.into_values(), &["width", "first", "blank"])?;
    let indent = match args.get(0) {
        None => " ".repeat(4),
        Some(width) => match width.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(usize::try_from(i64::try_from(width.clone())?).unwrap_or(0)),
        },
    };
    let text = to_str(value) + "\n";
    let mut out = String::new();
    for (index, line) in split_lines(&text, false).into_iter().enumerate() {
        out.push_str(if index > 0 { "\n" } else { "" });
        let wanted = if index == 0 { args.is_true(1) } else { args.is_true(2) || !line.is_empty() };
        out.push_str(if wanted { &indent } else { "" });
        out.push_str(line);
    }
    Ok(out)
}

fn default(value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = Args::parse(&args.into_values(), &["default_value", "boolean"])?;
    if value.is_undefined() || (args.is_true(1) && !value.is_true()) {
        return Ok(args.given(0).cloned().unwrap_or_else(|| Value::from("")));
    }
    Ok(value.clone())
}

fn int(value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = Args::parse(&args.into_values(), &["default", "base"])?;
    let text = to_str(value).replace('_', "");
    let text = text.trim();
    let base = args.integer(1)?.and_then(|base| u32::try_from(base).ok()).filter(|base| (2..=36).contains(base));
    let number = match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        ValueKind::Number if value.is_integer() => return Ok(value.clone()),
        ValueKind::Number => None,
        _ => i128::from_str_radix(text, base.unwrap_or(10)).ok(),
    };
    #[allow(clippy::cast_possible_truncation)] // Python cuts the fraction off, too
    let number = number.or_else(|| text.parse::<f64>().ok().filter(|x| x.is_finite()).map(|x| x.trunc() as i128));
    Ok(number.map_or_else(|| args.given(0).cloned().unwrap_or_else(|| Value::from(0)), Value::from))
}

fn float(value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = Args::parse(&args.into_values(), &["default"])?;
    let number = match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        _ => to_str(value).trim().parse::<f64>().ok(),
    };
    Ok(number.map_or_else(|| args.given(0).cloned().unwrap_or_else(|| Value::from(0.0)), Value::from))
}

fn length(value: &Value) -> Result<usize, Error> {
    if value.is_undefined() {
        return Ok(0);
    }
    value.len().ok_or_else(|| {
        Error::new(ErrorKind::InvalidOperation, format!("a value of type {} has no length", value.kind()))
    })
}

fn items(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::from(Vec::<Value>::new()));
    }
    filters::items(value)
}

fn dictsort(value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = Args::parse(&args.into_values(), &["case_sensitive", "by", "reverse"])?;
    if value.kind() != ValueKind::Map {
        return Err(Error::new(ErrorKind::InvalidOperation, "dictsort needs a dict"));
    }
    let by_value = args.text(1)? == Some("value");
    let fold = |value: &Value| match value.as_str() {
        Some(text) if !args.is_true(0) => Value::from(text.to_lowercase()),
        _ => value.clone(),
    };
    let mut pairs = python::pairs(value);
    pairs.sort_by(|a, b| {
        let (a, b) = if by_value { (fold(&a.1), fold(&b.1)) } else { (fold(&a.0), fold(&b.0)) };
        if args.is_true(2) { b.cmp(&a) } else { a.cmp(&b) }
    });
    Ok(Value::from(pairs.into_iter().map(|(key, item)| Tuple::from([key, item]).into()).collect::<Vec<Value>>()))
}
