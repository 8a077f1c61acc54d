//! One quantization, from the lock to the finished file in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::sync::watch;

use super::console::{Console, Line};
use super::lock::Lock;
use super::request::Request;
use super::store::{Entry, Kept, Store};
use crate::engine::gguf::Gguf;
use crate::engine::quantize::Task;
use crate::exit_code::Interrupted;
use crate::machine::disk;
use crate::stats::{float, gigabytes};
use crate::worker::exit::Ending;
use crate::worker::process::{self, Options};
use crate::worker::protocol::{Event, Quantizing, VERSION};

/// How often somebody else's work on the same file is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// A row of a large tensor may take minutes, and llama.cpp does not hang.
const STALL_TIMEOUT: Duration = Duration::from_mins(30);

/// What all quantizations of a call have in common.
pub(super) struct Shop<'a> {
    pub store: &'a Store,
    pub console: &'a Console,
    /// Threads of each.
    pub threads: u32,
    /// The program to run as a worker; none: this one.
    pub program: Option<PathBuf>,
}

/// A file of the cache that stays there as long as the lock lives.
pub(super) struct Held {
    pub kept: Kept,
    /// How long it took to make; none: it was there.
    pub seconds: Option<f64>,
    pub lock: Lock,
}

impl Shop<'_> {
    /// The file of a request: found, or waited for, or made.
    pub(super) async fn serve(&self, request: &Request, mut cancel: watch::Receiver<bool>) -> anyhow::Result<Held> {
        let lock_path = self.store.lock_path(request);
        let no_lock = || format!("{}: cannot be written; SWEETSPOT_CACHE names another folder", lock_path.display());
        let mut seconds = None;
        let mut waiting = false;
        loop {
            if let Some(lock) = Lock::to_use(&lock_path).with_context(no_lock)?
                && let Some(kept) = self.store.find(request)
            {
                self.store.touch(&kept);
                return Ok(Held { kept, seconds, lock });
            }
            if let Some(_lock) = Lock::to_make(&lock_path).with_context(no_lock)? {
                if self.store.find(request).is_none() {
                    seconds = Some(self.make(request, &mut cancel).await?.entry.seconds);
                }
                continue; // now to use it, which another process may have begun to do
            }
            if !waiting {
                self.console.note(&format!("waiting for another sweetspot that is making {}", request.title()));
                waiting = true;
            }
            if *cancel.borrow() {
                bail!(Interrupted);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Makes the file; the caller holds the lock. Whatever happens, no part of it stays.
    async fn make(&self, request: &Request, cancel: &mut watch::Receiver<bool>) -> anyhow::Result<Kept> {
        self.make_room(request)?;
        let folder = self.store.folder_of(request);
        let partial = folder.join(format!(".{}.{}.partial", request.quant, std::process::id()));
        begin(&folder, &partial).with_context(|| {
            format!("{}: cannot be written; SWEETSPOT_CACHE names another folder", folder.display())
        })?;
        let result = self.quantize(request, &partial, cancel).await;
        if result.is_err() {
            let _ = fs::remove_file(&partial); // the error to tell is the first one
            let _ = fs::remove_dir(&folder); // only when nothing else is in it
        }
        result
    }

    fn make_room(&self, request: &Request) -> anyhow::Result<()> {
        let needed = request.base.estimated_bytes(request.quant);
        for gone in self.store.make_room(needed)? {
            let (name, gb) = (gone.path.display(), gigabytes(gone.entry.stamp.size_bytes));
            let limit = gigabytes(self.store.limit_bytes());
            self.console.note(&format!("{name} ({gb:.2} GB) removed: the cache keeps {limit} GB"));
        }
        let root = self.store.root();
        match disk::free_bytes(&root.join("file")) {
            Some(free) if free < needed => bail!(disk_full(root, needed, free)),
            _ => Ok(()),
        }
    }

    async fn quantize(
        &self,
        request: &Request,
        partial: &Path,
        cancel: &mut watch::Receiver<bool>,
    ) -> anyhow::Result<Kept> {
        let begun = Instant::now();
        let line = self.console.begin(&request.title());
        let ending = self.run_worker(request, partial, cancel, &line).await?;
        if ending.stopped_by_us {
            bail!(Interrupted);
        }
        if !ending.done {
            bail!(self.failure(request, partial, &ending));
        }
        if !request.base.is_unchanged() {
            bail!("{}: changed or vanished while it was being quantized", request.base.path.display());
        }
        let gguf = Gguf::open(partial).context("llama.cpp wrote a file that cannot be read")?;
        if gguf.file_type() != request.quant.name() {
            bail!("{}: llama.cpp wrote {} instead of {}", request.base.path.display(), gguf.file_type(), request.quant);
        }
        let seconds = begun.elapsed().as_secs_f64();
        let bits_per_weight = 8.0 * float(gguf.tensor_bytes()) / float(gguf.n_params().max(1));
        let place = self.store.folder_of(request).join(request.file_name());
        self.store.keep(partial, &place, |stamp| Entry {
            schema_version: Entry::SCHEMA_VERSION,
            file: request.file_name(),
            stamp,
            quant: request.quant,
            base: request.base.name.clone(),
            base_path: request.base.path.clone(),
            base_sha256: request.base.sha256.clone(),
            pure: request.options.pure,
            imatrix_sha256: request.options.imatrix.as_ref().map(|i| i.sha256.clone()),
            llama_cpp: env!("SWEETSPOT_LLAMA_CPP").to_owned(),
            bits_per_weight,
            seconds,
        })
    }

    async fn run_worker(
        &self,
        request: &Request,
        partial: &Path,
        cancel: &mut watch::Receiver<bool>,
        line: &Line<'_>,
    ) -> anyhow::Result<Ending> {
        let log = tempfile::Builder::new().prefix("sweetspot-quantize-").suffix(".log").tempfile()?;
        let program = self.program.clone();
        let options = Options { program, stall_timeout: STALL_TIMEOUT, ..Options::new(log.path().to_owned()) };
        let order = Quantizing {
            version: VERSION,
            task: Task {
                base: request.base.path.clone(),
                output: partial.to_owned(),
                quant: request.quant,
                pure: request.options.pure,
                allow_requantize: request.options.allow_requantize,
                imatrix: request.options.imatrix.as_ref().map(|i| i.path.clone()),
                threads: self.threads,
            },
        };
        let mut on_event = |event: &Event| {
            if let Event::Quantizing { progress } = event {
                line.show(*progress);
            }
        };
        Ok(process::run(&order, &options, cancel, &mut on_event).await?)
    }

    /// What llama.cpp's exceptions do not say: that the base is gone, or the disk full.
    fn failure(&self, request: &Request, partial: &Path, ending: &Ending) -> String {
        let base = request.base.path.display();
        let reason = ending.reason();
        if !request.base.is_unchanged() {
            return format!("{base}: changed or vanished while it was being quantized ({reason})");
        }
        let folder = self.store.folder_of(request);
        if reason.contains("iostream error") {
            let written = fs::metadata(partial).map_or(0, |m| m.len());
            let needed = request.base.estimated_bytes(request.quant);
            let free = disk::free_bytes(partial).unwrap_or(0);
            return if written.saturating_add(free) < needed {
                disk_full(&folder, needed, written.saturating_add(free))
            } else {
                format!("{}: the file cannot be written", folder.display())
            };
        }
        match reason.strip_prefix(&format!("{base}: ")) {
            Some(_) => reason,
            None => format!("{base}: llama.cpp's quantizer: {reason}"),
        }
    }
}

/// Makes the folder and an empty file in it. Another process may remove the folder between the two, as it is empty.
fn begin(folder: &Path, partial: &Path) -> std::io::Result<()> {
    let mut tries_left = 10;
    loop {
        fs::create_dir_all(folder)?;
        match fs::File::create(partial) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && tries_left > 0 => tries_left -= 1,
            created => return created.map(drop),
        }
    }
}

fn disk_full(folder: &Path, needed_bytes: u64, free_bytes: u64) -> String {
    let megabytes = |bytes| 1e3 * gigabytes(bytes);
    format!(
        "{}: the disk is full: {:.1} MB are needed, {:.1} MB are free; SWEETSPOT_CACHE names a folder on another disk, \
         `sweetspot quantize --clear` empties the cache",
        folder.display(),
        megabytes(needed_bytes),
        megabytes(free_bytes),
    )
}
