//! The folders that models lie in: Hugging Face's cache (`blobs`, `snapshots`, `refs`) and llama.cpp's older flat one
//! (`user_repo_file`). What any client put there is found; what this program puts there, any client finds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo};

use super::remote::{self, Remote, RemoteFile};
use super::{HubError, Wish};
use crate::engine::gguf::Gguf;
use crate::report::atomic;

/// The branch that everybody means who names none.
const BRANCH: &str = "main";
/// Folders in a repository; a loop of links ends here.
const MAX_DEPTH: u32 = 4;
/// Hexadecimal digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

/// A repository's folder in one of Hugging Face's caches.
pub(super) struct RepoFolder {
    layout: CacheRepo,
    root: PathBuf,
    locks: PathBuf,
}

impl RepoFolder {
    /// In this cache; it need not be there yet.
    pub(super) fn new(cache: &Path, repository: &str) -> Self {
        let repo = Repo::model(repository.to_owned());
        let name = repo.folder_name();
        let layout = Cache::new(cache.to_owned()).repo(repo);
        Self { layout, root: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    /// Where the content of a file goes.
    pub(super) fn blob(&self, file: &RemoteFile) -> PathBuf {
        self.layout.blob_path(&file.blob())
    }

    /// Where it goes until it is whole.
    pub(super) fn partial(&self, file: &RemoteFile) -> PathBuf {
        self.layout.blob_path(&format!("{}.incomplete", file.blob()))
    }

    /// Held by whoever writes the partial file; the place is that of Hugging Face's own client.
    pub(super) fn lock(&self, file: &RemoteFile) -> PathBuf {
        self.locks.join(format!("{}.lock", file.blob()))
    }

    /// Where a commit has a file.
    pub(super) fn snapshot(&self, revision: &str, name: &str) -> PathBuf {
        self.layout.pointer_path(revision).join(name)
    }

    /// Lets a commit's name point to the content: by a relative link, else a hard link, else a copy.
    ///
    /// # Errors
    /// The system's; nothing half-made is left at the place.
    pub(super) fn point(&self, revision: &str, file: &RemoteFile) -> io::Result<PathBuf> {
        let (blob, place) = (self.blob(file), self.snapshot(revision, &file.name));
        if is_it(&place, file) {
            return Ok(place);
        }
        let folder = place.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)?;
        let beside = folder.join(format!(".{}.{}.tmp", file.base_name(), std::process::id()));
        let _ = fs::remove_file(&beside);
        let up = "../".repeat(2 + file.name.matches('/').count());
        let target = format!("{up}blobs/{}", file.blob());
        let linked = link(&target, &beside).or_else(|_| fs::hard_link(&blob, &beside));
        let made = linked.or_else(|_| fs::copy(&blob, &beside).map(|_| ())).and_then(|()| fs::rename(&beside, &place));
        if let Err(error) = made {
            let _ = fs::remove_file(&beside);
            return Err(error);
        }
        atomic::sync_folder_of(&place)?;
        Ok(place)
    }

    /// Lets the branch be this commit.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn set_branch(&self, revision: &str) -> anyhow::Result<()> {
        let refs = self.root.join("refs");
        fs::create_dir_all(&refs)?;
        atomic::write(&refs.join(BRANCH), revision.as_bytes())
    }

    /// The commits that are here: the branch's first, then the others, the newest first.
    fn revisions(&self) -> Vec<String> {
        let branch = fs::read_to_string(self.root.join("refs").join(BRANCH)).ok().map(|text| text.trim().to_owned());
        let there = self.root.join("snapshots").read_dir();
        let mut there: Vec<_> = there
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| (entry.metadata().and_then(|m| m.modified()).ok(), entry.file_name()))
            .filter_map(|(at, name)| Some((at, name.into_string().ok()?)))
            .collect();
        there.sort_by(|a, b| b.cmp(a));
        let mut revisions: Vec<_> = there.into_iter().map(|(_, name)| name).collect();
        // stable: the others keep their order
        revisions.sort_by_key(|name| Some(name) != branch.as_ref());
        revisions
    }
}

/// The files of a model in one of these folders, whole and of the stated sizes; none where one is missing.
pub(super) fn find(folders: &[&Path], remote: &Remote) -> Option<Vec<PathBuf>> {
    folders.iter().find_map(|folder| {
        let repo = RepoFolder::new(folder, &remote.repository);
        let mut revisions = repo.revisions();
        revisions.sort_by_key(|revision| *revision != remote.revision);
        let in_snapshots =
            revisions.iter().find_map(|revision| all(&remote.files, |file| repo.snapshot(revision, &file.name)));
        in_snapshots.or_else(|| all(&remote.files, |file| folder.join(flat(&remote.repository, &file.name))))
    })
}

fn all(files: &[RemoteFile], place: impl Fn(&RemoteFile) -> PathBuf) -> Option<Vec<PathBuf>> {
    let paths: Vec<_> = files.iter().map(&place).collect();
    (!paths.is_empty() && files.iter().zip(&paths).all(|(file, path)| is_it(path, file))).then_some(paths)
}

/// The first file of what is wished for and its model, from the folders' own listing: for times without the hub.
pub(super) fn find_wish(folders: &[&Path], wish: &Wish) -> Option<(PathBuf, Remote)> {
    for folder in folders {
        let repo = RepoFolder::new(folder, &wish.repository);
        for revision in repo.revisions() {
            let root = repo.layout.pointer_path(&revision);
            let mut files = Vec::new();
            list(&root, "", 0, &mut files);
            if let Some(found) = whole(wish, &revision, files, |name| root.join(name)) {
                return Some(found);
            }
        }
        let prefix = flat(&wish.repository, "");
        let mut files = Vec::new();
        list(folder, "", MAX_DEPTH, &mut files);
        files.retain_mut(|file| {
            file.name.strip_prefix(&prefix).map(str::to_owned).is_some_and(|rest| {
                file.name = rest;
                true
            })
        });
        let flat_wish = Wish { file: wish.file.as_ref().map(|file| file.replace('/', "_")), ..wish.clone() };
        if let Some(found) = whole(&flat_wish, "", files, |name| folder.join(format!("{prefix}{name}"))) {
            return Some(found);
        }
    }
    None
}

/// The wish among these files, if it is there and every file of it is a whole model: no size is known to compare with.
fn whole(
    wish: &Wish,
    revision: &str,
    files: Vec<RemoteFile>,
    place: impl Fn(&str) -> PathBuf,
) -> Option<(PathBuf, Remote)> {
    let models = remote::group(&wish.repository, revision, files);
    let model = remote::choose(wish, models).ok()?;
    let first = place(&model.files.first()?.name);
    Gguf::open_all(&first).is_ok().then_some((first, model))
}

/// The files below a folder, with what their links say of their content.
fn list(root: &Path, inside: &str, depth: u32, files: &mut Vec<RemoteFile>) {
    for entry in root.join(inside).read_dir().into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let name = if inside.is_empty() { name } else { format!("{inside}/{name}") };
        let path = root.join(&name);
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() && depth < MAX_DEPTH {
            list(root, &name, depth + 1, files);
        } else if metadata.is_file() {
            files.push(RemoteFile { name, size_bytes: metadata.len(), sha256: linked_sha256(&path), git_blob: None });
        }
    }
}

/// Of the stated length, and where it is a link to content with a hash for a name, of the stated hash.
fn is_it(path: &Path, file: &RemoteFile) -> bool {
    let has_size = fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() == file.size_bytes);
    let is_other = match (&file.sha256, linked_sha256(path)) {
        (Some(stated), Some(linked)) => !stated.eq_ignore_ascii_case(&linked),
        _ => false,
    };
    has_size && !is_other
}

/// The hash that a link's target is named by.
fn linked_sha256(path: &Path) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    let name = target.file_name()?.to_str()?;
    (name.len() == SHA256_DIGITS && name.bytes().all(|b| b.is_ascii_hexdigit())).then(|| name.to_ascii_lowercase())
}

/// llama.cpp's name of a file in its own cache.
fn flat(repository: &str, name: &str) -> String {
    format!("{repository}_{name}").replace('/', "_")
}

#[cfg(unix)]
fn link(target: &str, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

#[cfg(windows)]
fn link(target: &str, at: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target.replace('/', "\\"), at)
}

/// Makes a folder of the cache.
///
/// # Errors
/// [`HubError::NotWritable`].
pub(super) fn make_folder_of(path: &Path) -> Result<(), HubError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|source| HubError::NotWritable { path: folder.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content: &str) -> RemoteFile {
        let sha256 = Some(crate::quants::hash::of_bytes(content.as_bytes()));
        RemoteFile { name: name.to_owned(), size_bytes: content.len() as u64, sha256, git_blob: None }
    }

    fn remote(files: Vec<RemoteFile>) -> Remote {
        let (model, quant) = ("m".to_owned(), "Q4_0".to_owned());
        Remote { repository: "u/r".to_owned(), revision: "c1".to_owned(), model, quant, files }
    }

    #[test]
    fn the_layout_is_that_of_hugging_faces_own_client() {
        let folder = tempfile::tempdir().unwrap();
        let (repo, file) = (RepoFolder::new(folder.path(), "u/r"), file("a/m-Q4_0.gguf", "content"));
        let theirs = Cache::new(folder.path().to_owned()).model("u/r".to_owned());
        assert_eq!(repo.blob(&file), theirs.blob_path(file.sha256.as_ref().unwrap()));
        fs::create_dir_all(repo.blob(&file).parent().unwrap()).unwrap();
        fs::write(repo.blob(&file), "content").unwrap();
        let place = repo.point("c1", &file).unwrap();
        repo.set_branch("c1").unwrap();
        assert_eq!(theirs.get("a/m-Q4_0.gguf").as_ref(), Some(&place));
        assert_eq!(fs::read_to_string(&place).unwrap(), "content");
        #[cfg(unix)]
        assert!(fs::read_link(&place).unwrap().is_relative());
        assert_eq!(repo.point("c1", &file).unwrap(), place, "once more changes nothing");
        assert_eq!(find(&[folder.path()], &remote(vec![file])), Some(vec![place]));
    }

    #[test]
    fn a_file_of_another_size_or_content_or_a_model_without_a_part_is_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let (repo, old) = (RepoFolder::new(folder.path(), "u/r"), file("m-Q4_0.gguf", "content"));
        fs::create_dir_all(repo.blob(&old).parent().unwrap()).unwrap();
        fs::write(repo.blob(&old), "content").unwrap();
        repo.point("c0", &old).unwrap();
        let found = |file: RemoteFile| find(&[folder.path()], &remote(vec![file]));
        assert!(found(old.clone()).is_some(), "the same content in another commit");
        assert_eq!(found(file("m-Q4_0.gguf", "contents")), None);
        #[cfg(unix)]
        assert_eq!(found(file("m-Q4_0.gguf", "CONTENT")), None);
        assert_eq!(find(&[folder.path()], &remote(vec![old, file("n.gguf", "x")])), None);
    }

    #[test]
    fn a_file_in_llama_cpps_flat_cache_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("u_r_m-Q4_0.gguf");
        fs::write(&path, "content").unwrap();
        assert_eq!(find(&[folder.path()], &remote(vec![file("m-Q4_0.gguf", "content")])), Some(vec![path]));
    }
}
