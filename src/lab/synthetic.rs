//! Models with synthetic weights for a run: made on the spot from a shape of the catalogue, kept in the user's cache folder.

use std::path::Path;

use anyhow::Context;

use crate::engine::gguf::Gguf;
use crate::engine::quantize::Quant;
use crate::engine::synth::{self, Spec};
use crate::exit_code::UsageError;
use crate::lab::outcome::Cell;
use crate::plan::catalog::{self, Shape};
use crate::plan::matrix::{Found, model_name};

/// What a run with synthetic weights and without a MODEL measures: small enough to be made and measured in seconds.
const DEFAULT_SHAPE: &str = "small-40m";

/// Its quantizations.
const DEFAULT_QUANTS: [Quant; 3] = [Quant::Q4_0, Quant::Q4KM, Quant::Q8_0];

/// Seed of the weights where none is given.
const DEFAULT_SEED: u64 = 0;

/// The quantization of a shape that is named without one.
const USUAL_QUANT: Quant = Quant::Q4KM;

/// A model that can be made.
#[derive(Debug)]
pub struct Synthetic {
    /// As the matrix wants it; its file need not be there.
    pub found: Found,
    plan: synth::Plan,
}

/// What `names` stand for (`SHAPE` or `SHAPE:QUANT`; none: a small one), in their order. `quants` replaces the
/// quantizations of names without one. Nothing is written.
///
/// # Errors
/// A [`UsageError`] for a shape or quantization that is not known.
pub fn find(names: &[String], quants: &[Quant], seed: Option<u32>) -> anyhow::Result<Vec<Synthetic>> {
    let folder = crate::quants::folder::cache()?.join("synthetic");
    crate::engine::quantize::silence_llama_cpp(); // its quantizer is only asked for tensor types here
    let seed = seed.map_or(DEFAULT_SEED, u64::from);
    let synthetic = |(shape, quant): (&'static Shape, Quant)| {
        let path = folder.join(file_name(shape, quant, seed));
        let plan = synth::plan(&Spec { seed, ..Spec::of_shape(shape, quant) })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let cell = Cell {
            model: model_name(&stem, quant.name()),
            quant: quant.name().to_owned(),
            size_bytes: plan.file_bytes(),
            synthetic: true,
            path,
        };
        let (n_ctx_train, n_params) = (Some(shape.n_ctx_train), Some(plan.n_params()));
        Ok(Synthetic {
            found: Found { cell, n_ctx_train, n_params, n_active_params: None, reference: None, broken: None },
            plan,
        })
    };
    wanted(names, quants)?.into_iter().map(synthetic).collect()
}

impl Synthetic {
    /// Writes the file, if it is not in the cache yet.
    ///
    /// # Errors
    /// One line when it cannot be written.
    pub fn make(&self) -> anyhow::Result<()> {
        let (cell, path) = (&self.found.cell, &self.found.cell.path);
        if is_current(path, &self.plan) {
            return Ok(());
        }
        crate::say!("making {} {} with synthetic weights", cell.model, cell.quant);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
        }
        Ok(synth::write(&self.plan, path, true, &mut |_| {})?)
    }
}

fn wanted(names: &[String], quants: &[Quant]) -> anyhow::Result<Vec<(&'static Shape, Quant)>> {
    let or = |default: &[Quant]| if quants.is_empty() { default.to_vec() } else { quants.to_vec() };
    if names.is_empty() {
        let shape = catalog::shape(DEFAULT_SHAPE)?;
        return Ok(or(&DEFAULT_QUANTS).into_iter().map(|quant| (shape, quant)).collect());
    }
    let mut wanted = Vec::new();
    for name in names {
        let (shape_name, quant) = name.split_once(':').map_or((name.as_str(), None), |(s, q)| (s, Some(q)));
        let shape = catalog::shape(shape_name).map_err(|e| UsageError::new(e.to_string()))?;
        let of_shape = match quant {
            None => or(&[USUAL_QUANT]),
            Some(quant) => vec![quant.parse().map_err(|e| UsageError::new(format!("{name}: {e}")))?],
        };
        wanted.extend(of_shape.into_iter().map(|quant| (shape, quant)));
    }
    Ok(wanted)
}

/// `tiny-synthetic-Q4_0.gguf`: says what it is wherever it turns up.
fn file_name(shape: &Shape, quant: Quant, seed: u64) -> String {
    let seed = if seed == DEFAULT_SEED { String::new() } else { format!("-seed{seed}") };
    format!("{}-synthetic{seed}-{}.gguf", shape.name, quant.name())
}

/// Whole, and of the size that this version of the program would write.
fn is_current(path: &Path, plan: &synth::Plan) -> bool {
    let version = env!("CARGO_PKG_VERSION");
    Gguf::open(path)
        .is_ok_and(|gguf| gguf.file_bytes() == plan.file_bytes() && gguf.get_str("sweetspot.version") == Some(version))
}
