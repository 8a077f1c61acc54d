//! Models with synthetic weights for a run: made on the spot from a shape of the catalogue, kept in the user's cache folder.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::sync::{oneshot, watch};

use super::models;
use super::wishes::{Named, Names};
use crate::engine::gguf::Gguf;
use crate::engine::quantize::Quant;
use crate::engine::synth::{self, Spec};
use crate::exit_code::{Interrupted, UsageError};
use crate::hub::Hub;
use crate::interrupt::stopped;
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
    /// The file whose header it is made after, where that is of the same quantization: it needs as much memory.
    pub header: Option<PathBuf>,
}

/// What `names` stand for, in their order: shapes (`SHAPE` or `SHAPE:QUANT`; none: a small one), models of the catalogue by
/// their shape, and repositories of the hub by the header of their file, which alone is fetched. Nothing is written.
///
/// # Errors
/// A [`UsageError`] for a name or quantization that is not known; of a repository why its header cannot be had.
pub fn find<'a>(
    texts: &[String],
    names: &Names<'_>,
    seed: Option<u32>,
    hub: &dyn Fn() -> anyhow::Result<&'a Hub>,
) -> anyhow::Result<Vec<Synthetic>> {
    let folder = crate::quants::folder::cache()?.join("synthetic");
    crate::engine::quantize::silence_llama_cpp(); // its quantizer is only asked for tensor types here
    let seed = seed.map_or(DEFAULT_SEED, u64::from);
    let synthetic = |pattern: Pattern| {
        let (name, quant) = (pattern.name, pattern.quant);
        let path = folder.join(file_name(&name, &quant, seed));
        let header = if let synth::Source::Like(path) = &pattern.spec.source { Some(path.clone()) } else { None };
        let plan = synth::plan(&Spec { seed, ..pattern.spec })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let cell =
            Cell { model: model_name(&stem, &quant), quant, size_bytes: plan.file_bytes(), synthetic: true, path };
        let (n_ctx_train, n_params) = (pattern.n_ctx_train, Some(plan.n_params()));
        let n_active_params = pattern.n_active_params;
        Ok(Synthetic {
            found: Found { cell, n_ctx_train, n_params, n_active_params, reference: None, broken: None },
            plan,
            header,
        })
    };
    wanted(texts, names, hub)?.into_iter().map(synthetic).collect()
}

/// What a file is made after.
struct Pattern {
    name: String,
    quant: String,
    spec: Spec,
    n_ctx_train: Option<u32>,
    n_active_params: Option<u64>,
}

impl Pattern {
    fn of_shape(shape: &'static Shape, quant: Quant) -> Self {
        Self {
            name: shape.name.clone(),
            quant: quant.name().to_owned(),
            spec: Spec::of_shape(shape, quant),
            n_ctx_train: Some(shape.n_ctx_train),
            n_active_params: None,
        }
    }

    /// After the header of a file of the hub; after the file itself where that is here.
    fn of_hub(named: &Named, hub: &Hub) -> anyhow::Result<Self> {
        let path = match hub.resolve(&named.wish) {
            Ok(remote) => match hub.locate(&remote) {
                Some(path) => path,
                None => hub.stub(&remote)?,
            },
            Err(error) => hub.locate_wish(&named.wish).map(|(path, _)| path).ok_or(error)?,
        };
        let header = models::inspect(&path);
        if let Some(reason) = header.broken {
            return Err(UsageError::new(reason));
        }
        Ok(Self {
            name: header.cell.model,
            quant: header.cell.quant,
            spec: Spec::like(path),
            n_ctx_train: header.n_ctx_train,
            n_active_params: header.n_active_params,
        })
    }
}

impl Synthetic {
    /// Writes the file, if it is not in the cache yet; on a thread of its own, so that this one hears who wants it to stop.
    ///
    /// # Errors
    /// [`Interrupted`] when somebody does (no half file stays), else one line when it cannot be written.
    pub async fn make_beside(&self, cancel: &watch::Receiver<bool>) -> anyhow::Result<()> {
        let path = self.found.cell.path.clone();
        if is_current(&path, &self.plan) {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
        }
        let (sender, done) = oneshot::channel();
        let (plan, target) = (self.plan.clone(), path.clone());
        std::thread::Builder::new().name("synthesize".into()).spawn(move || {
            let _ = sender.send(synth::write(&plan, &target, true, &mut |_| {}));
        })?;
        let mut cancel = cancel.clone();
        tokio::select! {
            written = done => Ok(written.context("the thread that writes it died")??),
            () = stopped(&mut cancel) => {
                let _ = std::fs::remove_file(synth::partial_path(&path)); // the thread ends with the program
                Err(Interrupted.into())
            }
        }
    }
}

fn wanted<'a>(
    texts: &[String],
    names: &Names<'_>,
    hub: &dyn Fn() -> anyhow::Result<&'a Hub>,
) -> anyhow::Result<Vec<Pattern>> {
    let or = |default: &[Quant]| if names.quants.is_empty() { default.to_vec() } else { names.quants.to_vec() };
    if texts.is_empty() {
        let shape = catalog::shape(DEFAULT_SHAPE)?;
        return Ok(or(&DEFAULT_QUANTS).into_iter().map(|quant| Pattern::of_shape(shape, quant)).collect());
    }
    let mut wanted = Vec::new();
    for text in texts {
        let (name, quant) = text.split_once(':').map_or((text.as_str(), None), |(s, q)| (s, Some(q)));
        let model = names.catalog.model(name).ok();
        let shape = match (names.catalog.shape(name), model) {
            (Ok(shape), _) => shape,
            (Err(_), Some(model)) if names.catalog.shape_of(model).is_some() => {
                names.catalog.shape_of(model).context("it was there just now")?
            }
            (Err(_), Some(_)) => {
                wanted.extend(of_hub(text, names, hub)?);
                continue;
            }
            (Err(_), None) if text.contains('/') => {
                wanted.extend(of_hub(text, names, hub)?);
                continue;
            }
            (Err(error), None) => return Err(UsageError::new(error.to_string())),
        };
        let of_shape = match quant {
            None => or(&[USUAL_QUANT]),
            Some(quant) => vec![quant.parse().map_err(|e| UsageError::new(format!("{text}: {e}")))?],
        };
        wanted.extend(of_shape.into_iter().map(|quant| Pattern::of_shape(shape, quant)));
    }
    Ok(wanted)
}

fn of_hub<'a>(
    text: &str,
    names: &Names<'_>,
    hub: &dyn Fn() -> anyhow::Result<&'a Hub>,
) -> anyhow::Result<Vec<Pattern>> {
    names.find(text)?.iter().map(|named| Pattern::of_hub(named, hub()?)).collect()
}

/// `tiny-synthetic-Q4_0.gguf`: says what it is wherever it turns up.
fn file_name(name: &str, quant: &str, seed: u64) -> String {
    let seed = if seed == DEFAULT_SEED { String::new() } else { format!("-seed{seed}") };
    format!("{name}-synthetic{seed}-{quant}.gguf")
}

/// Whole, and of the size that this version of the program would write.
fn is_current(path: &Path, plan: &synth::Plan) -> bool {
    let version = env!("CARGO_PKG_VERSION");
    Gguf::open(path)
        .is_ok_and(|gguf| gguf.file_bytes() == plan.file_bytes() && gguf.get_str("sweetspot.version") == Some(version))
}
