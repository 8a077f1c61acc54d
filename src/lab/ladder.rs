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
    find_with(arguments, quants, &folder::cache()?)
}

fn find_with(arguments: &[PathBuf], quants: &[Quant], cache: &Path) -> anyhow::Result<Vec<Candidate>> {
    let arguments = if arguments.is_empty() { &[PathBuf::from(demo::NAME)] } else { arguments };
    let named = named(arguments)?;
    let files = named.iter().filter_map(|named| if let Named::File(found) = named { Some(found) } else { None });
    let there: BTreeSet<_> = files.map(|found| (model_of(found), found.cell.quant.clone())).collect();
    let mut bases = BTreeSet::new();
    let mut candidates = Vec::new();
    for named in &named {
        match named {
            Named::Demo(Some(quant)) => candidates.extend(made_of(demo::base_in(cache)?, &[*quant], cache)?),
            Named::Demo(None) if quants.is_empty() => {
                candidates.extend(made_of(demo::base_in(cache)?, &demo::LADDER, cache)?);
            }
            Named::Demo(None) => candidates.extend(made_of(demo::base_in(cache)?, quants, cache)?),
            Named::File(found) => {
                if is_wanted(found, quants) {
                    candidates.push(Candidate { found: found.clone(), request: None });
                }
                let is_missing = |quant: &Quant| !there.contains(&(model_of(found), quant.name().to_owned()));
                let missing: Vec<_> = quants.iter().copied().filter(is_missing).collect();
                if found.broken.is_none() && is_float(found) && !missing.is_empty() && bases.insert(model_of(found)) {
                    candidates.extend(made_of_file(found, &missing, cache)?);
                }
            }
        }
    }
    if candidates.is_empty() {
        let there: Vec<_> = there.into_iter().map(|(_, quant)| quant).collect();
        return Err(UsageError::new(format!(
            "--quants: none of them is there; found: {}. They can be made from the model's F16, BF16 or F32 file: name that",
            there.join(", ")
        )));
    }
    let mut seen = BTreeSet::new();
    candidates.retain(|c| seen.insert((c.found.cell.path.clone(), c.found.cell.quant.clone())));
    Ok(candidates)
}

/// What a MODEL of the command line stands for.
enum Named {
    Demo(Option<Quant>),
    File(Found),
}

fn named(arguments: &[PathBuf]) -> anyhow::Result<Vec<Named>> {
    let mut named = Vec::new();
    let mut seen = BTreeSet::new();
    for argument in arguments {
        if let Some(quant) = demo::named(argument)? {
            named.push(Named::Demo(quant));
            continue;
        }
        let mut found = models::find(std::slice::from_ref(argument))?;
        found.retain(|f| seen.insert(f.cell.path.canonicalize().unwrap_or_else(|_| f.cell.path.clone())));
        named.extend(found.into_iter().map(Named::File));
    }
    Ok(named)
}

/// What tells one model's files from another's: its name and its folder.
fn model_of(found: &Found) -> (String, Option<PathBuf>) {
    (found.cell.model.clone(), found.cell.path.parent().map(Path::to_owned))
}

fn is_float(found: &Found) -> bool {
    found.cell.quant.parse::<Quant>().is_ok_and(Quant::is_float)
}

/// One of `quants` (none: all are); or a base that nothing can be made of, whose cell will say why.
fn is_wanted(found: &Found, quants: &[Quant]) -> bool {
    quants.is_empty()
        || quants.iter().any(|q| q.name() == found.cell.quant)
        || (found.broken.is_some() && is_float(found))
}

/// As [`made_of`]; a file that is no base after all is one candidate that says why.
fn made_of_file(found: &Found, quants: &[Quant], cache: &Path) -> anyhow::Result<Vec<Candidate>> {
    match Base::open(&found.cell.path, cache) {
        Ok(base) => made_of(base, quants, cache),
        Err(error) => {
            let broken = Some(format!("{error:#}"));
            Ok(vec![Candidate { found: Found { broken, ..found.clone() }, request: None }])
        }
    }
}

/// A candidate for each quantization of a base, the base itself included.
fn made_of(base: Base, quants: &[Quant], cache: &Path) -> anyhow::Result<Vec<Candidate>> {
    let store = Store::open(cache, None)?;
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
        let found = Found {
            cell,
            n_ctx_train: base.n_ctx_train,
            n_params: Some(base.n_params()),
            n_active_params: None,
            // its predictions are compared with those of the weights that it is made of
            reference: is_made.then(|| base.path.clone()),
            broken,
        };
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
        let candidates = find_with(&[folder.to_owned()], quants, &folder.join("cache")).unwrap();
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
        let [base, there] = ["a-F16.gguf", "a-Q4_0.gguf"].map(|name| folder.path().join(name));
        let apart = find_with(&[base, there], &[Quant::Q4_0], &folder.path().join("cache")).unwrap();
        assert!(apart.len() == 1 && apart[0].request.is_none(), "named apart they are still one model's: {apart:?}");
        assert_eq!(of(folder.path(), &[Quant::F16]), [cell("a", "F16", false)], "the base itself");
        assert_eq!(of(folder.path(), &[Quant::F16, Quant::Q4_0]).len(), 2);
    }

    #[test]
    fn a_wish_that_nothing_can_be_made_for_is_a_usage_error_that_says_what_is_there_and_what_to_name() {
        let folder = tempfile::tempdir().unwrap();
        file(folder.path(), "b-Q8_0.gguf", Quant::Q8_0);
        let error = find_with(&[folder.path().to_owned()], &[Quant::Q4_0], folder.path()).unwrap_err();
        assert_eq!(crate::exit_code::of(&error), crate::exit_code::Exit::Usage);
        assert!(error.to_string().starts_with("--quants: none of them is there; found: Q8_0. "), "{error}");
    }
}
