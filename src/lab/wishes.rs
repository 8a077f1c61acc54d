//! What a MODEL of the command line stands for that is neither a file nor the demo model: a model of the catalogue
//! (`qwen2.5-1.5b-instruct:Q4_K_M`) or a repository of the hub (`user/repo:QUANT`).

use crate::engine::quantize::Quant;
use crate::exit_code::UsageError;
use crate::hub::Wish;
use crate::plan::catalog::{Catalog, CatalogModel};

/// What names stand for.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The known models.
    pub catalog: &'a Catalog,
    /// Quantizations of a name without one; none: the usual ones.
    pub quants: &'a [Quant],
    /// The usual ones: those of a model of the catalogue that are measured where nobody names any.
    pub usual: &'a [Quant],
}

/// A wish, and the family where the catalogue says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// What is wanted of the hub.
    pub wish: Wish,
    /// The model's entry in the catalogue.
    pub model: Option<CatalogModel>,
}

impl Names<'_> {
    /// The models that a name stands for.
    ///
    /// # Errors
    /// A [`UsageError`] for a name that nothing is known of, with the nearest names, or a quantization that is not there.
    pub fn find(&self, text: &str) -> anyhow::Result<Vec<Named>> {
        let (name, quant) = text.split_once(':').map_or((text, None), |(name, quant)| (name, Some(quant)));
        match self.catalog.model(name) {
            Ok(model) => self.of_catalog(text, model, quant),
            Err(_) if text.contains('/') => self.of_hub(text),
            Err(error) => Err(UsageError::new(format!(
                "{text}: no such file or folder; name one, or write user/repo or user/repo:QUANT; {error}"
            ))),
        }
    }

    fn of_catalog(&self, text: &str, model: &CatalogModel, quant: Option<&str>) -> anyhow::Result<Vec<Named>> {
        let named = |quant: Quant| Named {
            wish: Wish {
                repository: model.repository.clone(),
                quant: Some(quant.name().to_owned()),
                file: model.file(quant),
            },
            model: Some(model.clone()),
        };
        if let Some(quant) = quant {
            let there = || model.quants.iter().map(|q| q.name()).collect::<Vec<_>>().join(", ");
            let known: Option<Quant> = quant.parse().ok().filter(|quant| model.quants.contains(quant));
            let none = || UsageError::new(format!("{}: there is no {quant}; there are: {}", model.name, there()));
            return Ok(vec![named(known.ok_or_else(none)?)]);
        }
        let wanted = if self.quants.is_empty() { self.usual } else { self.quants };
        let found: Vec<_> = wanted.iter().copied().filter(|quant| model.quants.contains(quant)).map(named).collect();
        if found.is_empty() {
            let there: Vec<_> = model.quants.iter().map(|q| q.name()).collect();
            return Err(UsageError::new(format!(
                "{text}: none of these quantizations; there are: {}",
                there.join(", ")
            )));
        }
        Ok(found)
    }

    /// A quantization that is named decides; without any the hub's usual one.
    fn of_hub(&self, text: &str) -> anyhow::Result<Vec<Named>> {
        let wish: Wish = text.parse().map_err(|error| {
            UsageError::new(format!("{text}: no such file or folder, and no repository of the hub: {error}"))
        })?;
        let quants: Vec<Option<String>> = match &wish.quant {
            None if !self.quants.is_empty() => self.quants.iter().map(|quant| Some(quant.name().to_owned())).collect(),
            quant => vec![quant.clone()],
        };
        Ok(quants.into_iter().map(|quant| Named { wish: Wish { quant, ..wish.clone() }, model: None }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: [Quant; 2] = [Quant::Q4KM, Quant::Q8_0];

    fn found(text: &str, quants: &[Quant]) -> Result<Vec<String>, String> {
        let names = Names { catalog: Catalog::built_in(), quants, usual: &USUAL };
        let found = names.find(text).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|named| format!("{:?}", named.wish.quant)).collect())
    }

    #[test]
    fn a_name_of_the_catalogue_is_its_usual_quantizations_or_those_that_are_wanted() {
        let some = |quant: &str| format!("{:?}", Some(quant));
        assert_eq!(found("qwen2.5-1.5b-instruct", &[]).unwrap(), [some("Q4_K_M"), some("Q8_0")]);
        assert_eq!(found("Qwen2.5-1.5B-Instruct", &[Quant::Q6K]).unwrap(), [some("Q6_K")]);
        assert_eq!(found("qwen2.5-1.5b-instruct:q5_k_m", &[Quant::Q6K]).unwrap(), [some("Q5_K_M")]);
        assert!(found("qwen2.5-1.5b-instruct:IQ1_S", &[]).unwrap_err().contains("there are: "));
    }

    #[test]
    fn a_repository_is_taken_as_it_is_named() {
        assert_eq!(found("user/repo", &[]).unwrap(), ["None"]);
        assert_eq!(found("user/repo", &USUAL).unwrap().len(), 2);
        assert_eq!(found("user/repo:IQ4_XS", &USUAL).unwrap(), [format!("{:?}", Some("IQ4_XS"))]);
    }

    #[test]
    fn what_is_nothing_is_answered_with_the_nearest_names() {
        let error = found("qwen2.5-1.5b-instrukt", &[]).unwrap_err();
        assert!(error.contains("no such file or folder") && error.contains("qwen2.5-1.5b-instruct"), "{error}");
        assert!(found("a/b/c.gguf", &[]).unwrap_err().contains("no such file or folder"));
    }
}
