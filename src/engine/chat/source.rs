//! What is changed in a template's text before it is compiled: line ends, and Hugging Face's `{% generation %}` tag.

/// The text as the template engine reads it.
///
/// jinja2 turns every line end into `\n`. `{% generation %}…{% endgeneration %}` marks what the assistant wrote, for
/// training masks; to print a prompt it is a block with a scope of its own, which is what `{% with %}` is. Lines keep
/// their numbers.
pub fn prepare(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(source.len());
    let mut rest = source.as_str();
    while let Some(start) = find_tag(rest) {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let (skip, replacement) = match &tag[..2] {
            "{#" => (tag.find("#}").map_or(tag.len(), |end| end + 2), None),
            "{{" => (end_of_code(tag, "}}"), None),
            _ => read_block(tag),
        };
        out.push_str(replacement.as_deref().unwrap_or(&tag[..skip]));
        rest = &tag[skip..];
    }
    out.push_str(rest);
    out
}

fn find_tag(text: &str) -> Option<usize> {
    ["{#", "{{", "{%"].iter().filter_map(|tag| text.find(tag)).min()
}

/// Length of the block tag that `tag` begins with (of the whole block where it is `raw`), and what to write in its place.
fn read_block(tag: &str) -> (usize, Option<String>) {
    let length = end_of_code(tag, "%}");
    let code = &tag[..length];
    let inner = code[2..].trim_end_matches("%}").trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
    match inner {
        "raw" => (end_of_raw(tag, length), None),
        "generation" => (length, Some(code.replacen("generation", "with", 1))),
        "endgeneration" => (length, Some(code.replacen("endgeneration", "endwith", 1))),
        _ => (length, None),
    }
}

/// Where code that began with two characters ends, its end mark included; a mark within a string does not end it.
fn end_of_code(code: &str, mark: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (index, c) in code.char_indices().skip(2) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if code[index..].starts_with(mark) => return index + mark.len(),
            None if c == '\'' || c == '"' => quote = Some(c),
            None => {}
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
