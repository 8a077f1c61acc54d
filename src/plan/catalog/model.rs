//! One model of the catalogue: where its files are, and which shape they have.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use crate::engine::quantize::Quant;

/// A published model. What is here was written from knowledge; names are checked when a file is fetched, and what a file
/// says of itself goes before what is here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogModel {
    /// The name that people type, in lower case, such as `qwen2.5-1.5b-instruct`.
    pub name: String,
    /// The family, such as `qwen2.5`.
    pub family: String,
    /// The size in the maker's words, such as `1.5B`.
    pub size_class: String,
    /// Parameters.
    pub n_params: u64,
    /// Parameters that compute a token, where that is not all of them.
    pub n_active_params: Option<u64>,
    /// The repository on Hugging Face that has the GGUF files.
    pub repository: String,
    /// The files' name, in which `{QUANT}` stands for `Q4_K_M` and `{quant}` for `q4_k_m`.
    pub file: Option<String>,
    /// Names of files that do not follow [`Self::file`]; of a split file its first part.
    #[serde(default)]
    pub files: BTreeMap<Quant, String>,
    /// The quantizations that the repository has.
    pub quants: Vec<Quant>,
    /// The name of the shape; none where this program cannot make synthetic weights for the architecture.
    pub shape: Option<String>,
    /// The licence.
    pub licence: String,
    /// Whether the repository wants its terms accepted before it hands out files.
    #[serde(default)]
    pub gated: bool,
}

impl CatalogModel {
    /// The file of a quantization in the repository, where the repository has it. Of a split file the first part.
    #[must_use]
    pub fn file(&self, quant: Quant) -> Option<String> {
        if !self.quants.contains(&quant) {
            return None;
        }
        self.files.get(&quant).cloned().or_else(|| {
            let (upper, lower) = (quant.name(), quant.name().to_lowercase());
            Some(self.file.as_ref()?.replace("{QUANT}", upper).replace("{quant}", &lower))
        })
    }

    /// Whether a token is computed by a part of the parameters.
    #[must_use]
    pub fn is_mixture(&self) -> bool {
        self.n_active_params.is_some()
    }

    /// What is wrong with the entry itself, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Some("name must be of lower-case letters, digits, '-', '.' and '_'".to_owned());
        }
        if self.n_params == 0 || self.n_active_params.is_some_and(|active| active == 0 || active > self.n_params) {
            return Some("n_params must be above 0, and n_active_params at most as many".to_owned());
        }
        let parts: Vec<_> = self.repository.split('/').collect();
        if parts.len() != 2 || parts.iter().any(|part| part.is_empty() || part.contains(char::is_whitespace)) {
            return Some(format!("repository is '{}'; it must be USER/NAME", self.repository));
        }
        let mut seen = HashSet::new();
        if self.quants.is_empty() || !self.quants.iter().all(|quant| seen.insert(*quant)) {
            return Some("quants must name one quantization at least, and none twice".to_owned());
        }
        if self.file.as_ref().is_some_and(|file| !file.contains("{QUANT}") && !file.contains("{quant}")) {
            return Some("file must have {QUANT} or {quant} in it; a single file belongs into files".to_owned());
        }
        if let Some(quant) = self.files.keys().find(|quant| !self.quants.contains(quant)) {
            return Some(format!("files has {quant}, which quants has not"));
        }
        self.quants.iter().find_map(|quant| match self.file(*quant) {
            None => Some(format!("there is no file for {quant}; add file or files")),
            Some(file) if !is_relative_gguf(&file) => Some(format!("'{file}' is no .gguf file within a repository")),
            Some(_) => None,
        })
    }
}

/// A name that cannot lead out of a folder that it is joined to.
fn is_relative_gguf(file: &str) -> bool {
    let parts_are_names = file.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    let is_gguf = std::path::Path::new(file).extension().is_some_and(|extension| extension == "gguf");
    parts_are_names && is_gguf && !file.contains(['\\', ':', '\0'])
}
