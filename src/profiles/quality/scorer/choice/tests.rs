//! Right, wrong and tricky answers that pick an option.

use super::*;

fn list(options: &[&str]) -> Vec<String> {
    options.iter().map(|o| (*o).to_owned()).collect()
}

/// The letter that is read, or `-`.
#[track_caller]
fn picks(options: &[&str], cases: &[(&str, &str)]) {
    let options = list(options);
    for (text, letter) in cases {
        let scored = score(text, &options[0], &options);
        let read = scored.read.map_or("-".to_owned(), |r| r.chars().take(1).collect());
        assert_eq!(&read, letter, "{text:?}: {}", scored.why);
    }
}

#[test]
fn a_letter_is_read_however_it_is_given() {
    picks(
        &["A", "B", "C", "D"],
        &[
            ("B", "B"),
            ("b", "B"),
            ("B.", "B"),
            ("(B)", "B"),
            ("(b)", "B"),
            ("[B]", "B"),
            ("**B**", "B"),
            ("**(B)**", "B"),
            ("<B>", "B"),
            ("'B'", "B"),
            ("The answer is 'B'.", "B"),
            ("B, A is wrong.", "B"),
            ("`B`", "B"),
            ("\"B\"", "B"),
            ("B) Paris", "B"),
            ("B. Paris", "B"),
            ("B: Paris", "B"),
            ("B - Paris", "B"),
            ("A", "A"),
            ("A.", "A"),
            ("A) Paris", "A"),
            ("a) Paris", "A"),
            ("Option B", "B"),
            ("Option B is right.", "B"),
            ("Answer: B", "B"),
            ("Answer: b", "B"),
            ("Answer: (B)", "B"),
            ("**Answer:** B) Paris", "B"),
            ("The answer is B", "B"),
            ("The answer is B.", "B"),
            ("The answer is (B) Paris.", "B"),
            ("The answer is A because of that.", "A"),
            ("The correct answer is **C**.", "C"),
            ("The correct answer is option C.", "C"),
            ("The correct answer is:\n\nC) Rome", "C"),
            (r"\boxed{D}", "D"),
            ("#### D", "D"),
            ("It is a city in the north.\n\nB", "B"),
            ("Let us see. A is wrong. C is wrong too. So the right one is B.", "B"),
            ("I think it must be (C).", "C"),
            ("E-mail B must be dealt with first.", "B"),
            ("B\n\nBecause Paris is the capital.", "B"),
            ("B, because Paris is the capital.", "B"),
        ],
    );
}

#[test]
fn a_letter_in_prose_picks_nothing() {
    picks(
        &["A", "B", "C", "D"],
        &[
            ("A man went home.", "-"),
            ("The answer is a man.", "-"),
            ("The answer is A man.", "-"),
            ("a", "A"),
            ("A lot of people think so", "-"),
            ("I do not know.", "-"),
            ("Vitamin C helps.", "-"),
            ("A must for everyone, a can of beans.", "-"),
            ("Plan-B is good", "-"),
            ("Apples", "-"),
            ("D'accord", "-"),
            ("It's C'est la vie", "-"),
            ("", "-"),
            ("E", "-"),
        ],
    );
}

#[test]
fn an_answer_that_picks_two_options_picks_none() {
    picks(
        &["A", "B", "C", "D"],
        &[
            ("A or B", "-"),
            ("A,B", "-"),
            ("A, C", "-"),
            ("A/B", "-"),
            ("A & B", "-"),
            ("(A) (B)", "-"),
            ("B B", "B"),
            ("B and C", "-"),
            ("The answer is B or C.", "-"),
            ("Both (A) and (C).", "-"),
            ("The answer is", "-"),
            // It repeats the options and then picks.
            ("A) London\nB) Paris\nC) Rome\n\nThe answer is B.", "B"),
        ],
    );
}

#[test]
fn the_text_of_an_option_stands_for_its_letter() {
    picks(
        &["London", "Paris", "Rome", "not given"],
        &[
            ("Paris", "B"),
            ("It is Paris.", "B"),
            ("The capital is **Paris**.", "B"),
            ("The answer is Paris, not Rome.", "-"),
            ("The answer is Rome.", "C"),
            ("B", "B"),
            ("B) Paris", "B"),
            ("B) Rome", "-"),
            ("That is not given in the text.", "D"),
            ("Parisian", "-"),
            ("London or Paris", "-"),
            ("London is in England. Rome is in Italy. So it is Paris.", "B"),
        ],
    );
}

#[test]
fn options_may_be_digits_and_the_answer_may_be_a_text() {
    picks(&["1", "2", "3"], &[("2", "2"), ("Answer: 3", "3"), ("(1)", "1"), ("Option 2.", "2"), ("3 men", "-")]);
    let options = list(&["London", "Paris"]);
    assert!(score("B", "Paris", &options).correct);
    assert!(score("Paris", "b", &options).correct);
    let wrong = score("A", "Paris", &options);
    assert_eq!((wrong.correct, wrong.why.as_str()), (false, "the right option is B) Paris"));
    assert_eq!(wrong.read.as_deref(), Some("A) London"));
}

#[test]
fn an_option_that_is_a_part_of_another_one_is_not_named_by_it() {
    picks(&["box", "red box"], &[("In the red box.", "B"), ("In the box.", "A")]);
}
