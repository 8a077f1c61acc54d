//! The scorers `one_of` and `contains`: words and phrases in an answer.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::Scored;
use super::answer::{marked, pattern, plain, sentences, unmarked};

/// Words in small letters, without punctuation. A point or comma between digits belongs to the number.
pub(super) fn words(text: &str) -> Vec<String> {
    static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d+(?:[.,]\d+)+|[\p{L}\p{N}]+(?:'[\p{L}]+)?"));
    WORD.find_iter(&plain(text)).map(|m| m.as_str().to_lowercase()).collect()
}

/// Whether the phrase's words stand among these, one after the other.
pub(super) fn names(spoken: &[String], phrase: &str) -> bool {
    place(spoken, &words(phrase)).is_some()
}

fn place(spoken: &[String], phrase: &[String]) -> Option<usize> {
    if phrase.is_empty() {
        return None;
    }
    spoken.windows(phrase.len()).position(|w| w == phrase)
}

/// What `one_of` accepts and what it does not.
struct Phrases {
    right: Vec<Vec<String>>,
    wrong: Vec<Vec<String>>,
}

/// Which phrases a piece of text names.
#[derive(Default)]
struct Named {
    right: BTreeSet<String>,
    wrong: BTreeSet<String>,
}

/// Scores an answer whose reasoning is left out.
pub(super) fn one_of(text: &str, answers: &[String], options: &[String]) -> Scored {
    let phrases = Phrases::new(answers, options);
    let text = unmarked(&plain(text));
    let Some(named) = stated(&text, &phrases) else {
        return Scored::wrong(None, format!("it names none of: {}", answers.join(", ")));
    };
    let all: Vec<_> = named.right.iter().chain(&named.wrong).cloned().collect();
    let read = Some(all.join(", "));
    match (named.right.is_empty(), named.wrong.is_empty()) {
        (false, true) => Scored::right(read, "it is an accepted answer".to_owned()),
        (false, false) => Scored::wrong(read, "it names a right and a wrong option".to_owned()),
        _ => Scored::wrong(read, format!("accepted: {}", answers.join(", "))),
    }
}

impl Phrases {
    fn new(answers: &[String], options: &[String]) -> Self {
        let right: Vec<_> = answers.iter().map(|a| words(a)).collect();
        let mut wrong: Vec<_> = options.iter().map(|o| words(o)).filter(|o| !right.contains(o)).collect();
        for pair in [["yes", "no"], ["true", "false"]] {
            for (one, other) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                let (one, other) = (vec![one.to_owned()], vec![other.to_owned()]);
                if right.contains(&one) && !right.contains(&other) && !wrong.contains(&other) {
                    wrong.push(other);
                }
            }
        }
        Self { right, wrong }
    }

    /// The longest phrases first, each word used once: "not given" names no "given".
    fn named_in(&self, text: &str) -> Named {
        let mut spoken = words(text);
        let mut all: Vec<_> =
            self.right.iter().map(|p| (p, true)).chain(self.wrong.iter().map(|p| (p, false))).collect();
        all.sort_by_key(|(phrase, right)| (std::cmp::Reverse(phrase.len()), !right));
        let mut named = Named::default();
        for (phrase, right) in all {
            while let Some(at) = place(&spoken, phrase) {
                spoken.splice(at..at + phrase.len(), [String::new()]);
                if right {
                    named.right.insert(phrase.join(" "))
                } else {
                    named.wrong.insert(phrase.join(" "))
                };
            }
        }
        named
    }
}

impl Named {
    fn is_empty(&self) -> bool {
        self.right.is_empty() && self.wrong.is_empty()
    }
}

/// What the answer states: after a mark; or at the beginning if that stands by itself; or in the last sentence that names
/// something.
fn stated(text: &str, phrases: &Phrases) -> Option<Named> {
    let some = |text: &str| Some(phrases.named_in(text)).filter(|named| !named.is_empty());
    if let Some((_, place)) = marked(text) {
        let rest = &text[place];
        let first = sentences(rest).first().and_then(|s| some(&rest[s.clone()]));
        if let Some(named) = opening(rest, phrases).or(first).or_else(|| some(rest)) {
            return Some(named);
        }
    }
    opening(text, phrases).or_else(|| sentences(text).into_iter().rev().find_map(|place| some(&text[place])))
}

/// What the answer's beginning names if it stands by itself: "Yes, because …", "Paris. It lies …". Not if the answer takes it
/// back, nor if it is the first of a list.
fn opening(text: &str, phrases: &Phrases) -> Option<Named> {
    static BACK: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)(?:^|[.!?\n,;:-])[ ]*(?:wait|actually|correction|sorry|rather|or rather|no, wait|i mean|hmm|no)\b",
        )
    });
    static CUT: LazyLock<Regex> = LazyLock::new(|| pattern(r"[.!?,;\n]|[-–—] "));
    let text = text.trim_start_matches([' ', '\n', ':', '"', '\'']);
    let cut = CUT.find(text)?;
    let (first, rest) = (&text[..cut.start()], &text[cut.start()..]);
    let few = (1..=3).contains(&words(first).len());
    if !few || BACK.is_match(rest) {
        return None;
    }
    let goes_on = words(&text[cut.end()..]);
    let next = goes_on.iter().skip_while(|word| matches!(word.as_str(), "or" | "and")).cloned().collect::<Vec<_>>();
    let listed =
        matches!(cut.as_str(), "," | ";") && phrases.wrong.iter().any(|p| !p.is_empty() && next.starts_with(p));
    Some(phrases.named_in(first)).filter(|named| !listed && !named.is_empty())
}

/// Scores an answer whose reasoning is left out.
pub(super) fn contains(text: &str, all: &[String], any: &[String], none: &[String]) -> Scored {
    let text = spaced(text);
    let has = |phrase: &&String| holds(&text, phrase);
    let found: Vec<_> = all.iter().chain(any).filter(has).map(String::as_str).collect();
    let read = Some(found.join(", ")).filter(|r| !r.is_empty());
    if let Some(missing) = all.iter().find(|p| !has(p)) {
        return Scored::wrong(read, format!("'{missing}' is not in it"));
    }
    if !any.is_empty() && !any.iter().any(|p| has(&p)) {
        return Scored::wrong(read, format!("none of these is in it: {}", any.join(", ")));
    }
    if let Some(forbidden) = none.iter().find(has) {
        return Scored::wrong(read, format!("'{forbidden}' is in it"));
    }
    Scored::right(read, "everything wanted is in it, nothing unwanted".to_owned())
}

/// Small letters, plain punctuation, one space where there is any.
fn spaced(text: &str) -> String {
    plain(text).to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the phrase stands in the text as whole words; its own punctuation counts.
fn holds(text: &str, phrase: &str) -> bool {
    let phrase = spaced(phrase);
    let (Some(first), Some(last)) = (phrase.chars().next(), phrase.chars().next_back()) else { return false };
    text.match_indices(&phrase).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + phrase.len()..]);
        let cut = (first.is_alphanumeric() && joins(before.chars().rev(), first))
            || (last.is_alphanumeric() && joins(after.chars(), last));
        !cut
    })
}

/// Whether the neighbours belong to the same word or number as the edge.
fn joins(mut neighbours: impl Iterator<Item = char>, edge: char) -> bool {
    match (neighbours.next(), neighbours.next()) {
        (Some(c), _) if c.is_alphanumeric() || c == '_' => true,
        (Some('.' | ','), Some(c)) => edge.is_ascii_digit() && c.is_ascii_digit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
