//! vitals
use serde::{Deserialize, Serialize};
/// What went on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VitalsSpan {}
