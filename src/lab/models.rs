//! What a command line's MODELs are: files, folders of files. Reads headers only; a broken file is found all the same, with
//! what is wrong with it, so that it ends as a failed cell beside those that work.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::engine::gguf::{Gguf, Part};
use crate::exit_code::UsageError;
use crate::lab::outcome::Cell;
use crate::plan::matrix::{Found, model_name};

/// Finds every model that the arguments name, in their order, each file once.
///
/// # Errors
/// A [`UsageError`] for an argument that is neither a file nor a folder with GGUF files in it.
pub fn find(models: &[PathBuf]) -> anyhow::Result<Vec<Found>> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for argument in models {
        for path in files_of(argument)? {
            if seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                found.push(inspect(&path));
            }
        }
    }
    Ok(found)
}

fn files_of(argument: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = argument.display();
    if argument.is_file() {
        return Ok(vec![argument.to_owned()]);
    }
    if !argument.is_dir() {
        let hint = if argument.extension().is_some_and(|e| e == "gguf") {
            "check the path"
        } else {
            "a MODEL is a .gguf file or a folder of them"
        };
        return Err(UsageError::new(format!("{shown}: no such file or folder; {hint}")));
    }
    let entries = std::fs::read_dir(argument).map_err(|e| UsageError::new(format!("{shown}: cannot be read: {e}")))?;
    let mut files: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| is_model_file(p)).collect();
    files.sort();
    if files.is_empty() {
        return Err(UsageError::new(format!("{shown}: no .gguf file in this folder; name a file or another folder")));
    }
    Ok(files)
}

/// A GGUF file by its name; of a split model the first part stands for all.
fn is_model_file(path: &Path) -> bool {
    let is_gguf = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf"));
    is_gguf && path.is_file() && Part::of(path).is_none_or(|part| part.number == 1)
}

fn inspect(path: &Path) -> Found {
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
            Found { cell, n_ctx_train: parts[0].arch_u32("context_length"), broken: None }
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
            Found { cell, n_ctx_train: None, broken: Some(error.to_string()) }
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
            (folder.path().join("x.gguf"), "no such file or folder; check the path"),
            (folder.path().join("llama"), "a MODEL is a .gguf file or a folder"),
        ] {
            let error = find(&[argument]).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(crate::exit_code::of(&error), crate::exit_code::Exit::Usage);
        }
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
