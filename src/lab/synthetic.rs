//! Models with synthetic weights for a run: made on the spot from a shape of the catalogue, kept in the user's cache folder.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::engine::gguf::Gguf;
use crate::engine::quantize::Quant;
use crate::engine::synth;
use crate::exit_code::UsageError;
use crate::plan::catalog;

/// What a run without a MODEL measures: small enough to be made and measured in seconds.
pub const DEFAULT_SHAPE: &str = "demo";

/// Its quantizations.
pub const DEFAULT_QUANTS: [Quant; 3] = [Quant::Q4_0, Quant::Q4_K_M, Quant::Q8_0];

/// The quantization of a shape that is named without one.
const USUAL_QUANT: Quant = Quant::Q4_K_M;

/// Makes the files of `names` (`SHAPE` or `SHAPE:QUANT`; none: [`DEFAULT_SHAPE`]) that are not in the cache yet, and returns
/// all of them in their order. `quants` replaces the quantizations of names without one.
///
/// # Errors
/// A [`UsageError`] for a shape or quantization that is not known; one line when a file cannot be written.
pub fn make(names: &[String], quants: &[Quant], seed: Option<u32>) -> anyhow::Result<Vec<PathBuf>> {
    let folder = cache_folder()?;
    let mut files = Vec::new();
    for (shape, quant) in wanted(names, quants)? {
        let seed = seed.map_or(synth::DEFAULT_SEED, u64::from);
        let path = folder.join(format!("{shape}-synthetic-{seed}-{}.gguf", quant.name()));
        if !is_current(&path) {
            eprintln!("making {shape} {} with synthetic weights", quant.name());
            std::fs::create_dir_all(&folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
            let shape = catalog::shape(&shape).map_err(UsageError::new)?;
            synth::write_shape(shape, quant, seed, &path)?;
        }
        files.push(path);
    }
    Ok(files)
}

fn wanted(names: &[String], quants: &[Quant]) -> anyhow::Result<Vec<(String, Quant)>> {
    let or = |default: &[Quant]| if quants.is_empty() { default.to_vec() } else { quants.to_vec() };
    if names.is_empty() {
        return Ok(or(&DEFAULT_QUANTS).into_iter().map(|quant| (DEFAULT_SHAPE.to_owned(), quant)).collect());
    }
    let mut wanted = Vec::new();
    for name in names {
        let (shape, quant) = name.split_once(':').map_or((name.as_str(), None), |(s, q)| (s, Some(q)));
        catalog::shape(shape).map_err(UsageError::new)?;
        let of_shape = match quant {
            None => or(&[USUAL_QUANT]),
            Some(quant) => vec![quant.parse().map_err(|e| UsageError::new(format!("{name}: {e}")))?],
        };
        wanted.extend(of_shape.into_iter().map(|quant| (shape.to_owned(), quant)));
    }
    Ok(wanted)
}

/// Whole, and written by a version of this program that writes the same bytes.
fn is_current(path: &Path) -> bool {
    Gguf::open(path).is_ok_and(|gguf| gguf.get_u32("sweetspot.version") == Some(synth::VERSION))
}

/// `$SWEETSPOT_CACHE`, else the system's folder for caches.
fn cache_folder() -> anyhow::Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || std::env::home_dir().map(|home| home.join(if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" }));
    let base = variable("SWEETSPOT_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").or_else(|| variable("LOCALAPPDATA")).or_else(home).map(|c| c.join("sweetspot")))
        .ok_or_else(|| UsageError::new("there is no folder for caches; set SWEETSPOT_CACHE to one"))?;
    Ok(base.join("synthetic"))
}
