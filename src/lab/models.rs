//! What a command line's MODELs are: files, folders of files. Reads headers only; a broken file is found all the same, with
//! what is wrong with it, so that it ends as a failed cell beside those that work.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::engine::gguf::{Gguf, Part};
use crate::exit_code::UsageError;
use crate::lab::outcome::Cell;
use crate::plan::matrix::{Found, model_name};
use crate::quants::demo;

/// Finds every model that the arguments name, in their order, each once.
///
/// # Errors
/// As [`files`].
pub fn find(models: &[PathBuf]) -> anyhow::Result<Vec<Found>> {
    Ok(files(models)?.iter().map(|path| inspect(path)).collect())
}

/// The files to load for these arguments, in their order, each once: a file, or a folder's models by name. Any part of a split
/// model stands for its first part, which is what llama.cpp loads. Projectors of vision models (`mmproj…`) in a folder have
/// no tokens to measure: they are left out with a line on stderr. `demo` is the demo model's unquantized file, `demo:Q4_K_M` a
/// quantization of it, which is made if it is not there ([`demo::file`]).
///
/// # Errors
/// A [`UsageError`] for an argument that is neither a file nor a folder with GGUF files in it.
pub fn files(arguments: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for argument in arguments {
        for path in files_of(argument)?.into_iter().map(first_part) {
            if seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// The first part of a split model, whether it is there or not: what is missing is said when the model is opened.
fn first_part(path: PathBuf) -> PathBuf {
    Part::of(&path).and_then(|part| part.all().into_iter().next()).unwrap_or(path)
}

fn files_of(argument: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if let Some(file) = demo::file(argument)? {
        return Ok(vec![file]);
    }
    let shown = argument.display();
    if argument.is_file() {
        return Ok(vec![argument.to_owned()]);
    }
    if !argument.is_dir() {
        let what = if argument.exists() { "neither a file nor a folder" } else { "no such file or folder" };
        return Err(UsageError::new(format!("{shown}: {what}; name a .gguf file or a folder of them")));
    }
    let unreadable = |e| UsageError::new(format!("{shown}: cannot be read: {e}"));
    let mut files = Vec::new();
    for entry in argument.read_dir().map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_projector(&path) {
            crate::say!("sweetspot: {}: left out: a projector for images has no tokens to measure", path.display());
        } else if is_gguf(&path) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(UsageError::new(format!("{shown}: no .gguf file in this folder; name a file or another folder")));
    }
    files.sort();
    Ok(files)
}

/// A GGUF file by its name.
fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf")) && path.is_file()
}

fn is_projector(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.starts_with("mmproj") && is_gguf(path)
}

/// A model by its file, with what its header says; a broken one with what is wrong with it.
#[must_use]
pub fn inspect(path: &Path) -> Found {
    let first_name = Part::of(path).map_or_else(|| path.with_extension(""), |part| part.prefix);
    let stem = first_name.file_name().unwrap_or_default().to_string_lossy();
    match Gguf::open_all(path) {
        Ok(parts) => {
            let quant = parts[0].file_type();
            let cell = Cell {
                model: model_name(&stem, &quant),
                path: path.to_owned(),
                size_bytes: parts.iter().map(Gguf::file_bytes).sum(),
                synthetic: parts[0].is_synthetic(),
                quant,
            };
            Found {
                n_ctx_train: parts[0].arch_u32("context_length"),
                n_params: Some(parts.iter().map(Gguf::n_params).sum()),
                n_active_params: Some(parts.iter().map(|part| part.n_active_params(&parts[0])).sum()),
                reference: None,
                broken: None,
                cell,
            }
        }
        Err(error) => {
            // the header may be whole although the file is not: then its quantization is known
            let header = Gguf::open_header(path).ok();
            let quant = header.as_ref().map_or_else(|| "?".to_owned(), Gguf::file_type);
            let cell = Cell {
                model: model_name(&stem, &quant),
                quant,
                path: path.to_owned(),
                size_bytes: std::fs::metadata(path).map_or(0, |m| m.len()),
                synthetic: header.as_ref().is_some_and(Gguf::is_synthetic),
            };
            Found {
                cell,
                n_ctx_train: None,
                n_params: None,
                n_active_params: None,
                reference: None,
                broken: Some(error.to_string()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_models_and_a_path_that_is_not_there_are_wrong_arguments() {
        let folder = tempfile::tempdir().unwrap();
        for (argument, says) in [
            (folder.path().to_owned(), "no .gguf file in this folder"),
            (folder.path().join("x.gguf"), "x.gguf: no such file or folder; name a .gguf file or a folder of them"),
        ] {
            let error = find(&[argument]).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(crate::exit_code::of(&error), crate::exit_code::Exit::Usage);
        }
    }

    /// The files' names that an empty file of each of `there` gives, when `named` are the arguments.
    fn names(there: &[&str], named: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for name in there {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let arguments: Vec<_> = named.iter().map(|name| folder.path().join(name)).collect();
        let files = files(&arguments).unwrap();
        files.iter().map(|f| f.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_folder_is_its_models_without_projectors_and_other_files() {
        let there =
            ["b.gguf", "a.GGUF", "c-00001-of-00002.gguf", "c-00002-of-00002.gguf", "mmproj-b.gguf", "notes.txt"];
        assert_eq!(names(&there, &["."]), ["a.GGUF", "b.gguf", "c-00001-of-00002.gguf"]);
        assert_eq!(names(&there, &["mmproj-b.gguf"]), ["mmproj-b.gguf"], "who names it wants it");
    }

    #[test]
    fn any_part_of_a_split_model_is_its_first_one_and_all_together_are_one_model() {
        let there = ["c-00001-of-00003.gguf", "c-00002-of-00003.gguf", "c-00003-of-00003.gguf", "d.gguf"];
        assert_eq!(names(&there, &["c-00003-of-00003.gguf"]), ["c-00001-of-00003.gguf"]);
        let all = ["d.gguf", "c-00002-of-00003.gguf", "c-00001-of-00003.gguf", "."];
        assert_eq!(names(&there, &all), ["d.gguf", "c-00001-of-00003.gguf"]);
    }

    #[test]
    fn a_folder_that_lacks_a_first_part_has_a_model_that_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["c-00002-of-00003.gguf", "c-00003-of-00003.gguf"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = find(&[folder.path().to_owned()]).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].broken.as_ref().unwrap().contains("c-00001-of-00003.gguf"), "{:?}", found[0].broken);
    }

    #[test]
    fn broken_files_are_found_with_what_is_wrong_and_a_file_named_twice_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes-Q4_0.gguf");
        std::fs::write(&path, "just some text, not a model at all").unwrap();
        std::fs::write(folder.path().join("readme.md"), "x").unwrap();
        let found = find(&[folder.path().to_owned(), path]).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].broken.as_ref().unwrap().contains("notes-Q4_0.gguf"));
    }
}
