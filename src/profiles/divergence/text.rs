//! The text that divergence is measured on where nobody names one: written for this program, varied on purpose (prose,
//! dialogue, letters, tables, code, lists, figures, a few other languages), because a quantization may hurt one and not another.

/// Its name in reports.
pub const NAME: &str = "built-in";

/// The text, some 30 KB.
pub const BUILT_IN: &str = include_str!("../../../prompts/divergence/text.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_long_and_varied_enough_to_be_measured_on() {
        assert!((28_000..40_000).contains(&BUILT_IN.len()), "{} bytes", BUILT_IN.len());
        let lines: std::collections::BTreeSet<_> = BUILT_IN.lines().filter(|line| line.len() > 40).collect();
        let all = BUILT_IN.lines().filter(|line| line.len() > 40).count();
        assert_eq!(lines.len(), all, "a line that comes twice is predicted by copying");
        for sign in ["    return", "|", "Dear ", "ß", "é", "%", "1."] {
            assert!(BUILT_IN.contains(sign), "no {sign:?}");
        }
    }
}
