//! What is changed in a template's text before it is compiled: line ends, Hugging Face's `{% generation %}` tag, and slices.
//!
//! Left out on purpose: any judgement of the template; what is not understood here is left to the parser.

/// The method that a slice is turned into; templates cannot name it themselves, because the sandbox hides such names.
pub const SLICE: &str = "__slice__";

/// The text as the template engine reads it; lines keep their numbers.
///
/// - jinja2 turns every line end into `\n`.
/// - `{% generation %}…{% endgeneration %}` marks what the assistant wrote, for training masks; to print a prompt it is a
///   block with a scope of its own, which is what `{% with %}` is.
/// - `x[a:b:c]` becomes a call of [`SLICE`], because the engine's own slices panic on an empty list with a negative step,
///   take a stop of 0 for none, and are views that are evaluated again at every use.
pub fn prepare(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(source.len());
    let mut rest = source.as_str();
    while let Some(start) = find_tag(rest) {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let skip = match &tag[..2] {
            "{#" => {
                let end = tag.find("#}").map_or(tag.len(), |end| end + 2);
                out.push_str(&tag[..end]);
                end
            }
            "{{" => {
                let end = end_of_code(tag, "}}");
                write_code(&mut out, &tag[..end], "}}");
                end
            }
            _ => write_block(&mut out, tag),
        };
        rest = &tag[skip..];
    }
    out.push_str(rest);
    out
}

fn find_tag(text: &str) -> Option<usize> {
    ["{#", "{{", "{%"].iter().filter_map(|tag| text.find(tag)).min()
}

/// Writes the block tag that `tag` begins with (the whole block where it is `raw`) and gives its length in `tag`.
fn write_block(out: &mut String, tag: &str) -> usize {
    let length = end_of_code(tag, "%}");
    let code = &tag[..length];
    let inner = code[2..].trim_end_matches("%}").trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
    match inner {
        "raw" => {
            let end = end_of_raw(tag, length);
            out.push_str(&tag[..end]);
            return end;
        }
        "generation" => out.push_str(&code.replacen("generation", "with", 1)),
        "endgeneration" => out.push_str(&code.replacen("endgeneration", "endwith", 1)),
        _ => write_code(out, code, "%}"),
    }
    length
}

/// Writes a tag with its slices as method calls.
fn write_code(out: &mut String, code: &str, mark: &str) {
    let Some(inner) = code[2..].strip_suffix(mark) else {
        out.push_str(code);
        return;
    };
    out.push_str(&code[..2]);
    // Each open bracket: where it stands in `out`, and where the colons directly in it stand.
    let mut open: Vec<(usize, char, Vec<usize>)> = Vec::new();
    let mut text = Quotes::default();
    for c in inner.chars() {
        if text.holds(c) {
            out.push(c);
            continue;
        }
        match (c, open.last_mut()) {
            ('[' | '(' | '{', _) => open.push((out.len(), c, Vec::new())),
            (':', Some((_, '[', colons))) => colons.push(out.len()),
            (']', Some((start, '[', colons))) if !colons.is_empty() => {
                let call = slice_call(&out[*start..], colons.iter().map(|colon| colon - *start));
                out.truncate(*start);
                out.push_str(&call);
                open.pop();
                continue;
            }
            (']' | ')' | '}', _) => drop(open.pop()),
            _ => {}
        }
        out.push(c);
    }
    out.push_str(mark);
}

/// `[a:b` with its colons' places becomes `.__slice__(a,b)`; what is left out becomes `none`.
fn slice_call(slice: &str, colons: impl Iterator<Item = usize>) -> String {
    let mut parts = Vec::new();
    let mut from = 1;
    for colon in colons.chain([slice.len()]) {
        let part = &slice[from..colon];
        parts.push(if part.trim().is_empty() { format!("{part}none") } else { part.to_owned() });
        from = colon + 1;
    }
    format!(".{SLICE}({})", parts.join(","))
}

/// Tells code from the strings in it.
#[derive(Default)]
struct Quotes {
    open: Option<char>,
    escaped: bool,
}

impl Quotes {
    /// Whether the next character belongs to a string, its quotes included.
    fn holds(&mut self, c: char) -> bool {
        match self.open {
            Some(_) if self.escaped => self.escaped = false,
            Some(_) if c == '\\' => self.escaped = true,
            Some(quote) if c == quote => self.open = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => self.open = Some(c),
            None => return false,
        }
        true
    }
}

/// Where code that began with two characters ends, its end mark included; a mark within a string does not end it.
fn end_of_code(code: &str, mark: &str) -> usize {
    let mut text = Quotes::default();
    for (index, c) in code.char_indices().skip(2) {
        if !text.holds(c) && code[index..].starts_with(mark) {
            return index + mark.len();
        }
    }
    code.len()
}

fn end_of_raw(text: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(start) = text[at..].find("{%").map(|start| at + start) {
        let end = text[start..].find("%}").map_or(text.len(), |end| start + end + 2);
        if text[start..end].trim_matches(['{', '%', '}', '-', '+', ' ', '\n', '\t']) == "endraw" {
            return end;
        }
        at = start + 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_tag_becomes_a_scope_with_the_same_whitespace_control() {
        let source = "a\n{%- generation -%}\n b {% endgeneration %}c{%generation%}{%+ endgeneration +%}";
        assert_eq!(prepare(source), "a\n{%- with -%}\n b {% endwith %}c{%with%}{%+ endwith +%}");
    }

    #[test]
    fn a_generation_tag_in_a_comment_a_string_or_raw_text_stays() {
        for source in [
            "{# {% generation %} #}",
            "{{ '}} {% generation %}' }}",
            "{% set x = \"%}\\\" {% generation %}\" %}",
            "{% raw %}{% generation %}{%- endraw %}",
        ] {
            assert_eq!(prepare(source), source);
        }
    }

    #[test]
    fn a_slice_becomes_a_call_and_nothing_else_with_brackets_or_colons_does() {
        for (source, prepared) in [
            ("{{ a[1:] }}", "{{ a.__slice__(1,none) }}"),
            ("{{ a[::-1][0] }}", "{{ a.__slice__(none,none,-1)[0] }}"),
            ("{% for m in a[b['c:d']:f(x[:2])] %}", "{% for m in a.__slice__(b['c:d'],f(x.__slice__(none,2))) %}"),
            ("{{ [{'a': 1}, ':'] }}{{ {'b': [2]} }} [1:2]", "{{ [{'a': 1}, ':'] }}{{ {'b': [2]} }} [1:2]"),
            ("{{ a]:[ }}", "{{ a]:[ }}"),
        ] {
            assert_eq!(prepare(source), prepared);
        }
    }

    #[test]
    fn every_line_end_becomes_a_newline() {
        assert_eq!(prepare("a\r\nb\rc\n"), "a\nb\nc\n");
    }

    #[test]
    fn a_tag_that_never_ends_is_left_to_the_parser() {
        for source in ["{{ 'a", "{% if x", "{# x", "{% raw %} x", "{", "x {%"] {
            assert_eq!(prepare(source), source);
        }
    }
}
