//! What all scorers have in common, and those too small for a file of their own.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn number(answer: f64) -> Scorer {
    Scorer::Number { answer, tolerance: 0.0, tolerance_percent: 0.0 }
}

fn regex(pattern: &str) -> Scorer {
    Scorer::Regex { pattern: pattern.to_owned() }
}

fn words(max: usize) -> Scorer {
    Scorer::Words { min: None, max: Some(max) }
}

/// One of every kind.
fn every_kind() -> Vec<Scorer> {
    let one_of = Scorer::OneOf { answers: vec!["yes".to_owned()], options: vec![] };
    let choice = Scorer::Choice { answer: "B".to_owned(), options: ["A", "B"].map(str::to_owned).into() };
    let contains = Scorer::Contains { all: vec!["x".to_owned()], any: vec![], none: vec![] };
    let json = Scorer::Json { schema: Some(json!({ "type": "object" })), equals: None, only: true };
    let lines = Scorer::Lines { min: Some(1), max: None };
    let all = Scorer::All { of: vec![words(1), regex("a")] };
    vec![number(4.5), choice, one_of, contains, regex("^a$"), json, words(3), lines, all]
}

#[test]
fn an_answer_after_reasoning_counts_and_reasoning_alone_does_not() {
    for (answer, correct) in [
        ("<think>Is it 41? No.</think>\n42", true),
        ("<think>It is 42.</think>\nSo: 41", false),
        ("it was opened before: 41</think>42", true),
        ("<think>It is 42", false),
        ("<think>It is 42.</think>", false),
        ("Let me think step by step. 6 × 7 is 42. The answer is 42.", true),
    ] {
        assert_eq!(number(42.0).score(answer).correct, correct, "{answer}");
    }
    assert_eq!(number(42.0).score("<think>It is 42").why, "the reasoning has not ended");
    assert!(words(1).score("<think>many words here</think>Paris").correct);
}

#[test]
fn an_empty_answer_is_never_right() {
    let none = Scorer::Contains { all: vec![], any: vec![], none: vec!["x".to_owned()] };
    for scorer in every_kind().into_iter().chain([none, regex("^$"), words(5)]) {
        for answer in ["", "  \n", "<think></think>"] {
            let scored = scorer.score(answer);
            assert!(!scored.correct && scored.read.is_none(), "{scorer:?}: {scored:?}");
        }
    }
}

#[test]
fn a_pattern_matches_somewhere_unless_it_says_where() {
    for (pattern, answer, correct) in [
        (r"\d{4}-\d{2}-\d{2}", "on 2024-05-12.", true),
        (r"^\d{4}-\d{2}-\d{2}$", " 2024-05-12\n", true),
        (r"^\d{4}-\d{2}-\d{2}$", "on 2024-05-12", false),
        (r"^\d{4}-\d{2}-\d{2}$", "2024-5-12", false),
        (r"^\d{4}-\d{2}-\d{2}$", "<think>2024?</think>2024-05-12", true),
        ("^GREEN$", "green", false),
        ("(?i)^green$", "GREEN", true),
        (r"(?m)^b$", "a\nb\nc", true),
        (r"\A[^\n]*\z", "two\nlines", false),
    ] {
        assert_eq!(regex(pattern).score(answer).correct, correct, "{pattern} on {answer:?}");
    }
    assert_eq!(regex(r"\d+").score("ab 12 cd").read.as_deref(), Some("12"));
    assert_eq!(regex("x").score("ab").why, "the pattern x matches nowhere");
}

#[test]
fn all_wants_every_part_and_tells_the_first_that_fails() {
    let both = Scorer::All { of: vec![regex("(?i)paris"), words(1)] };
    assert!(both.score("Paris.").correct);
    assert_eq!(both.score("It is Paris.").why, "wanted: at most 1 word");
    assert_eq!(both.score("Rome").why, "the pattern (?i)paris matches nowhere");
    assert_eq!(both.score("Paris").read.as_deref(), Some("Paris; 1 word"));
}

#[test]
fn a_scorer_survives_the_way_through_a_job() {
    for scorer in every_kind() {
        let line = serde_json::to_string(&scorer).unwrap();
        assert_eq!(serde_json::from_str::<Scorer>(&line).unwrap(), scorer, "{line}");
    }
    assert!(serde_json::from_str::<Scorer>(r#"{"kind":"number","answer":4,"tolerence":1}"#).is_err());
    assert!(serde_json::from_str::<Scorer>(r#"{"kind":"numbers","answer":4}"#).is_err());
}

#[test]
fn a_scorer_that_makes_no_sense_is_found() {
    for scorer in every_kind() {
        assert_eq!(scorer.check(), Ok(()), "{scorer:?}");
    }
    let text = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let choice = |answer: &str, options: &[&str]| Scorer::Choice { answer: answer.to_owned(), options: text(options) };
    for (scorer, key) in [
        (number(f64::NAN), "answer"),
        (Scorer::Number { answer: 1.0, tolerance: -1.0, tolerance_percent: 0.0 }, "tolerance"),
        (Scorer::Number { answer: 1.0, tolerance: 0.0, tolerance_percent: f64::INFINITY }, "tolerance_percent"),
        (choice("E", &["A", "B"]), "answer"),
        (choice("A", &["A"]), "options"),
        (choice("A", &["A", " "]), "options"),
        (Scorer::OneOf { answers: vec![], options: vec![] }, "answers"),
        (Scorer::OneOf { answers: text(&[""]), options: vec![] }, "answers"),
        (Scorer::OneOf { answers: text(&["+"]), options: vec![] }, "answers"),
        (Scorer::Contains { all: vec![], any: vec![], none: vec![] }, "all"),
        (Scorer::Contains { all: vec![], any: text(&[" "]), none: vec![] }, "all"),
        (regex("(a"), "pattern"),
        (Scorer::Json { schema: None, equals: None, only: false }, "schema"),
        (Scorer::Json { schema: Some(json!({ "type": 5 })), equals: None, only: false }, "schema"),
        (Scorer::Words { min: None, max: None }, "max"),
        (Scorer::Lines { min: Some(2), max: Some(1) }, "min"),
        (Scorer::All { of: vec![] }, "of"),
        (Scorer::All { of: vec![words(1), regex("[")] }, "pattern"),
    ] {
        let flaw = scorer.check().expect_err(&format!("{scorer:?}"));
        assert_eq!(flaw.key, key, "{scorer:?}: {flaw:?}");
        assert!(!flaw.what.contains('\n'), "{flaw:?}");
    }
}

proptest! {
    #[test]
    fn no_answer_makes_a_scorer_fail(answer in "\\PC{0,80}|([A-D][).:]? |yes|no|the answer is |[0-9.,]{1,5}|<think>|</think>|```|\\{|\\}|\\[|\"|\n| ){0,20}") {
        for scorer in every_kind() {
            let scored = scorer.score(&answer);
            prop_assert!(!scored.why.is_empty());
        }
    }
}
