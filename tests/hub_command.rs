//! `sweetspot models fetch` and `models scan` as processes: paths on stdout, interrupted, killed, two at once.
#![cfg(unix)]

mod common;
mod hub_support;

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Ran;
use hub_support::server::{Faults, REPOSITORY};
use hub_support::{Rig, one, served};
use sweetspot::engine::quantize::Quant;

/// The program with the rig's folders and no other.
fn command(rig: &Rig, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sweetspot"));
    for name in ["HF_TOKEN", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"] {
        command.env_remove(name);
    }
    for name in ["HF_HUB_OFFLINE", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"] {
        command.env_remove(name);
    }
    command
        .env("HF_ENDPOINT", &rig.server.endpoint)
        .env("HF_HOME", rig.path("hf"))
        .env("LLAMA_CACHE", rig.path("llama.cpp"))
        .env("SWEETSPOT_CACHE", rig.path("own"))
        .env("SWEETSPOT_DATA", rig.path("data"))
        .args(["models"])
        .args(args);
    command
}

fn run(rig: &Rig, args: &[&str]) -> Ran {
    Ran::of(&command(rig, args).output().unwrap())
}

fn start(rig: &Rig, args: &[&str]) -> Child {
    command(rig, args).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn().unwrap()
}

/// Waits until at least so many bytes of the first model are in its partial file.
fn wait_for_partial(rig: &Rig, bytes: u64) {
    let start = Instant::now();
    while std::fs::metadata(rig.partial()).map_or(0, |m| m.len()) < bytes {
        assert!(start.elapsed() < Duration::from_mins(1), "nothing came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn slow() -> Rig {
    Rig::new(one(), Faults { slow: Duration::from_millis(20), ..Faults::default() })
}

fn size(rig: &Rig) -> u64 {
    rig.server.files()[0].bytes.len() as u64
}

#[test]
fn fetch_prints_the_path_and_scan_says_what_it_is_and_when_it_came() {
    let rig = Rig::new(one(), Faults::default());
    let ran = run(&rig, &["fetch", REPOSITORY]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let path = ran.stdout.trim();
    assert!(path.ends_with("tiny-Q4_0.gguf") && ran.stdout.lines().count() == 1, "{ran:#?}");
    assert_eq!(std::fs::read(path).unwrap(), rig.server.files()[0].bytes);
    rig.assert_nothing_wrong_in_place();

    let scan = run(&rig, &["scan", "-o", "json"]);
    assert_eq!(scan.code, Some(0), "{scan:#?}");
    let sheet: serde_json::Value = serde_json::from_str(&scan.stdout).unwrap();
    let models = sheet["models"].as_array().unwrap();
    assert_eq!((sheet["schema_version"].as_u64(), models.len()), (Some(1), 1), "{sheet:#}");
    let model = &models[0];
    assert_eq!((model["path"].as_str(), model["quant"].as_str()), (Some(path), Some("Q4_0")));
    assert_eq!((model["model"].as_str(), model["architecture"].as_str()), (Some("tiny"), Some("llama")));
    assert_eq!(model["size_bytes"].as_u64(), Some(size(&rig)));
    assert!(model["n_params"].as_u64().is_some_and(|n| n > 0) && model["n_ctx_train"].as_u64().is_some());
    let ledger = &model["ledger"];
    assert_eq!((ledger["repository"].as_str(), ledger["quant"].as_str()), (Some(REPOSITORY), Some("Q4_0")));
    assert_eq!(ledger["sha256"].as_str(), Some(rig.server.files()[0].sha256().as_str()));
    let at: jiff::Timestamp = ledger["downloaded_at"].as_str().unwrap().parse().unwrap();
    assert!((jiff::Timestamp::now().as_second() - at.as_second()).abs() < 600);

    let text = run(&rig, &["scan"]);
    assert!(text.stdout.contains("tiny") && text.stdout.contains(&at.strftime("%Y-%m-%d").to_string()), "{text:#?}");
    let again = run(&rig, &["fetch", REPOSITORY, "--offline"]);
    assert_eq!((again.code, again.stdout.trim()), (Some(0), path), "{again:#?}");
}

#[test]
fn a_header_without_weights_is_no_model_to_scan() {
    let rig = Rig::new(one(), Faults::default());
    let hub = rig.hub();
    let stub = hub.stub(&hub.resolve(&hub_support::wish_for("")).unwrap()).unwrap();
    assert!(stub.starts_with(rig.path("own")), "{}", stub.display());
    let ran = run(&rig, &["scan"]);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("no .gguf file in"), "{ran:#?}");
}

#[test]
fn scan_says_what_is_wrong_with_a_broken_file() {
    let rig = Rig::new(one(), Faults::default());
    std::fs::create_dir_all(rig.path("models/inner")).unwrap();
    std::fs::write(rig.path("models/inner/half-Q4_0.gguf"), &rig.server.files()[0].bytes[..9000]).unwrap();
    let folder = rig.path("models");
    let ran = run(&rig, &["scan", folder.to_str().unwrap(), "-o", "json"]);
    let sheet: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(sheet["models"][0]["broken"].as_str().unwrap().contains("it is cut"), "{sheet:#}");
    let ran = run(&rig, &["scan", "no-such-folder"]);
    assert!(ran.error(2).contains("no-such-folder: no such folder"));
}

#[test]
fn several_quantizations_come_one_after_the_other_and_one_that_is_not_there_is_a_line() {
    let files = vec![served("tiny-Q4_0.gguf", Quant::Q4_0), served("tiny-Q8_0.gguf", Quant::Q8_0)];
    let rig = Rig::new(files, Faults::default());
    let ran = run(&rig, &["fetch", REPOSITORY, "--quants", "Q8_0,Q6_K,Q4_0"]);
    assert!(ran.error(1).contains("there is no Q6_K; there are: Q4_0, Q8_0"));
    let names: Vec<_> = ran.stdout.lines().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["tiny-Q8_0.gguf", "tiny-Q4_0.gguf"]);
}

#[test]
fn what_is_wrong_with_the_arguments_is_a_usage_error() {
    let rig = Rig::new(one(), Faults::default());
    assert!(run(&rig, &["fetch", "not-a-repository"]).error(2).contains("write user/repo"));
    assert!(run(&rig, &["fetch", &format!("{REPOSITORY}:Q9_X")]).error(2).contains("there are: Q4_0"));
    let ran = run(&rig, &["fetch", REPOSITORY, "--offline"]);
    assert!(ran.error(1).contains("not here, and offline"));
    assert_eq!(rig.server.asked().iter().filter(|asked| asked.path.contains("resolve")).count(), 0);
}

#[test]
fn a_killed_download_goes_on_where_it_was() {
    let rig = slow();
    let mut child = start(&rig, &["fetch", REPOSITORY]);
    wait_for_partial(&rig, size(&rig) / 4);
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    rig.assert_nothing_wrong_in_place();
    let kept = std::fs::metadata(rig.partial()).unwrap().len();
    assert!(kept < size(&rig), "it was too fast to be killed");
    rig.server.faults().slow = Duration::ZERO;
    std::thread::sleep(Duration::from_millis(300)); // what is still being sent to the dead does not count
    let before = rig.server.sent();
    let ran = run(&rig, &["fetch", REPOSITORY]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(rig.server.sent() - before, size(&rig) - kept, "more than the rest came");
    assert_eq!(std::fs::read(ran.stdout.trim()).unwrap(), rig.server.files()[0].bytes);
    rig.assert_nothing_wrong_in_place();
}

#[test]
fn ctrl_c_ends_it_with_130_and_says_that_it_can_go_on() {
    let rig = slow();
    let child = start(&rig, &["fetch", REPOSITORY]);
    wait_for_partial(&rig, 1);
    let asked = Instant::now();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(ran.error(130).contains("running it again goes on"), "{ran:#?}");
    assert_eq!(ran.stdout, "");
    assert!(rig.partial().exists());
    rig.assert_nothing_wrong_in_place();
}

#[test]
fn two_processes_that_want_the_same_file_fetch_it_once() {
    let rig = slow();
    let first = start(&rig, &["fetch", REPOSITORY]);
    wait_for_partial(&rig, 1);
    let second = start(&rig, &["fetch", REPOSITORY]);
    let [first, second] = [first, second].map(|child| Ran::of(&child.wait_with_output().unwrap()));
    assert_eq!((first.code, second.code), (Some(0), Some(0)), "{first:#?} {second:#?}");
    assert_eq!(first.stdout, second.stdout);
    assert!(second.stderr.contains("another process fetches this file"), "{second:#?}");
    assert_eq!(rig.server.sent(), size(&rig), "it came more than once");
    rig.assert_nothing_wrong_in_place();
}

#[test]
fn when_the_process_that_fetches_dies_the_one_that_waits_goes_on() {
    let rig = slow();
    let mut first = start(&rig, &["fetch", REPOSITORY]);
    wait_for_partial(&rig, size(&rig) / 4);
    let second = start(&rig, &["fetch", REPOSITORY]);
    std::thread::sleep(Duration::from_millis(300));
    first.kill().unwrap();
    first.wait().unwrap();
    rig.server.faults().slow = Duration::ZERO;
    let second = Ran::of(&second.wait_with_output().unwrap());
    assert_eq!(second.code, Some(0), "{second:#?}");
    assert_eq!(std::fs::read(second.stdout.trim()).unwrap(), rig.server.files()[0].bytes);
    rig.assert_nothing_wrong_in_place();
}
