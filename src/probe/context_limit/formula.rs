//! The closed formula.
use super::task::KvPair;
use crate::engine::ModelInfo;

/// To be replaced.
#[must_use]
pub fn kv_bytes_per_token(_model: &ModelInfo, _kv: KvPair) -> Option<f64> {
    None
}
