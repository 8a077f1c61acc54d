//! The model that comes with the program: `demo`, a small language model that was trained for it (`vendor/demo-model`), so that
//! a machine without network measures something that really answers.
//!
//! `demo` alone is its unquantized file, `demo:Q4_K_M` a quantization of it, wherever the command line takes a MODEL; `run`
//! measures [`LADDER`] where `demo` is named without a quantization or nothing is named at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context;

use super::make::{Settings, make_and_wait};
use super::{Base, Request, Store, folder, hash};
use crate::engine::quantize::Quant;
use crate::exit_code::UsageError;
use crate::report::atomic;

/// Its name on the command line.
pub const NAME: &str = "demo";

/// The quantizations that it is measured in, from small to large.
pub const LADDER: [Quant; 6] = [Quant::Q2K, Quant::Q3KM, Quant::Q4KM, Quant::Q5KM, Quant::Q6K, Quant::Q8_0];

/// The unquantized file, as it lies in `vendor/demo-model`.
const FILE_NAME: &str = "sweetspot-demo-BF16.gguf";
static FILE: &[u8] = include_bytes!("../../vendor/demo-model/sweetspot-demo-BF16.gguf");

/// Whether a MODEL of the command line is the demo model, and in which quantization, where it says one. The name wins over a
/// file or folder of the same name, which can be written `./demo`.
///
/// # Errors
/// A [`UsageError`] for a quantization that is not known.
pub fn named(argument: &Path) -> anyhow::Result<Option<Option<Quant>>> {
    let Some(text) = argument.to_str() else { return Ok(None) };
    match text.split_once(':') {
        None if text == NAME => Ok(Some(None)),
        Some((NAME, quant)) => Ok(Some(Some(quant.parse().map_err(|e| UsageError::new(format!("{text}: {e}")))?))),
        _ => Ok(None),
    }
}

/// The unquantized file in the cache: written there if it is not, or is not what it should be.
///
/// # Errors
/// The cache cannot be written.
pub fn base_file() -> anyhow::Result<PathBuf> {
    base_file_in(&folder::cache()?)
}

fn base_file_in(cache: &Path) -> anyhow::Result<PathBuf> {
    let folder = cache.join("demo").join(hash::short(&hash::of_bytes(FILE)));
    let path = folder.join(FILE_NAME);
    if fs::read(&path).is_ok_and(|there| there == FILE) {
        return Ok(path);
    }
    let context = || format!("{}: cannot be made; SWEETSPOT_CACHE names another folder", folder.display());
    fs::create_dir_all(&folder).with_context(context)?;
    atomic::write(&path, FILE)?;
    Ok(path)
}

/// The demo model as a base of quantizations.
///
/// # Errors
/// The cache cannot be written.
pub fn base() -> anyhow::Result<Base> {
    base_in(&folder::cache()?)
}

/// As [`base`], in this cache.
///
/// # Errors
/// As [`base`]'s.
pub fn base_in(cache: &Path) -> anyhow::Result<Base> {
    Base::open(&base_file_in(cache)?, cache)
}

/// The file of a MODEL that is the demo model, made if it is not there; none for any other MODEL. Not for a runtime's thread
/// that has other work: it waits.
///
/// # Errors
/// A quantization that is not known or cannot be made.
pub fn file(argument: &Path) -> anyhow::Result<Option<PathBuf>> {
    let Some(quant) = named(argument)? else { return Ok(None) };
    let Some(quant) = quant else { return base_file().map(Some) };
    let request = Request::plain(&Rc::new(base()?), quant);
    let settings = Settings { threads: crate::machine::default_threads(), program: None };
    let made = make_and_wait(&request, &Store::open(&folder::cache()?, None)?, &settings)?;
    Ok(Some(made.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::gguf::Gguf;

    #[test]
    fn the_name_is_taken_with_and_without_a_quantization_and_nothing_else_is() {
        let named = |text: &str| named(Path::new(text)).map_err(|e| e.to_string());
        assert_eq!(named("demo"), Ok(Some(None)));
        assert_eq!(named("demo:q4_k_m"), Ok(Some(Some(Quant::Q4KM))));
        for other in ["./demo", "demo.gguf", "Demo", "demos:Q4_0", "x/demo:Q4_0"] {
            assert_eq!(named(other), Ok(None), "{other}");
        }
        assert_eq!(
            named("demo:Q4_KM"),
            Err("demo:Q4_KM: unknown quantization 'Q4_KM': did you mean Q4_K_M?".to_owned())
        );
    }

    #[test]
    fn the_file_in_the_cache_is_whole_and_one_that_was_cut_or_altered_is_replaced() {
        let cache = tempfile::tempdir().unwrap();
        let path = base_file_in(cache.path()).unwrap();
        assert_eq!(Gguf::open(&path).unwrap().file_type(), "BF16");
        assert!(!Gguf::open(&path).unwrap().is_synthetic(), "its weights are real");
        let mut altered = FILE.to_vec();
        altered[FILE.len() / 2] ^= 1;
        for wrong in [&altered[..], &FILE[..100], b""] {
            fs::write(&path, wrong).unwrap();
            assert_eq!(base_file_in(cache.path()).unwrap(), path);
            assert!(fs::read(&path).unwrap() == FILE);
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");
    }

    #[test]
    fn every_matrix_of_it_can_take_k_quants() {
        let cache = tempfile::tempdir().unwrap();
        let gguf = Gguf::open(&base_file_in(cache.path()).unwrap()).unwrap();
        for tensor in gguf.tensors().iter().filter(|t| t.dims.len() > 1) {
            assert_eq!(tensor.dims[0] % 256, 0, "{}", tensor.name);
        }
    }
}
