//! Which of the measured models to use, each with its reason, and the command that starts the best one.
//!
//! The rule: more of the model is better as long as it is pleasant to use and its answers hold. Among the quantizations of
//! one model that are rated good or better, the one that keeps the most bits is recommended, where more than 8.5 bits a
//! weight (`Q8_0`) count as 8.5, because no reader can tell `F16` from `Q8_0`. Overall, the recommended one with the most
//! such bits in all wins. Where answers were scored, one that breaks them against a better quantization is avoided however
//! fast it is, and one that surely loses some, or reaches no threshold at all, is acceptable at most. Models with synthetic
//! weights are rated for their speed and never recommended.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Rating;
use super::interpretation::{number, seconds};
use super::quality::Standing;
use crate::stats::float;

/// Bits a weight beyond which nobody reads a difference: `Q8_0`'s.
const ENOUGH_BITS_PER_WEIGHT: f64 = 8.5;

/// Advice on a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Use this one.
    Recommended,
    /// It works; another one is the better choice, or it is a little slow.
    Acceptable,
    /// It does not work, or is no joy.
    Avoid,
}

impl Mark {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Recommended => "recommended",
            Self::Acceptable => "acceptable",
            Self::Avoid => "avoid",
        }
    }
}

/// A cell as the choice sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The model's name.
    pub model: String,
    /// The quantization's short name.
    pub quant: String,
    /// The file.
    pub path: PathBuf,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Parameters, where the engine said.
    pub n_params: Option<u64>,
    /// The weights are made up.
    pub synthetic: bool,
    /// What the profile gave.
    pub trial: Trial,
    /// What is known of its answers, where they were scored.
    pub answers: Option<Answers>,
}

/// What is known of a model's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Their grade against the thresholds, where there are some.
    pub rating: Option<Rating>,
    /// Where they stand against the best quantization of the same model; none for that one itself.
    pub standing: Option<Standing>,
    /// Both in a few words, such as `keeps 98 % of Q8_0's right answers: safe`.
    pub words: String,
}

/// What answers do to a recommendation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hold {
    /// Nothing.
    Free,
    /// It is not the one to recommend.
    Held,
    /// It is to be avoided.
    Barred,
}

/// What a profile gave on a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Trial {
    /// It was measured.
    Rated {
        /// Its grade.
        rating: Rating,
        /// The numbers behind it in a few words, such as `first word after 0.4 s, 21 tokens/s`.
        numbers: String,
        /// Tokens per second, where there are any.
        tokens_per_second: Option<f64>,
        /// Context size in tokens that it was measured with.
        n_ctx: u32,
    },
    /// It could not be measured, and why.
    Failed(String),
    /// It was not tried.
    Skipped,
}

/// Advice on a cell, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recommendation {
    /// The model's name.
    pub model: String,
    /// The quantization's short name.
    pub quant: String,
    /// The advice.
    pub mark: Mark,
    /// Why, in a few words.
    pub reason: String,
}

/// The one to start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overall {
    /// The model's name.
    pub model: String,
    /// The quantization's short name.
    pub quant: String,
    /// Why this one.
    pub reason: String,
    /// What starts it, as it was measured.
    pub command: String,
}

/// How the engine was set up, as far as a command line repeats it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Threads that compute.
    pub threads: u32,
    /// Further llama.cpp flags with their values, such as `-ngl 20`.
    pub flags: Vec<(String, String)>,
}

/// First word and speed as a few words, for [`Trial::Rated`] and tables.
#[must_use]
pub fn numbers(ttft_seconds: Option<f64>, tokens_per_second: Option<f64>) -> String {
    let ttft = ttft_seconds.map_or("no first word".to_owned(), |ttft| format!("first word after {}", seconds(ttft)));
    let speed = tokens_per_second.map_or("no speed".to_owned(), |speed| format!("{} tokens/s", number(speed)));
    format!("{ttft}, {speed}")
}

/// Advice on every cell that was tried, in the order of the candidates.
#[must_use]
pub fn recommend(candidates: &[Candidate]) -> Vec<Recommendation> {
    candidates.iter().filter_map(|candidate| advise(candidate, candidates)).collect()
}

/// The one to start with; absent when no real model is at least acceptable.
#[must_use]
pub fn overall(candidates: &[Candidate], settings: &Settings) -> Option<Overall> {
    let usable = |c: &&Candidate| !c.synthetic && c.rating() >= Some(Rating::Acceptable) && c.hold() < Hold::Barred;
    let usable = candidates.iter().filter(usable);
    let best = usable.max_by(|a, b| a.order().partial_cmp(&b.order()).unwrap_or(std::cmp::Ordering::Equal))?;
    let Trial::Rated { rating, numbers, n_ctx, .. } = &best.trial else { return None };
    let answers = best.answers_in_words();
    let reason = if *rating >= Rating::Good && best.hold() == Hold::Free {
        format!("the most of a model that runs well here; {rating}: {numbers}{answers}")
    } else if *rating >= Rating::Good {
        format!(
            "no model that runs well here has answers to rely on, this is the best of them; {rating}: {numbers}{answers}"
        )
    } else {
        format!("no model runs well here, this is the best of the usable ones; {rating}: {numbers}{answers}")
    };
    let command = command(best, *n_ctx, settings);
    Some(Overall { model: best.model.clone(), quant: best.quant.clone(), reason, command })
}

impl Candidate {
    fn rating(&self) -> Option<Rating> {
        match &self.trial {
            Trial::Rated { rating, .. } => Some(*rating),
            Trial::Failed(_) | Trial::Skipped => None,
        }
    }

    fn hold(&self) -> Hold {
        match &self.answers {
            Some(Answers { standing: Some(Standing::Broken), .. }) => Hold::Barred,
            Some(Answers { standing: Some(Standing::Worse), .. } | Answers { rating: Some(Rating::Failed), .. }) => {
                Hold::Held
            }
            _ => Hold::Free,
        }
    }

    /// `; keeps 98 % of …`, or nothing.
    fn answers_in_words(&self) -> String {
        let words = self.answers.as_ref().map(|answers| answers.words.as_str()).filter(|words| !words.is_empty());
        words.map(|words| format!("; {words}")).unwrap_or_default()
    }

    /// Bits of the weights that a reader could miss.
    fn useful_bits(&self) -> f64 {
        let bits = float(self.size_bytes) * 8.0;
        self.n_params.map_or(bits, |n| bits.min(float(n) * ENOUGH_BITS_PER_WEIGHT))
    }

    /// Greater is better: good or not, then (where good) useful bits, then the rating and the speed.
    fn order(&self) -> (bool, f64, Option<Rating>, f64) {
        let good = self.rating() >= Some(Rating::Good) && self.hold() == Hold::Free;
        let speed = match &self.trial {
            Trial::Rated { tokens_per_second, .. } => tokens_per_second.unwrap_or(0.0),
            Trial::Failed(_) | Trial::Skipped => 0.0,
        };
        (good, if good { self.useful_bits() } else { 0.0 }, self.rating(), speed)
    }
}

fn advise(candidate: &Candidate, all: &[Candidate]) -> Option<Recommendation> {
    let answers = candidate.answers_in_words();
    let (mark, reason) = match &candidate.trial {
        Trial::Skipped => return None,
        Trial::Failed(reason) => (Mark::Avoid, reason.clone()),
        Trial::Rated { rating, numbers, .. } if candidate.synthetic => {
            let mark = if *rating <= Rating::Poor { Mark::Avoid } else { Mark::Acceptable };
            (mark, format!("speed only, its weights are synthetic; {rating}: {numbers}"))
        }
        Trial::Rated { rating, numbers, .. } if *rating <= Rating::Poor || candidate.hold() == Hold::Barred => {
            (Mark::Avoid, format!("{rating}: {numbers}{answers}"))
        }
        Trial::Rated { rating, numbers, .. } if *rating == Rating::Acceptable || candidate.hold() == Hold::Held => {
            (Mark::Acceptable, format!("{rating}: {numbers}{answers}"))
        }
        Trial::Rated { rating, numbers, .. } => match better_sibling(candidate, all) {
            Some(other) if other.useful_bits() > candidate.useful_bits() => {
                let rated = other.rating().unwrap_or(Rating::Good);
                (
                    Mark::Acceptable,
                    format!("{rating}: {numbers}{answers}; {} keeps more of the model and is {rated}", other.quant),
                )
            }
            Some(other) => {
                (Mark::Acceptable, format!("{rating}: {numbers}{answers}; {} is as true and faster", other.quant))
            }
            None => (Mark::Recommended, format!("{rating}: {numbers}{answers}")),
        },
    };
    Some(Recommendation { model: candidate.model.clone(), quant: candidate.quant.clone(), mark, reason })
}

/// The quantization of the same model that is recommended instead.
fn better_sibling<'c>(candidate: &Candidate, all: &'c [Candidate]) -> Option<&'c Candidate> {
    let siblings = all.iter().filter(|c| c.model == candidate.model && !c.synthetic);
    let better = siblings.filter(|c| c.order() > candidate.order());
    better.max_by(|a, b| a.order().partial_cmp(&b.order()).unwrap_or(std::cmp::Ordering::Equal))
}

fn command(candidate: &Candidate, n_ctx: u32, settings: &Settings) -> String {
    let path = quoted(&candidate.path.to_string_lossy());
    let mut words = vec![format!("llama-server -m {path} -c {n_ctx} -t {}", settings.threads)];
    words.extend(settings.flags.iter().map(|(flag, value)| format!("{flag} {}", quoted(value))));
    words.join(" ")
}

/// As a POSIX shell takes it for one word.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests;
