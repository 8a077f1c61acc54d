//! A model of the catalogue as `models list` and `models show` tell it: its quantizations with sizes, and what is here.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use crate::engine::gguf::Part;
use crate::engine::quantize::{Quant, silence_llama_cpp};
use crate::engine::synth;
use crate::exit_code::UsageError;
use crate::hub::{Hub, Wish};
use crate::plan::catalog::{Catalog, CatalogModel};

/// Where a quantization of a model lies on this machine, if it does.
pub type Here<'a> = &'a dyn Fn(&CatalogModel, Quant) -> Option<PathBuf>;

/// A model of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The name that people type.
    pub name: String,
    /// The family.
    pub family: String,
    /// The size in the maker's words.
    pub size_class: String,
    /// Parameters.
    pub n_params: u64,
    /// Parameters that compute a token, where that is not all of them.
    pub n_active_params: Option<u64>,
    /// The repository that has the files.
    pub repository: String,
    /// The licence.
    pub licence: String,
    /// Whether the repository wants its terms accepted first.
    pub gated: bool,
    /// The shape that synthetic weights are made of.
    pub shape: Option<String>,
    /// The quantizations.
    pub quants: Vec<QuantEntry>,
}

/// One quantization of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuantEntry {
    /// Which.
    pub quant: Quant,
    /// The file in the repository; of a split one the first part.
    pub file: String,
    /// Its size: of the files that are here, else estimated from the shape.
    pub size_bytes: Option<u64>,
    /// Whether the size is an estimate.
    pub estimated: bool,
    /// The file on this machine.
    pub here: Option<PathBuf>,
}

impl Entry {
    /// What is known of a model.
    pub fn of(catalog: &Catalog, model: &CatalogModel, here: Here) -> Self {
        silence_llama_cpp(); // its quantizer is only asked for tensor types here
        let quant_entry = |quant: Quant| {
            let here = here(model, quant);
            let known = here.as_deref().and_then(size_of);
            let estimate = || catalog.shape_of(model).and_then(|shape| synth::tensor_bytes(shape, quant).ok());
            QuantEntry {
                quant,
                file: model.file(quant).unwrap_or_default(),
                size_bytes: known.or_else(estimate),
                estimated: known.is_none(),
                here,
            }
        };
        Self {
            name: model.name.clone(),
            family: model.family.clone(),
            size_class: model.size_class.clone(),
            n_params: model.n_params,
            n_active_params: model.n_active_params,
            repository: model.repository.clone(),
            licence: model.licence.clone(),
            gated: model.gated,
            shape: model.shape.clone(),
            quants: model.quants.iter().copied().map(quant_entry).collect(),
        }
    }
}

/// Bytes of a model's file, all parts of a split one together.
fn size_of(path: &Path) -> Option<u64> {
    let parts = Part::of(path).map_or_else(|| vec![path.to_owned()], |part| part.all());
    parts.iter().map(|part| Some(part.metadata().ok()?.len())).sum()
}

/// The catalogue, with a file over it where one is named.
///
/// # Errors
/// A [`UsageError`] for a file that is not there or no catalogue.
pub fn catalog(file: Option<&Path>) -> anyhow::Result<Catalog> {
    let Some(file) = file else { return Ok(Catalog::built_in().clone()) };
    let name = format!("--models {}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| UsageError::new(format!("{name}: {error}")))?;
    Catalog::built_in().with_file(&name, &text).map_err(UsageError::new)
}

/// What the hub is asked for.
pub fn wish(model: &CatalogModel, quant: Quant) -> Wish {
    let (repository, file) = (model.repository.clone(), model.file(quant));
    Wish { repository, quant: Some(quant.name().to_owned()), file }
}

/// Looks into the caches and asks nobody.
///
/// # Errors
/// There is no place for caches on this system.
pub fn caches() -> anyhow::Result<impl Fn(&CatalogModel, Quant) -> Option<PathBuf>> {
    let hub = Hub::from_env(true).context("no place for models")?;
    Ok(move |model: &CatalogModel, quant: Quant| Some(hub.locate_wish(&wish(model, quant))?.0))
}

/// `1.24 B`, of 10^9, or `135 M`.
#[must_use]
pub fn parameters(n: u64) -> String {
    let n = crate::stats::float(n);
    if n < 995e6 { format!("{:.0} M", n / 1e6) } else { format!("{:.2} B", n / 1e9) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_here_tells_its_size_and_others_are_estimated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gguf");
        std::fs::write(&path, "12345").unwrap();
        let catalog = Catalog::built_in();
        let model = catalog.model("qwen2.5-0.5b-instruct").unwrap();
        let entry = Entry::of(catalog, model, &|_, quant| (quant == Quant::Q4KM).then(|| path.clone()));
        let of = |quant| entry.quants.iter().find(|q| q.quant == quant).unwrap();
        assert_eq!((of(Quant::Q4KM).size_bytes, of(Quant::Q4KM).estimated), (Some(5), false));
        let (q8, f16) = (of(Quant::Q8_0), of(Quant::F16));
        assert!(q8.estimated && q8.here.is_none());
        // 494 million parameters in 34 bytes for 32, and in two bytes
        assert!((520_000_000..540_000_000).contains(&q8.size_bytes.unwrap()), "{q8:?}");
        assert!((980_000_000..1_000_000_000).contains(&f16.size_bytes.unwrap()), "{f16:?}");
        assert_eq!(f16.file, "qwen2.5-0.5b-instruct-fp16.gguf");
    }

    #[test]
    fn parameters_are_shown_with_the_digits_that_people_use() {
        assert_eq!([134_515_008, 999_885_952, 32_763_876_352].map(parameters), ["135 M", "1.00 B", "32.76 B"]);
    }
}
