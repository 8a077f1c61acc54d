//! Numbers written in digits: `1,234.50`, `1 234`, `1.234,50`, `3/4`, `1.5e3`. What two countries read differently is read the
//! English way: `1.234` is a little more than one, `1,234` more than a thousand. Dates, times and versions are no numbers.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::profiles::quality::scorer::answer::pattern;

#[derive(Clone, Copy)]
enum Form {
    /// Groups of thousands, point for decimals: `1,234.5`, `1'234`, `1 234`.
    Grouped,
    /// Comma for decimals: `1.234,50`, `12,5`.
    European,
    /// `1 3/4`, `3/4`.
    Fraction,
    /// `1.5 × 10^3`.
    Power,
    /// `2^10`.
    Raised,
    /// `42`, `1.5e3`, `.5`.
    Plain,
    /// Dates, times.
    None,
}

/// In the order of trying; the first that is not cut off counts.
static FORMS: LazyLock<Vec<(Regex, Form)>> = LazyLock::new(|| {
    [
        (r"^\d{4}-\d{1,2}-\d{1,2}", Form::None),
        (r"^\d{1,2}/\d{1,2}/\d{2,4}", Form::None),
        (r"^\d{1,2}:\d{2}(?::\d{2})?", Form::None),
        (r"^\d+ \d+/\d+", Form::Fraction),
        (r"^\d+/\d+", Form::Fraction),
        (r"^(\d+(?:\.\d+)?) ?(?:×|x|\*|·|\\times|\\cdot) ?10(?:\^\{?|\*\*)(-?\d+)\}?", Form::Power),
        (r"^(\d+(?:\.\d+)?)(?:\^\{?|\*\*)(\d+)\}?", Form::Raised),
        (r"^\d{1,3}(?:\.\d{3})+,\d{1,2}", Form::European),
        (r"^\d{1,3}(?:\.\d{3}){2,}", Form::European),
        (r"^\d{1,3}(?: \d{3})+,\d{1,2}", Form::European),
        (r"^[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", Form::Grouped),
        (r"^[1-9]\d?(?:,\d{2})+,\d{3}(?:\.\d+)?", Form::Grouped),
        (r"^[1-9]\d{0,2}(?:'\d{3})+(?:\.\d+)?", Form::Grouped),
        (r"^[1-9]\d{0,2}(?: \d{3})+(?:\.\d+)?", Form::Grouped),
        (r"^\d+(?:\.\d+)?[eE][+-]?\d+", Form::Plain),
        (r"^\d*\.\d+", Form::Plain),
        (r"^\d+", Form::Plain),
        (r"^\d+,\d{1,2}", Form::European),
        (r"^0,\d+", Form::European),
        (r"^\d{4,},\d+", Form::European),
    ]
    .map(|(text, form)| (pattern(text), form))
    .into()
});

/// All numbers in digits, in their order.
pub(super) fn find(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begin) = next_start(text, at) {
        let rest = &text[begin..];
        let Some((length, value)) = FORMS.iter().find_map(|(regex, form)| read(rest, regex, *form)) else {
            at = begin + unreadable(text, begin, &mut found);
            continue;
        };
        at = begin + length;
        if let Some(value) = value.filter(|_| !part_of_a_name(&text[..begin])) {
            let (factor, more) = multiplier(&text[at..], currency_before(&text[..begin]));
            let sign = if negative(&text[..begin]) { -1.0 } else { 1.0 };
            at += more;
            found.push(Found { begin, end: at, value: sign * value * factor, word: false });
        }
    }
    found
}

/// The next digit, or the point before one.
fn next_start(text: &str, at: usize) -> Option<usize> {
    let digit = at + text[at..].find(|c: char| c.is_ascii_digit())?;
    let before = &text[at..digit];
    let bare_point = before.strip_suffix('.').is_some_and(|b| !b.ends_with(|c: char| c.is_alphanumeric() || c == '.'));
    Some(if bare_point { digit - 1 } else { digit })
}

/// Length and value of this form, if the text begins with it and it is not part of something longer.
fn read(text: &str, regex: &Regex, form: Form) -> Option<(usize, Option<f64>)> {
    let captures = regex.captures(text)?;
    let whole = captures.get(0)?;
    let mut next = text[whole.end()..].chars();
    let cut = match (next.next(), next.next()) {
        (Some(c), _) if c.is_ascii_digit() => true,
        (Some('.' | ',' | '/' | ':' | '\''), Some(c)) => c.is_ascii_digit(),
        _ => false,
    };
    if cut {
        return None;
    }
    let number = |i: usize| captures.get(i).and_then(|m| m.as_str().parse::<f64>().ok());
    let value = match form {
        Form::None => return Some((whole.end(), None)),
        Form::Grouped => whole.as_str().replace([',', '\'', ' '], "").parse().ok(),
        Form::European => whole.as_str().replace(['.', ' '], "").replace(',', ".").parse().ok(),
        Form::Plain => whole.as_str().parse().ok(),
        Form::Fraction => fraction(whole.as_str()),
        Form::Power => Some(number(1)? * 10f64.powf(number(2)?)),
        Form::Raised => Some(number(1)?.powf(number(2)?)),
    };
    Some((whole.end(), value.filter(|v: &f64| v.is_finite())))
}

fn fraction(text: &str) -> Option<f64> {
    let (whole, part) = text.split_once(' ').unwrap_or(("0", text));
    let (above, below) = part.split_once('/')?;
    let (whole, above, below): (f64, f64, f64) = (whole.parse().ok()?, above.parse().ok()?, below.parse().ok()?);
    (below != 0.0).then(|| whole + above / below)
}

/// Something of digits, points and commas that is not one number: its length. A list such as `1,2,3` gives its numbers.
fn unreadable(text: &str, begin: usize, found: &mut Vec<Found>) -> usize {
    let length = text[begin..]
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ',' | '/' | ':' | '\''))
        .unwrap_or(text.len() - begin);
    let blob = &text[begin..begin + length];
    if blob.chars().all(|c| c.is_ascii_digit() || c == ',') && !part_of_a_name(&text[..begin]) {
        let mut at = begin;
        for part in blob.split(',') {
            if let Ok(value) = part.parse() {
                found.push(Found { begin: at, end: at + part.len(), value, word: false });
            }
            at += part.len() + 1;
        }
    }
    length
}

/// Whether what stands before makes the digits part of a name (`Q4`, `H2O`, `m^2`, `Step 3`).
fn part_of_a_name(before: &str) -> bool {
    static LABEL: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\b(?:step|steps|example|problem|question|part|figure|line|option|page|chapter|section|no\.|#)[ ]*$",
        )
    });
    before.ends_with(|c: char| c.is_alphabetic() || c == '_' || c == '^' || c == '#')
        || before.ends_with("^{")
        || before.ends_with("_{")
        || LABEL.is_match(before)
}

/// Whether a minus belongs to the number: not a dash between two numbers, not the bullet of a list.
fn negative(before: &str) -> bool {
    static WORD: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)(?:^|[^\d\s)%][ ]+|[=:(][ ]*)(?:minus|negative)[ ]+[$€£¥]?$"));
    let before = before.trim_end_matches(['$', '€', '£', '¥', '\\']);
    if let Some(left) = before.strip_suffix(['-', '–']) {
        // "12 -5" subtracts, "is -5" does not; "x-5" and "12-5" do.
        let spaced = left.ends_with(' ');
        let operand = |c: char| c.is_numeric() || matches!(c, ')' | ']' | '%' | '-') || (!spaced && c.is_alphabetic());
        return !left.trim_end_matches(' ').ends_with(operand);
    }
    if let Some(left) = before.trim_end_matches(' ').strip_suffix(['-', '–']) {
        return left.trim_end_matches(' ').ends_with(['=', ':']);
    }
    WORD.is_match(before)
}

fn currency_before(before: &str) -> bool {
    before.trim_end_matches(' ').ends_with(['$', '€', '£', '¥'])
}

/// What a word after the number multiplies it with (`3 million`, `5k`), and the length of that word with its space.
fn multiplier(after: &str, currency: bool) -> (f64, usize) {
    static WORD: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)^[ -]?(hundred|thousand|million|mn|billion|bn|trillion)\b|^([kKM])\b"));
    let Some(found) = WORD.captures(after) else { return (1.0, 0) };
    let word = found.get(1).or(found.get(2)).map_or("", |m| m.as_str());
    let factor = match word.to_ascii_lowercase().as_str() {
        "hundred" => 1e2,
        "thousand" | "k" => 1e3,
        "million" | "mn" => 1e6,
        "billion" | "bn" => 1e9,
        "trillion" => 1e12,
        // 5M is five metres, molar or million; $5M is not.
        "m" if currency => 1e6,
        _ => return (1.0, 0),
    };
    (factor, found[0].len())
}
