//! The scorers `words` and `lines`: how long an answer is. Reasoning blocks and the lines that open and close code fences do not
//! count; everything else does, an introduction ("Here is the list:") too.

use super::Scored;
use super::answer::unfenced;

/// Words: what spaces separate and has a letter or a digit in it, so that `-` and `*` are none and `well-known` is one.
pub(super) fn words(text: &str, min: Option<usize>, max: Option<usize>) -> Scored {
    let text = unfenced(text);
    let count = text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count();
    within(count, min, max, ["word", "words"])
}

/// Lines with something in them.
pub(super) fn lines(text: &str, min: Option<usize>, max: Option<usize>) -> Scored {
    let count = unfenced(text).lines().filter(|line| !line.trim().is_empty()).count();
    within(count, min, max, ["line", "lines"])
}

fn within(count: usize, min: Option<usize>, max: Option<usize>, [one, many]: [&str; 2]) -> Scored {
    let unit = |n: usize| if n == 1 { one } else { many };
    let read = Some(format!("{count} {}", unit(count)));
    let wanted = match (min, max) {
        (Some(min), Some(max)) if min == max => format!("{min} {}", unit(min)),
        (Some(min), Some(max)) => format!("{min} to {max} {many}"),
        (Some(min), None) => format!("at least {min} {}", unit(min)),
        (None, Some(max)) => format!("at most {max} {}", unit(max)),
        (None, None) => format!("any number of {many}"),
    };
    if min.is_none_or(|min| count >= min) && max.is_none_or(|max| count <= max) {
        Scored::right(read, format!("wanted: {wanted}"))
    } else {
        Scored::wrong(read, format!("wanted: {wanted}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_spaces_separate_and_fences_are_none() {
        for (text, count) in [
            ("Paris", 1),
            ("Paris.", 1),
            ("Answer: Paris", 2),
            ("a well-known, 3.5-star place", 4),
            ("- one\n- two\n* three", 3),
            ("```text\none two\n```", 2),
            ("don't — stop", 2),
            ("**bold words** here", 3),
            ("…", 0),
        ] {
            assert!(words(text, Some(count), Some(count)).correct, "{text}: {:?}", words(text, None, None).read);
        }
    }

    #[test]
    fn lines_are_those_that_are_not_blank() {
        for (text, count) in
            [("a", 1), ("a\n\n\nb\n", 2), ("```csv\na,b\n1,2\n```", 2), ("Here it is:\na\nb", 3), ("", 0)]
        {
            assert!(lines(text, Some(count), Some(count)).correct, "{text}: {:?}", lines(text, None, None).read);
        }
    }

    #[test]
    fn a_count_outside_the_limits_is_wrong_and_says_what_was_wanted() {
        let scored = words("one two three", None, Some(2));
        assert_eq!((scored.correct, scored.why.as_str()), (false, "wanted: at most 2 words"));
        assert_eq!(scored.read.as_deref(), Some("3 words"));
        assert!(!words("one", Some(2), None).correct);
        assert!(words("one two", Some(2), Some(2)).correct);
        assert_eq!(lines("a", Some(2), Some(2)).why, "wanted: 2 lines");
        assert_eq!(lines("a\nb\nc", Some(2), Some(4)).why, "wanted: 2 to 4 lines");
    }
}
