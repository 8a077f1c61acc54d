//! What the hub says of a repository: its commit and its files, with sizes and hashes.

use std::sync::atomic::AtomicBool;

use serde::Deserialize;

use super::client::Trouble;
use super::retry::Retries;
use super::{Hub, HubError, Remote, RemoteFile, remote};

/// The largest repositories' listings are a few MB.
const MAX_BYTES: usize = 64 << 20;

/// The parts of the hub's answer that are used; it says more, and will say other things.
#[derive(Deserialize)]
struct Info {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    #[serde(alias = "oid")]
    sha256: Option<String>,
    size: Option<u64>,
}

/// The models of a repository.
pub(super) fn list(hub: &Hub, repository: &str, stop: &AtomicBool) -> Result<Vec<Remote>, HubError> {
    let bytes = ask(hub, repository, stop)?;
    let answer = |reason: String| HubError::Answer { what: repository.to_owned(), reason };
    let info: Info = serde_json::from_slice(&bytes).map_err(|e| {
        let begin: String = String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).escape_debug().collect();
        answer(format!("the listing begins with '{begin}' and is not the hub's JSON ({e})"))
    })?;
    // commit and hashes become names of folders and files
    let revision =
        info.sha.filter(|sha| is_hex(sha, 40)).ok_or_else(|| answer("the listing names no commit".into()))?;
    let files: Result<Vec<_>, _> = info.siblings.into_iter().filter(is_gguf).map(file).collect();
    Ok(remote::group(repository, &revision, files.map_err(answer)?))
}

fn is_gguf(sibling: &Sibling) -> bool {
    sibling.rfilename.to_lowercase().ends_with(".gguf")
}

fn file(sibling: Sibling) -> Result<RemoteFile, String> {
    let name = sibling.rfilename;
    let lfs_size = sibling.lfs.as_ref().and_then(|lfs| lfs.size);
    let size_bytes = lfs_size.or(sibling.size).ok_or_else(|| format!("the listing states no size of {name}"))?;
    let stated = sibling.lfs.and_then(|lfs| lfs.sha256);
    let sha256 = stated.map(|hash| hash.trim_start_matches("sha256:").to_ascii_lowercase());
    if sha256.as_ref().is_some_and(|hash| !is_hex(hash, 64)) {
        return Err(format!("the listing states a SHA-256 of {name} that is none"));
    }
    let git_blob = sibling.blob_id.filter(|id| is_hex(id, 40));
    Ok(RemoteFile { name, size_bytes, sha256, git_blob })
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn ask(hub: &Hub, repository: &str, stop: &AtomicBool) -> Result<Vec<u8>, HubError> {
    let asking = hub.asking(repository.to_owned(), repository, stop);
    let mut retries = Retries::new(hub.settings.patience);
    loop {
        let ask = || hub.client.listing(repository, stop);
        let mut answer = asking.until_answered(&mut retries, false, &mut |_| {}, ask)?;
        let mut bytes = Vec::new();
        let reason = loop {
            match answer.next(stop) {
                Ok(Some(piece)) if bytes.len() + piece.len() <= MAX_BYTES => bytes.extend(piece),
                Ok(Some(_)) => {
                    let reason = format!("the listing is longer than {MAX_BYTES} bytes");
                    return Err(HubError::Answer { what: repository.to_owned(), reason });
                }
                Ok(None) => return Ok(bytes),
                Err(Trouble::Stopped) => return Err(asking.stopped()),
                Err(Trouble::Broken(reason) | Trouble::NoConnection(reason) | Trouble::Hopeless(reason)) => {
                    break reason;
                }
            }
        };
        let Some(wait) = retries.failed(None) else {
            let (what, endpoint) = (repository.to_owned(), hub.settings.endpoint.clone());
            return Err(HubError::Unreachable { what, endpoint, reason });
        };
        asking.pause(wait)?;
    }
}
