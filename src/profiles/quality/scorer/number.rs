//! The scorer `number`: which number an answer states. A marked answer counts ("the answer is 42", `\boxed{42}`, `#### 42`);
//! without a mark the last number stated does.

mod digits;
mod words;

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::Scored;
use super::answer::{Mark, marked, pattern, plain, sentences};

/// A number in a text.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    begin: usize,
    end: usize,
    value: f64,
    /// Whether it is written in words.
    word: bool,
}

/// Scores an answer whose reasoning is left out.
pub(super) fn score(text: &str, answer: f64, tolerance: f64, tolerance_percent: f64) -> Scored {
    let value = match read(text) {
        Ok(value) => value,
        Err(why) => return Scored::wrong(None, why),
    };
    let allowed = tolerance.max(answer.abs() * tolerance_percent / 100.0);
    // Half of a billionth is how decimal fractions differ from themselves in binary.
    let correct = (value - answer).abs() <= allowed + 5e-10 * answer.abs().max(1.0);
    let wanted = if allowed > 0.0 { format!("{answer} ± {allowed}") } else { answer.to_string() };
    let read = Some(value.to_string());
    if correct {
        Scored::right(read, format!("it is {wanted}"))
    } else {
        Scored::wrong(read, format!("it is not {wanted}"))
    }
}

/// The number that the text states, or why there is none.
fn read(text: &str) -> Result<f64, String> {
    let text = without_latex(&plain(text));
    let numbers = find(&text);
    if numbers.is_empty() {
        return Err("it states no number".to_owned());
    }
    if let Some((mark, place)) = marked(&text)
        && let Some(result) = after_mark(&text, mark, place, &numbers)
    {
        return result;
    }
    last_stated(&text, 0..text.len(), &numbers).unwrap_or_else(|| Err("it states no number".to_owned()))
}

/// All numbers, those in digits and those in words, without the numbering of a list.
fn find(text: &str) -> Vec<Found> {
    static NUMBERING: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^[ *]*(\d{1,2})[.)][ *]+\S"));
    let numbering: Vec<_> = NUMBERING.captures_iter(text).filter_map(|c| c.get(1)).collect();
    let is_list = ["1", "2"].iter().all(|n| numbering.iter().any(|m| m.as_str() == *n));
    let mut numbers = digits::find(text);
    if is_list {
        numbers.retain(|n| !numbering.iter().any(|m| m.start() == n.begin));
    }
    let mut words = words::find(text);
    words.retain(|w| !numbers.iter().any(|n| n.begin < w.end && w.begin < n.end));
    numbers.append(&mut words);
    numbers.sort_by_key(|n| n.begin);
    numbers
}

/// What the text after a mark states; None if it states nothing, so that the mark does not stand.
fn after_mark(text: &str, mark: Mark, place: Range<usize>, numbers: &[Found]) -> Option<Result<f64, String>> {
    static FILLER: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)^(?:[\s:*_`$€£¥~≈=({\[\\+-]|about|approximately|roughly|around|exactly|simply|just|only|therefore|thus|is|the|a total of|equal to|minus|negative|usd|eur|gbp|chf|rs\.?)*$",
        )
    });
    let unfinished = || Some(Err("it ends where the answer should stand".to_owned()));
    if text[place.clone()].trim_matches([' ', '\n', '*', '$', ':']).is_empty() {
        return unfinished();
    }
    if mark == Mark::Exact {
        return last_stated(text, place, numbers);
    }
    let sentence = sentences(&text[place.clone()]).first().map(|s| place.start + s.start..place.start + s.end)?;
    let first = numbers.iter().find(|n| n.begin >= place.start)?;
    if FILLER.is_match(&text[place.start..first.begin]) {
        let here = Range { start: place.start, end: sentence.end.max(first.end) };
        return Some(match result_of_sum(text, &here, numbers) {
            Some(value) => Ok(value),
            None => without_hedge(text, first, numbers),
        });
    }
    let whole = if mark == Mark::Is && first.begin < sentence.end { sentence } else { place };
    last_stated(text, whole, numbers)
}

/// The right side of a calculation: `6 × 7 = 42`. Not of an equation that explains: `42, because 6 × 7 = 42`.
fn result_of_sum(text: &str, place: &Range<usize>, numbers: &[Found]) -> Option<f64> {
    static SUM: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"[+*/×÷·%^]|\d ?- ?[\d$]|\btimes\b|\bplus\b|\bminus\b|\bx\b"));
    static REASON: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)[(;]|, |\b(?:because|since|as|where|which|after)\b"));
    let part = &text[place.clone()];
    let equals = part.rfind(['=', '≈'])?;
    let left = &part[..equals];
    if REASON.is_match(left) || !SUM.is_match(left) {
        return None;
    }
    numbers.iter().find(|n| n.begin >= place.start + equals && n.begin < place.end).map(|n| n.value)
}

/// The number, unless the text goes on with another one instead: `42 or 43`, `40 to 45`.
fn without_hedge(text: &str, number: &Found, numbers: &[Found]) -> Result<f64, String> {
    static RANGE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[%*]*(?: [\p{L}$€£]+)? to [$€£*]*$"));
    let Some(next) = numbers.iter().find(|n| n.begin >= number.end) else { return Ok(number.value) };
    if RANGE.is_match(&text[number.end..next.begin]) {
        return Err(two_numbers(number, next));
    }
    if is_alternative(text, number, next) { Err(two_numbers(number, next)) } else { Ok(number.value) }
}

/// Whether two numbers stand for one that is not stated: `42 or 43`, `40-45`, `5 × 4`.
fn is_alternative(text: &str, one: &Found, other: &Found) -> bool {
    static BETWEEN: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)^[%*_`]*(?: [\p{L}$€£]+)?(?: or (?:maybe |perhaps |possibly |even )?| ?[-–—+×*·÷/] ?| x )[$€£*_`]*$",
        )
    });
    one.value.to_bits() != other.value.to_bits() && BETWEEN.is_match(&text[one.end..other.begin])
}

fn two_numbers(one: &Found, other: &Found) -> String {
    format!("it states two numbers, {} and {}", one.value, other.value)
}

/// The last number stated in this part: of the last sentence with a number the one in bold, or the one after the last `=`, or
/// the last.
fn last_stated(text: &str, place: Range<usize>, numbers: &[Found]) -> Option<Result<f64, String>> {
    static BOLD: LazyLock<Regex> = LazyLock::new(|| pattern(r"\*\*[^*\n]+\*\*"));
    let within = |n: &&Found, part: &Range<usize>| part.start <= n.begin && n.begin < part.end;
    let here = sentences(&text[place.clone()])
        .into_iter()
        .rev()
        .map(|s| place.start + s.start..place.start + s.end)
        .find(|s| numbers.iter().any(|n| within(&n, s)))?;
    let all: Vec<_> = numbers.iter().filter(|n| within(n, &here)).collect();
    // What stands beside counts only where nothing else does: a lone "one", and parentheses: "60 in all (5 × 12)".
    let beside =
        |n: &&Found| (n.word && n.value.to_bits() == 1f64.to_bits()) || in_parentheses(&text[here.start..n.begin]);
    let mut stated: Vec<_> = all.iter().copied().filter(|n| !beside(n)).collect();
    if stated.is_empty() {
        stated = all;
    }
    let bold: Vec<_> = BOLD
        .find_iter(&text[here.clone()])
        .filter_map(|m| stated.iter().rfind(|n| (here.start + m.start()..here.start + m.end()).contains(&n.begin)))
        .collect();
    if let [one] = bold.as_slice() {
        return Some(Ok(one.value));
    }
    let equals = text[here.clone()].rfind(['=', '≈']).map(|at| here.start + at);
    if let Some(after) = equals.and_then(|at| stated.iter().find(|n| n.begin > at)) {
        return Some(Ok(after.value));
    }
    match stated.as_slice() {
        [.., before, last] if is_alternative(text, before, last) => Some(Err(two_numbers(before, last))),
        [.., last] => Some(Ok(last.value)),
        [] => None,
    }
}

fn in_parentheses(before: &str) -> bool {
    before.matches('(').count() > before.matches(')').count()
}

/// LaTeX as plain text, as far as numbers go.
fn without_latex(text: &str) -> String {
    static FRACTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\\[dt]?frac\{(\d+)\}\{(\d+)\}"));
    let text = FRACTION.replace_all(text, "$1/$2");
    text.replace("\\(", " ")
        .replace("\\)", " ")
        .replace("{,}", ",")
        .replace("\\,", " ")
        .replace("\\$", "$")
        .replace("\\%", "%")
        .replace('½', " 1/2")
        .replace('¼', " 1/4")
        .replace('¾', " 3/4")
        .replace("  ", " ")
}

#[cfg(test)]
mod tests;
