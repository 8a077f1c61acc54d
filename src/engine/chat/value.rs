//! From JSON to the template engine's values, with a dict that behaves as Python's where a template reads an attribute.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectExt, ObjectRepr, Value};
use minijinja::{Error, State};
use serde_json::Value as Json;

/// A template value of any JSON; dicts keep the order of their keys.
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => Value::from(integer),
            (None, Some(integer), _) => Value::from(integer),
            (None, None, float) => Value::from(float.unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(from_json).collect::<Vec<_>>()),
        Json::Object(items) => from_map(items),
    }
}

/// A template value of a JSON object.
pub fn from_map(map: &serde_json::Map<String, Json>) -> Value {
    Value::from_object(Dict(map.iter().map(|(key, item)| (Value::from(key.as_str()), from_json(item))).collect()))
}

/// A dict of few keys. In Python `tool.items` is a method even where the dict has a key `items` (a JSON schema of an array
/// has one), while `tool["items"]` is that key's value; templates print what follows from it, and models saw it in training.
#[derive(Debug)]
struct Dict(Vec<(Value, Value)>);

/// The methods of Python's dict that jinja2's immutable sandbox lets a template call.
const METHODS: [&str; 6] = ["copy", "fromkeys", "get", "items", "keys", "values"];
/// The methods that it hides, because they would change the dict.
const HIDDEN_METHODS: [&str; 5] = ["clear", "pop", "popitem", "setdefault", "update"];

impl Object for Dict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(key) => self.find(key),
            None => None,
        }
    }

    /// An attribute (`dict.name`), as opposed to an item (`dict["name"]`).
    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        if let Some(method) = METHODS.into_iter().find(|method| *method == name) {
            let dict = Value::from_dyn_object(Arc::clone(self));
            return Some(Value::from_object(BoundMethod { dict, method }));
        }
        if HIDDEN_METHODS.contains(&name) { None } else { self.find(name) }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|dict| Box::new(dict.0.iter().map(|(key, _)| key.clone())))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        super::python::write_str(f, &Value::from_dyn_object(Arc::clone(self)));
        Ok(())
    }
}

impl Dict {
    fn find(&self, name: &str) -> Option<Value> {
        self.0.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value.clone())
    }
}

/// A dict's method that a template names without calling it.
#[derive(Debug)]
struct BoundMethod {
    dict: Value,
    method: &'static str,
}

impl Object for BoundMethod {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        self.dict.call_method(state, self.method, args)
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<built-in method {} of dict object>", self.method)
    }
}

/// Whether a value can be called, as far as a template can tell.
pub fn is_callable(value: &Value) -> bool {
    value.downcast_object_ref::<BoundMethod>().is_some()
        || (value.kind() == minijinja::value::ValueKind::Plain && value.as_object().is_some())
}
