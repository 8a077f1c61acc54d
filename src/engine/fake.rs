//! A scripted engine.

use serde::{Deserialize, Serialize};

/// What a [`FakeEngine`] does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {}
