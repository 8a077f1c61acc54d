//! Two quantizations over the same prompts, paired: what one of them has lost against the other.

use super::metrics::marks;
use super::prompts::Category;
use super::{Asked, Mark};
use crate::stats::Pairs;
use crate::verdict::quality::{Change, Comparison};

/// Compares a candidate with a reference over the prompts that both were scored on. Absent without any. `name` is the
/// reference's in the words, such as `Q8_0`.
#[must_use]
pub fn compare(name: &str, reference: &Asked, candidate: &Asked) -> Option<Comparison> {
    let (of_reference, of_candidate) = (marks(reference), marks(candidate));
    let pair = |mark: &Mark<'_>| {
        // the same id is not enough: a person's file may have changed between two measurements
        let same = of_reference.iter().find(|other| other.answer.prompt == mark.answer.prompt)?;
        Some((mark.answer.prompt.category.clone(), (same.correct, mark.correct)))
    };
    let pairs: Vec<(Category, (bool, bool))> = of_candidate.iter().filter_map(pair).collect();
    if pairs.is_empty() {
        return None;
    }
    let mut categories: Vec<Change> = Vec::new();
    for (category, _) in &pairs {
        if !categories.iter().any(|change| change.category == category.as_str()) {
            let of_it = pairs.iter().filter(|(other, _)| other == category).map(|(_, pair)| *pair);
            categories.push(Change { category: category.to_string(), pairs: Pairs::of(of_it) });
        }
    }
    let all = Pairs::of(pairs.into_iter().map(|(_, pair)| pair));
    Some(Comparison { reference: name.to_owned(), all, categories })
}
