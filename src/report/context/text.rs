//! Numbers for people, as all parts of the context report write them.

use crate::stats::gigabytes;
use crate::verdict::interpretation::number;

/// Where nothing is known.
pub(super) const EMPTY: &str = "–";

/// `98,304`
pub(super) fn tokens(n: u32) -> String {
    grouped(&n.to_string())
}

/// The digits of a whole number in groups of three.
fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// GB (10^9 bytes) without the unit: two digits behind the point, more where that would be next to nothing.
pub(super) fn gb(bytes: u64) -> String {
    match gigabytes(bytes) {
        0.0 => "0".to_owned(),
        gb if gb < 0.000_05 => "<0.0001".to_owned(),
        gb if gb < 0.1 => format!("{gb:.4}"),
        gb => format!("{gb:.2}"),
    }
}

/// `4.29 GB`, and `6 GB` where it is a whole number.
pub(super) fn gb_with_unit(bytes: u64) -> String {
    let gb = gigabytes(bytes);
    if gb >= 1.0 && gb.fract() == 0.0 { format!("{gb:.0}\u{a0}GB") } else { format!("{}\u{a0}GB", self::gb(bytes)) }
}

/// Bytes a token as KB (10^3 bytes), without the unit.
pub(super) fn kb(bytes: f64) -> String {
    number(bytes / 1e3)
}

/// What the lines of a trend miss at points held out: `1.2 % (at most 3.4 %) at 4 points held out`.
pub(super) fn held_out(trend: &crate::stats::Trend) -> Option<String> {
    let held_out = trend.held_out.as_ref()?;
    let points = crate::verdict::interpretation::counted(held_out.points, "point");
    let (mean, max) = (percent(held_out.mean_error_percent), percent(held_out.max_error_percent));
    Some(format!("{mean}\u{a0}% (at most {max}\u{a0}%) at {points} held out"))
}

/// Errors below a thousandth of a percent are rounding.
fn percent(value: f64) -> String {
    if value < 0.001 { "0.000".to_owned() } else { number(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_in_groups_of_three() {
        assert_eq!([0, 7, 512, 4096, 98_304, 1_048_576].map(tokens), ["0", "7", "512", "4,096", "98,304", "1,048,576"]);
    }

    #[test]
    fn bytes_keep_the_digits_that_matter() {
        assert_eq!([0, 1, 40_000_000, 772_000_000, 4_294_967_296].map(gb), ["0", "<0.0001", "0.0400", "0.77", "4.29"]);
        assert_eq!(gb_with_unit(8_000_000_000), "8\u{a0}GB");
        assert_eq!(gb_with_unit(4_294_967_296), "4.29\u{a0}GB");
    }
}
