//! A hub of the tests' own, with small real models, and a client of it with a cache of its own.
#![allow(dead_code)] // each test file uses a part

pub mod server;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sha2::{Digest, Sha256};
use sweetspot::engine::quantize::Quant;
use sweetspot::hub::{Fetched, Hub, HubError, Patience, Remote, Settings, Wish};

use super::common;
use server::{Faults, REPOSITORY, Served, Server};

/// A small model as the hub has it.
pub fn served(name: &str, quant: Quant) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(common::synthetic(folder.path(), "tiny", quant)).unwrap();
    Served { name: name.to_owned(), bytes, lfs: true }
}

/// One model: `tiny-Q4_0.gguf`.
pub fn one() -> Vec<Served> {
    vec![served("tiny-Q4_0.gguf", Quant::Q4_0)]
}

/// A server, and a client of it with empty folders.
pub struct Rig {
    pub server: Server,
    pub folder: tempfile::TempDir,
}

impl Rig {
    pub fn new(files: Vec<Served>, faults: Faults) -> Self {
        Self { server: Server::start(files, faults), folder: tempfile::tempdir().unwrap() }
    }

    /// Waits of milliseconds, so that what is repeated is repeated soon.
    pub fn settings(&self) -> Settings {
        let millis = Duration::from_millis;
        Settings {
            endpoint: self.server.endpoint.clone(),
            token: None,
            cache: self.cache(),
            also: vec![self.path("llama.cpp")],
            headers: self.path("own/headers"),
            offline: false,
            patience: Patience {
                connect: millis(2000),
                read: millis(400),
                first_wait: millis(10),
                longest_wait: millis(1500),
                repetitions: 3,
            },
            reserve_bytes: 0,
        }
    }

    pub fn hub(&self) -> Hub {
        Hub::with(self.settings()).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn cache(&self) -> PathBuf {
        self.path("hf/hub")
    }

    /// Looks up and fetches, then checks that nothing wrong lies in place, however it ended.
    pub fn fetch(&self, wish: &str) -> Result<Fetched, HubError> {
        self.fetch_with(&self.hub(), wish)
    }

    pub fn fetch_with(&self, hub: &Hub, wish: &str) -> Result<Fetched, HubError> {
        let remote = hub.resolve(&wish_for(wish))?;
        let result = hub.fetch(&remote, &AtomicBool::new(false), &mut |_| {});
        self.assert_nothing_wrong_in_place();
        if let Ok(fetched) = &result {
            self.assert_right(&remote, fetched);
        }
        result
    }

    /// The partial file of the first model.
    pub fn partial(&self) -> PathBuf {
        let folder = self.cache().join(format!("models--{}/blobs", REPOSITORY.replace('/', "--")));
        folder.join(format!("{}.incomplete", self.server.files()[0].sha256()))
    }

    /// Whatever can be taken for a model or for a model's content has to be one of the hub's, byte for byte.
    pub fn assert_nothing_wrong_in_place(&self) {
        let mut checked = Vec::new();
        for path in files_below(&self.cache()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_waiting = [".incomplete", ".lock"].iter().any(|end| name.ends_with(end)) || name == "main";
            if is_waiting {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let right = self.server.files().iter().find(|file| file.bytes == bytes);
            let right = right.unwrap_or_else(|| panic!("{} is none of the hub's files", path.display()));
            let is_content = path.parent().unwrap().ends_with("blobs");
            assert!(is_content || right.name.ends_with(name), "{} is {}", path.display(), right.name);
            checked.push(path);
        }
    }

    fn assert_right(&self, remote: &Remote, fetched: &Fetched) {
        assert_eq!(fetched.paths.len(), remote.files.len());
        assert_eq!(fetched.path, fetched.paths[0]);
        for (path, file) in fetched.paths.iter().zip(&remote.files) {
            let bytes = std::fs::read(path).unwrap();
            let served = self.server.files().iter().find(|served| served.name == file.name).unwrap();
            assert!(bytes == served.bytes, "{} is not {}", path.display(), file.name);
        }
        assert!(!self.partial().exists(), "the partial file is still there");
    }
}

/// `tester/tiny-GGUF` with what follows.
pub fn wish_for(quant: &str) -> Wish {
    format!("{REPOSITORY}{quant}").parse().unwrap()
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every file below a folder, links as the files that they point to.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            files.extend(files_below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}
