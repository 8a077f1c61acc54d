//! Right, wrong and tricky answers that state numbers.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn states(cases: &[(&str, f64)]) {
    for (text, value) in cases {
        let found = read(text);
        assert!(
            found.as_ref().is_ok_and(|f| (f - value).abs() < 1e-9 * value.abs().max(1.0)),
            "{text:?}: {found:?}, not {value}"
        );
    }
}

#[test]
fn a_number_is_read_however_it_is_written() {
    states(&[
        ("42", 42.0),
        ("42.", 42.0),
        ("**42**", 42.0),
        ("42%", 42.0),
        ("42 %.", 42.0),
        ("1234", 1234.0),
        ("1,234", 1234.0),
        ("1,234,567.89", 1_234_567.89),
        ("1 234", 1234.0),
        ("1\u{202f}234\u{202f}567", 1_234_567.0),
        ("1'234.50", 1234.5),
        ("12,34,567", 1_234_567.0),
        ("$1,234.50", 1234.5),
        ("1,234.50 EUR", 1234.5),
        ("€5", 5.0),
        ("−5", -5.0),
        ("-5", -5.0),
        ("-$5.20", -5.2),
        ("$-5.20", -5.2),
        ("minus 5", -5.0),
        ("1.5e3", 1500.0),
        ("2E-2", 0.02),
        ("1.5 × 10^3", 1500.0),
        (r"2 \times 10^{4}", 20000.0),
        ("2^10", 1024.0),
        (".5", 0.5),
        ("3/4", 0.75),
        ("1 3/4", 1.75),
        (r"\frac{3}{4}", 0.75),
        ("2½", 2.5),
        ("42kg", 42.0),
        ("42 m^2", 42.0),
        ("the 3rd", 3.0),
        ("3 million", 3e6),
        ("$2.5M", 2.5e6),
        ("5k", 5000.0),
        ("5m", 5.0),
    ]);
}

#[test]
fn european_decimals_are_read_where_they_can_be_nothing_else() {
    states(&[
        ("12,50", 12.5),
        ("0,375", 0.375),
        ("1.234,50", 1234.5),
        ("1.234.567", 1_234_567.0),
        ("1 234,56 €", 1234.56),
        ("1234,5", 1234.5),
        // English where both would do.
        ("1.234", 1.234),
        ("1,234", 1234.0),
    ]);
}

#[test]
fn number_words_are_read() {
    states(&[
        ("forty-two", 42.0),
        ("The answer is forty-two.", 42.0),
        ("The answer is forty two", 42.0),
        ("one hundred and five", 105.0),
        ("a hundred", 100.0),
        ("Two thousand three hundred", 2300.0),
        ("three hundred twenty-one thousand and seven", 321_007.0),
        ("two million", 2e6),
        ("zero", 0.0),
        ("nineteen", 19.0),
        ("minus five", -5.0),
        ("three point two five", 3.25),
        ("two and a half", 2.5),
        ("one and three quarters", 1.75),
        ("three quarters", 0.75),
        ("one half", 0.5),
        ("two dozen", 24.0),
        ("a dozen", 12.0),
        ("one", 1.0),
        ("He has five and she has six", 6.0),
        ("There is one.", 1.0),
        ("Tom had 3. He gets two more, so he has five.", 5.0),
    ]);
}

#[test]
fn a_one_that_counts_nothing_is_no_number() {
    states(&[
        ("He keeps 5 apples, one of them red.", 5.0),
        ("No one has more than 7.", 7.0),
        ("There are 6, and no one knows why", 6.0),
    ]);
    assert!(read("No one knows.").is_err());
}

#[test]
fn a_marked_answer_counts_before_other_numbers() {
    states(&[
        ("The answer is 42", 42.0),
        ("The answer is 42, because 6 × 7 = 42 and not 43.", 42.0),
        ("The answer is 42. I took 3 steps.", 42.0),
        ("Answer: $1,234.50 (for 3 years)", 1234.5),
        ("**Answer:** 42 apples in 3 baskets", 42.0),
        ("**Answer: 42**\n\nWe took 6 and multiplied by 7.", 42.0),
        ("The answer is **42**.", 42.0),
        ("The answer is: 42", 42.0),
        ("The answer is approximately 42.5 kg in 2 bags", 42.5),
        ("The answer is -5.", -5.0),
        ("The answer is minus 5.", -5.0),
        ("Answer: - 5", -5.0),
        ("Answer: –5", -5.0),
        ("The answer is 6 × 7 = 42.", 42.0),
        ("Answer: 3 + 4 = 7", 7.0),
        ("Answer: 10 - 5 = 5", 5.0),
        ("The answer is 42 (6 × 7 = 42, plus 0 = 42; 1 = 1)", 42.0),
        ("The answer is x = 42.", 42.0),
        ("The answer to how many there are is 42.", 42.0),
        ("The final answer is $\\boxed{42}$ after 3 steps", 42.0),
        (r"\boxed{1{,}234}", 1234.0),
        (r"\boxed{\$42}", 42.0),
        (r"\boxed{\dfrac{3}{4}} of 8", 0.75),
        ("6 × 7 = 42\n#### 42\n", 42.0),
        ("#### 42 apples", 42.0),
        ("The answer is\n\n42", 42.0),
        ("The answer is that Ann has 17 apples. She began with 3.", 17.0),
        ("The answer is not 42 but 43.", 43.0),
        ("The answer is 41. Wait, that is wrong. The answer is 42.", 42.0),
        ("Answer: First we compute 3 * 4 = 12. Then we add 5, which gives 17.", 17.0),
    ]);
}

#[test]
fn without_a_mark_the_last_number_stated_counts() {
    states(&[
        ("Step 1: 6 × 7 = 42 apples", 42.0),
        ("6 × 7 = 42 apples for 3 children", 42.0),
        ("First 10, then 20, so there are 30 left.", 30.0),
        ("Let's go step by step.\n1. 5 + 5 = 10\n2. 10 + 2 = 12\n\nSo she has 12.", 12.0),
        ("Profit: **$42** (that is 7% of 600).", 42.0),
        ("She has **5** and he has **7**. Together they have 12.", 12.0),
        ("12 - 5 = 7", 7.0),
        ("From 12-5 we get 7", 7.0),
        ("- 5 apples", 5.0),
        ("It takes 3 hours at Q4 speed", 3.0),
        ("250 / 6 ≈ 41.67", 41.67),
        ("1,2,3", 3.0),
        ("She paid 10, 20 and 30", 30.0),
        ("Half of 10 is 5!", 5.0),
        ("The boxes hold 12 each, so 60 in total (5 x 12).", 60.0),
        (r"So it is \( 15 \).", 15.0),
        ("(5)", 5.0),
        ("It is eight (8).", 8.0),
    ]);
}

#[test]
fn what_states_no_number_is_told() {
    for text in [
        "I do not know.",
        "on 2024-05-12",
        "at 10:30",
        "version 1.2.3",
        "on 12/05/2024",
        "Q4 and H2O",
        "1. He buys them\n2. He sells them",
        "The answer is",
        "5 + 7 is easy. The answer is **",
        "The answer is 42 or 43",
        "The answer is 40 to 45 kg",
        "The answer is 40-45",
        "It is 42 or 43.",
        "It is 40–45",
        "Answer: 5 × 4",
        "Answer: 5 + 4 apples",
        "3/0",
    ] {
        let found = read(text);
        assert!(found.is_err(), "{text:?}: {found:?}");
    }
}

#[test]
fn the_tolerance_is_the_wider_of_the_two_and_zero_means_equal() {
    let correct = |text: &str, answer, tolerance, percent| score(text, answer, tolerance, percent).correct;
    assert!(correct("0.3", 0.1 + 0.2, 0.0, 0.0));
    assert!(!correct("0.3001", 0.3, 0.0, 0.0));
    assert!(correct("99.5", 100.0, 0.5, 0.0));
    assert!(!correct("99.4", 100.0, 0.5, 0.0));
    assert!(correct("98", 100.0, 0.5, 2.0));
    assert!(correct("-98", -100.0, 0.0, 2.0));
    assert!(!correct("97.9", 100.0, 0.5, 2.0));
    assert!(!correct("-42", 42.0, 1.0, 1.0));
}

#[test]
fn a_score_tells_what_was_read_and_why_it_did_not_count() {
    let scored = score("The answer is 41.", 42.0, 0.5, 0.0);
    assert_eq!((scored.read.as_deref(), scored.why.as_str()), (Some("41"), "it is not 42 ± 0.5"));
    let scored = score("No idea.", 42.0, 0.5, 0.0);
    assert_eq!((scored.read, scored.why.as_str()), (None, "it states no number"));
}

proptest! {
    #[test]
    #[allow(clippy::cast_precision_loss, reason = "below 2^53")]
    fn a_whole_number_is_read_with_and_without_groups(n in 0u64..10_000_000_000) {
        let digits = n.to_string();
        let mut grouped = String::new();
        for (i, c) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i) % 3 == 0 { grouped.push(','); }
            grouped.push(c);
        }
        for text in [digits.clone(), grouped.clone(), format!("So it is {grouped}."), format!("The answer is ${grouped}.")] {
            prop_assert_eq!(read(&text), Ok(n as f64), "{}", text);
        }
        prop_assert_eq!(read(&grouped.replace(',', " ")), Ok(n as f64));
    }

    #[test]
    fn no_text_makes_the_reading_fail(text in "\\PC{0,60}|[-0-9.,/:'=*^ $\\\\{}a-z#\n]{0,60}|((the answer is|and|one|two|hundred|point|half|\\\\boxed\\{|[0-9]{1,4}|[.,:*]) ?){0,12}") {
        let _ = read(&text);
    }
}
