//! A MODEL of the command line that is no file: one of the catalogue, or of the hub. Found in a cache, else fetched.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::models::fetch;
use crate::engine::quantize::Quant;
use crate::exit_code::UsageError;
use crate::hub::Hub;
use crate::lab::assembly;
use crate::lab::wishes::Names;
use crate::plan::catalog::Catalog;

/// What a model is taken in that is named without a quantization.
const USUAL: [Quant; 1] = [Quant::Q4KM];

/// The file of a model, with a path as it is. Whoever interrupts a download ends the program; what came is kept.
///
/// # Errors
/// A [`UsageError`] for a name that stands for nothing; else why the model does not come.
pub(super) fn file(model: &Path) -> anyhow::Result<PathBuf> {
    if assembly::is_local(model) {
        return Ok(model.to_owned());
    }
    let names = Names { catalog: Catalog::built_in(), quants: &[], usual: &USUAL };
    let text = model.to_string_lossy();
    let found = names.find(&text)?;
    let wish = found.first().ok_or_else(|| UsageError::new(format!("{text}: stands for no model")))?;
    let hub = Hub::from_env(false).map_err(fetch::report)?;
    fetch::bring(&hub, &wish.wish, &AtomicBool::new(false)).map_err(fetch::report)
}
