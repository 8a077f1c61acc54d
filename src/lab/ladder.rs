//! What a run measures: files that are there, and quantizations that have to be made of a base first. Nothing is made here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::engine::quantize::Quant;
use crate::exit_code::UsageError;
use crate::lab::models;
use crate::lab::outcome::Cell;
use crate::plan::matrix::Found;
use crate::quants::{Base, Request, Store, demo, folder};

/// A model to be measured.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// As the matrix wants it.
    pub found: Found,
    /// What has to be made first, if its file is not there.
    pub request: Option<Request>,
}

/// What the arguments name, in their order: `demo` (also where nothing is named) in its ladder, files and folders as they are.
/// With `quants` those quantizations alone; those that are not there are made from an F16, BF16 or F32 file of the model.
///
/// # Errors
/// A [`UsageError`] for names and files that are not there, and when none of `quants` is there or can be made.
pub fn find(arguments: &[PathBuf], quants: &[Quant]) -> anyhow::Result<Vec<Candidate>> {
    let arguments = if arguments.is_empty() { &[PathBuf::from(demo::NAME)] } else { arguments };
    let mut candidates = Vec::new();
    let mut seen = BTreeSet::new();
    let mut left_out = Vec::new();
    for argument in arguments {
        if let Some(quant) = demo::named(argument)? {
            let of_demo = quant
                .map_or_else(|| if quants.is_empty() { demo::LADDER.to_vec() } else { quants.to_vec() }, |q| vec![q]);
            candidates.extend(made_of(demo::base()?, &of_demo)?);
            continue;
        }
        let mut found = models::find(std::slice::from_ref(argument))?;
        found.retain(|f| seen.insert(f.cell.path.canonicalize().unwrap_or_else(|_| f.cell.path.clone())));
        candidates.extend(wanted(found, quants, &mut left_out)?);
    }
    if candidates.is_empty() {
        return Err(UsageError::new(format!(
            "--quants: none of them is there; found: {}. They can be made from the model's F16, BF16 or F32 file: name that",
            left_out.join(", ")
        )));
    }
    let mut there = BTreeSet::new();
    candidates.retain(|c| there.insert((c.found.cell.path.clone(), c.found.cell.quant.clone())));
    Ok(candidates)
}

/// Of the models of one argument those in `quants` (none: all), and what can be made of the others.
fn wanted(found: Vec<Found>, quants: &[Quant], left_out: &mut Vec<String>) -> anyhow::Result<Vec<Candidate>> {
    let as_it_is = |found| Candidate { found, request: None };
    if quants.is_empty() {
        return Ok(found.into_iter().map(as_it_is).collect());
    }
    let key = |found: &Found| (found.cell.model.clone(), found.cell.path.parent().map(Path::to_owned));
    let there: BTreeSet<_> = found.iter().map(|f| (key(f), f.cell.quant.clone())).collect();
    let mut bases = BTreeSet::new();
    let mut candidates = Vec::new();
    for found in found {
        let is_wanted = quants.iter().any(|q| q.name() == found.cell.quant);
        let is_float = found.cell.quant.parse::<Quant>().is_ok_and(Quant::is_float);
        let (key, path) = (key(&found), found.cell.path.clone());
        let (quant, whole) = (found.cell.quant.clone(), found.broken.is_none());
        if is_wanted {
            candidates.push(as_it_is(found));
        } else if is_float && !whole {
            candidates.push(as_it_is(found)); // nothing can be made of it, and its cell says why
        } else {
            left_out.push(quant);
        }
        if is_float && whole && bases.insert(key.clone()) {
            let missing: Vec<_> =
                quants.iter().copied().filter(|q| !there.contains(&(key.clone(), q.name().to_owned()))).collect();
            if !missing.is_empty() {
                candidates.extend(made_of(Base::open(&path, &folder::cache()?)?, &missing)?);
            }
        }
    }
    Ok(candidates)
}

/// A candidate for each quantization of a base, the base itself included.
fn made_of(base: Base, quants: &[Quant]) -> anyhow::Result<Vec<Candidate>> {
    let store = Store::open(&folder::cache()?, None)?;
    let base = Rc::new(base);
    let candidate = |&quant: &Quant| {
        let request = Request::plain(&base, quant);
        let place = store.folder_of(&request).join(request.file_name());
        let cell = Cell {
            model: base.name.clone(),
            quant: quant.name().to_owned(),
            path: if request.is_base() { base.path.clone() } else { place },
            size_bytes: if request.is_base() { base.size_bytes() } else { base.estimated_bytes(quant) },
            synthetic: base.synthetic,
        };
        let broken = if request.is_base() { None } else { request.refusal() };
        let is_made = !request.is_base() && broken.is_none();
        let found = Found { cell, n_ctx_train: base.n_ctx_train, broken };
        Candidate { found, request: is_made.then_some(request) }
    };
    Ok(quants.iter().map(candidate).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::synth::{self, Spec};
    use crate::plan::catalog::shape;

    fn file(folder: &Path, name: &str, quant: Quant) {
        let plan = synth::plan(&Spec::of_shape(shape("tiny").unwrap(), quant)).unwrap();
        synth::write(&plan, &folder.join(name), true, &mut |_| {}).unwrap();
    }

    /// Model, quantization and whether it has to be made, of each candidate of a folder.
    fn of(folder: &Path, quants: &[Quant]) -> Vec<(String, String, bool)> {
        let mut left_out = Vec::new();
        let found = models::find(&[folder.to_owned()]).unwrap();
        let candidates = wanted(found, quants, &mut left_out).unwrap();
        candidates.into_iter().map(|c| (c.found.cell.model, c.found.cell.quant, c.request.is_some())).collect()
    }

    #[test]
    fn wanted_quantizations_that_are_not_there_are_made_of_the_unquantized_file() {
        let folder = tempfile::tempdir().unwrap();
        for (name, quant) in [("a-F16.gguf", Quant::F16), ("a-Q4_0.gguf", Quant::Q4_0), ("b-Q8_0.gguf", Quant::Q8_0)] {
            file(folder.path(), name, quant);
        }
        let cell = |model: &str, quant: &str, made| (model.to_owned(), quant.to_owned(), made);
        assert_eq!(of(folder.path(), &[]).len(), 3, "without a wish all that is there");
        assert_eq!(
            of(folder.path(), &[Quant::Q4_0, Quant::Q6K, Quant::Q8_0]),
            [cell("a", "Q6_K", true), cell("a", "Q8_0", true), cell("a", "Q4_0", false), cell("b", "Q8_0", false)]
        );
        assert_eq!(of(folder.path(), &[Quant::F16]), [cell("a", "F16", false)], "the base itself");
        assert_eq!(of(folder.path(), &[Quant::F16, Quant::Q4_0]).len(), 2);
    }

    #[test]
    fn a_wish_that_nothing_can_be_made_for_is_a_usage_error_that_says_what_is_there_and_what_to_name() {
        let folder = tempfile::tempdir().unwrap();
        file(folder.path(), "b-Q8_0.gguf", Quant::Q8_0);
        let error = find(&[folder.path().to_owned()], &[Quant::Q4_0]).unwrap_err();
        assert_eq!(crate::exit_code::of(&error), crate::exit_code::Exit::Usage);
        assert!(error.to_string().starts_with("--quants: none of them is there; found: Q8_0. "), "{error}");
    }
}
