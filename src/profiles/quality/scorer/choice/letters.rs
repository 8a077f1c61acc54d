//! Letters that stand for options: at the beginning of a text (`B) Paris`) and within a sentence (`I choose B.`). A letter that
//! is a word of the prose ("A man", "I think") is none.

use std::sync::LazyLock;

use regex::Regex;

use crate::profiles::quality::scorer::answer::pattern;

/// A letter at the beginning of a text.
pub(super) struct Label<'a> {
    /// As a capital.
    pub(super) letter: String,
    /// What follows it.
    pub(super) rest: &'a str,
    /// Whether a sign that belongs to labels stands after it, such as `)`.
    pub(super) signed: bool,
}

impl Label<'_> {
    /// Whether another letter stands beside it or may stand instead: "A or B", "A, B".
    pub(super) fn has_another(&self) -> bool {
        static ONLY: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:[(\[]?\b[A-Z0-9]\b[)\]]?[ ,.;&\n]*)+$"));
        instead(self.rest)
            || (ONLY.is_match(self.rest) && letters(self.rest).iter().any(|letter| *letter != self.letter))
    }
}

fn instead(rest: &str) -> bool {
    static INSTEAD: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?i:(?:or|and|&|/) )\(?[A-Z0-9]\b"));
    INSTEAD.is_match(rest)
}

/// The letter that a text begins with (`B`, `(b)`, `B) Paris`, `option B:`). With `bare` a small letter counts even where no
/// bracket marks it.
pub(super) fn label(text: &str, bare: bool) -> Option<Label<'_>> {
    static LABEL: LazyLock<Regex> = LazyLock::new(|| {
        pattern(concat!(
            r#"^(?:(?i:the )?(?i:option|choice|letter|statement) )?"#,
            r#"[<("\['‘]?([A-Za-z0-9])([)\]>".:,;]+|'(?:[ .]|$)|(?: ?[-–—] )|$|[ \n])"#,
        ))
    });
    let found = LABEL.captures(text)?;
    let (letter, sign) = (&found[1], found[2].trim_end());
    let rest = text[found[0].len()..].trim();
    let small = letter.starts_with(|c: char| c.is_ascii_lowercase());
    let signed = !sign.is_empty();
    if signed || rest.is_empty() {
        let opened = found[0].starts_with(['(', '[', '<']);
        let counts = !small || bare || opened || signed;
        return counts.then(|| Label { letter: letter.to_uppercase(), rest, signed });
    }
    // Nothing but a space: "B because", but neither "A man" nor "I think", "a man", "3 men".
    let explained = instead(rest) || ["because", "since", "is "].iter().any(|word| rest.starts_with(word));
    let a_word = matches!(letter, "A" | "I") || letter.starts_with(|c: char| c.is_ascii_digit());
    (!small && (explained || !a_word)).then(|| Label { letter: letter.to_owned(), rest, signed })
}

/// The letters in a sentence that stand for options, as capitals.
pub(super) fn letters(sentence: &str) -> Vec<String> {
    static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}\p{N}_]+"));
    WORD.find_iter(sentence)
        .filter(|m| m.len() == 1 && stands_for_an_option(&sentence[..m.start()], m.as_str(), &sentence[m.end()..]))
        .map(|m| m.as_str().to_uppercase())
        .collect()
}

fn stands_for_an_option(before: &str, letter: &str, after: &str) -> bool {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i)\b(?:option|choice|letter|statement) ["(\[<]?$"#));
    static ENDED: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"^(?:\s*$|\n|[)\]>.":,;!?/&]|'(?:\P{L}|$)| (?:is|because|since|or|and)\b)"#));
    static PREDICATE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^ (?:must|should|has|needs|follows)\b"));
    let enclosed =
        [('(', ')'), ('[', ']'), ('<', '>')].iter().any(|(o, c)| before.ends_with(*o) && after.starts_with(*c));
    if enclosed || NAMED.is_match(before) {
        return true;
    }
    let capital = letter.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit());
    let begins = before.is_empty() || before.ends_with([' ', '"', '\'', ',', '/', '&', '\n']);
    // "A must" is a thing that one needs.
    capital && begins && (ENDED.is_match(after) || (letter != "A" && PREDICATE.is_match(after)))
}
