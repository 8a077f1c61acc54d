//! A whole model from the hub into Hugging Face's cache: room on the disk first, every file verified, then put in place.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::cache::{self, RepoFolder};
use super::pace::Pace;
use super::retry::Asking;
use super::transfer::{self, Event, Job};
use super::{Hub, HubError, Remote, RemoteFile};
use crate::machine::disk;
use crate::report::atomic;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How often another process's lock is looked at.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// How far a download is.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// The file that comes now.
    pub file: String,
    /// Bytes of all of the model's files that are here.
    pub done_bytes: u64,
    /// Bytes of all of them.
    pub total_bytes: u64,
    /// How fast they come, over the last seconds; none as long as nobody can say.
    pub bytes_per_second: Option<f64>,
    /// When the rest will be here at this speed.
    pub eta: Option<Duration>,
    /// Something worth a line: a broken connection, a wait.
    pub note: Option<String>,
}

/// A model that is here now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The file to load: of a split model the first part.
    pub path: PathBuf,
    /// All files.
    pub paths: Vec<PathBuf>,
    /// Bytes that came over the network; 0 where everything was here.
    pub downloaded_bytes: u64,
    /// Files that the hub states no hash of: verified by their size and by what they say of themselves.
    pub unhashed: Vec<String>,
}

/// Brings what is missing.
pub(super) fn fetch(
    hub: &Hub,
    remote: &Remote,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Transfer),
) -> Result<Fetched, HubError> {
    let unhashed = || remote.files.iter().filter(|f| f.sha256.is_none()).map(|f| f.name.clone()).collect();
    if let Some(paths) = hub.find(remote) {
        return fetched(paths, 0, Vec::new(), remote);
    }
    hub.online(&remote.to_string())?;
    let folder = RepoFolder::new(&hub.settings.cache, &remote.repository);
    for file in &remote.files {
        cache::make_folder_of(&folder.blob(file))?;
    }
    check_room(hub, remote, &folder)?;
    let mut teller = Teller::new(remote, progress);
    let mut paths = Vec::new();
    for file in &remote.files {
        paths.push(bring(hub, remote, file, &folder, stop, &mut teller)?);
    }
    let branch = folder.set_branch(&remote.revision);
    branch.map_err(|error| not_writable(&hub.settings.cache, std::io::Error::other(format!("{error:#}"))))?;
    fetched(paths, teller.came, unhashed(), remote)
}

fn fetched(
    paths: Vec<PathBuf>,
    downloaded_bytes: u64,
    unhashed: Vec<String>,
    remote: &Remote,
) -> Result<Fetched, HubError> {
    let path = paths.first().cloned().ok_or_else(|| HubError::NoGguf { repository: remote.repository.clone() })?;
    Ok(Fetched { path, paths, downloaded_bytes, unhashed })
}

/// Bytes that neither the content's place nor the partial file has.
pub(super) fn missing_bytes(hub: &Hub, remote: &Remote) -> u64 {
    let folder = RepoFolder::new(&hub.settings.cache, &remote.repository);
    let here = |file: &RemoteFile| length(&folder.blob(file)).max(length(&folder.partial(file))).min(file.size_bytes);
    remote.files.iter().fold(0, |sum, file| u64::saturating_add(sum, file.size_bytes - here(file)))
}

/// Whether the disk has room for what is missing and for what it has to keep free.
fn check_room(hub: &Hub, remote: &Remote, folder: &RepoFolder) -> Result<(), HubError> {
    let missing = missing_bytes(hub, remote);
    let needed_bytes = missing.saturating_add(hub.settings.reserve_bytes);
    let path = remote.files.first().map_or_else(|| hub.settings.cache.clone(), |file| folder.blob(file));
    match disk::free_bytes(&path) {
        Some(free_bytes) if missing > 0 && free_bytes < needed_bytes => {
            Err(HubError::DiskFull { path: hub.settings.cache.clone(), needed_bytes, free_bytes })
        }
        _ => Ok(()),
    }
}

/// Brings one file, unless its content is here, and lets the commit's name point to it.
fn bring(
    hub: &Hub,
    remote: &Remote,
    file: &RemoteFile,
    folder: &RepoFolder,
    stop: &AtomicBool,
    teller: &mut Teller<'_>,
) -> Result<PathBuf, HubError> {
    teller.begin(file);
    let asking = hub.asking(format!("{} {}", remote.repository, file.name), &remote.repository, stop);
    let lock_path = folder.lock(file);
    cache::make_folder_of(&lock_path)?;
    let _lock = lock(&lock_path, &asking, teller, &|| length(&folder.partial(file)))?;
    let blob = folder.blob(file);
    if length(&blob) != file.size_bytes || !blob.is_file() {
        let partial = folder.partial(file);
        let revision = &remote.revision;
        let job = Job { client: &hub.client, asking, revision, file, partial, patience: hub.settings.patience };
        transfer::bring(&job, &mut |event| teller.hear(&event))?;
        // whatever lay at the content's name was of another length than the content
        fs::rename(&job.partial, &blob).map_err(|e| not_writable(&blob, e))?;
        atomic::sync_folder_of(&blob).map_err(|e| not_writable(&blob, e))?;
    }
    teller.end(file);
    folder.point(&remote.revision, file).map_err(|e| not_writable(&folder.snapshot(&remote.revision, &file.name), e))
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

fn not_writable(path: &Path, source: std::io::Error) -> HubError {
    HubError::NotWritable { path: path.to_owned(), source }
}

/// The right to write a partial file; waits for the process that has it. The system takes it from a process that dies.
fn lock(
    path: &Path,
    asking: &Asking<'_>,
    teller: &mut Teller<'_>,
    here: &dyn Fn() -> u64,
) -> Result<Option<File>, HubError> {
    let open = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let file = open.map_err(|source| not_writable(path, source))?;
    let mut is_told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            // a disk without locks: two processes may spoil the partial file, which its hash will tell
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) => {
                if !is_told {
                    teller.hear(&Event::Note("another process fetches this file; waiting for it"));
                    is_told = true;
                }
                asking.pause(LOCK_POLL)?;
                teller.hear(&Event::Here(here()));
            }
        }
    }
}

/// From events to progress.
struct Teller<'a> {
    progress: &'a mut dyn FnMut(Transfer),
    start: Instant,
    pace: Pace,
    told: Option<Instant>,
    file: String,
    /// Bytes of the files before this one.
    before: u64,
    /// Bytes of this one.
    here: u64,
    total: u64,
    /// Bytes that came over the network.
    came: u64,
}

impl<'a> Teller<'a> {
    fn new(remote: &Remote, progress: &'a mut dyn FnMut(Transfer)) -> Self {
        let (start, total) = (Instant::now(), remote.size_bytes());
        Self {
            progress,
            start,
            pace: Pace::default(),
            told: None,
            file: String::new(),
            before: 0,
            here: 0,
            total,
            came: 0,
        }
    }

    fn begin(&mut self, file: &RemoteFile) {
        file.name.clone_into(&mut self.file);
        self.here = 0;
    }

    fn end(&mut self, file: &RemoteFile) {
        self.here = file.size_bytes;
        self.tell(None);
        self.before += file.size_bytes;
        self.here = 0;
    }

    fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Here(bytes) => {
                self.here = *bytes;
                if self.told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
                    self.tell(None);
                }
            }
            Event::Came(bytes) => {
                self.came += bytes;
                self.pace.at(self.start.elapsed(), self.came);
            }
            Event::Note(note) => self.tell(Some((*note).to_owned())),
        }
    }

    fn tell(&mut self, note: Option<String>) {
        let now = self.start.elapsed();
        let done_bytes = self.before + self.here;
        self.pace.at(now, self.came);
        self.told = Some(Instant::now());
        (self.progress)(Transfer {
            file: self.file.clone(),
            done_bytes,
            total_bytes: self.total,
            bytes_per_second: self.pace.bytes_per_second(now),
            eta: self.pace.eta(now, self.total.saturating_sub(done_bytes)),
            note,
        });
    }
}
