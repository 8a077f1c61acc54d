//! How a cell's file comes to be there: it is, or it is made of another file or of a shape, or fetched, just before its cell
//! begins: nothing is made or fetched for cells that are skipped.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::sync::watch;

use super::console::Console;
use super::fetching::Fetching;
use super::synthetic::Synthetic;
use crate::plan::matrix::PlannedCell;
use crate::quants::{self, Request, Store};

/// Where a cell's file comes from.
#[derive(Debug)]
pub enum Source {
    /// It is there.
    File,
    /// It was found in a cache; what the command line wished for.
    Cached(String),
    /// It is not here and does not come: the hub cannot be reached, or does not have it. What was wished for.
    Absent(String),
    /// It is quantized from an unquantized file.
    Quantize(Box<Request>),
    /// It is written with synthetic weights.
    Synthesize(Box<Synthetic>),
    /// It is fetched from the hub.
    Fetch(Box<Fetching>),
}

/// How files are made and fetched.
#[derive(Clone, Debug)]
pub struct Preparing {
    /// Threads that compute.
    pub threads: u32,
    /// The program to run as a worker; none: this one.
    pub program: Option<PathBuf>,
}

impl Source {
    /// Sees to it that the cell's file is there, and tells the plan its real place and size.
    ///
    /// # Errors
    /// [`crate::exit_code::Interrupted`] when somebody stops it; else why the file cannot be had, in one line.
    pub async fn prepare(
        &self,
        planned: &mut PlannedCell,
        preparing: &Preparing,
        cancel: &watch::Receiver<bool>,
        console: &mut Console,
    ) -> anyhow::Result<()> {
        let (path, size_bytes) = match self {
            Self::File | Self::Cached(_) | Self::Absent(_) => return Ok(()),
            Self::Quantize(request) => {
                let store = Store::open(&quants::folder::cache()?, None)?;
                console.set_aside(); // whoever makes it shows how far it is
                let settings =
                    quants::make::Settings { threads: preparing.threads, program: preparing.program.clone() };
                let requests = std::slice::from_ref(&**request);
                let made = quants::make(requests, &store, &settings, cancel.clone()).await.pop();
                console.take_up();
                let made = made.context("nothing was made")??;
                (made.path, made.size_bytes)
            }
            Self::Synthesize(synthetic) => {
                console.waiting("making synthetic weights");
                synthetic.make_beside(cancel).await?;
                (planned.cell.path.clone(), planned.cell.size_bytes)
            }
            Self::Fetch(fetching) => fetching.fetch(cancel, console).await?,
        };
        planned.cell.size_bytes = size_bytes;
        planned.cell.path.clone_from(&path);
        planned.model.path = path;
        Ok(())
    }

    /// Bytes that have to be fetched first.
    #[must_use]
    pub fn download_bytes(&self) -> Option<u64> {
        if let Self::Fetch(fetching) = self { Some(fetching.missing_bytes()) } else { None }
    }

    /// A file that tells what the model needs where the model itself is not here.
    #[must_use]
    pub fn stub(&self) -> Option<&Path> {
        match self {
            Self::Fetch(fetching) => fetching.stub.as_deref(),
            Self::Synthesize(synthetic) => synthetic.header.as_deref(),
            _ => None,
        }
    }

    /// Whether the file is here as it will be measured.
    #[must_use]
    pub fn is_here(&self) -> bool {
        matches!(self, Self::File | Self::Cached(_))
    }

    /// What was wished for of the hub.
    #[must_use]
    pub fn wish(&self) -> Option<&str> {
        match self {
            Self::Cached(wish) | Self::Absent(wish) => Some(wish),
            Self::Fetch(fetching) => Some(&fetching.wish),
            Self::File | Self::Quantize(_) | Self::Synthesize(_) => None,
        }
    }

    /// What has to be done first, in a few words; none where the file is there.
    #[must_use]
    pub fn work(&self) -> Option<&'static str> {
        match self {
            Self::File | Self::Cached(_) | Self::Absent(_) => None,
            Self::Quantize(_) => Some("quantized first"),
            Self::Synthesize(_) => Some("made first"),
            Self::Fetch(_) => Some("downloaded first"),
        }
    }
}
