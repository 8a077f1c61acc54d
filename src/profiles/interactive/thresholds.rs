//! The thresholds.
use super::Summary;

/// Rating.
#[must_use]
pub fn rating(_summary: &Summary) -> u8 {
    todo!()
}

/// Words.
#[must_use]
pub fn interpretation(_summary: &Summary) -> String {
    todo!()
}
