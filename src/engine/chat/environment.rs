//! The template engine set up as Hugging Face's transformers sets up jinja2 for chat templates.

use jiff::Zoned;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind};
use minijinja_contrib::globals;

use super::error::RaisedByTemplate;
use super::{filters, methods, python};

/// An environment without templates: `trim_blocks`, `lstrip_blocks`, no escaping, Python's way of printing.
pub fn new() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().unwrap_or_default());
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_formatter(|out, _, value| {
        python::write_str(out, value);
        Ok(())
    });
    env.set_unknown_method_callback(methods::call);
    env.add_function("raise_exception", raise_exception);
    env.add_function("cycler", |items: Rest<Value>| globals::cycler(items.0));
    env.add_function("joiner", globals::joiner);
    filters::add(&mut env);
    env
}

/// `strftime_now(format)`: the given time, or the local time of the call.
pub fn strftime_now(now: Option<Zoned>) -> Value {
    Value::from_function(move |format: &str| {
        let now = now.clone().unwrap_or_else(Zoned::now);
        jiff::fmt::strtime::format(format, &now)
            .map_err(|e| Error::new(ErrorKind::InvalidOperation, format!("strftime_now('{format}'): {e}")))
    })
}

fn raise_exception(message: &Value) -> Result<Value, Error> {
    let message = python::to_str(message);
    Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(RaisedByTemplate(message)))
}
