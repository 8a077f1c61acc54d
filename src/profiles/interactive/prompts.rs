//! The prompts of the interactive profile: compiled in, or from a file in the same form.

use serde::Deserialize;

use super::Prompt;

const BUILT_IN: &str = include_str!("../../../prompts/interactive/stories.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptFile {
    system: Option<String>,
    #[serde(default)]
    prompt: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    user: String,
}

/// The prompts that the program brings along.
///
/// # Panics
/// Never: a test reads the built-in file.
#[must_use]
pub fn built_in() -> Vec<Prompt> {
    parse(BUILT_IN).expect("the built-in prompts are tested")
}

/// Reads a prompt file's text: an optional `system = "…"` for all, then `[[prompt]]` entries with `id` and `user`.
///
/// # Errors
/// One line saying what is wrong with the file's text.
pub fn parse(text: &str) -> Result<Vec<Prompt>, String> {
    let file: PromptFile = toml::from_str(text).map_err(|e| e.to_string().trim_end().replace('\n', " "))?;
    if file.prompt.is_empty() {
        return Err("no [[prompt]] in it".to_owned());
    }
    let system = file.system;
    Ok(file.prompt.into_iter().map(|e| Prompt { id: e.id, system: system.clone(), user: e.user }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_built_in_prompts_are_readable_and_no_two_are_alike() {
        let prompts = built_in();
        let ids: BTreeSet<_> = prompts.iter().map(|p| &p.id).collect();
        let texts: BTreeSet<_> = prompts.iter().map(|p| &p.user).collect();
        assert!(prompts.len() >= 10);
        assert_eq!(ids.len(), prompts.len());
        assert_eq!(texts.len(), prompts.len());
    }

    #[test]
    fn a_prompt_file_without_prompts_or_with_an_unknown_key_is_refused() {
        assert_eq!(parse("system = 'x'").unwrap_err(), "no [[prompt]] in it");
        assert!(parse("[[prompt]]\nid='a'\nuser='b'\ntext='c'").unwrap_err().contains("unknown field `text`"));
    }
}
