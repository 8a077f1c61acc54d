//! A model's header without its weights: a few MB in place of many GB, for exact byte counts and for synthetic weights.
//!
//! The result is a sparse file of the model's full length: its header, then nothing but holes. It lies in this program's own
//! cache, in a folder where nobody looks for models, because its weights are zeros.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::client::{Answer, PAGE, Trouble};
use super::retry::{Asking, Retries};
use super::{Hub, HubError, Remote, RemoteFile, cache};
use crate::engine::gguf::{Gguf, GgufError};
use crate::report::atomic;

/// Enough for most models' metadata without a large vocabulary.
const FIRST_BYTES: u64 = 1 << 20;
/// How much more is asked for when that was not enough.
const GROWTH: u64 = 4;
/// Far more than any header; a file whose header does not end before is no model.
const MOST_BYTES: u64 = 1 << 30;

/// The first file of the model's stub; what is missing of it is fetched.
pub(super) fn stub(hub: &Hub, remote: &Remote) -> Result<PathBuf, HubError> {
    let folder = folder(hub, remote);
    for file in &remote.files {
        let place = folder.join(&file.name);
        if !is_there(&place, file) {
            hub.online(&format!("the header of {remote}"))?;
            make(hub, remote, file, &place)?;
        }
    }
    let first = remote.files.first().ok_or_else(|| HubError::NoGguf { repository: remote.repository.clone() })?;
    Ok(folder.join(&first.name))
}

/// The stub's first file where it is here already.
pub(super) fn find(hub: &Hub, remote: &Remote) -> Option<PathBuf> {
    let folder = folder(hub, remote);
    let is_here = !remote.files.is_empty() && remote.files.iter().all(|file| is_there(&folder.join(&file.name), file));
    is_here.then(|| folder.join(&remote.files[0].name))
}

fn folder(hub: &Hub, remote: &Remote) -> PathBuf {
    hub.settings.headers.join(remote.repository.replace('/', "--")).join(&remote.revision)
}

fn is_there(place: &Path, file: &RemoteFile) -> bool {
    Gguf::open(place).is_ok_and(|gguf| gguf.file_bytes() == file.size_bytes)
}

fn make(hub: &Hub, remote: &Remote, file: &RemoteFile, place: &Path) -> Result<(), HubError> {
    cache::make_folder_of(place)?;
    let partial = place.with_file_name(format!(".{}.{}.part", file.base_name(), std::process::id()));
    let made = fill(hub, remote, file, &partial).and_then(|()| {
        fs::rename(&partial, place).and_then(|()| atomic::sync_folder_of(place)).map_err(|e| unwritten(place, e))
    });
    if made.is_err() {
        // Whether it can be removed or not: the error to tell is the first one.
        let _ = fs::remove_file(&partial);
    }
    made
}

/// Fetches from the file's beginning until its header can be read, then gives it its full length.
fn fill(hub: &Hub, remote: &Remote, file: &RemoteFile, partial: &Path) -> Result<(), HubError> {
    let what = format!("{} {}", remote.repository, file.name);
    let open = OpenOptions::new().write(true).create(true).truncate(true).open(partial);
    let mut out = open.map_err(|e| unwritten(partial, e))?;
    let not_gguf = |error: &GgufError| {
        let reason = error.to_string().replace(&format!("{}: ", partial.display()), "");
        HubError::NotGguf { what: what.clone(), reason }
    };
    let asking = hub.asking(what.clone(), &remote.repository, &hub.stop);
    let (mut here, mut want) = (0, FIRST_BYTES.min(file.size_bytes));
    let header = loop {
        here = more(hub, remote, file, &asking, (here, want), (&mut out, partial))?;
        match Gguf::open_header(partial) {
            Ok(header) => break header,
            Err(GgufError::CutHeader { .. }) if here < file.size_bytes.min(MOST_BYTES) => {
                want = want.saturating_mul(GROWTH).min(file.size_bytes).min(MOST_BYTES);
            }
            Err(error) => return Err(not_gguf(&error)),
        }
    };
    // the weights that came with the header are not kept, so that no stub looks like half a model
    let sized = out.set_len(header.data_offset().min(here)).and_then(|()| out.set_len(file.size_bytes));
    sized.and_then(|()| out.sync_all()).map_err(|e| unwritten(partial, e))?;
    Gguf::open(partial).map(|_| ()).map_err(|e| not_gguf(&e))
}

/// Fetches the bytes from the first to before the second number; how many are here then.
fn more(
    hub: &Hub,
    remote: &Remote,
    file: &RemoteFile,
    asking: &Asking<'_>,
    (start, end): (u64, u64),
    (out, partial): (&mut File, &Path),
) -> Result<u64, HubError> {
    let mut here = start;
    let mut retries = Retries::new(hub.settings.patience);
    while here < end {
        let range = format!("bytes={here}-{}", end - 1);
        let ask = || {
            let place = (remote.repository.as_str(), remote.revision.as_str(), file.name.as_str());
            hub.client.file(place, Some(&range), asking.stop)
        };
        let mut answer = asking.until_answered(&mut retries, here > 0, &mut |_| {}, ask)?;
        let mut skip = begins_before(&answer, here, asking)?;
        let reason = loop {
            match answer.next(asking.stop) {
                Ok(Some(bytes)) => {
                    let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
                    skip -= skipped as u64;
                    let room = usize::try_from(end - here).unwrap_or(usize::MAX);
                    let bytes = &bytes[skipped..];
                    let bytes = &bytes[..bytes.len().min(room)];
                    out.write_all(bytes).map_err(|e| unwritten(partial, e))?;
                    here += bytes.len() as u64;
                    if !bytes.is_empty() {
                        retries.progressed();
                    }
                    if here >= end {
                        return Ok(here); // a server without ranges would go on
                    }
                }
                Ok(None) => break "the answer ended early".to_owned(),
                Err(Trouble::Stopped) => return Err(asking.stopped()),
                Err(Trouble::Broken(reason) | Trouble::NoConnection(reason) | Trouble::Hopeless(reason)) => {
                    break reason;
                }
            }
        };
        let Some(wait) = retries.failed(None) else {
            let (what, tries) = (asking.what.clone(), retries.failures());
            return Err(HubError::Cut { what, tries, reason, done_bytes: here, total_bytes: end });
        };
        asking.pause(wait)?;
    }
    Ok(here)
}

/// Bytes of the answer that lie before what was asked for.
fn begins_before(answer: &Answer, asked: u64, asking: &Asking<'_>) -> Result<u64, HubError> {
    let what = || asking.what.clone();
    if answer.is_page() {
        let reason = PAGE.to_owned();
        return Err(HubError::NotGguf { what: what(), reason });
    }
    let range = answer.content_range.as_deref().unwrap_or_default();
    match answer.status {
        200 => Ok(asked),
        206 if range.trim().starts_with(&format!("bytes {asked}-")) => Ok(0),
        status => {
            let reason = format!("asked for bytes from {asked} on, it answers {status} with the range '{range}'");
            Err(HubError::Answer { what: what(), reason })
        }
    }
}

fn unwritten(path: &Path, source: std::io::Error) -> HubError {
    if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        let free_bytes = crate::machine::disk::free_bytes(path).unwrap_or(0);
        return HubError::DiskFull { path: path.to_owned(), needed_bytes: FIRST_BYTES, free_bytes };
    }
    HubError::NotWritable { path: path.to_owned(), source }
}
