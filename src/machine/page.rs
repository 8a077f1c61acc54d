//! Text in a column beside its labels, and numbers with their units in it.

use std::fmt::Write as _;

use crate::stats::float;

/// Width of the column of labels.
const LABEL: usize = 10;

/// Text with a column of labels.
pub(super) struct Page {
    text: String,
    width: usize,
}

impl Page {
    /// An empty page of so many columns.
    pub(super) fn new(width: usize) -> Self {
        Self { text: String::new(), width }
    }

    /// What was written on it.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// A label and its text, wrapped between words; nothing for an empty text. A no-break space holds a number and its unit
    /// together and is printed as a space.
    pub(super) fn line(&mut self, label: &str, text: &str) {
        let mut column = LABEL;
        if text.is_empty() {
            return;
        }
        let _ = write!(self.text, "{label:LABEL$}");
        for (number, word) in text.split(' ').enumerate() {
            let length = word.chars().count();
            if number > 0 && column + 1 + length > self.width {
                let _ = write!(self.text, "\n{:LABEL$}", "");
                column = LABEL;
            } else if number > 0 {
                self.text.push(' ');
                column += 1;
            }
            self.text.push_str(&word.replace('\u{a0}', " "));
            column += length;
        }
        self.text.push('\n');
    }
}

/// `1 core`, `2 cores`.
pub(super) fn counted(count: u32, noun: &str) -> String {
    format!("{count}\u{a0}{noun}{}", if count == 1 { "" } else { "s" })
}

/// `25.3 GB (23.5 GiB)`.
pub(super) fn both(bytes: u64) -> String {
    format!("{} ({:.1}\u{a0}GiB)", decimal(bytes), float(bytes) / float(1 << 30))
}

/// GB = 10^9 bytes.
pub(super) fn decimal(bytes: u64) -> String {
    let gb = float(bytes) / 1e9;
    if gb.fract() == 0.0 { format!("{gb:.0}\u{a0}GB") } else { format!("{gb:.1}\u{a0}GB") }
}

/// Sizes of caches and buffers are powers of two.
pub(super) fn binary(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x10_0000 => (1 << 10, "KiB"),
        0x10_0000..0x4000_0000 => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    if bytes.is_multiple_of(unit) {
        format!("{}\u{a0}{name}", bytes / unit)
    } else {
        format!("{:.1}\u{a0}{name}", float(bytes) / float(unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_beside_its_label_and_a_unit_stays_with_its_number() {
        let mut page = Page::new(24);
        page.line("Memory", "some words and 12\u{a0}GB more");
        page.line("Nothing", "");
        assert_eq!(page.into_text(), "Memory    some words and\n          12 GB more\n");
    }

    #[test]
    fn sizes_are_stated_in_both_units() {
        assert_eq!(both(24 << 30), "25.8\u{a0}GB (24.0\u{a0}GiB)");
        assert_eq!([decimal(4_000_000_000), decimal(500_000_000)], ["4\u{a0}GB", "0.5\u{a0}GB"]);
        assert_eq!(
            [binary(48 << 10), binary(1536 << 10), binary(2 << 30)],
            ["48\u{a0}KiB", "1.5\u{a0}MiB", "2\u{a0}GiB"]
        );
    }
}
