//! What becomes of quantizations whose worker dies, lies or leaves half a file: shell scripts in the place of the worker.
#![cfg(unix)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use common::synthetic;
use sweetspot::engine::quantize::Quant;
use sweetspot::quants::make::Settings;
use sweetspot::quants::{self, Base, Request, Store};
use tokio::sync::watch;

/// How two quantizations of a tiny model end with this script as their worker, and what is then in the cache.
fn with_worker(script: &str, base: &Path, cache: &Path) -> (Vec<String>, Vec<PathBuf>) {
    let program = cache.join("program");
    // the order's output path, as a shell variable
    let output = r#"read -r order; output=$(printf '%s' "$order" | sed 's/.*"output":"\([^"]*\)".*/\1/')"#;
    std::fs::write(&program, format!("#!/bin/sh\n{output}\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let store = Store::open(cache, None).unwrap();
    let open = Rc::new(Base::open(base, cache).unwrap());
    let requests = [Quant::Q4_0, Quant::Q8_0].map(|quant| Request::plain(&open, quant));
    let settings = Settings { threads: 2, program: Some(program) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_never, cancel) = watch::channel(false);
    let results = runtime.block_on(quants::make(&requests, &store, &settings, cancel));
    let errors = results.into_iter().map(|result| format!("{:#}", result.unwrap_err())).collect();
    let folders = std::fs::read_dir(store.root()).unwrap().map(|f| f.unwrap().path());
    (errors, folders.filter(|path| !path.ends_with("locks")).collect())
}

const READY: &str = r#"echo '{"event":"ready","version":4,"pid":1}'"#;
const DONE: &str = r#"echo '{"event":"done"}'"#;

#[test]
fn a_worker_that_dies_or_writes_no_model_is_a_line_for_each_file_and_nothing_stays() {
    for (script, says) in [
        ("echo 'x.cpp:7: GGML_ASSERT(n > 0) failed' >&2; kill -ABRT $$", "GGML_ASSERT(n > 0) failed"),
        ("kill -SEGV $$", "segmentation fault"),
        ("echo nonsense", "something that is no event"),
        ("exit 0", "ended by itself before it was done"),
        (&format!("{READY}; echo half > \"$output\"; {DONE}"), "llama.cpp wrote a file that cannot be read"),
        (&format!("{READY}; cp \"$0.base\" \"$output\"; {DONE}"), "llama.cpp wrote F16 instead of Q"),
        (
            &format!("{READY}; {}", r#"echo '{"event":"load_failed","reason":"basic_ios::clear: iostream error"}'"#),
            "the file cannot be written",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let base = synthetic(folder.path(), "tiny", Quant::F16);
        std::fs::copy(&base, folder.path().join("program.base")).unwrap();
        let (errors, left) = with_worker(script, &base, folder.path());
        assert_eq!(errors.len(), 2);
        assert!(errors.iter().all(|e| e.contains(says) && e.lines().count() == 1), "{script}: {errors:?}");
        assert!(left.is_empty(), "{script}: {left:?}");
    }
}

#[test]
fn a_base_that_vanishes_meanwhile_is_named_as_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let base = synthetic(folder.path(), "tiny", Quant::F16);
    let script = format!("rm -f '{}'; {READY}; {DONE}", base.display());
    let (errors, left) = with_worker(&script, &base, folder.path());
    assert!(errors.iter().all(|e| e.contains("changed or vanished while it was being quantized")), "{errors:?}");
    assert!(left.is_empty(), "{left:?}");
}
