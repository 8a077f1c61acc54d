//! Numbers in words: phrases that several profiles and reports share.

/// Words of English text that one token makes on average, as `OpenAI`'s documentation of its tokenizers puts it; other
/// languages and small vocabularies have fewer.
pub const WORDS_PER_TOKEN: f64 = 0.75;

/// Words a minute that adults read silently (English non-fiction): Brysbaert, "How many words do we read per minute?",
/// Journal of Memory and Language 109 (2019).
pub const READING_WORDS_PER_MINUTE: f64 = 238.0;

/// Said of every result of a model whose weights are made up.
pub const SYNTHETIC: &str = "synthetic weights: speed and memory are real, answers are not";

/// Said of every result of a program that was not compiled for the CPU it was built on.
pub const NOT_NATIVE: &str =
    "built without target-cpu=native: llama.cpp uses only the oldest instructions and is slower than it could be";

/// Tokens per second as words per minute.
#[must_use]
pub fn words_per_minute(tokens_per_second: f64) -> f64 {
    tokens_per_second * WORDS_PER_TOKEN * 60.0
}

/// How a stream of tokens compares with a reader.
#[must_use]
pub fn against_reading(tokens_per_second: f64) -> String {
    let times = words_per_minute(tokens_per_second) / READING_WORDS_PER_MINUTE;
    match times {
        t if t >= 1.95 => format!("{t:.0} times as fast as people read"),
        t if t >= 1.15 => "faster than people read".to_owned(),
        t if t >= 0.85 => "about as fast as people read".to_owned(),
        t if t >= 0.4 => "slower than people read".to_owned(),
        _ => "much slower than people read".to_owned(),
    }
}

/// A time in seconds as a person says it: no more digits than matter, `min` and `s` from two minutes on.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // rounded and not negative
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 119.5 => {
            let whole = s.round() as u64;
            format!("{} min {} s", whole / 60, whole % 60)
        }
        s if s >= 9.95 => format!("{s:.0} s"),
        s if s >= 0.995 => format!("{s:.1} s"),
        s if s >= 0.0095 => format!("{s:.2} s"),
        s => format!("{} ms", number(s * 1e3)),
    }
}

/// A number with three significant digits, for people.
#[must_use]
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.9995 => format!("{value:.2}"),
        v if v >= 0.099_95 => format!("{value:.3}"),
        v if v >= 0.000_995 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

/// That a model ended some of its answers before a repetition had its tokens.
#[must_use]
pub fn ended_early(answers: usize, target_tokens: u32) -> String {
    let answers = counted(answers, "answer");
    format!("the model ended {answers} early; further prompts filled up the {target_tokens} tokens of a repetition")
}

/// `1 request`, `2 requests`.
#[must_use]
pub fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_compared_with_a_reader() {
        assert_eq!(against_reading(5.3), "about as fast as people read"); // 238.5 words a minute
        assert_eq!(against_reading(7.0), "faster than people read");
        assert_eq!(against_reading(30.0), "6 times as fast as people read");
        assert_eq!(against_reading(3.0), "slower than people read");
        assert_eq!(against_reading(1.0), "much slower than people read");
    }

    #[test]
    fn numbers_have_about_three_digits() {
        let shown = [0.0, 1234.5, 99.96, 45.26, 9.996, 0.2344, 0.0123, 0.000_002].map(number);
        assert_eq!(shown, ["0", "1234", "100", "45.3", "10.0", "0.234", "0.0123", "2.0e-6"]);
    }

    #[test]
    fn times_have_the_digits_that_matter() {
        assert_eq!(seconds(0.0021), "2.10 ms");
        assert_eq!(seconds(0.234), "0.23 s");
        assert_eq!(seconds(9.94), "9.9 s");
        assert_eq!(seconds(119.4), "119 s");
        assert_eq!(seconds(119.5), "2 min 0 s");
        assert_eq!(seconds(150.4), "2 min 30 s");
    }
}
