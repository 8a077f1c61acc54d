//! Scorers: whether an answer is right. Pure: no clock, no file. What an answer is read as comes first (reasoning before it is
//! left out), then the comparison; both are told, so that a person can check every judgement.

mod answer;
mod choice;
mod count;
mod json;
mod number;
mod text;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an answer must be. In files and jobs it is told apart by its `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scorer {
    /// A number.
    Number {
        /// The right one.
        answer: f64,
        /// How far from it still counts.
        #[serde(default)]
        tolerance: f64,
        /// How far from it still counts, in percent of it; the wider of the two holds.
        #[serde(default)]
        tolerance_percent: f64,
    },
    /// One option of a list, by its letter or by its text.
    Choice {
        /// The right option: its letter or its text.
        answer: String,
        /// All options. Single characters are letters themselves; texts have the letters A, B, C, … in their order.
        options: Vec<String>,
    },
    /// One of several accepted words or phrases.
    OneOf {
        /// Ways to say the right thing.
        answers: Vec<String>,
        /// Other things that the answer may not name; for yes, no, true and false the opposite is always one.
        #[serde(default)]
        options: Vec<String>,
    },
    /// Whole words or phrases in the answer.
    Contains {
        /// Every one of these.
        #[serde(default)]
        all: Vec<String>,
        /// At least one of these.
        #[serde(default)]
        any: Vec<String>,
        /// None of these.
        #[serde(default)]
        none: Vec<String>,
    },
    /// A regular expression that matches somewhere; `^` and `$` are the answer's ends.
    Regex {
        /// In the syntax of the crate `regex`.
        pattern: String,
    },
    /// JSON.
    Json {
        /// A JSON schema that it must meet.
        schema: Option<Value>,
        /// The value that it must be.
        equals: Option<Value>,
        /// Whether text beside it makes the answer wrong; a code fence does not.
        #[serde(default)]
        only: bool,
    },
    /// A number of words.
    Words {
        /// At least.
        min: Option<usize>,
        /// At most.
        max: Option<usize>,
    },
    /// A number of lines that are not blank.
    Lines {
        /// At least.
        min: Option<usize>,
        /// At most.
        max: Option<usize>,
    },
    /// All of several scorers.
    All {
        /// Each must count the answer.
        of: Vec<Scorer>,
    },
}

/// What a scorer made of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scored {
    /// Whether the answer counts.
    pub correct: bool,
    /// What was read as the answer; absent if there was nothing to read.
    pub read: Option<String>,
    /// Why it counted or did not.
    pub why: String,
}

/// What is wrong with a scorer itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The key that it concerns, such as `pattern`.
    pub key: &'static str,
    /// What it is.
    pub what: String,
}

impl Scored {
    fn right(read: Option<String>, why: String) -> Self {
        Self { correct: true, read, why }
    }

    fn wrong(read: Option<String>, why: String) -> Self {
        Self { correct: false, read, why }
    }
}

impl Scorer {
    /// Scores the full text of an answer. An empty answer is never right.
    #[must_use]
    pub fn score(&self, answer: &str) -> Scored {
        let Some(text) = answer::without_reasoning(answer) else {
            return Scored::wrong(None, "the reasoning has not ended".to_owned());
        };
        if text.is_empty() {
            return Scored::wrong(None, "there is no answer".to_owned());
        }
        self.score_text(&text)
    }

    fn score_text(&self, text: &str) -> Scored {
        match self {
            Self::Number { answer, tolerance, tolerance_percent } => {
                number::score(text, *answer, *tolerance, *tolerance_percent)
            }
            Self::Choice { answer, options } => choice::score(text, answer, options),
            Self::OneOf { answers, options } => text::one_of(text, answers, options),
            Self::Contains { all, any, none } => text::contains(text, all, any, none),
            Self::Regex { pattern } => matches(text, pattern),
            Self::Json { schema, equals, only } => json::score(text, schema.as_ref(), equals.as_ref(), *only),
            Self::Words { min, max } => count::words(text, *min, *max),
            Self::Lines { min, max } => count::lines(text, *min, *max),
            Self::All { of } => all(text, of),
        }
    }

    /// Whether the scorer makes sense: its pattern and schema are ones, its answer is among its options, it asks for something.
    ///
    /// # Errors
    /// The first [`Flaw`].
    pub fn check(&self) -> Result<(), Flaw> {
        let flaw = |key, what: &str| Err(Flaw { key, what: what.to_owned() });
        let blank = |list: &[String]| list.iter().any(|s| s.trim().is_empty());
        match self {
            Self::Number { answer, .. } if !answer.is_finite() => flaw("answer", "it is not a number"),
            Self::Number { tolerance: t, .. } if !(t.is_finite() && *t >= 0.0) => {
                flaw("tolerance", "it must be 0 or more")
            }
            Self::Number { tolerance_percent: t, .. } if !(t.is_finite() && *t >= 0.0) => {
                flaw("tolerance_percent", "it must be 0 or more")
            }
            Self::Choice { options, .. } if options.len() < 2 || options.len() > 26 || blank(options) => {
                flaw("options", "there must be 2 to 26 options, none of them empty")
            }
            Self::Choice { answer, options } if choice::index(answer, options).is_none() => {
                flaw("answer", &format!("'{answer}' is neither an option nor the letter of one"))
            }
            Self::OneOf { answers, .. } if answers.is_empty() || blank(answers) => {
                flaw("answers", "there must be at least one answer, none of them empty")
            }
            Self::OneOf { answers, options } if answers.iter().chain(options).any(|a| text::words(a).is_empty()) => {
                flaw("answers", "each must have a letter or a digit; for signs, use the scorer 'contains' or 'regex'")
            }
            Self::Contains { all, any, none } if all.is_empty() && any.is_empty() && none.is_empty() => {
                flaw("all", "one of 'all', 'any', 'none' must list something")
            }
            Self::Contains { all, any, none } if blank(all) || blank(any) || blank(none) => {
                flaw("all", "a phrase is empty")
            }
            Self::Regex { pattern } => Regex::new(pattern).map(|_| ()).map_err(|error| Flaw {
                key: "pattern",
                what: format!("it is no regular expression: {}", one_line(&error.to_string())),
            }),
            Self::Json { schema: None, equals: None, .. } => flaw("schema", "a 'schema' or 'equals' must be given"),
            Self::Json { schema: Some(schema), .. } => json::check_schema(schema)
                .map_err(|error| Flaw { key: "schema", what: format!("it is no JSON schema: {}", one_line(&error)) }),
            Self::Words { min: None, max: None } | Self::Lines { min: None, max: None } => {
                flaw("max", "'min' or 'max' must be given")
            }
            Self::Words { min: Some(min), max: Some(max) } | Self::Lines { min: Some(min), max: Some(max) }
                if min > max =>
            {
                flaw("min", "it is more than 'max'")
            }
            Self::All { of } if of.is_empty() => flaw("of", "it lists no scorer"),
            Self::All { of } => of.iter().try_for_each(Self::check),
            _ => Ok(()),
        }
    }
}

fn matches(text: &str, pattern: &str) -> Scored {
    match Regex::new(pattern) {
        Err(error) => Scored::wrong(None, format!("the scorer's pattern is none: {}", one_line(&error.to_string()))),
        Ok(regex) => match regex.find(text) {
            Some(found) => Scored::right(Some(found.as_str().to_owned()), "the pattern matches".to_owned()),
            None => Scored::wrong(None, format!("the pattern {pattern} matches nowhere")),
        },
    }
}

fn all(text: &str, of: &[Scorer]) -> Scored {
    let each: Vec<_> = of.iter().map(|scorer| scorer.score_text(text)).collect();
    let mut read: Vec<_> = each.iter().filter_map(|s| s.read.clone()).collect();
    read.dedup();
    let read = Some(read.join("; ")).filter(|r| !r.is_empty());
    match each.into_iter().find(|s| !s.correct) {
        Some(wrong) => Scored::wrong(read, wrong.why),
        None => Scored::right(read, "every part of it counts".to_owned()),
    }
}

/// The end of an error of several lines says what it is; the lines before show the pattern.
fn one_line(error: &str) -> String {
    error.lines().last().unwrap_or(error).trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests;
