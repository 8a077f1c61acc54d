//! Models in several files: `name-00001-of-00003.gguf`.
//!
//! The naming is llama.cpp's (`llama_split_path`); the metadata of all but the first part holds little more than its number.

use std::path::{Path, PathBuf};

/// The place of a file among a split model's parts, from its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// 1 is the first.
    pub number: u32,
    /// How many parts there are.
    pub count: u32,
    /// Folder and name up to `-00001-of-…`.
    pub prefix: PathBuf,
}

impl Part {
    /// Reads a file's name; none when it is not one of a split model.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
        let (rest, count) = name.rsplit_once("-of-")?;
        let (prefix, number) = rest.rsplit_once('-')?;
        let five_digits = |s: &str| s.len() == 5 && s.bytes().all(|b| b.is_ascii_digit());
        if !five_digits(number) || !five_digits(count) {
            return None;
        }
        let (number, count) = (number.parse().ok()?, count.parse().ok()?);
        (1..=count).contains(&number).then(|| Self { number, count, prefix: path.with_file_name(prefix) })
    }

    /// The files of all parts, the first one first.
    #[must_use]
    pub fn all(&self) -> Vec<PathBuf> {
        (1..=self.count)
            .map(|number| {
                let mut name = self.prefix.clone().into_os_string();
                name.push(format!("-{number:05}-of-{:05}.gguf", self.count));
                name.into()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parts_name_gives_the_names_of_all() {
        let part = Part::of(Path::new("/m/big-Q4_K_M-00002-of-00003.gguf")).unwrap();
        assert_eq!((part.number, part.count), (2, 3));
        assert_eq!(part.all()[2], Path::new("/m/big-Q4_K_M-00003-of-00003.gguf"));
        assert_eq!(part.all().len(), 3);
    }

    #[test]
    fn names_that_only_look_alike_are_no_parts() {
        for name in
            ["a.gguf", "a-1-of-3.gguf", "a-00004-of-00003.gguf", "a-00000-of-00003.gguf", "a-00001-of-00003.bin"]
        {
            assert_eq!(Part::of(Path::new(name)), None, "{name}");
        }
    }
}
