//! Arguments of filters and methods by position or by name, as Python takes them.

use minijinja::value::{Kwargs, Value, from_args};
use minijinja::{Error, ErrorKind};

/// The arguments of one call in the order of their names; what was not given is none.
pub struct Args(Vec<Option<Value>>);

impl Args {
    /// Sorts a call's arguments by the parameters' names.
    ///
    /// # Errors
    /// More arguments than parameters, or a name that is not among them.
    pub fn parse(args: &[Value], names: &[&str]) -> Result<Self, Error> {
        let (positional, keywords): (&[Value], Kwargs) = from_args(args)?;
        if positional.len() > names.len() {
            return Err(Error::from(ErrorKind::TooManyArguments));
        }
        let mut values: Vec<Option<Value>> = positional.iter().cloned().map(Some).collect();
        for name in &names[positional.len()..] {
            values.push(if keywords.has(name) { Some(keywords.get(name)?) } else { None });
        }
        keywords.assert_all_used()?;
        Ok(Self(values))
    }

    /// The argument at an index; none where it was not given or is `None`.
    pub fn get(&self, index: usize) -> Option<&Value> {
        self.0.get(index).and_then(Option::as_ref).filter(|value| !value.is_none())
    }

    /// The argument at an index, `None` included.
    pub fn given(&self, index: usize) -> Option<&Value> {
        self.0.get(index).and_then(Option::as_ref)
    }

    /// An argument that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn required(&self, index: usize) -> Result<&Value, Error> {
        self.given(index).ok_or_else(|| Error::from(ErrorKind::MissingArgument))
    }

    /// A string.
    ///
    /// # Errors
    /// The argument is there and is not a string.
    pub fn text(&self, index: usize) -> Result<Option<&str>, Error> {
        self.get(index).map(text).transpose()
    }

    /// A string that must be there.
    ///
    /// # Errors
    /// It is not there or is not a string.
    pub fn required_text(&self, index: usize) -> Result<&str, Error> {
        text(self.required(index)?)
    }

    /// An integer.
    ///
    /// # Errors
    /// The argument is there and is not an integer.
    pub fn integer(&self, index: usize) -> Result<Option<i64>, Error> {
        self.get(index).map(|value| i64::try_from(value.clone())).transpose()
    }

    /// Whether the argument is true as Python sees it.
    pub fn is_true(&self, index: usize) -> bool {
        self.get(index).is_some_and(Value::is_true)
    }
}

/// The text of a string.
///
/// # Errors
/// The value is not a string.
pub fn text(value: &Value) -> Result<&str, Error> {
    value.as_str().ok_or_else(|| {
        Error::new(ErrorKind::InvalidOperation, format!("expected a string, not a value of type {}", value.kind()))
    })
}
