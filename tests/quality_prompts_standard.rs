//! The prompt set `standard`: its scorers accept the right answers and refuse the wrong ones of
//! `tests/quality_prompts/standard_answers.toml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sweetspot::profiles::quality::prompts::{Prompt, PromptSet, built_in};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    turn: Option<usize>,
    right: Vec<String>,
    wrong: Vec<String>,
}

fn standard() -> PromptSet {
    built_in("standard").expect("a built-in set")
}

/// The cases by prompt and turn (from 0).
fn cases(set: &PromptSet) -> BTreeMap<(String, usize), Case> {
    let answers: Answers = toml::from_str(include_str!("quality_prompts/standard_answers.toml")).expect("good TOML");
    let mut cases = BTreeMap::new();
    for case in answers.case {
        let prompt = set.prompts.iter().find(|p| p.id == case.id).unwrap_or_else(|| panic!("no prompt {}", case.id));
        let turn = case.turn.map_or_else(|| only_scored_turn(prompt), |turn| turn - 1);
        let name = (case.id.clone(), turn);
        assert!(cases.insert(name.clone(), case).is_none(), "{name:?} twice");
    }
    cases
}

fn only_scored_turn(prompt: &Prompt) -> usize {
    let scored: Vec<_> = (0..prompt.turns.len()).filter(|&i| prompt.turns[i].score.is_some()).collect();
    assert_eq!(scored.len(), 1, "{}: say which turn", prompt.id);
    scored[0]
}

#[test]
fn every_scorer_accepts_the_right_answers_and_refuses_the_wrong_ones() {
    let set = standard();
    let mut cases = cases(&set);
    let mut bad = Vec::new();
    for prompt in &set.prompts {
        for (i, turn) in prompt.turns.iter().enumerate() {
            let Some(scorer) = &turn.score else { continue };
            let wanted =
                cases.remove(&(prompt.id.clone(), i)).unwrap_or_else(|| panic!("no answers to {} {i}", prompt.id));
            assert!(!wanted.right.is_empty() && !wanted.wrong.is_empty(), "{}", prompt.id);
            let answers = wanted.right.iter().map(|a| (a, true)).chain(wanted.wrong.iter().map(|a| (a, false)));
            for (answer, correct) in answers {
                // A right answer after reasoning that says something else is right, too, and a wrong one stays wrong.
                for text in [answer.clone(), format!("<think>\nIs it 0, A, yes or {{}}?\n</think>\n\n{answer}")] {
                    let outcome = scorer.score(&text);
                    if outcome.correct != correct {
                        bad.push(format!("{} {i}: {text:?} should be {correct}: {outcome:?}", prompt.id));
                    }
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(cases.is_empty(), "answers to turns without a scorer: {:?}", cases.keys());
}

#[test]
fn every_category_has_enough_prompts_to_say_something() {
    let set = standard();
    let mut counts = BTreeMap::new();
    for prompt in &set.prompts {
        *counts.entry(prompt.category.as_str()).or_insert(0) += 1;
    }
    for (category, least) in [
        ("math", 14),
        ("comprehension", 14),
        ("reasoning", 14),
        ("format", 14),
        ("email", 4),
        ("code", 4),
        ("conversation", 3),
    ] {
        assert!(counts.get(category).is_some_and(|n| *n >= least), "{category}: {counts:?}");
    }
    assert_eq!(counts.len(), 7, "{counts:?}");
}

#[test]
fn no_two_prompts_ask_the_same_and_every_prompt_is_scored() {
    let set = standard();
    let texts: BTreeSet<_> = set.prompts.iter().map(|p| p.turns.iter().map(|t| &t.user).collect::<Vec<_>>()).collect();
    assert_eq!(texts.len(), set.prompts.len());
    for prompt in &set.prompts {
        assert!(prompt.turns.iter().any(|t| t.score.is_some()), "{}", prompt.id);
        assert!(prompt.turns.len() > 1 || prompt.category.as_str() != "conversation", "{}", prompt.id);
        assert!((32..=1024).contains(&prompt.max_tokens), "{}", prompt.id);
    }
}

#[test]
fn always_the_same_letter_or_word_does_not_pass_for_knowledge() {
    let set = standard();
    for category in ["comprehension", "reasoning"] {
        let scorers: Vec<_> = set
            .prompts
            .iter()
            .filter(|p| p.category.as_str() == category)
            .filter_map(|p| p.turns[0].score.as_ref())
            .collect();
        for answer in ["A", "B", "C", "D", "yes", "no", "0", "not stated"] {
            let right = scorers.iter().filter(|s| s.score(answer).correct).count();
            assert!(right * 3 <= scorers.len(), "{category}: '{answer}' is right {right} times of {}", scorers.len());
        }
    }
}
