//! Numbers written in English words: `forty-two`, `one hundred and five`, `two and a half`, `three quarters`.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::profiles::quality::scorer::answer::pattern;

const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const SCALES: [(&str, f64); 3] = [("thousand", 1e3), ("million", 1e6), ("billion", 1e9)];
const PARTS: [(&str, f64); 8] = [
    ("half", 2.0),
    ("third", 3.0),
    ("quarter", 4.0),
    ("fourth", 4.0),
    ("fifth", 5.0),
    ("sixth", 6.0),
    ("eighth", 8.0),
    ("tenth", 10.0),
];

struct Word<'a> {
    text: &'a str,
    begin: usize,
    end: usize,
    /// Whether only a space or a hyphen stands between it and the word before.
    joined: bool,
}

/// All numbers in words, in their order.
pub(super) fn find(text: &str) -> Vec<Found> {
    static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}\p{N}_']+"));
    let lower = text.to_ascii_lowercase();
    let mut words: Vec<Word<'_>> = Vec::new();
    for m in WORD.find_iter(&lower) {
        let joined = words.last().is_some_and(|w| matches!(&lower[w.end..m.start()], " " | "-"));
        words.push(Word { text: m.as_str(), begin: m.start(), end: m.end(), joined });
    }
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let Some((length, value)) = number(&words[at..]) else {
            at += 1;
            continue;
        };
        if !is_a_pronoun(&words, at, length) {
            let minus = at > 0 && words[at].joined && matches!(words[at - 1].text, "minus" | "negative");
            let value = if minus { -value } else { value };
            found.push(Found { begin: words[at].begin, end: words[at + length - 1].end, value, word: true });
        }
        at += length;
    }
    found
}

/// "one" that counts nothing: "no one", "one of them", "the one that".
fn is_a_pronoun(words: &[Word<'_>], at: usize, length: usize) -> bool {
    if length > 1 || words[at].text != "one" {
        return false;
    }
    let before = if at > 0 && words[at].joined { words[at - 1].text } else { "" };
    let after = words.get(at + 1).filter(|w| w.joined).map_or("", |w| w.text);
    matches!(before, "no" | "any" | "every" | "each" | "some" | "this" | "that" | "which" | "the" | "another" | "by")
        || matches!(after, "of" | "another" | "by" | "who" | "which" | "that" | "can" | "should" | "must" | "way")
}

/// The number that these words begin with: how many of them, and its value.
fn number(words: &[Word<'_>]) -> Option<(usize, f64)> {
    if let Some(first) = words.first().filter(|w| w.text == "a" || w.text == "half") {
        let next = words.get(1).filter(|w| w.joined).map(|w| w.text);
        return match (first.text, next) {
            ("a", Some("hundred" | "thousand" | "million" | "billion")) => {
                cardinal(&words[1..], 1.0).map(|(n, v)| (n + 1, v))
            }
            ("a", Some("dozen")) => Some((2, 12.0)),
            ("a", Some("half" | "quarter")) => Some((2, 1.0 / part(words[1].text)?)),
            _ => None,
        };
    }
    let (mut length, mut value) = cardinal(words, 0.0)?;
    let next = |i: usize| words.get(i).filter(|w| w.joined).map_or("", |w| w.text);
    if next(length) == "dozen" {
        return Some((length + 1, value * 12.0));
    }
    if let Some(below) = part(next(length)).filter(|_| value >= 1.0) {
        return Some((length + 1, value / below));
    }
    if next(length) == "and" {
        // "two and a half", "one and three quarters"
        if let (1, Some(below)) = (usize::from(matches!(next(length + 1), "a" | "one")), part(next(length + 2))) {
            return Some((length + 3, value + 1.0 / below));
        }
        if let (Some(above), Some(below)) = (unit(next(length + 1)), part(next(length + 2))) {
            return Some((length + 3, value + above / below));
        }
    }
    if next(length) == "point" {
        let mut place = 0.1;
        while let Some(digit) = unit(next(length + 1)).filter(|d| *d < 10.0) {
            value += digit * place;
            place /= 10.0;
            length += 1;
        }
        if place < 0.1 {
            length += 1;
        }
    }
    Some((length, value))
}

/// A whole number: how many words, and its value. `begin` stands for the "a" of "a hundred".
fn cardinal(words: &[Word<'_>], begin: f64) -> Option<(usize, f64)> {
    let (mut total, mut group, mut length) = (0.0, begin, 0);
    let mut last_scale = f64::INFINITY;
    // What may still be added to the group: units after tens, tens and units after hundreds.
    let mut room = if begin > 0.0 { 0.0 } else { 1000.0 };
    while let Some(word) = words.get(length).filter(|w| length == 0 || w.joined) {
        if let Some(value) = unit(word.text).or_else(|| ten(word.text)) {
            if value >= room || (value == 0.0 && length > 0) {
                break;
            }
            group += value;
            room = if value >= 20.0 { 10.0 } else { 0.0 };
        } else if word.text == "hundred" && (1.0..20.0).contains(&group) {
            group *= 100.0;
            room = 100.0;
        } else if let Some((_, scale)) =
            SCALES.iter().find(|(name, s)| *name == word.text && *s < last_scale && group >= 1.0)
        {
            total += group * scale;
            last_scale = *scale;
            (group, room) = (0.0, 1000.0);
        } else if word.text == "and" && room >= 100.0 && length > 0 && followed_by_a_number(words, length) {
            // It joins only: "one hundred and five".
        } else {
            break;
        }
        length += 1;
    }
    (length > 0).then_some((length, total + group))
}

fn followed_by_a_number(words: &[Word<'_>], and: usize) -> bool {
    // "a hundred and three quarters" is a fraction's business.
    let fraction = words.get(and + 2).is_some_and(|w| w.joined && part(w.text).is_some());
    !fraction && words.get(and + 1).is_some_and(|w| w.joined && (unit(w.text).is_some() || ten(w.text).is_some()))
}

#[allow(clippy::cast_precision_loss, reason = "both tables are short")]
fn unit(word: &str) -> Option<f64> {
    UNITS.iter().position(|u| *u == word).map(|i| i as f64)
}

#[allow(clippy::cast_precision_loss, reason = "both tables are short")]
fn ten(word: &str) -> Option<f64> {
    TENS.iter().position(|t| *t == word).map(|i| (i + 2) as f64 * 10.0)
}

fn part(word: &str) -> Option<f64> {
    let singular = if word == "halves" { "half" } else { word.strip_suffix('s').unwrap_or(word) };
    PARTS.iter().find(|(name, _)| *name == singular).map(|(_, below)| *below)
}
