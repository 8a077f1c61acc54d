//! What can go wrong with the hub, each in one or two lines: what, where, and what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why something did not come from the hub.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Text that is no wish.
    #[error("'{given}' is no model on the hub: write user/repo or user/repo:Q4_K_M")]
    Wish {
        /// As given.
        given: String,
    },
    /// An address that is none.
    #[error("HF_ENDPOINT is '{given}': write an address that begins with https:// or http://")]
    Endpoint {
        /// As given.
        given: String,
    },
    /// The system has no home folder.
    #[error("there is no home folder for the models; set HF_HOME to a folder")]
    NoFolder,
    /// 401 or 403: the repository is gated or private.
    #[error("{what}: access was refused ({status}; {}): accept the licence on {page} and set HF_TOKEN to a token of that account", if *token_sent { "a token was sent" } else { "no token was sent" })]
    Refused {
        /// Repository or file.
        what: String,
        /// 401 or 403.
        status: u16,
        /// Whether a token was sent.
        token_sent: bool,
        /// The repository's page.
        page: String,
    },
    /// 404.
    #[error("{what}: not found on {endpoint}: check the name{}", if *token_sent { "; a private one needs a token of an account that may see it" } else { "; a private one needs HF_TOKEN" })]
    NotFound {
        /// Repository or file.
        what: String,
        /// The hub's address.
        endpoint: String,
        /// Whether a token was sent.
        token_sent: bool,
    },
    /// 429, for longer than is worth waiting.
    #[error("{what}: the hub answers that there were too many requests (429){}: try again later, or set HF_TOKEN, which raises the limit; what came is kept", asked(*wait))]
    TooManyRequests {
        /// Repository or file.
        what: String,
        /// What the hub asks for.
        wait: Option<Duration>,
    },
    /// 5xx, again and again.
    #[error("{what}: the hub cannot answer now (status {status}, {tries} times): try again later; what came is kept")]
    Unavailable {
        /// Repository or file.
        what: String,
        /// The last status.
        status: u16,
        /// How often it was asked.
        tries: u32,
    },
    /// Any other status.
    #[error("{what}: the hub answers with status {status}, which no download expects: check HF_ENDPOINT")]
    Status {
        /// Repository or file.
        what: String,
        /// The status.
        status: u16,
    },
    /// The hub cannot be reached.
    #[error("{what}: {endpoint} cannot be reached ({reason}): no network? --offline uses what is here already")]
    Unreachable {
        /// Repository or file.
        what: String,
        /// The hub's address.
        endpoint: String,
        /// The client's reason.
        reason: String,
    },
    /// Connections broke off, or nothing came, again and again.
    #[error(
        "{what}: the connection broke {tries} times in a row without a byte ({reason}), {done_bytes} of {total_bytes} bytes are here and kept: run it again to go on"
    )]
    Cut {
        /// The file.
        what: String,
        /// How often.
        tries: u32,
        /// The last reason.
        reason: String,
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes of the file.
        total_bytes: u64,
    },
    /// No request is allowed and the model is in no cache.
    #[error("{what}: not here, and offline: it would be fetched from {endpoint}; leave out --offline (or HF_HUB_OFFLINE), or put the file into {}", cache.display())]
    Offline {
        /// What would be fetched.
        what: String,
        /// The hub's address.
        endpoint: String,
        /// The cache.
        cache: PathBuf,
    },
    /// A repository without a GGUF file.
    #[error("{repository}: there is no GGUF model in this repository: look for one whose name ends in -GGUF")]
    NoGguf {
        /// The repository.
        repository: String,
    },
    /// A quantization or file that the repository does not have.
    #[error("{repository}: there is no {wanted}; there are: {there}")]
    NoSuchQuant {
        /// The repository.
        repository: String,
        /// The quantization or the file.
        wanted: String,
        /// Those that are there, with commas.
        there: String,
    },
    /// An answer that makes no sense.
    #[error("{what}: the answer is not the hub's: {reason}; check HF_ENDPOINT and what stands between here and there")]
    Answer {
        /// Repository or file.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not enough room on the disk.
    #[error("{}: {needed_bytes} bytes are needed ({}) but only {free_bytes} are free on this disk ({}): make room, or set HF_HOME to another disk; what came is kept", path.display(), gb(*needed_bytes), gb(*free_bytes))]
    DiskFull {
        /// Where the file goes.
        path: PathBuf,
        /// Bytes that are missing, and what the disk keeps free.
        needed_bytes: u64,
        /// Bytes that are free.
        free_bytes: u64,
    },
    /// The cache cannot be written.
    #[error("{}: cannot be written ({source}): set HF_HOME to a folder that can be", path.display())]
    NotWritable {
        /// The folder or file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is of another length than the hub states.
    #[error(
        "{what}: {found_bytes} bytes came where the hub states {stated_bytes}, twice: the file was not kept; try another mirror, or later"
    )]
    Size {
        /// The file.
        what: String,
        /// As the listing has it.
        stated_bytes: u64,
        /// As it came.
        found_bytes: u64,
    },
    /// The file is another one than the hub states.
    #[error(
        "{what}: its SHA-256 is {found} where the hub states {stated}, twice: the file was not kept; try another mirror, or later"
    )]
    Hash {
        /// The file.
        what: String,
        /// As the listing has it.
        stated: String,
        /// As it came.
        found: String,
    },
    /// What came is no model.
    #[error("{what}: what came is no GGUF model: {reason}; nothing was kept")]
    NotGguf {
        /// The file.
        what: String,
        /// What it is instead.
        reason: String,
    },
    /// Somebody wanted it to stop.
    #[error("{what}: stopped; what came is kept, and running it again goes on from there")]
    Stopped {
        /// The file.
        what: String,
    },
}

impl HubError {
    /// Whether the hub could not be asked: what is in a cache may do then.
    #[must_use]
    pub fn is_absence_of_the_hub(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unavailable { .. } | Self::TooManyRequests { .. })
    }

    /// Whether the arguments or the environment are what is wrong.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Wish { .. } | Self::Endpoint { .. } | Self::NoFolder | Self::NoGguf { .. } | Self::NoSuchQuant { .. }
        )
    }
}

fn asked(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!(" and asks to wait {} s", wait.as_secs()))
}

#[allow(clippy::cast_precision_loss)] // shown with two digits
fn gb(bytes: u64) -> String {
    if bytes < 100_000_000 { format!("{:.2} MB", bytes as f64 / 1e6) } else { format!("{:.2} GB", bytes as f64 / 1e9) }
}
