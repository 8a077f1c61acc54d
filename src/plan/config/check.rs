//! Whether values make sense: each problem names the key, the value and what is allowed.
//!
//! Left out on purpose: types and names of keys, which the reader of the text tells.

use std::fmt::{Display, Write};

/// Collects what is wrong with a configuration.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    /// All of them, in the sections' order.
    pub(super) fn into_lines(self) -> Vec<String> {
        self.0
    }

    /// `KEY is VALUE; it must be ALLOWED`, unless `right`.
    pub(super) fn unless(&mut self, right: bool, key: &str, value: impl Display, allowed: &str) {
        if !right {
            self.0.push(format!("{key} is {value}; it must be {allowed}"));
        }
    }

    /// A count that must be 1 at least.
    pub(super) fn positive(&mut self, key: &str, value: u32) {
        self.unless(value > 0, key, value, "at least 1");
    }

    /// A count between two others, both allowed.
    pub(super) fn within<T: PartialOrd + Display + Copy>(&mut self, key: &str, value: T, least: T, most: T) {
        let right = value >= least && value <= most;
        self.unless(right, key, value, &format!("{least} to {most}"));
    }

    /// A number above 0 that is no infinity.
    pub(super) fn above_zero(&mut self, key: &str, value: f64) {
        self.unless(value > 0.0 && value.is_finite(), key, value, "a number above 0");
    }

    /// A number of 0 or more that is no infinity.
    pub(super) fn not_negative(&mut self, key: &str, value: f64) {
        self.unless(value >= 0.0 && value.is_finite(), key, value, "0 or more");
    }

    /// Bounds of grades, each larger (`rising`) or smaller than the one before.
    pub(super) fn scale(&mut self, key: &str, bounds: &[f64], rising: bool) {
        let ordered = bounds.windows(2).all(|pair| if rising { pair[0] < pair[1] } else { pair[0] > pair[1] });
        let right = ordered && bounds.iter().all(|bound| bound.is_finite() && *bound >= 0.0);
        let mut shown = String::from("[");
        for (n, bound) in bounds.iter().enumerate() {
            let _ = write!(shown, "{}{bound}", if n > 0 { ", " } else { "" });
        }
        let (number, order) = (["no", "one", "two", "three", "four"], if rising { "larger" } else { "smaller" });
        let number = number.get(bounds.len()).copied().unwrap_or("some");
        let allowed = format!("{number} numbers of 0 or more, each {order} than the one before");
        self.unless(right, key, format!("{shown}]"), &allowed);
    }

    /// Any other problem, as one line that names the key.
    pub(super) fn add(&mut self, line: String) {
        self.0.push(line);
    }
}
