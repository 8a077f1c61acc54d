//! The numbers.
use super::Samples;
use crate::profiles::Metric;

/// Summary.
#[derive(Clone, Debug)]
pub struct Summary {}

/// Summary.
#[must_use]
pub fn summarize(_samples: &Samples) -> Summary {
    todo!()
}

/// Numbers.
#[must_use]
pub fn metrics(_samples: &Samples) -> Vec<Metric> {
    todo!()
}
