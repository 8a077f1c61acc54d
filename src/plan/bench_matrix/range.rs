//! Lists of numbers as llama-bench takes them: `512`, `128,256`, `1-4`, `0-4096+512`, `128-1024*2`.
//!
//! What llama-bench takes is taken here and means the same, with three exceptions that would measure something else than
//! was written: an empty list, a range that ends before it starts (both fall back to the default there), and a list of more
//! than [`MAX_VALUES`] numbers.

/// Most numbers that one argument may stand for.
pub const MAX_VALUES: usize = 10_000;

/// Largest number: llama.cpp counts tokens and threads in 32 bits with a sign.
const MAX: u64 = i32::MAX as u64;

/// Why an argument is not a list of numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Nothing, or nothing between two commas.
    #[error("a number is missing in '{0}'")]
    Missing(String),
    /// Not a number and not a range.
    #[error("'{0}' is neither a number nor a range; ranges are first-last, first-last+step or first-last*factor")]
    Malformed(String),
    /// More than 32 bits hold.
    #[error("'{0}' is larger than {MAX}")]
    TooLarge(String),
    /// The last number is smaller than the first.
    #[error("the range '{0}' ends before it starts")]
    Backwards(String),
    /// A step of 0, or a factor that leaves the number as it is.
    #[error("the range '{0}' never gets from its first number to its last")]
    Stuck(String),
    /// More than [`MAX_VALUES`].
    #[error("'{0}' is more than {MAX_VALUES} numbers")]
    TooMany(String),
}

/// Reads a list of numbers and ranges.
///
/// # Errors
/// [`RangeError`], which names the part that is wrong.
pub fn parse(text: &str) -> Result<Vec<u32>, RangeError> {
    let mut values = Vec::new();
    for part in parts(text)? {
        let range = Range::parse(part)?;
        range.expand(part, &mut values)?;
        if values.len() > MAX_VALUES {
            return Err(RangeError::TooMany(part.to_owned()));
        }
    }
    Ok(values)
}

/// Reads a list in which `-1` stands for "all" (`-ngl`) and gives none for it; everything else as [`parse`].
///
/// # Errors
/// [`RangeError`], which names the part that is wrong.
pub fn parse_or_all(text: &str) -> Result<Vec<Option<u32>>, RangeError> {
    let mut values = Vec::new();
    for part in parts(text)? {
        if part == "-1" {
            values.push(None);
        } else {
            values.extend(parse(part)?.into_iter().map(Some));
        }
    }
    Ok(values)
}

/// The parts between commas; a comma at the very end is allowed, as llama-bench allows it.
fn parts(text: &str) -> Result<impl Iterator<Item = &str>, RangeError> {
    let list = text.strip_suffix(',').unwrap_or(text);
    if list.split(',').any(str::is_empty) {
        return Err(RangeError::Missing(text.to_owned()));
    }
    Ok(list.split(','))
}

#[derive(Clone, Copy)]
enum Step {
    Plus(u64),
    Times(u64),
}

struct Range {
    first: u64,
    last: u64,
    /// None for a number that stands alone.
    step: Option<Step>,
}

impl Range {
    fn parse(part: &str) -> Result<Self, RangeError> {
        let Some((first, rest)) = part.split_once('-') else {
            let number = number(part, part)?;
            return Ok(Self { first: number, last: number, step: None });
        };
        let (last, step) = if let Some((last, step)) = rest.split_once('+') {
            (last, Step::Plus(number(step, part)?))
        } else if let Some((last, factor)) = rest.split_once('*') {
            (last, Step::Times(number(factor, part)?))
        } else {
            (rest, Step::Plus(1))
        };
        Ok(Self { first: number(first, part)?, last: number(last, part)?, step: Some(step) })
    }

    fn expand(&self, part: &str, values: &mut Vec<u32>) -> Result<(), RangeError> {
        if self.last < self.first {
            return Err(RangeError::Backwards(part.to_owned()));
        }
        let mut value = self.first;
        while value <= self.last {
            values.push(u32::try_from(value).map_err(|_| RangeError::TooLarge(part.to_owned()))?);
            let next = match self.step {
                None => return Ok(()),
                Some(Step::Plus(step)) => value + step, // below 2^32: both are at most MAX
                Some(Step::Times(factor)) => value * factor,
            };
            if next <= value {
                return Err(RangeError::Stuck(part.to_owned()));
            }
            if values.len() > MAX_VALUES {
                return Err(RangeError::TooMany(part.to_owned()));
            }
            value = next;
        }
        Ok(())
    }
}

/// A number without a sign.
fn number(text: &str, part: &str) -> Result<u64, RangeError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(RangeError::Malformed(part.to_owned()));
    }
    text.parse().ok().filter(|n| *n <= MAX).ok_or_else(|| RangeError::TooLarge(part.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_lists_and_ranges_mean_what_they_mean_to_llama_bench() {
        assert_eq!(parse("512").unwrap(), [512]);
        assert_eq!(parse("0").unwrap(), [0]);
        assert_eq!(parse("128,256,128").unwrap(), [128, 256, 128], "order and repetition stay");
        assert_eq!(parse("1-4").unwrap(), [1, 2, 3, 4]);
        assert_eq!(parse("0-1024+512").unwrap(), [0, 512, 1024]);
        assert_eq!(parse("0-1000+512").unwrap(), [0, 512], "the last number is a limit");
        assert_eq!(parse("128-1024*2").unwrap(), [128, 256, 512, 1024]);
        assert_eq!(parse("1-3,8,16-64*2").unwrap(), [1, 2, 3, 8, 16, 32, 64]);
        assert_eq!(parse("7-7").unwrap(), [7]);
        assert_eq!(parse("512,").unwrap(), [512], "a comma at the end is nothing");
        assert_eq!(parse("2147483647").unwrap(), [2_147_483_647]);
    }

    #[test]
    fn a_range_that_stands_still_is_refused_as_llama_bench_refuses_it() {
        for text in ["1-8+0", "1-8*1", "1-8*0", "0-8*2", "5-5*1", "5-5+0"] {
            assert_eq!(parse(text), Err(RangeError::Stuck(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused_with_the_part_that_is_wrong() {
        for text in ["x", "1-", "-1", "1-2-3", "1-4/2", "1-4+", "5*2", "1 ", "1-4|2", "+5", "1.5", "1-4+-1"] {
            assert_eq!(parse(text), Err(RangeError::Malformed(text.to_owned())), "{text}");
        }
        assert_eq!(parse("1,2x,3"), Err(RangeError::Malformed("2x".to_owned())));
        for text in ["", ",", ",1", "1,,2"] {
            assert_eq!(parse(text), Err(RangeError::Missing(text.to_owned())), "{text}");
        }
        assert_eq!(parse("2147483648"), Err(RangeError::TooLarge("2147483648".to_owned())));
        assert_eq!(parse("99999999999999999999"), Err(RangeError::TooLarge("99999999999999999999".to_owned())));
    }

    #[test]
    fn ranges_that_would_measure_something_else_are_refused_where_llama_bench_falls_back_to_its_default() {
        assert_eq!(parse("8-1"), Err(RangeError::Backwards("8-1".to_owned())));
        assert_eq!(parse("1-2000000000"), Err(RangeError::TooMany("1-2000000000".to_owned())));
        assert_eq!(parse("1-6000,1-6000"), Err(RangeError::TooMany("1-6000".to_owned())));
    }

    #[test]
    fn minus_one_layer_is_all_layers() {
        assert_eq!(parse_or_all("-1,0,8-10").unwrap(), [None, Some(0), Some(8), Some(9), Some(10)]);
        assert_eq!(parse_or_all("-2"), Err(RangeError::Malformed("-2".to_owned())));
    }

    proptest! {
        #[test]
        fn a_range_with_a_step_is_the_arithmetic_series(first in 0_u32..10_000, length in 0_u32..500, step in 1_u32..1000) {
            let last = first + length;
            let expected: Vec<u32> = (first..=last).step_by(step as usize).collect();
            prop_assert_eq!(parse(&format!("{first}-{last}+{step}")).unwrap(), expected);
        }

        #[test]
        fn a_range_with_a_factor_is_the_geometric_series(first in 1_u32..1000, last in 1000_u32..i32::MAX as u32, factor in 2_u32..9) {
            let values = parse(&format!("{first}-{last}*{factor}")).unwrap();
            prop_assert_eq!(values[0], first);
            prop_assert!(values.windows(2).all(|w| w[1] == w[0] * factor));
            let end = *values.last().unwrap();
            prop_assert!(end <= last && u64::from(end) * u64::from(factor) > u64::from(last));
        }

        #[test]
        fn a_list_is_its_parts_one_after_the_other(values in prop::collection::vec(0_u32..=i32::MAX as u32, 1..50)) {
            let text = values.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            prop_assert_eq!(parse(&text).unwrap(), values);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-9+*,x -]{0,24}") {
            if let Ok(values) = parse(&text) {
                prop_assert!(!values.is_empty() && values.len() <= MAX_VALUES);
            }
        }
    }
}
