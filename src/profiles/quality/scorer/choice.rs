//! The scorer `choice`: which option an answer picks, by its letter or by its text. A letter that is a word of the prose
//! ("A man went home") picks nothing, and an answer that picks two options picks none.

mod letters;

use super::Scored;
use super::answer::{Mark, marked, plain, sentences, unmarked};
use super::text::{names, words};
use letters::{Label, label, letters};

struct Labelled<'a> {
    letter: String,
    /// Empty where the letter is all.
    text: &'a str,
}

/// Scores an answer whose reasoning is left out.
pub(super) fn score(text: &str, answer: &str, options: &[String]) -> Scored {
    let Some(right) = index(answer, options) else {
        return Scored::wrong(None, "the scorer's answer is none of its options".to_owned());
    };
    let options = labelled(options);
    let text = unmarked(&plain(text));
    let shown = |i: usize| match options[i].text {
        "" => options[i].letter.clone(),
        text => format!("{}) {text}", options[i].letter),
    };
    match read(&text, &options) {
        Ok(picked) if picked == right => Scored::right(Some(shown(picked)), "it is the right option".to_owned()),
        Ok(picked) => Scored::wrong(Some(shown(picked)), format!("the right option is {}", shown(right))),
        Err(why) => Scored::wrong(None, why),
    }
}

/// Which option the scorer's own answer is: by text first, then by letter.
pub(super) fn index(answer: &str, options: &[String]) -> Option<usize> {
    let same = |text: &str| text.trim().eq_ignore_ascii_case(answer.trim());
    options.iter().position(|o| same(o)).or_else(|| labelled(options).iter().position(|o| same(&o.letter)))
}

fn labelled(options: &[String]) -> Vec<Labelled<'_>> {
    let only_letters = options.iter().all(|o| o.trim().chars().count() == 1);
    let letters = ('A'..='Z').map(String::from);
    letters
        .zip(options)
        .map(|(letter, text)| {
            if only_letters {
                Labelled { letter: text.trim().to_uppercase(), text: "" }
            } else {
                Labelled { letter, text: text.trim() }
            }
        })
        .collect()
}

fn read(text: &str, options: &[Labelled<'_>]) -> Result<usize, String> {
    if let Some((mark, place)) = marked(text) {
        let rest = text[place].trim_start_matches([' ', '\n', ':', '"', '\'']);
        if rest.trim().is_empty() {
            return Err("it ends where the answer should stand".to_owned());
        }
        if let Some(picked) = at_the_beginning(rest, options, mark != Mark::Is) {
            return picked;
        }
        let first = &rest[sentences(rest).swap_remove(0)];
        if let Some(picked) = in_one_sentence(first, options) {
            return picked;
        }
    }
    if !lists_options(text, options)
        && let Some(picked) = at_the_beginning(text.trim(), options, true)
    {
        return picked;
    }
    let last = sentences(text).into_iter().rev().find_map(|place| in_one_sentence(&text[place], options));
    last.unwrap_or_else(|| Err("it names none of the options".to_owned()))
}

/// Whether lines of the answer begin with two different letters: it repeats the question.
fn lists_options(text: &str, options: &[Labelled<'_>]) -> bool {
    let begins =
        |o: &&Labelled<'_>| text.lines().any(|line| label(line.trim(), true).is_some_and(|l| l.letter == o.letter));
    options.iter().filter(begins).count() > 1
}

fn at_the_beginning(text: &str, options: &[Labelled<'_>], bare: bool) -> Option<Result<usize, String>> {
    let label = label(text, bare)?;
    let Label { letter, rest, signed } = &label;
    let picked = options.iter().position(|o| o.letter == *letter)?;
    if label.has_another() {
        return Some(Err(format!("it picks {letter} and another option")));
    }
    // "B) London" where London is C contradicts itself.
    let line = rest.lines().next().unwrap_or("");
    let other = options.iter().position(|o| !o.text.is_empty() && words(o.text) == words(line));
    match other {
        Some(other) if *signed && other != picked => {
            Some(Err(format!("it gives the letter {letter} with the text of {}", options[other].letter)))
        }
        _ => Some(Ok(picked)),
    }
}

/// The option that a sentence names, by letter or else by text; an error if it names several, None if it names none.
fn in_one_sentence(sentence: &str, options: &[Labelled<'_>]) -> Option<Result<usize, String>> {
    let mut picked: Vec<usize> =
        letters(sentence).into_iter().filter_map(|letter| options.iter().position(|o| o.letter == letter)).collect();
    if picked.is_empty() {
        let spoken = words(sentence);
        picked =
            (0..options.len()).filter(|&i| !options[i].text.is_empty() && names(&spoken, options[i].text)).collect();
        // "The red box" names "red box", and "box" only as a part of it.
        let longer = |i: usize| {
            picked.iter().any(|&j| {
                j != i
                    && words(options[j].text).len() > words(options[i].text).len()
                    && names(&words(options[j].text), options[i].text)
            })
        };
        picked = picked.iter().copied().filter(|&i| !longer(i)).collect();
    }
    picked.sort_unstable();
    picked.dedup();
    match picked.as_slice() {
        [] => None,
        [one] => Some(Ok(*one)),
        several => {
            let letters: Vec<_> = several.iter().map(|&i| options[i].letter.as_str()).collect();
            Some(Err(format!("it names several options: {}", letters.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests;
