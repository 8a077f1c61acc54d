//! What is wanted of a base, and what is refused beforehand, in one line each.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Base, hash};
use crate::engine::quantize::{Quant, imatrix::Imatrix};
use crate::exit_code::UsageError;

/// How to quantize.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// One type for all tensors instead of llama.cpp's mix.
    pub pure: bool,
    /// Quantize what is quantized already.
    pub allow_requantize: bool,
    /// The importance of each column.
    pub imatrix: Option<Importance>,
}

/// A file with an importance matrix, known by its content.
#[derive(Clone, Debug)]
pub struct Importance {
    /// The file.
    pub path: PathBuf,
    /// Of its content.
    pub sha256: String,
    /// Bytes of memory that it takes.
    pub bytes: u64,
}

impl Importance {
    /// Reads and checks a file; it has to speak of `base`'s tensors.
    ///
    /// # Errors
    /// A [`UsageError`] for a file that is no importance matrix, or that of another model.
    pub fn open(path: &Path, base: &Base, cache: &Path) -> anyhow::Result<Self> {
        let matrix = Imatrix::read(path).map_err(|e| UsageError::new(e.to_string()))?;
        let tensors = base.tensors();
        if !matrix.knows_any(tensors.iter().map(|t| t.0.as_str())) {
            let (path, base) = (path.display(), base.path.display());
            return Err(UsageError::new(format!("{path}: speaks of no tensor of {base}: it is another model's")));
        }
        let bytes = matrix.entries.iter().map(|(_, values)| 4 * values.len() as u64).sum();
        Ok(Self { path: path.to_owned(), sha256: hash::of_file(path, cache)?, bytes })
    }
}

/// One quantization of one base.
#[derive(Clone, Debug)]
pub struct Request {
    /// From what.
    pub base: Rc<Base>,
    /// To what.
    pub quant: Quant,
    /// How.
    pub options: Options,
}

impl Request {
    /// A quantization by llama.cpp's usual mix.
    #[must_use]
    pub fn plain(base: &Rc<Base>, quant: Quant) -> Self {
        Self { base: Rc::clone(base), quant, options: Options::default() }
    }

    /// The base is what is wanted already.
    #[must_use]
    pub fn is_base(&self) -> bool {
        self.base.quant == self.quant.name() && !self.options.pure && self.quant.is_float()
    }

    /// Why it cannot be made, where that is known beforehand.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let (base, quant) = (&self.base, self.quant);
        let shown = base.path.display();
        if base.is_quantized() && !self.options.allow_requantize {
            return Some(format!(
                "{shown}: it is {} already, and to quantize it again loses more than to quantize its F16, BF16 or F32 file: \
                 name that one, or insist with --allow-requantize",
                base.quant
            ));
        }
        if quant.requires_imatrix(self.options.pure) && self.options.imatrix.is_none() {
            return Some(format!(
                "{shown}: {quant} needs an importance matrix: llama-imatrix makes one, `sweetspot quantize --imatrix FILE` takes it"
            ));
        }
        None
    }

    /// The model's name for people and files: the base's, and what sets this one apart from llama.cpp's usual mix.
    #[must_use]
    pub fn model_name(&self) -> String {
        let pure = if self.options.pure { "-pure" } else { "" };
        let imatrix = if self.options.imatrix.is_some() { "-imatrix" } else { "" };
        format!("{}{pure}{imatrix}", self.base.name)
    }

    /// `llama-3.2-1b-Q4_K_M.gguf`
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}.gguf", self.model_name(), self.quant)
    }

    /// `llama-3.2-1b Q4_K_M`
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.model_name(), self.quant)
    }

    /// The name of the cache's folder for such requests: everything that decides the bytes but the quantization.
    #[must_use]
    pub fn folder_name(&self) -> String {
        let Options { pure, imatrix, .. } = &self.options;
        let imatrix = imatrix.as_ref().map_or("", |i| i.sha256.as_str());
        let llama_cpp = env!("SWEETSPOT_LLAMA_CPP");
        let what = format!("{}\npure={pure}\nimatrix={imatrix}\n{llama_cpp}", self.base.sha256);
        hash::short(&hash::of_bytes(what.as_bytes())).to_owned()
    }
}
