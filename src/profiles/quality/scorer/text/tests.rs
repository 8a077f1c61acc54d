//! Right, wrong and tricky answers with words and phrases.

use super::*;

fn list(phrases: &[&str]) -> Vec<String> {
    phrases.iter().map(|p| (*p).to_owned()).collect()
}

#[track_caller]
fn accepts(answers: &[&str], options: &[&str], cases: &[(&str, bool)]) {
    for (text, correct) in cases {
        let scored = one_of(text, &list(answers), &list(options));
        assert_eq!(scored.correct, *correct, "{text:?}: {scored:?}");
    }
}

#[test]
fn an_accepted_phrase_counts_as_whole_words_in_any_case_and_punctuation() {
    accepts(
        &["Paris", "City of Light"],
        &[],
        &[
            ("Paris", true),
            ("paris.", true),
            ("**Paris**", true),
            ("\"PARIS\"!", true),
            ("The city is Paris.", true),
            ("It is the city of light, Paris.", true),
            ("City-of-Light", true),
            ("Parisian", false),
            ("Rome", false),
            ("I do not know.", false),
        ],
    );
    accepts(&["don't know"], &[], &[("I don’t know.", true), ("I do know", false)]);
    accepts(&["3.5"], &[], &[("3.5 kg", true), ("13.5", false), ("3.50", false), ("3 5", false)]);
}

#[test]
fn yes_and_no_and_true_and_false_exclude_each_other() {
    accepts(
        &["yes"],
        &[],
        &[
            ("Yes", true),
            ("Yes.", true),
            ("Yes, because no bird can swim so far.", true),
            ("**Yes** – there is no doubt.", true),
            ("The answer is yes.", true),
            ("Some think no. The answer is yes.", true),
            ("So, yes", true),
            ("yes or no", false),
            ("Yes and no.", false),
            ("yes/no", false),
            ("No.", false),
            ("No, wait. Yes.", true),
            ("Yes. No, wait, no.", false),
            ("The answer is no, although yes was likely.", false),
            ("The answer is yes or no.", false),
            ("Answer: Yes, because no would be wrong.", true),
            ("No doubt: yes", false),
            ("Yesterday", false),
            ("Not at all", false),
        ],
    );
    accepts(&["true"], &[], &[("True.", true), ("It is false.", false), ("true or false", false), ("Untrue", false)]);
}

#[test]
fn an_answer_that_names_another_option_beside_the_right_one_is_wrong() {
    accepts(
        &["Tom"],
        &["Ann", "Bob"],
        &[
            ("Tom", true),
            ("Tom is the tallest.", true),
            ("Tom. Ann and Bob are shorter.", true),
            ("Tom is taller than Ann. Ann is taller than Bob. So the tallest is Tom.", true),
            ("Tom or Ann", false),
            ("Tom, Ann", false),
            ("Tom, or Ann.", false),
            ("Tom, who is taller than Ann", true),
            ("Answer: Tom, because Ann is shorter.", true),
            ("Answer: Tom, Ann", false),
            ("Tom and Bob.", false),
            ("Tom is taller than Ann.", false),
            ("Ann", false),
            ("Tom. Sorry, it is Ann.", false),
            ("The answer is Ann. Not Tom.", false),
            ("The tallest person is:\n\nTom", true),
            ("Answer: Tom (Ann is second)", false),
        ],
    );
    accepts(
        &["not given"],
        &["given"],
        &[("It is not given.", true), ("It is given.", false), ("given / not given", false)],
    );
}

#[test]
fn what_one_of_read_and_why_is_told() {
    let scored = one_of("Tom or Ann", &list(&["Tom"]), &list(&["Ann"]));
    assert_eq!(scored.read.as_deref(), Some("tom, ann"));
    assert_eq!(scored.why, "it names a right and a wrong option");
    assert_eq!(one_of("Eve", &list(&["Tom", "Thomas"]), &[]).why, "it names none of: Tom, Thomas");
}

#[track_caller]
fn holds_all(phrase: &str, cases: &[(&str, bool)]) {
    for (text, correct) in cases {
        let scored = contains(text, &list(&[phrase]), &[], &[]);
        assert_eq!(scored.correct, *correct, "{phrase:?} in {text:?}: {scored:?}");
    }
}

#[test]
fn contains_finds_whole_words_only() {
    holds_all(
        "cat",
        &[("The cat sat.", true), ("CAT!", true), ("concatenate", false), ("cats", false), ("cat_1", false)],
    );
    holds_all(
        "42",
        &[("It is 42.", true), ("(42)", true), ("420", false), ("1,42", false), ("42.5", false), ("$42", true)],
    );
    holds_all("red box", &[("a red\n  box", true), ("the Red Box", true), ("red, box", false), ("red boxes", false)]);
    holds_all("don't", &[("I don’t", true), ("I do not", false)]);
    holds_all("def add(", &[("```python\ndef add(a, b):\n```", true), ("def address(a)", false), ("add(", false)]);
    holds_all("+=", &[("x += 1", true), ("x+=1", true), ("x = x + 1", false)]);
    holds_all("Zürich", &[("in ZÜRICH", true), ("in Zurich", false)]);
}

#[test]
fn contains_wants_all_and_any_and_none() {
    let score =
        |text: &str| contains(text, &list(&["refund", "Monday"]), &list(&["sorry", "apologise"]), &list(&["never"]));
    assert!(score("We are sorry. Your refund comes on Monday.").correct);
    assert!(score("We apologise; on Monday the refund comes.").correct);
    assert_eq!(score("We are sorry. It comes on Monday.").why, "'refund' is not in it");
    assert_eq!(score("Your refund comes on Monday.").why, "none of these is in it: sorry, apologise");
    assert_eq!(score("Sorry, the refund on Monday never comes.").why, "'never' is in it");
    assert_eq!(score("refund").read.as_deref(), Some("refund"));
}
