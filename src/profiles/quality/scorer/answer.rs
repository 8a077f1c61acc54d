//! What of a text is the answer: reasoning before it left out, characters made alike, sentences, and the places where a text
//! says "the answer is". What the answer then is read as is each scorer's own matter.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Compiles a pattern of this module's own.
pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the scorers' own patterns are tested")
}

/// The text without its blocks of reasoning (`<think>…</think>` and the like), trimmed. A closing tag without an opening one
/// ends reasoning that the chat template began. None if reasoning has not ended.
pub(super) fn without_reasoning(text: &str) -> Option<String> {
    static TAG: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)<(/?)(?:think|thinking|thought|reasoning|reflection)\s*>"));
    let mut kept = String::new();
    let mut from = Some(0);
    for tag in TAG.captures_iter(text) {
        let place = tag.get(0).expect("the whole match").range();
        let closes = !tag[1].is_empty();
        match (closes, from) {
            (true, Some(_)) => kept.clear(),
            (false, Some(begin)) => kept.push_str(&text[begin..place.start]),
            (_, None) => {}
        }
        from = closes.then_some(place.end);
    }
    kept.push_str(&text[from?..]);
    Some(kept.trim().to_owned())
}

/// The text with typographic variants of spaces, quotation marks and minus replaced by the plain ones.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\t' | '\r' => ' ',
            '‘' | '’' | 'ʼ' => '\'',
            '“' | '”' | '„' | '«' | '»' => '"',
            '−' | '﹣' | '－' | '\u{2010}' | '\u{2011}' => '-',
            _ => c,
        })
        .collect()
}

/// The text without the lines that open and close code fences.
pub(super) fn unfenced(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("```")).collect();
    lines.join("\n")
}

/// The text without Markdown's emphasis and code marks.
pub(super) fn unmarked(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '*' | '`')).collect()
}

/// Where the sentences are: they end at the line's end, or with `.`, `!` or `?` before a space. Blank ones are left out.
pub(super) fn sentences(text: &str) -> Vec<Range<usize>> {
    static END: LazyLock<Regex> = LazyLock::new(|| pattern(r#"\n|[.!?]["'*)\]]*(?:[ \n]|$)"#));
    let mut found = Vec::new();
    let mut begin = 0;
    for end in END.find_iter(text) {
        found.push(begin..end.end());
        begin = end.end();
    }
    found.push(begin..text.len());
    found.retain(|place| !text[place.clone()].trim().is_empty());
    found
}

/// How a text marks its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// `\boxed{…}`, or `####` and the rest of the line: the range is the answer and nothing else.
    Exact,
    /// "Answer:", "answer =".
    Colon,
    /// "The answer is".
    Is,
}

/// The last place that marks an answer: how, and from where to where the text after the mark reaches (to the end of the text
/// for words).
pub(super) fn marked(text: &str) -> Option<(Mark, Range<usize>)> {
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        pattern(concat!(
            r"(?i)\banswers?\b[*_`]*",
            r"(?:[ ](?:to|for|of|in)[ ][^.:=\n]{0,80}?)?",
            r"[ ]*(?:(?P<is>\b(?:is|are|was|would[ ]be|will[ ]be|should[ ]be|must[ ]be|equals)\b[ ]*:?)|:|=)[*_`]*",
        ))
    });
    let words = WORDS.captures_iter(text).last().map(|found| {
        let begin = found.get(0).expect("the whole match").end();
        // "The answer is: 42" is the stronger of the two.
        let is = found.name("is").is_some_and(|m| !m.as_str().ends_with(':'));
        (if is { Mark::Is } else { Mark::Colon }, begin..text.len())
    });
    let hashes = text.rfind("####").and_then(|at| {
        let begin = at + 4;
        let end = text[begin..].find('\n').map_or(text.len(), |n| begin + n);
        // A heading of four hashes that says something is no mark of an answer; `#### 42` is.
        (!text[begin..end].trim().is_empty()).then_some((Mark::Exact, begin..end))
    });
    [words, hashes, boxed(text)].into_iter().flatten().max_by_key(|(_, place)| place.start)
}

/// The content of the last `\boxed{…}`; braces inside are counted.
fn boxed(text: &str) -> Option<(Mark, Range<usize>)> {
    const OPEN: &str = "boxed{";
    let begin = text.rfind(OPEN)? + OPEN.len();
    let mut depth = 1;
    for (at, c) in text[begin..].char_indices() {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if depth == 0 {
            return Some((Mark::Exact, begin..begin + at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_is_left_out_wherever_its_tags_stand() {
        for (text, answer) in [
            ("42", Some("42")),
            ("<think>6 × 7</think>\n\n42", Some("42")),
            ("<THINKING>\nlong\n</THINKING>42", Some("42")),
            ("It is <think>hm</think>42", Some("It is 42")),
            ("the template opened it</think>42", Some("42")),
            ("<think>I write <think> here</think>42", Some("42")),
            ("<think>a</think><think>b</think> 42 ", Some("42")),
            ("<think>a</think>", Some("")),
            ("<think>and so on and so", None),
            ("<think>a</think>41<think>wait", None),
            ("a < b and c > d", Some("a < b and c > d")),
        ] {
            assert_eq!(without_reasoning(text).as_deref(), answer, "{text}");
        }
    }

    #[test]
    fn sentences_end_with_lines_and_with_points_that_are_not_decimal() {
        let text = "It costs 3.50 now. So what?\n\n**Yes.** ok";
        let parts: Vec<_> = sentences(text).into_iter().map(|p| text[p].trim()).collect();
        assert_eq!(parts, ["It costs 3.50 now.", "So what?", "**Yes.**", "ok"]);
    }

    #[test]
    fn the_last_mark_of_an_answer_is_found() {
        for (text, rest) in [
            ("The answer is 42", Some((Mark::Is, "42"))),
            ("**Answer:** B", Some((Mark::Colon, "B"))),
            ("The correct answer to this question is: C", Some((Mark::Colon, "C"))),
            ("Answer: 1\nNo. Answer: 2", Some((Mark::Colon, "2"))),
            ("so\n#### 7\nbye", Some((Mark::Exact, "7"))),
            (r"\boxed{\frac{3}{4}} done", Some((Mark::Exact, r"\frac{3}{4}"))),
            ("I answered 42", None),
            ("they answer 3 calls", None),
        ] {
            assert_eq!(marked(text).map(|(mark, place)| (mark, text[place].trim())), rest, "{text}");
        }
    }
}
