//! Whether the same prompt gives the same answer: some prompts are asked several times greedily, from an empty cache and with
//! a first part of the prompt already in it, whose length differs each time, so that the same tokens are computed in other
//! batches. Other prompts have been in the cache before. What differs is kept and told, not hidden.

use serde::{Deserialize, Serialize};

use super::measure::{Asker, Generated};
use super::prompts::{Category, Prompt};
use crate::engine::{Sampling, Token};
use crate::profiles::{ProfileError, Progress};

/// What is asked how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repetition {
    /// Prompts, of different categories as far as there are some.
    pub prompts: u32,
    /// Answers from an empty cache, and as many with a warm one.
    pub times: u32,
    /// Tokens of each answer at most.
    pub max_tokens: u32,
}

/// A prompt that was asked repeatedly (its first turn), and all that came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeated {
    /// The prompt's id.
    pub prompt: String,
    /// Tokens of the rendered prompt.
    pub prompt_tokens: u32,
    /// The different answers; the first is the one that came first.
    pub answers: Vec<RepeatedAnswer>,
    /// One for each time from an empty cache: which answer it gave.
    pub cold: Vec<usize>,
    /// One for each time with a warm one: tokens that were in the cache, and which answer it gave.
    pub warm: Vec<(u32, usize)>,
}

/// An answer to a repeated prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepeatedAnswer {
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// Its text.
    pub text: String,
}

/// An answer that is not the first one's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The prompt's id.
    pub prompt: String,
    /// Tokens of the prompt that were in the cache; 0: none.
    pub warm_tokens: u32,
    /// The first token that differs, from 1.
    pub token: usize,
    /// What the two have in common, its end.
    pub common: String,
    /// How the first answer goes on.
    pub expected: String,
    /// How this one does.
    pub found: String,
}

impl Repeated {
    /// How often it was asked.
    #[must_use]
    pub fn times(&self) -> usize {
        self.cold.len() + self.warm.len()
    }

    /// Every time that gave another answer than the first.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        let cold = self.cold.iter().map(|&answer| (0, answer));
        let others = cold.chain(self.warm.iter().copied()).filter(|(_, answer)| *answer != 0);
        others.filter_map(|(warm_tokens, answer)| self.difference(warm_tokens, self.answers.get(answer)?)).collect()
    }

    fn difference(&self, warm_tokens: u32, other: &RepeatedAnswer) -> Option<Difference> {
        const SHOWN: usize = 24;
        let first = self.answers.first()?;
        let same = first.tokens.iter().zip(&other.tokens).take_while(|(a, b)| a == b).count();
        let common = first.text.chars().zip(other.text.chars()).take_while(|(a, b)| a == b).count();
        let after = |text: &str| text.chars().skip(common).take(SHOWN).collect::<String>();
        Some(Difference {
            prompt: self.prompt.clone(),
            warm_tokens,
            token: same + 1,
            common: first.text.chars().take(common).skip(common.saturating_sub(SHOWN)).collect(),
            expected: after(&first.text),
            found: after(&other.text),
        })
    }

    fn note(&mut self, generated: Generated) -> usize {
        let answer = RepeatedAnswer { tokens: generated.tokens, text: generated.text };
        self.answers.iter().position(|known| known.tokens == answer.tokens).unwrap_or_else(|| {
            self.answers.push(answer);
            self.answers.len() - 1
        })
    }
}

/// Asks repeatedly. A prompt that cannot be asked was reported when it was asked for its answer.
///
/// # Errors
/// The engine's; the prompts that were done before stay in `done`.
pub(super) fn run(
    asker: &mut Asker<'_>,
    repetition: &Repetition,
    done: &mut Vec<Repeated>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), ProfileError> {
    let chosen = choose(&asker.job.set.prompts, repetition.prompts as usize);
    let total = chosen.len() as u64 * 2 * u64::from(repetition.times);
    for prompt in chosen {
        let Ok(tokens) = asker.dialogue.tokens(asker.model, prompt, &[]) else { continue };
        let prompt_tokens = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        let limit = repetition.max_tokens.min(prompt.max_tokens);
        if tokens.len() < 2 || prompt_tokens.saturating_add(limit) > asker.session.n_ctx() {
            continue;
        }
        let (answers, cold, warm) = (Vec::new(), Vec::new(), Vec::new());
        let mut repeated = Repeated { prompt: prompt.id.clone(), prompt_tokens, answers, cold, warm };
        for time in 0..2 * repetition.times {
            let before: usize = done.iter().map(Repeated::times).sum();
            let so_far = (before + repeated.times()) as u64;
            progress(Progress { done: so_far, total, unit: "repeated answers".to_owned() });
            let warm = time.checked_sub(repetition.times).map(|n| split(prompt_tokens, n, repetition.times));
            let answer = repeated.note(ask(asker, &tokens, warm.unwrap_or(0), limit)?);
            match warm {
                None => repeated.cold.push(answer),
                Some(tokens) => repeated.warm.push((tokens, answer)),
            }
        }
        done.push(repeated);
    }
    Ok(())
}

/// Tokens that are in the cache beforehand, the n-th of so many times: evenly spread over the prompt, at least one and not all.
fn split(prompt_tokens: u32, n: u32, times: u32) -> u32 {
    let share = u64::from(prompt_tokens) * u64::from(n + 1) / u64::from(times + 1);
    u32::try_from(share).unwrap_or(u32::MAX).clamp(1, prompt_tokens.saturating_sub(1).max(1))
}

fn ask(asker: &mut Asker<'_>, tokens: &[Token], warm: u32, limit: u32) -> Result<Generated, ProfileError> {
    asker.session.clear();
    let (before, rest) = tokens.split_at((warm as usize).min(tokens.len() - 1));
    if !before.is_empty() {
        asker.session.append(before)?;
        asker.session.synchronize();
    }
    asker.session.append(rest)?;
    let start = asker.now();
    Ok(asker.generate(&Sampling::Greedy, limit, start)?)
}

/// The first prompt of each category, then the second of each, until there are enough.
fn choose(prompts: &[Prompt], wanted: usize) -> Vec<&Prompt> {
    let mut seen: Vec<(&Category, usize)> = Vec::new();
    let mut ranked: Vec<(usize, &Prompt)> = Vec::new();
    for prompt in prompts {
        let place = seen.iter().position(|(category, _)| *category == &prompt.category).unwrap_or_else(|| {
            seen.push((&prompt.category, 0));
            seen.len() - 1
        });
        ranked.push((seen[place].1, prompt));
        seen[place].1 += 1;
    }
    ranked.sort_by_key(|(rank, _)| *rank); // stable: the file's order among equals
    ranked.into_iter().take(wanted).map(|(_, prompt)| prompt).collect()
}
