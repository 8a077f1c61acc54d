//! A group of processes whose memory the kernel limits for real (a control group): what goes beyond is killed.
//!
//! Making one takes root's rights, or a group that was handed over. Where there is none, tests say so and check nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::sweeps::SWEETSPOT;

/// The group; it is removed in the end, when all its processes are gone.
pub struct Group {
    folder: PathBuf,
    /// Names of this kernel's files for the limit and for what is in use.
    usage: &'static str,
    limit: &'static str,
}

impl Group {
    /// A group that may use so many bytes and swap nothing out; none, and a line that says so, where it cannot be made.
    pub fn limited_to(bytes: u64) -> Option<Self> {
        let made = Self::version_1(bytes).or_else(|| Self::version_2(bytes));
        if made.is_none() {
            println!("skipped: no control group for memory can be made here (it takes root's rights)");
        }
        made
    }

    fn version_1(bytes: u64) -> Option<Self> {
        let own = own_group(|controllers| controllers.split(',').any(|one| one == "memory"))?;
        let folder = subfolder(&Path::new("/sys/fs/cgroup/memory").join(own))?;
        let group = Self { folder, usage: "memory.usage_in_bytes", limit: "memory.limit_in_bytes" };
        group.set("memory.swappiness", 0); // not there without swap
        group.set(group.limit, bytes).then_some(group)
    }

    fn version_2(bytes: u64) -> Option<Self> {
        let own = own_group(str::is_empty)?;
        let parent = Path::new("/sys/fs/cgroup").join(own);
        // Only a group without processes of its own may hand the controller on, so that ours stands beside the own one.
        let folder = [parent.parent()?, &parent].into_iter().find_map(subfolder)?;
        let group = Self { folder, usage: "memory.current", limit: "memory.max" };
        group.set("memory.swap.max", 0);
        group.set(group.limit, bytes).then_some(group)
    }

    fn set(&self, file: &str, value: u64) -> bool {
        fs::write(self.folder.join(file), value.to_string()).is_ok()
    }

    /// Bytes in use by its processes, and by files that lie in memory.
    pub fn used_bytes(&self) -> u64 {
        fs::read_to_string(self.folder.join(self.usage)).unwrap().trim().parse().unwrap()
    }

    /// A program that joins the group and becomes sweetspot. Its events are written to `events`, too.
    pub fn program(&self, folder: &Path, events: &Path) -> PathBuf {
        let program = folder.join("limited");
        let text = format!(
            "#!/bin/bash\necho $$ > '{}/cgroup.procs' || exit 1\nexec '{SWEETSPOT}' \"$@\" > >(exec tee -a '{}')\n",
            self.folder.display(),
            events.display(),
        );
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    /// Takes memory in the group that belongs to no process: a file in memory, which nobody can kill. Whoever writes it can be:
    /// the kernel takes the worker, which offers itself, but between two workers there is nobody else. It is written on then.
    pub fn occupy(&self, bytes: u64) -> Occupied {
        let file = tempfile::Builder::new().prefix("sweetspot-test-").tempfile_in("/dev/shm").unwrap();
        let (path, procs) = (file.path().display(), self.folder.join("cgroup.procs"));
        let script = format!("echo $$ > '{}' && exec head -c \"$1\" /dev/zero >> '{path}'", procs.display());
        for _ in 0..100 {
            let missing = bytes - file.path().metadata().unwrap().len();
            if missing == 0 {
                return Occupied(file);
            }
            let written = Command::new("sh").args(["-c", &script, "sh", &missing.to_string()]).output().unwrap();
            assert!(written.status.code().is_none_or(|code| code == 0), "{written:?}");
        }
        panic!("the group has no room for a file of {bytes} bytes");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20)); // the last process is just being buried
        }
        println!("{}: cannot be removed", self.folder.display());
    }
}

/// Memory that is given back when it is dropped.
pub struct Occupied(#[allow(dead_code)] tempfile::NamedTempFile);

/// This process's group, relative to the hierarchy's root, in the hierarchy whose controllers are the ones asked for.
fn own_group(is_it: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let (_, path) = lines.find(|(controllers, _)| is_it(controllers))?;
    Some(PathBuf::from(path.trim_start_matches('/')))
}

/// A new group below another one, if it has the memory controller.
fn subfolder(parent: &Path) -> Option<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("sweetspot-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let _ = fs::write(parent.join("cgroup.subtree_control"), "+memory"); // version 2
    let folder = parent.join(name);
    fs::create_dir(&folder).ok()?;
    if folder.join("memory.limit_in_bytes").exists() || folder.join("memory.max").exists() {
        return Some(folder);
    }
    let _ = fs::remove_dir(&folder);
    None
}
