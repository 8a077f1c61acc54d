//! Downloads from a hub that behaves: where files go, what is found in place of fetching it, split models, headers alone, disks
//! without room.

mod common;
mod hub_support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use hub_support::server::{COMMIT, Faults, REPOSITORY, Served};
use hub_support::{Rig, files_below, one, served, wish_for};
use sweetspot::engine::gguf::Gguf;
use sweetspot::engine::quantize::Quant;
use sweetspot::engine::synth::{self, Spec};
use sweetspot::hub::{Hub, HubError, Settings, Transfer};

/// A model in two files, another quantization in one, and what lies beside models.
fn several() -> Vec<Served> {
    let mut files = vec![
        served("Q8_0/tiny-Q8_0-00001-of-00002.gguf", Quant::Q8_0),
        served("Q8_0/tiny-Q8_0-00002-of-00002.gguf", Quant::Q6K),
        served("tiny Q4_K_M.gguf", Quant::Q4KM),
        served("mmproj-tiny-F16.gguf", Quant::Q4_0),
    ];
    files.push(Served { name: "README.md".into(), bytes: b"# tiny".to_vec(), lfs: false });
    files
}

fn never() -> AtomicBool {
    AtomicBool::new(false)
}

#[test]
fn a_file_goes_where_hugging_faces_own_client_finds_it() {
    let rig = Rig::new(one(), Faults::default());
    let fetched = rig.fetch("").unwrap();
    let folder = rig.cache().join("models--tester--tiny-GGUF");
    assert_eq!(fetched.path, folder.join("snapshots").join(COMMIT).join("tiny-Q4_0.gguf"));
    assert_eq!(std::fs::read_to_string(folder.join("refs/main")).unwrap(), COMMIT);
    let blob = folder.join("blobs").join(rig.server.files()[0].sha256());
    assert_eq!(fetched.path.canonicalize().unwrap(), blob.canonicalize().unwrap());
    let theirs = hf_hub::Cache::new(rig.cache()).model(REPOSITORY.to_owned()).get("tiny-Q4_0.gguf");
    assert_eq!(theirs, Some(fetched.path));
    assert_eq!(fetched.unhashed, Vec::<String>::new());
}

#[test]
fn what_is_here_is_not_fetched_again() {
    let rig = Rig::new(one(), Faults::default());
    let first = rig.fetch("").unwrap();
    let sent = rig.server.sent();
    let again = rig.fetch("").unwrap();
    assert_eq!((again.path, again.downloaded_bytes, rig.server.sent()), (first.path, 0, sent));
}

#[test]
fn the_listing_has_every_quantization_without_what_only_accompanies_a_model() {
    let rig = Rig::new(several(), Faults::default());
    let models = rig.hub().list(&wish_for("")).unwrap();
    let quants: Vec<_> = models.iter().map(|m| (m.model.as_str(), m.quant.as_str(), m.files.len())).collect();
    assert_eq!(quants, [("tiny", "Q8_0", 2), ("tiny", "Q4_K_M", 1)]);
    assert_eq!(models[0].revision, COMMIT);
    let wishes = [("", "Q4_K_M"), (":q8_0", "Q8_0")];
    for (wish, quant) in wishes {
        assert_eq!(rig.hub().resolve(&wish_for(wish)).unwrap().quant, quant);
    }
}

#[test]
fn a_split_model_is_fetched_whole_with_progress_over_all_of_it() {
    let rig = Rig::new(several(), Faults { slow: Duration::from_millis(2), ..Faults::default() });
    let hub = rig.hub();
    let remote = hub.resolve(&wish_for(":Q8_0")).unwrap();
    assert_eq!(hub.missing_bytes(&remote), remote.size_bytes());
    let mut seen: Vec<Transfer> = Vec::new();
    let fetched = hub.fetch(&remote, &never(), &mut |transfer| seen.push(transfer)).unwrap();
    rig.assert_nothing_wrong_in_place();
    assert!(fetched.path.ends_with("Q8_0/tiny-Q8_0-00001-of-00002.gguf"), "{fetched:?}");
    assert_eq!((fetched.paths.len(), fetched.downloaded_bytes), (2, remote.size_bytes()));
    assert!(seen.windows(2).all(|pair| pair[0].done_bytes <= pair[1].done_bytes), "it went back");
    let last = seen.last().unwrap();
    assert_eq!((last.done_bytes, last.total_bytes), (remote.size_bytes(), remote.size_bytes()));
    assert!(seen.iter().any(|t| t.bytes_per_second.is_some_and(|speed| speed > 0.0) && t.eta.is_some()), "no speed");
    assert_eq!(hub.missing_bytes(&remote), 0);

    // without its second part it is not here, and only that part comes
    std::fs::remove_file(fetched.paths[1].canonicalize().unwrap()).unwrap();
    assert_eq!(hub.locate(&remote), None);
    let again = rig.fetch(":Q8_0").unwrap();
    assert_eq!(again.downloaded_bytes, remote.files[1].size_bytes);
}

#[test]
fn a_file_without_a_hash_is_verified_by_its_size_and_its_header_and_that_is_said() {
    let mut files = one();
    files[0].lfs = false;
    let rig = Rig::new(files.clone(), Faults::default());
    let hub = rig.hub();
    let fetched = hub.fetch(&hub.resolve(&wish_for("")).unwrap(), &never(), &mut |_| {}).unwrap();
    assert_eq!(fetched.unhashed, ["tiny-Q4_0.gguf"]);
    rig.assert_nothing_wrong_in_place();

    files[0].bytes.truncate(1000); // the hub's own file is broken: nothing but its header can tell
    let rig = Rig::new(files, Faults::default());
    let hub = rig.hub();
    let error = hub.fetch(&hub.resolve(&wish_for("")).unwrap(), &never(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, HubError::NotGguf { .. }), "{error:?}");
    assert!(files_below(&rig.cache()).iter().all(|path| !path.ends_with("tiny-Q4_0.gguf")));
}

#[test]
fn a_file_in_llama_cpps_caches_is_used_as_it_is() {
    let rig = Rig::new(one(), Faults::default());
    let hub = rig.hub();
    let remote = hub.resolve(&wish_for("")).unwrap();
    // the old flat layout, and the new one, which is Hugging Face's in llama.cpp's folder
    for name in ["tester_tiny-GGUF_tiny-Q4_0.gguf", "models--tester--tiny-GGUF/snapshots/other/tiny-Q4_0.gguf"] {
        let place = rig.path("llama.cpp").join(name);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, &rig.server.files()[0].bytes).unwrap();
        assert_eq!(hub.locate(&remote).as_deref(), Some(place.as_path()));
        let offline = Hub::with(Settings { offline: true, ..rig.settings() }).unwrap();
        for wish in ["", ":Q4_0"] {
            assert_eq!(offline.locate_wish(&wish_for(wish)).unwrap().0, place, "{wish}");
        }
        assert_eq!(offline.locate_wish(&wish_for(":Q8_0")), None);
        let fetched = offline.fetch(&remote, &never(), &mut |_| {}).unwrap();
        assert_eq!((fetched.path.as_path(), fetched.downloaded_bytes), (place.as_path(), 0));
        // half a file is none
        std::fs::write(&place, &rig.server.files()[0].bytes[..5000]).unwrap();
        assert_eq!((hub.locate(&remote), offline.locate_wish(&wish_for(""))), (None, None));
        std::fs::remove_file(place).unwrap();
    }
}

#[test]
fn offline_a_fetched_model_is_found_by_its_repository_and_quantization() {
    let rig = Rig::new(several(), Faults::default());
    let fetched = rig.fetch(":Q8_0").unwrap();
    let offline =
        Hub::with(Settings { offline: true, endpoint: "http://127.0.0.1:1".into(), ..rig.settings() }).unwrap();
    let (path, remote) = offline.locate_wish(&wish_for(":Q8_0")).unwrap();
    assert_eq!((path, remote.quant.as_str(), remote.files.len()), (fetched.path, "Q8_0", 2));
    assert_eq!(remote.files[0].sha256, Some(rig.server.files()[0].sha256()), "known by the link's target");
    assert_eq!(offline.locate_wish(&wish_for(":Q4_K_M")), None);
}

/// `tiny` is small: behind it lies what a model's weights would be.
fn large() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let path = common::synthetic(folder.path(), "small-40m", Quant::Q4_0);
    Served { name: "small-Q4_0.gguf".into(), bytes: std::fs::read(path).unwrap(), lfs: true }
}

#[test]
fn a_header_alone_comes_with_a_part_of_the_bytes_and_says_what_the_model_says() {
    let rig = Rig::new(vec![large()], Faults::default());
    let hub = rig.hub();
    let remote = hub.resolve(&wish_for("")).unwrap();
    let stub = hub.stub(&remote).unwrap();
    assert!(stub.ends_with("small-Q4_0.gguf") && stub.starts_with(rig.path("own/headers")), "{}", stub.display());
    assert!(rig.server.sent() < remote.size_bytes() / 2, "{} of {}", rig.server.sent(), remote.size_bytes());
    let real = rig.path("real.gguf");
    std::fs::write(&real, &rig.server.files()[0].bytes).unwrap();
    let (stubbed, real) = (Gguf::open(&stub).unwrap(), Gguf::open(&real).unwrap());
    assert_eq!((stubbed.entries(), stubbed.tensors()), (real.entries(), real.tensors()));
    assert_eq!(stubbed.file_bytes(), real.file_bytes());
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let on_disk = std::fs::metadata(&stub).unwrap().blocks() * 512;
        assert!(on_disk < remote.size_bytes() / 2, "{on_disk} bytes on the disk");
    }
    // what --weights synthetic makes of it is what it would make of the model itself
    let [of_stub, of_real] = [&stub, &rig.path("real.gguf")].map(|path| synth::plan(&Spec::like(path)).unwrap());
    assert_eq!((of_stub.file_bytes(), of_stub.n_params()), (of_real.file_bytes(), of_real.n_params()));
    let weights = &std::fs::read(&stub).unwrap()[usize::try_from(real.data_offset()).unwrap()..];
    assert!(weights.iter().all(|byte| *byte == 0), "weights were kept");

    let asked = rig.server.asked().len();
    assert_eq!((hub.stub(&remote).unwrap(), hub.locate_stub(&remote)), (stub.clone(), Some(stub)));
    assert_eq!(rig.server.asked().len(), asked, "it was fetched again");
    // it is never taken for the model
    assert_eq!((hub.locate(&remote), hub.locate_wish(&wish_for(""))), (None, None));
    assert!(files_below(&rig.cache()).is_empty());
}

#[test]
fn a_header_comes_from_a_server_that_cuts_and_from_one_that_ignores_ranges_too() {
    for ignores_range in [false, true] {
        let faults = Faults { cuts: 2, cut_after: 300_000, ignores_range, ..Faults::default() };
        let rig = Rig::new(vec![large()], faults);
        let hub = rig.hub();
        let stub = hub.stub(&hub.resolve(&wish_for("")).unwrap()).unwrap();
        assert_eq!(Gguf::open(&stub).unwrap().file_bytes(), rig.server.files()[0].bytes.len() as u64);
    }
}

#[test]
fn the_headers_of_all_parts_come() {
    let rig = Rig::new(several(), Faults::default());
    let hub = rig.hub();
    let stub = hub.stub(&hub.resolve(&wish_for(":Q8_0")).unwrap()).unwrap();
    assert_eq!(Gguf::open_all(&stub).unwrap().len(), 2);
}

#[test]
fn a_disk_without_room_is_said_before_a_byte_comes() {
    let rig = Rig::new(one(), Faults::default());
    let hub = Hub::with(Settings { reserve_bytes: u64::MAX / 2, ..rig.settings() }).unwrap();
    let error = rig.fetch_with(&hub, "").unwrap_err();
    let HubError::DiskFull { needed_bytes, free_bytes, .. } = error else { panic!("{error:?}") };
    assert_eq!(needed_bytes, u64::MAX / 2 + rig.server.files()[0].bytes.len() as u64);
    let text = error.to_string();
    assert!(
        free_bytes > 0 && text.contains(&free_bytes.to_string()) && text.contains(&needed_bytes.to_string()),
        "{text}"
    );
    assert_eq!(rig.server.sent(), 0);
}

#[test]
fn a_disk_that_fills_up_on_the_way_is_said_and_what_came_is_kept_and_resumed() {
    let rig = Rig::new(one(), Faults { slow: Duration::from_millis(5), ..Faults::default() });
    let size = rig.server.files()[0].bytes.len();
    std::fs::create_dir_all(rig.path("hf")).unwrap();
    let Some(disk) = Disk::mount(rig.path("hf"), &format!("size={}k", size / 1024 + 64)) else { return };
    let hub = rig.hub();
    let remote = hub.resolve(&wish_for("")).unwrap();
    let ballast = rig.path("hf/ballast");
    // somebody else takes the room when the first bytes are here
    let result = hub.fetch(&remote, &never(), &mut |transfer| {
        if transfer.done_bytes > 0 && !ballast.exists() {
            let _ = std::fs::write(&ballast, vec![1; size]);
        }
    });
    let error = result.unwrap_err();
    assert!(matches!(error, HubError::DiskFull { .. }), "{error:?}");
    rig.assert_nothing_wrong_in_place();
    let kept = std::fs::metadata(rig.partial()).unwrap().len();
    assert!(kept > 0 && kept < size as u64, "{kept}");
    std::fs::remove_file(&ballast).unwrap();
    let fetched = rig.fetch("").unwrap();
    assert_eq!(fetched.downloaded_bytes, size as u64 - kept);
    drop(disk);
}

#[test]
fn a_read_only_disk_is_said() {
    let rig = Rig::new(one(), Faults::default());
    std::fs::create_dir_all(rig.path("hf")).unwrap();
    let Some(disk) = Disk::mount(rig.path("hf"), "size=64k,ro") else { return };
    let error = rig.fetch("").unwrap_err();
    assert!(matches!(error, HubError::NotWritable { .. }) && error.to_string().contains("HF_HOME"), "{error}");
    drop(disk);
}

/// A disk of its own, until this value goes.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: PathBuf, options: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&folder).stderr(Stdio::null());
        let is_mounted = mount.status().is_ok_and(|status| status.success());
        if !is_mounted {
            eprintln!("skipped: a small disk cannot be mounted here (it takes root)");
        }
        is_mounted.then_some(Self(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(Path::new(&self.0)).status();
    }
}
