//! Requests to the hub, over `hf-hub`'s own client (its addresses, its token, which goes to no other host).
//!
//! Each request lives in a thread of its own and its answer comes through a channel, so that whoever waits can stop at any
//! moment, whatever the network does. Left out on purpose: what is repeated when ([`super::retry`]).

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use hf_hub::api::sync::{Api, ApiBuilder};
use hf_hub::{Cache, Repo, RepoType};

use super::{HubError, Patience, Settings};

/// How soon a wish to stop is seen.
const POLL: Duration = Duration::from_millis(50);
/// What is read at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces that wait in memory.
const PIECES: usize = 8;

/// The hub's client.
#[derive(Clone)]
pub(super) struct Client {
    api: Api,
    patience: Patience,
}

// the API holds the token, which is nobody's to print
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// Why there is no answer, or no further byte of it.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Somebody wanted it to stop.
    Stopped,
    /// No connection came about.
    NoConnection(String),
    /// The connection broke, or nothing came for too long.
    Broken(String),
    /// Something that no repetition makes better: too many redirections, an address that is none.
    Hopeless(String),
}

/// An answer's head, and its body piece by piece.
pub(super) struct Answer {
    /// HTTP's number.
    pub status: u16,
    /// Bytes of the body, where it says.
    pub content_length: Option<u64>,
    /// `Content-Range` as it stands.
    pub content_range: Option<String>,
    /// `Content-Type` as it stands.
    pub content_type: String,
    /// What `Retry-After` asks for.
    pub retry_after: Option<Duration>,
    body: Receiver<Piece>,
}

/// What is wrong with an answer that is a page.
pub(super) const PAGE: &str = "it is a web page: something between here and the hub answers in its place";

enum Piece {
    Head(Box<Head>),
    Bytes(Vec<u8>),
    End,
    Trouble(Trouble),
}

struct Head {
    status: u16,
    content_length: Option<u64>,
    content_range: Option<String>,
    content_type: String,
    retry_after: Option<Duration>,
}

impl Client {
    /// A client for these settings.
    ///
    /// # Errors
    /// [`HubError::Answer`] where `hf-hub` cannot be set up.
    pub(super) fn new(settings: &Settings) -> Result<Self, HubError> {
        let api = ApiBuilder::from_cache(Cache::new(settings.cache.clone()))
            .with_endpoint(settings.endpoint.clone())
            .with_token(settings.token.clone())
            .with_user_agent("sweetspot", env!("CARGO_PKG_VERSION"))
            .with_progress(false)
            .build()
            .map_err(|error| HubError::Answer { what: settings.endpoint.clone(), reason: error.to_string() })?;
        Ok(Self { api, patience: settings.patience })
    }

    /// Asks for a repository's listing, sizes and hashes with it.
    pub(super) fn listing(&self, repository: &str, stop: &AtomicBool) -> Result<Answer, Trouble> {
        let repo = self.api.repo(Repo::model(repository.to_owned()));
        self.send(repo.info_request().query("blobs", "true"), None, stop)
    }

    /// Asks for a file, or for a range of its bytes (`bytes=5-`).
    pub(super) fn file(
        &self,
        (repository, revision, name): (&str, &str, &str),
        range: Option<&str>,
        stop: &AtomicBool,
    ) -> Result<Answer, Trouble> {
        let repo = Repo::with_revision(repository.to_owned(), RepoType::Model, revision.to_owned());
        let repo = self.api.repo(repo);
        // the only request with token and agent that hf-hub hands out, to another address of the same host
        self.send(repo.info_request().uri(repo.url(&escaped(name))), range, stop)
    }

    fn send(
        &self,
        request: ureq::RequestBuilder<ureq::typestate::WithoutBody>,
        range: Option<&str>,
        stop: &AtomicBool,
    ) -> Result<Answer, Trouble> {
        let request = match range {
            Some(range) => request.header("Range", range),
            None => request,
        };
        let request = request
            .config()
            .http_status_as_error(false)
            .accept_encoding("identity") // ranges and lengths are those of the file
            .timeout_resolve(Some(self.patience.connect))
            .timeout_connect(Some(self.patience.connect))
            .timeout_recv_response(Some(self.patience.read))
            .timeout_per_read(Some(self.patience.read))
            .build();
        let (sender, body) = mpsc::sync_channel(PIECES);
        let thread = std::thread::Builder::new().name("hub".to_owned());
        thread.spawn(move || speak(request, &sender)).map_err(|error| Trouble::Hopeless(error.to_string()))?;
        match receive(&body, stop)? {
            Piece::Head(head) => {
                let Head { status, content_length, content_range, content_type, retry_after } = *head;
                Ok(Answer { status, content_length, content_range, content_type, retry_after, body })
            }
            Piece::Trouble(trouble) => Err(trouble),
            Piece::Bytes(_) | Piece::End => Err(Trouble::Broken("the answer has no head".to_owned())),
        }
    }
}

impl Answer {
    /// Whether it is a page for people, as a network's login has one.
    pub(super) fn is_page(&self) -> bool {
        self.content_type.to_ascii_lowercase().starts_with("text/html")
    }

    /// The next bytes of the body; none at its end.
    pub(super) fn next(&mut self, stop: &AtomicBool) -> Result<Option<Vec<u8>>, Trouble> {
        match receive(&self.body, stop)? {
            Piece::Bytes(bytes) => Ok(Some(bytes)),
            Piece::End => Ok(None),
            Piece::Trouble(trouble) => Err(trouble),
            Piece::Head(_) => Err(Trouble::Broken("the answer has two heads".to_owned())),
        }
    }
}

/// Waits for the thread's next word. The thread's own timeouts end every wait.
fn receive(body: &Receiver<Piece>, stop: &AtomicBool) -> Result<Piece, Trouble> {
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(Trouble::Stopped);
        }
        match body.recv_timeout(POLL) {
            Ok(piece) => return Ok(piece),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Trouble::Broken("the request ended".to_owned())),
        }
    }
}

/// The thread: sends the request, then hands on what comes until nobody listens any more.
fn speak(request: ureq::RequestBuilder<ureq::typestate::WithoutBody>, sender: &SyncSender<Piece>) {
    let mut response = match request.call() {
        Ok(response) => response,
        Err(error) => {
            let _ = sender.send(Piece::Trouble(trouble(error)));
            return;
        }
    };
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let head = Head {
        status: response.status().as_u16(),
        content_length: header("content-length").and_then(|text| text.trim().parse().ok()),
        content_range: header("content-range"),
        content_type: header("content-type").unwrap_or_default(),
        // the other form, a date, is one that this hub does not use
        retry_after: header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs),
    };
    if sender.send(Piece::Head(Box::new(head))).is_err() {
        return;
    }
    let mut reader = response.body_mut().as_reader();
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let piece = match reader.read(&mut buffer) {
            Ok(0) => Piece::End,
            Ok(n) => Piece::Bytes(buffer[..n].to_vec()),
            Err(error) => Piece::Trouble(trouble(error.into())),
        };
        let is_last = !matches!(piece, Piece::Bytes(_));
        if sender.send(piece).is_err() || is_last {
            return;
        }
    }
}

fn trouble(error: ureq::Error) -> Trouble {
    use std::io::ErrorKind;
    match error {
        ureq::Error::HostNotFound => Trouble::NoConnection("its name is not known".to_owned()),
        ureq::Error::ConnectionFailed | ureq::Error::Tls(_) | ureq::Error::ConnectProxyFailed(_) => {
            Trouble::NoConnection(error.to_string())
        }
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
            Trouble::NoConnection("no connection within the time".to_owned())
        }
        ureq::Error::Timeout(_) => Trouble::Broken("nothing came for too long".to_owned()),
        ureq::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
            | ErrorKind::TimedOut
            | ErrorKind::WouldBlock
            | ErrorKind::Interrupted => Trouble::Broken(error.to_string()),
            // refused, unreachable, and a name that is not known, which has no kind of its own
            _ => Trouble::NoConnection(error.to_string()),
        },
        ureq::Error::Protocol(_) | ureq::Error::BodyStalled => Trouble::Broken(error.to_string()),
        _ => Trouble::Hopeless(error.to_string()),
    }
}

/// A path as it stands in an address: all but letters, digits, `-._~` and the slashes as `%20`.
fn escaped(path: &str) -> String {
    use std::fmt::Write;
    path.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}"); // writing to a String cannot fail
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_blanks_and_letters_of_all_languages_stand_in_an_address() {
        assert_eq!(escaped("a b/ü#.gguf"), "a%20b/%C3%BC%23.gguf");
        assert_eq!(escaped("Q4/m-Q4_K_M.gguf"), "Q4/m-Q4_K_M.gguf");
    }
}
