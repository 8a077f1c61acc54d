//! `docs/quality-prompts.md`: its examples are prompt files, and its tables say what the scorers do.

use sweetspot::profiles::quality::prompts::PromptSet;
use sweetspot::profiles::quality::prompts::file::parse;
use sweetspot::profiles::quality::scorer::{Scored, Scorer};

const PAGE: &str = include_str!("../docs/quality-prompts.md");

fn examples() -> Vec<PromptSet> {
    let blocks = PAGE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
    blocks.map(|block| parse(block, "example").unwrap_or_else(|e| panic!("{e}\n{block}"))).collect()
}

fn scorer(id: &str) -> Scorer {
    let prompt = examples().into_iter().flat_map(|set| set.prompts).find(|p| p.id == id).expect("a documented prompt");
    prompt.turns[0].score.clone().expect("a scorer")
}

/// The rows of the table under this heading: an answer, and what the page says of it.
fn rows(heading: &str) -> Vec<(&'static str, &'static str)> {
    let section = PAGE.split("\n### ").find(|part| part.starts_with(heading)).expect("a section");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    rows.collect()
}

fn read(scored: &Scored) -> &str {
    scored.read.as_deref().unwrap_or("–")
}

#[test]
fn every_example_is_a_good_prompt_file_and_every_kind_has_one() {
    let text = serde_json::to_string(&examples()).unwrap();
    for kind in ["number", "choice", "one_of", "contains", "regex", "json", "words", "lines", "all"] {
        assert!(text.contains(&format!(r#""kind":"{kind}""#)), "{kind}");
    }
    let first = &examples()[0];
    assert_eq!((first.name.as_str(), first.prompts[0].max_tokens, first.prompts[1].turns.len()), ("mine", 200, 2));
}

#[test]
fn the_answers_in_the_tables_are_read_as_the_page_says() {
    for (heading, id, least) in [("`number`", "number", 15), ("`choice`", "choice", 7)] {
        let rows = rows(heading);
        assert!(rows.len() >= least, "{heading}: {rows:?}");
        for (answer, wanted) in rows {
            assert_eq!(read(&scorer(id).score(answer)), wanted, "{answer}");
        }
    }
    let rows = rows("`one_of`");
    assert!(rows.len() >= 6, "{rows:?}");
    for (answer, right) in rows {
        assert_eq!(scorer("one-of").score(answer).correct, right == "yes", "{answer}");
    }
}

#[test]
fn the_example_of_an_error_is_what_is_said() {
    let text = "\n".repeat(8) + "[[prompt]]\nid='rolls'\ncategory='math'\nscore={kind='nubmer'}\nuser='u'";
    let error = parse(&text, "mine.toml").unwrap_err().to_string();
    assert!(PAGE.contains(&format!("`{error}`")), "{error}");
}
