//! One file from the hub into its partial file: resumed, repeated, verified.
//!
//! Left out on purpose: where the verified file goes ([`super::fetch`]) and its locks.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use sha2::{Digest, Sha256};

use super::client::{Answer, Client, PAGE, Trouble};
use super::retry::{Asking, Retries};
use super::{HubError, Patience, RemoteFile};
use crate::engine::gguf::Gguf;
use crate::machine::disk;
use crate::quants::hash;

/// What a model file begins with.
const MAGIC: &[u8] = b"GGUF";

/// A file's way here.
pub(super) struct Job<'a> {
    pub client: &'a Client,
    pub asking: Asking<'a>,
    /// The commit.
    pub revision: &'a str,
    pub file: &'a RemoteFile,
    pub partial: PathBuf,
    pub patience: Patience,
}

/// What happens on the way.
pub(super) enum Event<'a> {
    /// So many bytes of the file are here now; fewer than before when it begins anew.
    Here(u64),
    /// So many came over the network.
    Came(u64),
    /// Something worth a line.
    Note(&'a str),
}

type Tell<'a> = &'a mut dyn FnMut(Event<'_>);

/// Brings the file into the partial file, verified and on the disk.
///
/// # Errors
/// Any of the network's and the disk's; a file that is not what the hub states is fetched once more, then removed.
pub(super) fn bring(job: &Job<'_>, tell: Tell<'_>) -> Result<(), HubError> {
    let first = once(job, tell);
    let Err(error @ (HubError::Size { .. } | HubError::Hash { .. })) = first else {
        return forget_if_foreign(job, first);
    };
    remove(job)?;
    tell(Event::Here(0));
    tell(Event::Note(&format!("what came is not what the hub states; once more from the beginning ({})", lie(&error))));
    let second = once(job, tell);
    if let Err(HubError::Size { .. } | HubError::Hash { .. }) = second {
        remove(job)?;
    }
    forget_if_foreign(job, second)
}

/// What is no model is not kept.
fn forget_if_foreign(job: &Job<'_>, result: Result<(), HubError>) -> Result<(), HubError> {
    if let Err(HubError::NotGguf { .. }) = result {
        remove(job)?;
    }
    result
}

fn remove(job: &Job<'_>) -> Result<(), HubError> {
    match std::fs::remove_file(&job.partial) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(HubError::NotWritable { path: job.partial.clone(), source })
        }
        _ => Ok(()),
    }
}

fn lie(error: &HubError) -> &'static str {
    if matches!(error, HubError::Size { .. }) { "another size" } else { "another SHA-256" }
}

fn once(job: &Job<'_>, tell: Tell<'_>) -> Result<(), HubError> {
    let mut partial = Partial::open(job)?;
    tell(Event::Here(partial.done));
    let mut retries = Retries::new(job.patience);
    let mut is_known = false;
    while partial.done < job.file.size_bytes {
        let (client, revision, name) = (job.client, job.revision, job.file.name.as_str());
        let range = (partial.done > 0).then(|| format!("bytes={}-", partial.done));
        let ask = || client.file((job.asking.repository, revision, name), range.as_deref(), job.asking.stop);
        let answered = job.asking.until_answered(&mut retries, is_known, &mut |note| tell(Event::Note(note)), ask);
        let answer = answered.map_err(|error| partial.cut(&error, retries.failures()).unwrap_or(error))?;
        is_known = true;
        let Some(reason) = partial.take(answer, &mut retries, tell)? else { continue };
        let Some(wait) = retries.failed(None) else {
            return Err(partial.cut_for(reason, retries.failures()));
        };
        tell(Event::Note(&format!("{reason}; again in {:.0} s", wait.as_secs_f64().ceil())));
        job.asking.pause(wait)?;
    }
    partial.finish()
}

/// The file as far as it is here, and its hash so far.
struct Partial<'a> {
    job: &'a Job<'a>,
    file: File,
    hasher: Sha256,
    done: u64,
    /// The furthest that it ever was: going there again is no progress.
    furthest: u64,
}

impl<'a> Partial<'a> {
    /// What is here of the file, read once for its hash.
    fn open(job: &'a Job<'a>) -> Result<Self, HubError> {
        let unwritable = |source| HubError::NotWritable { path: job.partial.clone(), source };
        let open = OpenOptions::new().read(true).append(true).create(true).open(&job.partial);
        let mut partial = Self { job, file: open.map_err(unwritable)?, hasher: Sha256::new(), done: 0, furthest: 0 };
        let here = partial.file.metadata().map_err(unwritable)?.len();
        if here > job.file.size_bytes {
            partial.begin_anew()?;
        }
        let mut buffer = vec![0; 1 << 20];
        loop {
            if job.asking.stop.load(Ordering::Relaxed) {
                return Err(job.asking.stopped());
            }
            match partial.file.read(&mut buffer).map_err(unwritable)? {
                0 => {
                    partial.furthest = partial.done;
                    return Ok(partial);
                }
                n => {
                    partial.hasher.update(&buffer[..n]);
                    partial.done += n as u64;
                }
            }
        }
    }

    fn begin_anew(&mut self) -> Result<(), HubError> {
        let unwritable = |source| HubError::NotWritable { path: self.job.partial.clone(), source };
        self.file.set_len(0).map_err(unwritable)?;
        (self.hasher, self.done) = (Sha256::new(), 0);
        Ok(())
    }

    /// Takes an answer's bytes. What ended it early, where something that a repetition may heal did.
    fn take(&mut self, mut answer: Answer, retries: &mut Retries, tell: Tell<'_>) -> Result<Option<String>, HubError> {
        if answer.status == 416 {
            // nothing of the file is beyond what is here, yet it is not whole: what is here is wrong
            self.begin_anew()?;
            tell(Event::Here(0));
            return Ok(Some("the hub does not have the rest of what is here; from the beginning".to_owned()));
        }
        self.check_head(&answer)?;
        if answer.status == 200 && self.done > 0 {
            self.begin_anew()?;
            tell(Event::Here(0));
            tell(Event::Note("the server does not resume; from the beginning"));
        }
        loop {
            match answer.next(self.job.asking.stop) {
                Ok(Some(bytes)) => {
                    self.write(&bytes)?;
                    if self.done > self.furthest {
                        self.furthest = self.done;
                        retries.progressed();
                    }
                    tell(Event::Came(bytes.len() as u64));
                    tell(Event::Here(self.done));
                }
                Ok(None) if self.done == self.job.file.size_bytes => return Ok(None),
                Ok(None) => return Ok(Some("the answer ended early".to_owned())),
                Err(Trouble::Stopped) => return Err(self.job.asking.stopped()),
                Err(Trouble::Broken(reason) | Trouble::NoConnection(reason) | Trouble::Hopeless(reason)) => {
                    return Ok((self.done < self.job.file.size_bytes).then_some(reason));
                }
            }
        }
    }

    /// Whether the answer is about the file that the hub stated, and goes on where this one ends.
    fn check_head(&self, answer: &Answer) -> Result<(), HubError> {
        let (what, size) = (self.job.asking.what.clone(), self.job.file.size_bytes);
        if answer.is_page() {
            let reason = PAGE.to_owned();
            return Err(HubError::Answer { what, reason }); // what came before stays: it is no page
        }
        let found_bytes = if answer.status == 206 {
            let given = answer.content_range.as_deref().unwrap_or_default();
            let (start, total) = range(given).filter(|(start, _)| *start == self.done).ok_or_else(|| {
                let reason = format!("asked for bytes from {} on, it answers with the range '{given}'", self.done);
                HubError::Answer { what: what.clone(), reason }
            })?;
            total.or_else(|| answer.content_length.map(|length| start.saturating_add(length)))
        } else {
            answer.content_length
        };
        match found_bytes {
            Some(found_bytes) if found_bytes != size => Err(HubError::Size { what, stated_bytes: size, found_bytes }),
            _ => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        let (what, size) = (|| self.job.asking.what.clone(), self.job.file.size_bytes);
        let after = self.done + bytes.len() as u64;
        if after > size {
            return Err(HubError::Size { what: what(), stated_bytes: size, found_bytes: after });
        }
        if let Some(rest) = usize::try_from(self.done).ok().and_then(|done| MAGIC.get(done..)) {
            let n = rest.len().min(bytes.len());
            if bytes[..n] != rest[..n] {
                let begin: String = String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).escape_debug().collect();
                let reason = format!("it begins with '{begin}' in place of 'GGUF'");
                return Err(HubError::NotGguf { what: what(), reason });
            }
        }
        self.file.write_all(bytes).map_err(|source| self.unwritten(source))?;
        self.hasher.update(bytes);
        self.done = after;
        Ok(())
    }

    /// A full disk may have taken a part of the bytes: they are the right ones, and are hashed when it goes on.
    fn unwritten(&self, source: std::io::Error) -> HubError {
        let path = self.job.partial.clone();
        if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            let free_bytes = disk::free_bytes(&path).unwrap_or(0);
            return HubError::DiskFull { path, needed_bytes: self.job.file.size_bytes - self.done, free_bytes };
        }
        HubError::NotWritable { path, source }
    }

    /// Verifies what is here and brings it onto the disk.
    fn finish(self) -> Result<(), HubError> {
        self.file.sync_all().map_err(|source| self.unwritten(source))?;
        let what = self.job.asking.what.clone();
        if let Some(stated) = &self.job.file.sha256 {
            let found = hash::hex(&self.hasher.finalize());
            if !found.eq_ignore_ascii_case(stated) {
                return Err(HubError::Hash { what, stated: stated.clone(), found });
            }
        } else {
            // without a hash, the file's own word that every tensor is there is the best there is
            let reason = |error: crate::engine::gguf::GgufError| error.to_string();
            Gguf::open(&self.job.partial).map_err(|e| HubError::NotGguf { what, reason: reason(e) })?;
        }
        Ok(())
    }

    /// In the words of a download, where the network is what failed after it had begun.
    fn cut(&self, error: &HubError, tries: u32) -> Option<HubError> {
        match error {
            HubError::Unreachable { reason, .. } if tries > 0 => Some(self.cut_for(reason.clone(), tries)),
            _ => None,
        }
    }

    fn cut_for(&self, reason: String, tries: u32) -> HubError {
        let what = self.job.asking.what.clone();
        HubError::Cut { what, tries, reason, done_bytes: self.done, total_bytes: self.job.file.size_bytes }
    }
}

/// `bytes 5-9/10`: where it begins, and the whole length where it is said.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((start.parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_its_beginning_and_perhaps_the_whole_length() {
        assert_eq!(range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((5, None)));
        for text in ["", "bytes */10", "5-9/10", "bytes 5-9", "bytes 5-9/x"] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
