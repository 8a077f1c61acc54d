//! An HTTP server that answers as Hugging Face's hub does, and misbehaves when a test wants it to. It ends with its value.
#![allow(dead_code)] // each test file uses a part

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// The one repository there is.
pub const REPOSITORY: &str = "tester/tiny-GGUF";
/// Its one commit.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A file that the hub has.
#[derive(Clone)]
pub struct Served {
    pub name: String,
    pub bytes: Vec<u8>,
    /// In LFS, as all large files are: with a SHA-256, and behind a redirection to another host.
    pub lfs: bool,
}

impl Served {
    pub fn sha256(&self) -> String {
        format!("{:x}", Sha256::digest(&self.bytes))
    }

    /// Any 40 digits do: what git would say of the file.
    pub fn git_blob(&self) -> String {
        self.sha256()[..40].to_owned()
    }
}

/// What the server does wrong. All of it is about files; the listing says what is stated of them.
#[derive(Clone, Default)]
#[allow(clippy::struct_excessive_bools)] // each is a fault of its own
pub struct Faults {
    /// So many answers break off...
    pub cuts: usize,
    /// ...after so many bytes of the body.
    pub cut_after: usize,
    /// Answers with these statuses, one after the other, before all is well: number and `Retry-After`.
    pub statuses: VecDeque<(u16, Option<u64>)>,
    /// As `statuses`, for the listing.
    pub listing_statuses: VecDeque<(u16, Option<u64>)>,
    /// Who does not send this is not let in.
    pub token: Option<String>,
    /// Everybody is told 403.
    pub forbidden: bool,
    /// Every file is gone, although it was listed.
    pub gone: bool,
    /// Ranges are not understood: 200 and everything.
    pub ignores_range: bool,
    /// A range begins elsewhere than it was asked for.
    pub wrong_range: bool,
    /// So many answers never come.
    pub hangs: usize,
    /// A web page comes in place of the file.
    pub html: bool,
    /// So many answers have a byte that is wrong.
    pub garbled: usize,
    /// The listing's size is so much larger than the file.
    pub stated_size_more: u64,
    /// The listing's hash is another one.
    pub stated_hash: Option<String>,
    /// Pause after each 4 KiB.
    pub slow: Duration,
    /// In place of the listing.
    pub listing: Option<String>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Came to the host that only stores files.
    pub cdn: bool,
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
    pub user_agent: Option<String>,
}

pub struct Server {
    pub endpoint: String,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

struct State {
    stop: AtomicBool,
    files: Vec<Served>,
    faults: Mutex<Faults>,
    asked: Mutex<Vec<Asked>>,
    /// Bytes of files that went out.
    sent: Mutex<u64>,
    cdn: String,
}

impl Server {
    pub fn start(files: Vec<Served>, faults: Faults) -> Self {
        let (hub, cdn) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let endpoint = format!("http://127.0.0.1:{}", hub.local_addr().unwrap().port());
        let state = Arc::new(State {
            stop: AtomicBool::new(false),
            files,
            faults: Mutex::new(faults),
            asked: Mutex::default(),
            sent: Mutex::default(),
            // by another name, so that it is another host
            cdn: format!("http://localhost:{}", cdn.local_addr().unwrap().port()),
        });
        let threads = [(hub, false), (cdn, true)].map(|(listener, is_cdn)| {
            let state = Arc::clone(&state);
            std::thread::spawn(move || accept(&listener, is_cdn, &state))
        });
        Self { endpoint, state, threads: threads.into() }
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.state.faults.lock().unwrap()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Requests for files, not for the listing, at the host that they were sent to first.
    pub fn asked_for_files(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| !asked.cdn && asked.path.contains("/resolve/")).collect()
    }

    /// Bytes of files that went out.
    pub fn sent(&self) -> u64 {
        *self.state.sent.lock().unwrap()
    }

    pub fn files(&self) -> &[Served] {
        &self.state.files
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, is_cdn: bool, state: &Arc<State>) {
    listener.set_nonblocking(true).unwrap();
    while !state.stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                let state = Arc::clone(state);
                std::thread::spawn(move || {
                    stream.set_nonblocking(false).unwrap();
                    // a client that hangs up in the middle is one of the things to test
                    let _ = answer(stream, is_cdn, &state);
                });
            }
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn answer(mut stream: TcpStream, cdn: bool, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let mut asked = Asked { cdn, path, range: None, authorization: None, user_agent: None };
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else { continue };
        let value = Some(value.trim().to_owned());
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.range = value,
            "authorization" => asked.authorization = value,
            "user-agent" => asked.user_agent = value,
            _ => {}
        }
    }
    state.asked.lock().unwrap().push(asked.clone());
    let path = asked.path.split('?').next().unwrap_or_default();
    if cdn {
        return match state.files.iter().find(|file| path == format!("/cdn/{}", file.sha256())) {
            Some(file) => send_file(&mut stream, &asked, file, state),
            None => send(&mut stream, 404, &[], b"no such file"),
        };
    }
    if let Some(refusal) = refusal(&asked, path, state) {
        let (status, retry_after) = refusal;
        let retry_after: Vec<_> = retry_after.map(|s| ("Retry-After", s.to_string())).into_iter().collect();
        return send(&mut stream, status, &retry_after, b"{\"error\":\"as the test wants it\"}");
    }
    if path == format!("/api/models/{REPOSITORY}/revision/main") {
        let listing = listing(state);
        return send(&mut stream, 200, &[("Content-Type", "application/json".into())], listing.as_bytes());
    }
    let resolve = format!("/{REPOSITORY}/resolve/{COMMIT}/");
    let name = path.strip_prefix(&resolve).map(|name| name.replace("%20", " "));
    match name.and_then(|name| state.files.iter().find(|file| file.name == name)) {
        Some(file) if file.lfs => {
            let headers = [
                ("Location", format!("{}/cdn/{}?signature=1", state.cdn, file.sha256())),
                ("X-Repo-Commit", COMMIT.to_owned()),
                ("X-Linked-Size", file.bytes.len().to_string()),
                ("X-Linked-ETag", format!("\"{}\"", file.sha256())),
            ];
            send(&mut stream, 302, &headers, b"")
        }
        Some(file) => send_file(&mut stream, &asked, file, state),
        None => send(&mut stream, 404, &[], b"{\"error\":\"Entry not found\"}"),
    }
}

/// Status and `Retry-After` of those who get nothing.
fn refusal(asked: &Asked, path: &str, state: &State) -> Option<(u16, Option<u64>)> {
    let mut faults = state.faults.lock().unwrap();
    let is_listing = path.starts_with("/api/");
    if let Some(token) = &faults.token
        && asked.authorization.as_deref() != Some(&format!("Bearer {token}"))
    {
        return Some((401, None));
    }
    if faults.forbidden && !is_listing {
        return Some((403, None));
    }
    if faults.gone && !is_listing {
        return Some((404, None));
    }
    if is_listing { faults.listing_statuses.pop_front() } else { faults.statuses.pop_front() }
}

fn listing(state: &State) -> String {
    let faults = state.faults.lock().unwrap();
    if let Some(listing) = &faults.listing {
        return listing.clone();
    }
    let siblings: Vec<_> = state
        .files
        .iter()
        .map(|file| {
            let size = file.bytes.len() as u64 + faults.stated_size_more;
            let mut sibling = serde_json::json!({"rfilename": file.name, "size": size, "blobId": file.git_blob()});
            if file.lfs {
                let sha256 = faults.stated_hash.clone().unwrap_or_else(|| file.sha256());
                sibling["lfs"] = serde_json::json!({"sha256": sha256, "size": size, "pointerSize": 135});
            }
            sibling
        })
        .collect();
    serde_json::json!({"id": REPOSITORY, "sha": COMMIT, "private": false, "siblings": siblings}).to_string()
}

fn send_file(stream: &mut TcpStream, asked: &Asked, file: &Served, state: &State) -> std::io::Result<()> {
    let faults = {
        let mut faults = state.faults.lock().unwrap();
        let now = faults.clone();
        faults.hangs = faults.hangs.saturating_sub(1);
        faults.cuts = faults.cuts.saturating_sub(1);
        faults.garbled = faults.garbled.saturating_sub(1);
        now
    };
    if faults.hangs > 0 {
        while !state.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        return Ok(());
    }
    if faults.html {
        let page = b"<!doctype html><title>Please log in to this network</title>";
        return send(stream, 200, &[("Content-Type", "text/html; charset=utf-8".into())], page);
    }
    let all = file.bytes.len();
    let range = asked.range.as_deref().filter(|_| !faults.ignores_range).and_then(|range| range.strip_prefix("bytes="));
    let (start, end) = match range.and_then(|range| range.split_once('-')) {
        None => (0, all),
        Some((start, end)) => (start.parse().unwrap(), end.parse().map_or(all, |end: usize| (end + 1).min(all))),
    };
    if start >= all {
        return send(stream, 416, &[("Content-Range", format!("bytes */{all}"))], b"");
    }
    let mut body = file.bytes[start..end].to_vec();
    if faults.garbled > 0 {
        *body.last_mut().unwrap() ^= 1;
    }
    let mut head = format!("HTTP/1.1 {}\r\n", if range.is_some() { "206 Partial Content" } else { "200 OK" });
    if range.is_some() {
        let said = if faults.wrong_range { start / 2 } else { start };
        let _ = write!(head, "Content-Range: bytes {said}-{}/{all}\r\n", end - 1);
    }
    let (length, sha256) = (body.len(), file.sha256());
    let _ = write!(head, "Content-Length: {length}\r\nAccept-Ranges: bytes\r\nETag: \"{sha256}\"\r\n");
    head += "Content-Type: application/octet-stream\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    if faults.cuts > 0 {
        body.truncate(faults.cut_after);
    }
    for piece in body.chunks(4096) {
        *state.sent.lock().unwrap() += piece.len() as u64; // before: who has them may look at once
        stream.write_all(piece)?;
        std::thread::sleep(faults.slow);
    }
    stream.flush()
}

fn send(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &[u8]) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} As Told\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}
