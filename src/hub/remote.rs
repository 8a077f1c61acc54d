//! A model on the hub: its files as the hub lists them, the parts of a split one together.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use super::{HubError, Wish, name};
use crate::engine::gguf::Part;

/// What is taken where nobody names a quantization: llama.cpp's own choice, in this order.
const USUAL: [&str; 2] = ["Q4_K_M", "Q8_0"];

/// Names that only accompany a model: projectors, drafts, importance matrices.
const COMPANIONS: [&str; 6] = ["mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-"];

/// A model in one quantization as a repository has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// `user/repo`.
    pub repository: String,
    /// The commit that was listed.
    pub revision: String,
    /// The model's name, from the files' names.
    pub model: String,
    /// The quantization, from the files' names; [`name::UNKNOWN`] where they do not say it.
    pub quant: String,
    /// The files, the parts of a split model in their order.
    pub files: Vec<RemoteFile>,
}

/// A file as the hub states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteFile {
    /// Its path in the repository.
    pub name: String,
    /// Its length.
    pub size_bytes: u64,
    /// In hexadecimal; the hub states it of large files (those in LFS).
    pub sha256: Option<String>,
    /// Git's name of the file, which small files have in the cache.
    pub git_blob: Option<String>,
}

impl Remote {
    /// Bytes of all files.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.size_bytes))
    }
}

impl std::fmt::Display for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.repository, self.quant)
    }
}

impl RemoteFile {
    /// The file's name without its folder.
    #[must_use]
    pub fn base_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// What the cache calls its content: the SHA-256, else git's name, else a name of its own.
    #[must_use]
    pub(super) fn blob(&self) -> String {
        self.sha256.clone().or_else(|| self.git_blob.clone()).unwrap_or_else(|| {
            let what = format!("{} {}", self.name, self.size_bytes);
            crate::quants::hash::of_bytes(what.as_bytes())
        })
    }
}

/// The models among a repository's files, by quantization and name; split ones that lack a part are left out.
///
/// `files` are what the hub says and trusted in nothing: a name that leaves the repository is left out, too.
pub(super) fn group(repository: &str, revision: &str, files: Vec<RemoteFile>) -> Vec<Remote> {
    let mut groups: BTreeMap<String, (u32, BTreeMap<u32, RemoteFile>)> = BTreeMap::new();
    for file in files.into_iter().filter(|file| is_model(&file.name)) {
        let part = Part::of(Path::new(&file.name));
        let (number, count) = part.as_ref().map_or((1, 1), |part| (part.number, part.count));
        let prefix = match &part {
            Some(part) => part.prefix.to_string_lossy().into_owned(),
            None => file.name.get(..file.name.len() - ".gguf".len()).unwrap_or(&file.name).to_owned(),
        };
        // the same name as one file and as several is two models
        let (_, parts) = groups.entry(format!("{prefix} {count}")).or_insert((count, BTreeMap::new()));
        parts.insert(number, file);
    }
    let whole = groups.into_iter().filter(|(_, (count, parts))| u32::try_from(parts.len()) == Ok(*count));
    whole
        .map(|(key, (_, parts))| {
            let prefix = key.rsplit_once(' ').map_or(key.as_str(), |(prefix, _)| prefix);
            let stem = prefix.rsplit('/').next().unwrap_or(prefix);
            let (model, quant) = name::split(stem);
            let files = parts.into_values().collect();
            Remote { repository: repository.to_owned(), revision: revision.to_owned(), model, quant, files }
        })
        .collect()
}

/// The one that is wished for.
///
/// # Errors
/// [`HubError::NoSuchQuant`] naming those that are there, [`HubError::NoGguf`] where there is none.
pub(super) fn choose(wish: &Wish, models: Vec<Remote>) -> Result<Remote, HubError> {
    let repository = wish.repository.clone();
    if models.is_empty() {
        return Err(HubError::NoGguf { repository });
    }
    let quant_at = |quant: &str| models.iter().position(|m| m.quant.eq_ignore_ascii_case(quant));
    let chosen = match (&wish.file, &wish.quant) {
        // a name that was written from knowledge may be out of date: then the quantization says which one is meant
        (Some(file), quant) => {
            let named = models.iter().position(|m| m.files.iter().any(|f| f.name == *file));
            named.or_else(|| quant.as_ref().and_then(|quant| quant_at(quant)))
        }
        // Unsloth's dynamic quantizations are asked for without their mark, too
        (None, Some(quant)) => quant_at(quant).or_else(|| quant_at(&format!("UD-{quant}"))),
        (None, None) => USUAL.iter().find_map(|quant| quant_at(quant)).or(Some(0)),
    };
    if let Some(index) = chosen {
        return models.into_iter().nth(index).ok_or(HubError::NoGguf { repository });
    }
    let (wanted, mut there): (_, Vec<_>) = match &wish.file {
        Some(file) => (file.clone(), models.iter().flat_map(|m| &m.files).map(|f| f.name.clone()).collect()),
        None => (wish.quant.clone().unwrap_or_default(), models.into_iter().map(|m| m.quant).collect()),
    };
    there.dedup();
    Err(HubError::NoSuchQuant { repository, wanted, there: there.join(", ") })
}

fn is_model(path: &str) -> bool {
    let base = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    is_inside(path) && is_gguf(path) && !COMPANIONS.iter().any(|companion| base.contains(companion))
}

/// By the name.
pub(super) fn is_gguf(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

/// A path that stays in its repository: words with slashes, nothing that means another folder on any system.
fn is_inside(path: &str) -> bool {
    let is_plain = |c: Component<'_>| matches!(c, Component::Normal(_));
    !path.is_empty()
        && !path.contains(['\\', ':', '\0', '\n', '\r', '?', '#'])
        && !path.starts_with('/')
        && path.split('/').all(|word| !word.is_empty() && word != "." && word != "..")
        && Path::new(path).components().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<RemoteFile> {
        let file = |name: &&str| RemoteFile { name: (*name).to_owned(), size_bytes: 5, sha256: None, git_blob: None };
        names.iter().map(file).collect()
    }

    fn wish(text: &str) -> Wish {
        text.parse().unwrap()
    }

    #[test]
    fn parts_are_one_model_and_companions_and_incomplete_ones_are_none() {
        let names = [
            "m-Q8_0-00002-of-00002.gguf",
            "m-Q8_0-00001-of-00002.gguf",
            "m-Q4_K_M.gguf",
            "BF16/m-BF16-00001-of-00003.gguf",
            "mmproj-m-F16.gguf",
            "m.imatrix.gguf",
            "README.md",
        ];
        let models = group("u/r", "c0", files(&names));
        let quants: Vec<_> = models.iter().map(|m| (m.model.as_str(), m.quant.as_str(), m.files.len())).collect();
        assert_eq!(quants, [("m", "Q4_K_M", 1), ("m", "Q8_0", 2)]);
        assert_eq!(models[1].files[0].name, "m-Q8_0-00001-of-00002.gguf");
        assert_eq!(models[1].size_bytes(), 10);
    }

    #[test]
    fn a_name_that_leaves_the_repository_is_no_model() {
        for name in
            ["../m.gguf", "/etc/m.gguf", "a/../../m.gguf", "a\\m.gguf", "c:m.gguf", "a//m.gguf", "./m.gguf", "m?x.gguf"]
        {
            assert_eq!(group("u/r", "c0", files(&[name])), [], "{name}");
        }
        assert_eq!(group("u/r", "c0", files(&["a/m.gguf"])).len(), 1);
    }

    #[test]
    fn the_usual_quantization_is_chosen_and_an_unknown_one_names_those_that_are_there() {
        let models = || group("u/r", "c0", files(&["m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-UD-Q3_K_XL.gguf"]));
        assert_eq!(choose(&wish("u/r"), models()).unwrap().quant, "Q4_K_M");
        assert_eq!(choose(&wish("u/r:q2_k"), models()).unwrap().quant, "Q2_K");
        assert_eq!(choose(&wish("u/r:Q3_K_XL"), models()).unwrap().quant, "UD-Q3_K_XL");
        let error = choose(&wish("u/r:Q6_K"), models()).unwrap_err().to_string();
        assert_eq!(error, "u/r: there is no Q6_K; there are: Q2_K, Q4_K_M, UD-Q3_K_XL");
        let named = Wish { file: Some("m-Q2_K.gguf".into()), ..wish("u/r:Q4_K_M") };
        assert_eq!(choose(&named, models()).unwrap().quant, "Q2_K");
        assert_eq!(choose(&wish("u/r"), group("u/r", "c0", files(&["m-Q2_K.gguf"]))).unwrap().quant, "Q2_K");
        assert!(matches!(choose(&wish("u/r"), Vec::new()), Err(HubError::NoGguf { .. })));
    }
}
