//! Models from Hugging Face's hub, or from a mirror of it: what there is, what is here already, and downloads that resume and
//! are verified.
//!
//! Addresses, names and token are those of the official client (`hf-hub`). Its own download neither verifies nor stops nor
//! waits, so the transfer is this module's: `transfer.rs` brings one file, `fetch.rs` a model, `stub.rs` a header alone.
//! Left out on purpose: other kinds of repositories, uploads, branches other than `main`.

mod cache;
mod client;
pub mod console;
pub mod error;
mod fetch;
pub mod ledger;
mod listing;
pub mod name;
mod pace;
pub mod places;
pub mod remote;
mod retry;
pub mod scan;
mod stub;
mod transfer;
pub mod wish;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use client::Client;
use retry::Asking;

pub use error::HubError;
pub use fetch::{Fetched, Transfer};
pub use ledger::Ledger;
pub use places::{Patience, Settings};
pub use remote::{Remote, RemoteFile};
pub use wish::Wish;

/// The hub and the caches before it. Everything blocks.
#[derive(Clone, Debug)]
pub struct Hub {
    settings: Settings,
    client: Client,
    stop: Arc<AtomicBool>,
}

impl Hub {
    /// With the settings of the environment ([`Settings::from_env`]).
    ///
    /// # Errors
    /// [`HubError::NoFolder`] or [`HubError::Endpoint`].
    pub fn from_env(offline: bool) -> Result<Self, HubError> {
        Self::with(Settings::from_env(offline)?)
    }

    /// With these settings.
    ///
    /// # Errors
    /// The client cannot be set up.
    pub fn with(settings: Settings) -> Result<Self, HubError> {
        let client = Client::new(&settings)?;
        Ok(Self { settings, client, stop: Arc::default() })
    }

    /// Lets this flag end [`Hub::list`], [`Hub::resolve`] and [`Hub::stub`] within a second ([`Hub::fetch`] has its own).
    #[must_use]
    pub fn stopped_by(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// The same that asks nobody: for when the network turned out to be away.
    #[must_use]
    pub fn without_network(&self) -> Self {
        Self { settings: Settings { offline: true, ..self.settings.clone() }, ..self.clone() }
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Every model of the wish's repository, in every quantization; quantization and file of the wish do not matter.
    ///
    /// # Errors
    /// [`HubError::Offline`], or what the hub or the network says.
    pub fn list(&self, wish: &Wish) -> Result<Vec<Remote>, HubError> {
        self.online(&wish.to_string())?;
        listing::list(self, &wish.repository, &self.stop)
    }

    /// The model that is wished for; without a quantization llama.cpp's choice: `Q4_K_M`, else `Q8_0`, else the first.
    ///
    /// # Errors
    /// As [`Hub::list`], and [`HubError::NoSuchQuant`] naming those that are there.
    pub fn resolve(&self, wish: &Wish) -> Result<Remote, HubError> {
        remote::choose(wish, self.list(wish)?)
    }

    /// The first file of a model, where all of its files are in a cache with the stated sizes (and hashes, where the cache names
    /// its files by them).
    #[must_use]
    pub fn locate(&self, remote: &Remote) -> Option<PathBuf> {
        self.find(remote)?.into_iter().next()
    }

    /// Where the first file of a model will lie once it is fetched.
    #[must_use]
    pub fn place(&self, remote: &Remote) -> PathBuf {
        let name = remote.files.first().map_or("", |file| file.name.as_str());
        cache::RepoFolder::new(&self.settings.cache, &remote.repository).snapshot(&remote.revision, name)
    }

    /// As [`Hub::locate`] without asking the hub: by the caches' own listing; every file has to be a whole model.
    #[must_use]
    pub fn locate_wish(&self, wish: &Wish) -> Option<(PathBuf, Remote)> {
        cache::find_wish(&self.folders(), wish)
    }

    /// Bytes that [`Hub::fetch`] would bring: none where the model is here, and not those that an earlier attempt brought.
    #[must_use]
    pub fn missing_bytes(&self, remote: &Remote) -> u64 {
        if self.find(remote).is_some() { 0 } else { fetch::missing_bytes(self, remote) }
    }

    /// Brings what is missing of a model into Hugging Face's cache: resumed, verified, then put in place. `stop` ends it within a
    /// second; what came is kept.
    ///
    /// # Errors
    /// Any [`HubError`]; no file that is not what the hub states is ever left in place.
    pub fn fetch(
        &self,
        remote: &Remote,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Transfer),
    ) -> Result<Fetched, HubError> {
        fetch::fetch(self, remote, stop, progress)
    }

    /// A file with the model's header and holes in place of its weights, for byte counts and synthetic weights: its length is the
    /// model's, its size on the disk the header's. Of a split model the first of such files.
    ///
    /// # Errors
    /// As [`Hub::fetch`].
    pub fn stub(&self, remote: &Remote) -> Result<PathBuf, HubError> {
        stub::stub(self, remote)
    }

    /// The stub of a model where it is here already; asks nobody.
    #[must_use]
    pub fn locate_stub(&self, remote: &Remote) -> Option<PathBuf> {
        stub::find(self, remote)
    }

    fn find(&self, remote: &Remote) -> Option<Vec<PathBuf>> {
        cache::find(&self.folders(), remote)
    }

    fn folders(&self) -> Vec<&Path> {
        std::iter::once(&self.settings.cache).chain(&self.settings.also).map(PathBuf::as_path).collect()
    }

    /// Whether the hub may be asked for this.
    fn online(&self, what: &str) -> Result<(), HubError> {
        if !self.settings.offline {
            return Ok(());
        }
        let (endpoint, cache) = (self.settings.endpoint.clone(), self.settings.cache.clone());
        Err(HubError::Offline { what: what.to_owned(), endpoint, cache })
    }

    fn asking<'a>(&'a self, what: String, repository: &'a str, stop: &'a AtomicBool) -> Asking<'a> {
        let (endpoint, token_sent) = (self.settings.endpoint.as_str(), self.settings.token.is_some());
        Asking { what, repository, endpoint, token_sent, stop }
    }
}
