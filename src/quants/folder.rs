//! Where this program keeps what it can make again: models with synthetic weights, quantizations, the demo model.

use std::path::PathBuf;

use crate::exit_code::UsageError;

/// `$SWEETSPOT_CACHE`, else `sweetspot` in the system's folder for caches. It need not be there yet.
///
/// # Errors
/// A [`UsageError`] where the system has no such folder.
pub fn cache() -> anyhow::Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || {
        std::env::home_dir().map(|home| home.join(if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" }))
    };
    variable("SWEETSPOT_CACHE")
        .or_else(|| {
            variable("XDG_CACHE_HOME").or_else(|| variable("LOCALAPPDATA")).or_else(home).map(|c| c.join("sweetspot"))
        })
        .ok_or_else(|| UsageError::new("there is no folder for caches; set SWEETSPOT_CACHE to one"))
}
