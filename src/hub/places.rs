//! Where models lie and where the hub is, from the environment: the variables of Hugging Face's own client and of llama.cpp.
//!
//! `hf-hub`'s `from_env` honours `HF_HOME` and `HF_ENDPOINT` alone and panics without a home folder, so the places are
//! decided here and handed to it.

use std::path::PathBuf;
use std::time::Duration;

use super::HubError;

/// The public hub.
const ENDPOINT: &str = "https://huggingface.co";

/// What a disk keeps free after a download.
const RESERVE_BYTES: u64 = 500_000_000;

/// Everything that a [`super::Hub`] has to know.
#[derive(Clone)]
pub struct Settings {
    /// The hub's address, without a slash at its end.
    pub endpoint: String,
    /// Sent to that address and to no other host.
    pub token: Option<String>,
    /// Hugging Face's cache: looked into, and where files go.
    pub cache: PathBuf,
    /// Other folders that are looked into, each for both layouts: Hugging Face's and llama.cpp's flat one.
    pub also: Vec<PathBuf>,
    /// Where headers without their weights go ([`super::Hub::stub`]); never looked into for a model.
    pub headers: PathBuf,
    /// No request is made.
    pub offline: bool,
    /// How long is waited for what.
    pub patience: Patience,
    /// Bytes that a download leaves free on its disk.
    pub reserve_bytes: u64,
}

// the token is nobody's to print
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("token", &token)
            .field("cache", &self.cache)
            .field("also", &self.also)
            .field("headers", &self.headers)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

/// How long is waited for what, and how often something is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes of an answer.
    pub read: Duration,
    /// Before the first repetition; doubled before each further one.
    pub first_wait: Duration,
    /// The longest of those waits; a server that asks for a longer one is not waited for.
    pub longest_wait: Duration,
    /// Repetitions in a row in which not one byte came.
    pub repetitions: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            read: Duration::from_secs(30),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            repetitions: 6,
        }
    }
}

impl Settings {
    /// From the environment; `offline` adds to `HF_HUB_OFFLINE`.
    ///
    /// # Errors
    /// [`HubError::NoFolder`] where the system has no home folder and no variable names another, [`HubError::Endpoint`] for
    /// an address that is none.
    pub fn from_env(offline: bool) -> Result<Self, HubError> {
        Self::from_variables(&variable, std::env::home_dir(), offline)
    }

    fn from_variables(
        variable: &dyn Fn(&str) -> Option<String>,
        home: Option<PathBuf>,
        offline: bool,
    ) -> Result<Self, HubError> {
        let path = |name: &str| variable(name).map(PathBuf::from);
        let caches = path("XDG_CACHE_HOME").or_else(|| home.as_ref().map(|home| home.join(".cache")));
        let hf_home = path("HF_HOME").or_else(|| caches.as_ref().map(|c| c.join("huggingface")));
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| hf_home.as_ref().map(|home| home.join("hub")))
            .ok_or(HubError::NoFolder)?;
        let llama = if cfg!(target_os = "macos") {
            home.as_ref().map(|home| home.join("Library/Caches/llama.cpp"))
        } else if cfg!(windows) {
            path("LOCALAPPDATA").map(|folder| folder.join("llama.cpp"))
        } else {
            caches.map(|caches| caches.join("llama.cpp"))
        };
        let token_file = path("HF_TOKEN_PATH").or_else(|| hf_home.map(|home| home.join("token")));
        let token = variable("HF_TOKEN")
            .or_else(|| variable("HUGGING_FACE_HUB_TOKEN"))
            .or_else(|| token_file.and_then(|file| std::fs::read_to_string(file).ok()))
            .map(|token| token.trim().to_owned())
            .filter(|token| !token.is_empty());
        let own = crate::quants::folder::cache().map_err(|_| HubError::NoFolder)?;
        Ok(Self {
            endpoint: endpoint(variable("HF_ENDPOINT"))?,
            token,
            cache,
            also: path("LLAMA_CACHE").or(llama).into_iter().collect(),
            headers: own.join(HEADERS),
            offline: offline || variable("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
            patience: Patience::default(),
            reserve_bytes: RESERVE_BYTES,
        })
    }
}

/// The folder in this program's cache that holds headers without weights.
pub(super) const HEADERS: &str = "headers";

/// This program's folder for what cannot be made again: `$SWEETSPOT_DATA`, else `sweetspot` in the system's folder for data.
///
/// # Errors
/// [`HubError::NoFolder`] where the system has no such folder.
pub fn data() -> Result<PathBuf, HubError> {
    let path = |name: &str| variable(name).map(PathBuf::from);
    let home = || {
        let data = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
        std::env::home_dir().map(|home| home.join(data))
    };
    path("SWEETSPOT_DATA")
        .or_else(|| {
            path("XDG_DATA_HOME").or_else(|| path("LOCALAPPDATA")).or_else(home).map(|data| data.join("sweetspot"))
        })
        .ok_or(HubError::NoFolder)
}

/// A variable that is set to nothing is not set.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// As Hugging Face's client reads it.
fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
}

fn endpoint(given: Option<String>) -> Result<String, HubError> {
    let endpoint = given.unwrap_or_else(|| ENDPOINT.to_owned());
    let endpoint = endpoint.trim().trim_end_matches('/');
    let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
    if host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
        return Err(HubError::Endpoint { given: endpoint.to_owned() });
    }
    Ok(endpoint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)], home: Option<&str>) -> Result<Settings, HubError> {
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Settings::from_variables(&variable, home.map(PathBuf::from), false)
    }

    #[test]
    fn the_variables_of_hugging_face_and_of_llama_cpp_decide_the_places() {
        let plain = settings(&[], Some("/h")).unwrap();
        assert_eq!(plain.cache, PathBuf::from("/h/.cache/huggingface/hub"));
        assert_eq!((plain.endpoint.as_str(), plain.offline, plain.token), (ENDPOINT, false, None));
        let xdg = settings(&[("XDG_CACHE_HOME", "/x")], None).unwrap();
        assert_eq!(xdg.cache, PathBuf::from("/x/huggingface/hub"));
        let all = [
            ("HF_HOME", "/hf"),
            ("HF_HUB_CACHE", "/c"),
            ("LLAMA_CACHE", "/l"),
            ("HF_ENDPOINT", "http://127.0.0.1:1/"),
            ("HF_HUB_OFFLINE", "YES"),
            ("HF_TOKEN", " t\n"),
        ];
        let all = settings(&all, Some("/h")).unwrap();
        assert_eq!((all.cache, all.also), (PathBuf::from("/c"), vec![PathBuf::from("/l")]));
        assert_eq!((all.endpoint.as_str(), all.offline, all.token.as_deref()), ("http://127.0.0.1:1", true, Some("t")));
        assert_eq!(settings(&[("HF_HOME", "/hf")], None).unwrap().cache, PathBuf::from("/hf/hub"));
    }

    #[test]
    fn the_token_is_read_from_the_file_that_a_login_leaves_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "secret\n").unwrap();
        let settings = settings(&[("HF_HOME", folder.path().to_str().unwrap())], None).unwrap();
        assert_eq!(settings.token.as_deref(), Some("secret"));
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn an_address_that_is_none_and_a_system_without_folders_are_said() {
        let error = settings(&[("HF_ENDPOINT", "huggingface.co")], Some("/h")).unwrap_err();
        assert!(error.to_string().contains("HF_ENDPOINT is 'huggingface.co'"), "{error}");
        assert!(matches!(settings(&[], None), Err(HubError::NoFolder)));
    }
}
