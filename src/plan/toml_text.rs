//! What is wrong with a TOML text, in one line a person can act on: place, key, and for an unknown name the nearest right one.
//!
//! Shared by the configuration and the catalogue. Left out on purpose: which values make sense; their owners know.

/// `line 3, column 1: unknown key 'tokns'; did you mean 'tokens'?`
#[must_use]
pub fn describe(text: &str, error: &toml::de::Error) -> String {
    let message = name_unknown(error.message());
    let Some(span) = error.span() else { return message };
    let before = &text[..span.start.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    let place = format!("line {line}, column {column}");
    match key_before(before) {
        Some(key) if !message.starts_with("unknown key") => format!("{place}: {key}: {message}"),
        _ => format!("{place}: {message}"),
    }
}

/// All that is wrong with a text, each as [`describe`] has it: what is wrong with one key does not hide another. With it the
/// text without the wrong keys (lines stay where they are), which can be read unless the last problem is one of syntax.
pub fn all_problems(text: &str, read: impl Fn(&str) -> Option<toml::de::Error>) -> (Vec<String>, String) {
    let mut left = text.to_owned();
    let mut problems = Vec::new();
    while let Some(error) = read(&left) {
        problems.push(describe(&left, &error));
        let cut = error.span().and_then(|span| without(&left, span.start));
        let Some(rest) = cut else { break };
        left = rest;
    }
    (problems, left)
}

/// The name among `known` that is most like another one, where one is like it.
#[must_use]
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.7;
    let likeness = |name: &str| strsim::jaro_winkler(&unknown.to_lowercase(), &name.to_lowercase());
    let rated = known.into_iter().map(|name| (likeness(name), name));
    rated.filter(|(like, _)| *like > ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// `section.key` of the value that begins after `before`.
fn key_before(before: &str) -> Option<String> {
    let line = before.rsplit('\n').next()?;
    let key = line.split_once('=')?.0.trim();
    let header = before.lines().rev().skip(1).map(str::trim).find(|line| line.starts_with('['));
    let section = header.map(|h| h.trim_matches(|c: char| "[] \t".contains(c))).unwrap_or_default();
    Some(if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") })
}

/// The text with the key, or the section, that `at` is in blanked out; none where that leaves no TOML.
fn without(text: &str, at: usize) -> Option<String> {
    let lines: Vec<&str> = text.split('\n').collect();
    let first = text[..at.min(text.len())].matches('\n').count();
    let is_header = |line: &str| line.trim_start().starts_with('[');
    let begins = *lines.get(first)?;
    if begins.trim().is_empty() {
        return None;
    }
    // a value may go on for lines; a section ends where the next one begins
    let least = if is_header(begins) {
        (first + 1..lines.len()).find(|&n| is_header(lines[n])).unwrap_or(lines.len())
    } else {
        first + 1
    };
    (least..=lines.len()).find_map(|end| {
        let kept =
            |(n, line): (usize, &&str)| if (first..end).contains(&n) { String::new() } else { (*line).to_owned() };
        let rest = lines.iter().enumerate().map(kept).collect::<Vec<_>>().join("\n");
        rest.parse::<toml::Table>().is_ok().then_some(rest)
    })
}

/// serde says "unknown field `a`, expected one of `b`, `c`" (or "expected `b`"), and the same of variants.
fn name_unknown(message: &str) -> String {
    let message = message.trim().replace('\n', " ");
    let found = [("unknown field `", "unknown key"), ("unknown variant `", "unknown value")]
        .into_iter()
        .find_map(|(begin, what)| Some((message.strip_prefix(begin)?, what)));
    let Some((rest, what)) = found else { return plain_types(&message) };
    let mut names = rest.split('`').step_by(2);
    let Some(unknown) = names.next() else { return message };
    let known: Vec<_> = names.filter(|n| !n.is_empty()).collect();
    match nearest(unknown, known.iter().copied()) {
        Some(nearest) => format!("{what} '{unknown}'; did you mean '{nearest}'?"),
        None => format!("{what} '{unknown}'; known here: {}", known.join(", ")),
    }
}

/// Rust's names of numbers in words.
fn plain_types(message: &str) -> String {
    let words = [("expected u32", "expected a whole number"), ("expected u64", "expected a whole number")];
    words.into_iter().fold(message.to_owned(), |text, (rust, plain)| text.replace(rust, plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)] // read by serde alone
    struct Page {
        #[serde(default)]
        first: u32,
        #[serde(default)]
        section: std::collections::BTreeMap<String, u32>,
    }

    fn read(text: &str) -> Option<toml::de::Error> {
        toml::from_str::<Page>(text).err()
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_by_its_section_and_key() {
        let text = "first = 1\n[section]\n# not a number\nwidth = 'wide'\n";
        let error = describe(text, &read(text).unwrap());
        assert!(error.starts_with("line 4, column 9: section.width: invalid type: string \"wide\""), "{error}");
        assert!(error.ends_with("expected a whole number"), "{error}");
    }

    #[test]
    fn all_that_is_wrong_is_found_and_nothing_else() {
        let text = "frist = [\n  1,\n]\nfirst = 'a'\n[sectoin]\na = 1\n\n[section]\nb = true\nc = 2\n";
        let (problems, left) = all_problems(text, read);
        let begins: Vec<_> = problems.iter().map(|p| p.split(':').next().unwrap()).collect();
        assert_eq!(problems.len(), 4, "{problems:#?}");
        assert!(["line 1", "line 4", "line 5", "line 9"].iter().all(|l| begins.iter().any(|b| b.starts_with(l))));
        assert_eq!(toml::from_str::<Page>(&left).unwrap().section["c"], 2);
        assert_eq!(all_problems("first = 2", read).0, Vec::<String>::new());
    }

    #[test]
    fn what_is_no_toml_is_told_once() {
        let (problems, _) = all_problems("first = 1\n= 5\n", read);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("line 2"), "{problems:?}");
    }
}
