//! Models of the hub in a run: found in a cache, or known by their header until their cell begins and they are fetched.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tokio::sync::{mpsc, watch};

use super::console::Console;
use super::models;
use super::source::Source;
use super::wishes::Named;
use crate::exit_code::Interrupted;
use crate::hub::{Hub, HubError, Ledger, Remote, Transfer, ledger};
use crate::interrupt::stopped;
use crate::lab::outcome::Cell;
use crate::plan::matrix::Found;

/// A model that is still to be fetched.
#[derive(Clone, Debug)]
pub struct Fetching {
    hub: Hub,
    remote: Remote,
    family: Option<String>,
    /// What the command line wished for.
    pub wish: String,
    /// Its header, with holes in place of its weights.
    pub stub: Option<PathBuf>,
}

/// A model of the hub as the matrix wants it. Of one that is not here its header is asked for: it says what the model needs. One
/// that does not exist, is not handed out or cannot be asked for makes a broken cell, so that the others are measured all the
/// same; a resumed run tries it again. `is_down` becomes true where the hub cannot be reached: nobody is asked then.
pub fn candidate(named: &Named, hub: &Hub, is_down: &mut bool) -> (Found, Source) {
    let wish = named.wish.to_string();
    if !*is_down && !hub.settings().offline {
        crate::say!("asking {} about {}", hub.settings().endpoint, named.wish.repository);
    }
    let asked = if *is_down { hub.without_network().resolve(&named.wish) } else { hub.resolve(&named.wish) };
    let remote = match asked {
        Ok(remote) => remote,
        Err(error) => {
            *is_down |= error.is_absence_of_the_hub();
            // nobody can be asked: what is here will do
            return match hub.locate_wish(&named.wish) {
                Some((path, _)) => (models::inspect(&path), Source::Cached(wish)),
                None => (absent(named, &error), Source::Absent(wish)),
            };
        }
    };
    if let Some(path) = hub.locate(&remote) {
        return (models::inspect(&path), Source::Cached(wish));
    }
    let stub =
        hub.stub(&remote).map_err(|error| crate::say!("sweetspot: {remote}: its header is not known: {error}")).ok();
    let found = found(&remote, hub.place(&remote), stub.as_deref().map(models::inspect), named);
    let family = named.model.as_ref().map(|model| model.family.clone());
    (found, Source::Fetch(Box::new(Fetching { hub: hub.clone(), remote, family, stub, wish })))
}

/// What is known of a model before it is here: its header's facts, else the catalogue's.
fn found(remote: &Remote, place: PathBuf, header: Option<Found>, named: &Named) -> Found {
    let header = header.filter(|header| header.broken.is_none());
    let model = named.model.as_ref();
    let cell = Cell {
        model: header.as_ref().map_or_else(|| remote.model.clone(), |header| header.cell.model.clone()),
        quant: header.as_ref().map_or_else(|| remote.quant.clone(), |header| header.cell.quant.clone()),
        path: place,
        size_bytes: remote.size_bytes(),
        synthetic: header.as_ref().is_some_and(|header| header.cell.synthetic),
    };
    Found {
        cell,
        n_ctx_train: header.as_ref().and_then(|header| header.n_ctx_train),
        n_params: header.as_ref().and_then(|header| header.n_params).or(model.map(|model| model.n_params)),
        n_active_params: header.and_then(|h| h.n_active_params).or(model.and_then(|model| model.n_active_params)),
        reference: None,
        broken: None,
    }
}

/// A model that does not come, and why.
#[must_use]
pub fn absent(named: &Named, error: &HubError) -> Found {
    let wish = &named.wish;
    let name = named.model.as_ref().map_or_else(|| wish.repository.clone(), |model| model.name.clone());
    let file = wish.file.clone().unwrap_or_else(|| wish.repository.clone());
    let cell = Cell {
        model: name,
        quant: wish.quant.clone().unwrap_or_else(|| "?".to_owned()),
        path: file.into(),
        size_bytes: 0,
        synthetic: false,
    };
    Found {
        cell,
        n_ctx_train: None,
        n_params: None,
        n_active_params: None,
        reference: None,
        broken: Some(error.to_string()),
    }
}

impl Fetching {
    /// Bytes that are still to come.
    #[must_use]
    pub fn missing_bytes(&self) -> u64 {
        self.hub.missing_bytes(&self.remote)
    }

    /// Fetches it; returns the file to load and the bytes of all files.
    ///
    /// # Errors
    /// [`Interrupted`] when somebody stops it (what came is kept), else why it does not come.
    pub async fn fetch(&self, cancel: &watch::Receiver<bool>, console: &mut Console) -> anyhow::Result<(PathBuf, u64)> {
        let stop = Arc::new(AtomicBool::new(false));
        let (teller, mut heard) = mpsc::unbounded_channel::<Transfer>();
        let (hub, remote, raised) = (self.hub.clone(), self.remote.clone(), Arc::clone(&stop));
        let mut job = tokio::task::spawn_blocking(move || {
            hub.fetch(&remote, &raised, &mut |transfer| {
                let _ = teller.send(transfer); // who does not listen any more has what it wants
            })
        });
        let mut cancel = cancel.clone();
        let fetched = loop {
            tokio::select! {
                biased;
                () = stopped(&mut cancel), if !stop.load(Ordering::Relaxed) => {
                    stop.store(true, Ordering::Relaxed); // it ends within a second
                }
                Some(transfer) = heard.recv() => console.transfer(&transfer),
                fetched = &mut job => break fetched.context("the download's thread died")?,
            }
        };
        match fetched {
            Ok(fetched) => {
                for name in &fetched.unhashed {
                    console.note(&format!("{name}: the hub states no SHA-256 of it: its size and header are right"));
                }
                self.remember(&fetched.path);
                Ok((fetched.path, self.remote.size_bytes()))
            }
            Err(HubError::Stopped { .. }) => Err(Interrupted.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// The ledger is a convenience: a download that it does not remember is a download all the same.
    fn remember(&self, path: &std::path::Path) {
        let mut entry = ledger::Entry::downloaded(&self.remote, path);
        entry.family.clone_from(&self.family);
        let recorded = Ledger::open().and_then(|ledger| ledger.record_download(entry, jiff::Timestamp::now()));
        if let Err(error) = recorded {
            crate::say!("sweetspot: the download is not remembered: {error:#}");
        }
    }
}
