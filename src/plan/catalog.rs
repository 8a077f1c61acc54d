//! The catalogue: published models, where their files are, and their shapes. `models.toml` is compiled in; a person's own
//! file replaces entries by name and adds others.
//!
//! Pure: text in, catalogue out. Left out on purpose: which files are on this machine, and fetching them.

mod model;
mod shape;

use std::sync::LazyLock;

use serde::Deserialize;

use super::toml_text;
use crate::engine::quantize::Quant;
pub use model::CatalogModel;
pub use shape::{Architecture, Experts, Factors, Shape, StateSpace};

/// Models, shapes, and lists of quantizations.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalog {
    models: Vec<CatalogModel>,
    shapes: Vec<&'static Shape>,
    quick: Vec<Quant>,
    full: Vec<Quant>,
}

/// A catalogue's file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    schema_version: Option<u32>,
    quants: QuantLists,
    model: Vec<CatalogModel>,
    shape: Vec<Shape>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct QuantLists {
    quick: Option<Vec<Quant>>,
    full: Option<Vec<Quant>>,
}

/// The version of the file's fields that this program reads.
const SCHEMA_VERSION: u32 = 1;

static BUILT_IN: LazyLock<Catalog> = LazyLock::new(|| {
    let nothing = Catalog { models: Vec::new(), shapes: Vec::new(), quick: Vec::new(), full: Vec::new() };
    let text = include_str!("../../models.toml");
    nothing.with_file("models.toml", text).expect("models.toml is compiled in and read by a test")
});

impl Catalog {
    /// The catalogue that is compiled in.
    #[must_use]
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// This catalogue with a file over it: a model or shape of the same name is replaced as a whole, others are added, and
    /// the lists of quantizations are replaced where the file has them. The file's shapes stay in memory until the program
    /// ends; a catalogue is read once.
    ///
    /// # Errors
    /// One line that begins with `name`: place, key or entry, and what is wrong.
    pub fn with_file(&self, name: &str, text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("{name}: {why}");
        let file: File = toml::from_str(text).map_err(|error| wrong(toml_text::describe(text, &error)))?;
        if file.schema_version.is_some_and(|version| version != SCHEMA_VERSION) {
            return Err(wrong(format!(
                "schema_version must be {SCHEMA_VERSION}: another version of sweetspot reads it"
            )));
        }
        let mut catalog = self.clone();
        let mut names = std::collections::HashSet::new();
        for shape in file.shape {
            if !names.insert(("shape", shape.name.clone())) {
                return Err(wrong(format!("{}there are two shapes '{}'", line_of(text, &shape.name), shape.name)));
            }
            catalog.shapes.retain(|other| other.name != shape.name);
            catalog.shapes.push(Box::leak(Box::new(shape)));
        }
        for model in file.model {
            let place = line_of(text, &model.name);
            if let Some(fault) = model.fault() {
                return Err(wrong(format!("{place}model '{}': {fault}", model.name)));
            }
            if let Some(Err(unknown)) = model.shape.as_ref().map(|shape| catalog.shape(shape)) {
                return Err(wrong(format!("{place}model '{}': {unknown}", model.name)));
            }
            if !names.insert(("model", model.name.clone())) {
                return Err(wrong(format!("{place}there are two models '{}'", model.name)));
            }
            match catalog.models.iter_mut().find(|other| other.name == model.name) {
                Some(other) => *other = model,
                None => catalog.models.push(model),
            }
        }
        catalog.quick = file.quants.quick.unwrap_or(catalog.quick);
        catalog.full = file.quants.full.unwrap_or(catalog.full);
        Ok(catalog)
    }

    /// All models in the files' order.
    #[must_use]
    pub fn models(&self) -> &[CatalogModel] {
        &self.models
    }

    /// All shapes in the files' order.
    #[must_use]
    pub fn shapes(&self) -> &[&'static Shape] {
        &self.shapes
    }

    /// The quantizations of `run --quick`, in the order they are measured in.
    #[must_use]
    pub fn quick_quants(&self) -> &[Quant] {
        &self.quick
    }

    /// The quantizations of `run --full`, in the order they are measured in.
    #[must_use]
    pub fn full_quants(&self) -> &[Quant] {
        &self.full
    }

    /// A model by its name; upper and lower case are alike.
    ///
    /// # Errors
    /// [`UnknownModel`] with the nearest names.
    pub fn model(&self, name: &str) -> Result<&CatalogModel, UnknownModel> {
        let wanted = name.trim().to_lowercase();
        self.models.iter().find(|model| model.name == wanted).ok_or_else(|| {
            let nearest = nearest_names(&wanted, self.models.iter().map(|model| model.name.as_str()));
            UnknownModel { name: name.to_owned(), nearest }
        })
    }

    /// A shape by its name; upper and lower case are alike.
    ///
    /// # Errors
    /// [`UnknownShape`] with the nearest name, or all of them.
    pub fn shape(&self, name: &str) -> Result<&'static Shape, UnknownShape> {
        let wanted = name.trim().to_lowercase();
        self.shapes.iter().copied().find(|s| s.name.eq_ignore_ascii_case(&wanted)).ok_or_else(|| {
            let names = || self.shapes.iter().map(|s| s.name.as_str());
            let hint = match nearest_names(&wanted, names()).into_iter().next() {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => format!("choose one of {}", names().collect::<Vec<_>>().join(", ")),
            };
            UnknownShape { name: name.to_owned(), hint }
        })
    }

    /// The shape of a model, where it has one.
    #[must_use]
    pub fn shape_of(&self, model: &CatalogModel) -> Option<&'static Shape> {
        self.shape(model.shape.as_deref()?).ok()
    }
}

/// All shapes of the built-in catalogue in the file's order.
#[must_use]
pub fn shapes() -> &'static [&'static Shape] {
    Catalog::built_in().shapes()
}

/// The shapes that are small enough for tests, one of each architecture.
pub fn tiny_shapes() -> impl Iterator<Item = &'static Shape> {
    shapes().iter().copied().filter(|s| s.name.starts_with("tiny"))
}

/// A shape of the built-in catalogue by its name; upper and lower case are alike.
///
/// # Errors
/// [`UnknownShape`] with the nearest name, or all of them.
pub fn shape(name: &str) -> Result<&'static Shape, UnknownShape> {
    Catalog::built_in().shape(name)
}

/// A name that no shape has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown shape '{name}': {hint}")]
pub struct UnknownShape {
    /// The name.
    pub name: String,
    /// What to write in its place.
    pub hint: String,
}

/// A name that no model of the catalogue has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the catalogue has no model '{name}'{}", hint(nearest))]
pub struct UnknownModel {
    /// The name.
    pub name: String,
    /// At most three names that are like it, the most alike first.
    pub nearest: Vec<String>,
}

fn hint(nearest: &[String]) -> String {
    if nearest.is_empty() {
        return "; `sweetspot models list` shows what it has".to_owned();
    }
    format!("; did you mean {}?", nearest.join(" or "))
}

/// At most three names that are like another one, the most alike first.
fn nearest_names<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    const ALIKE: f64 = 0.8;
    const MOST: usize = 3;
    let mut rated: Vec<_> = names.map(|name| (strsim::jaro_winkler(name, wanted), name)).collect();
    rated.retain(|(likeness, _)| *likeness > ALIKE);
    rated.sort_by(|a, b| b.0.total_cmp(&a.0));
    rated.into_iter().take(MOST).map(|(_, name)| name.to_owned()).collect()
}

/// `line 7: ` of the entry with a name, where it is found.
fn line_of(text: &str, name: &str) -> String {
    let is_name = |line: &str| {
        let value = line.split_once('=').filter(|(key, _)| key.trim() == "name").map(|(_, value)| value.trim());
        value.is_some_and(|value| value.trim_matches(['"', '\'']) == name)
    };
    text.lines().position(is_name).map_or_else(String::new, |at| format!("line {}: ", at + 1))
}

#[cfg(test)]
mod tests;
