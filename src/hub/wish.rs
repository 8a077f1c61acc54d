//! What somebody wants from the hub: `user/repo`, `user/repo:Q4_K_M`, or a file that is known by its name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::HubError;

/// A model that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// `user/repo`.
    pub repository: String,
    /// The quantization, such as `Q4_K_M`; none: the usual one.
    pub quant: Option<String>,
    /// The file's name in the repository, where it is known (the first part of a split model); it decides then.
    pub file: Option<String>,
}

impl FromStr for Wish {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let (repository, quant) = text.split_once(':').map_or((text, None), |(r, q)| (r, Some(q)));
        let is_quant = |q: &str| !q.is_empty() && q.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if !is_repository(repository) || !quant.is_none_or(is_quant) {
            return Err(HubError::Wish { given: text.to_owned() });
        }
        Ok(Self { repository: repository.to_owned(), quant: quant.map(str::to_owned), file: None })
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        match (&self.file, &self.quant) {
            (Some(file), _) => write!(f, "/{file}"),
            (None, Some(quant)) => write!(f, ":{quant}"),
            (None, None) => Ok(()),
        }
    }
}

/// As the hub names its repositories: two words with one slash, so that no name becomes another folder or address.
pub(super) fn is_repository(name: &str) -> bool {
    let is_word = |word: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        !word.is_empty()
            && word.chars().all(is_plain)
            && !word.contains("..")
            && !word.contains("--")
            && !word.starts_with(['.', '-'])
    };
    name.len() <= 200 && name.split('/').count() == 2 && name.split('/').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_a_repository_and_perhaps_a_quantization() {
        let wish: Wish = "bartowski/Qwen2.5-7B-GGUF:Q5_K_M".parse().unwrap();
        assert_eq!((wish.repository.as_str(), wish.quant.as_deref()), ("bartowski/Qwen2.5-7B-GGUF", Some("Q5_K_M")));
        assert_eq!(wish.to_string(), "bartowski/Qwen2.5-7B-GGUF:Q5_K_M");
        assert_eq!("a/b".parse::<Wish>().unwrap().quant, None);
    }

    #[test]
    fn names_that_could_become_another_folder_or_address_are_refused() {
        for text in [
            "", "a", "a/b/c", "../b", "a/..", "/etc/x", "a/b:", "a/b:../x", "a b/c", "a/b?x", "a/b#x", "-a/b", "a--b/c",
        ] {
            let error = text.parse::<Wish>().unwrap_err().to_string();
            assert!(error.contains(&format!("'{text}'")) && error.contains("user/repo:Q4_K_M"), "{error}");
        }
    }
}
