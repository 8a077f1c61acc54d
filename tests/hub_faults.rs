//! Downloads from a hub that misbehaves: each fault ends in a clear error or in a verified file, and no wrong file is ever left
//! in place (every `fetch` here looks).

mod common;
mod hub_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hub_support::server::{Faults, REPOSITORY};
use hub_support::{Rig, one, wish_for};
use sweetspot::hub::{Hub, HubError, Settings};

/// A model of which half has come before the first cut.
fn cut(times: usize) -> (Rig, u64) {
    let files = one();
    let size = files[0].bytes.len();
    (Rig::new(files, Faults { cuts: times, cut_after: size / 2, ..Faults::default() }), size as u64)
}

#[test]
fn a_connection_that_breaks_is_resumed_where_it_broke_and_the_file_is_verified() {
    let (rig, size) = cut(1);
    let fetched = rig.fetch("").unwrap();
    assert_eq!((fetched.downloaded_bytes, rig.server.sent()), (size, size), "nothing came twice");
    let ranges: Vec<_> = rig.server.asked_for_files().into_iter().map(|asked| asked.range).collect();
    assert_eq!(ranges, [None, Some(format!("bytes={}-", size / 2))]);
}

#[test]
fn cuts_that_leave_a_little_each_time_never_use_up_the_repetitions() {
    let files = one();
    let cut_after = files[0].bytes.len() / 20 + 1;
    let rig = Rig::new(files, Faults { cuts: usize::MAX, cut_after, ..Faults::default() });
    rig.fetch("").unwrap();
    assert!(rig.server.asked_for_files().len() >= 19, "{}", rig.server.asked_for_files().len());
}

#[test]
fn a_connection_that_always_breaks_at_once_is_one_error_and_what_came_is_kept_for_the_next_time() {
    let (rig, size) = cut(1);
    rig.server.faults().cuts = usize::MAX;
    // the first answer brings half, all others nothing
    let hub = rig.hub();
    let remote = hub.resolve(&wish_for("")).unwrap();
    let mut seen = 0;
    let error = hub
        .fetch(&remote, &AtomicBool::new(false), &mut |transfer| {
            seen = transfer.done_bytes;
            if transfer.note.is_some() {
                rig.server.faults().cut_after = 0;
            }
        })
        .unwrap_err();
    assert!(matches!(error, HubError::Cut { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("{} of {size} bytes are here and kept", size / 2)), "{text}");
    assert_eq!(std::fs::metadata(rig.partial()).unwrap().len(), size / 2);
    rig.assert_nothing_wrong_in_place();

    *rig.server.faults() = Faults::default();
    let before = rig.server.sent();
    rig.fetch("").unwrap();
    assert_eq!(rig.server.sent() - before, size - size / 2, "only the rest came");
}

#[test]
fn a_server_that_ignores_ranges_is_begun_anew_and_one_that_always_cuts_too_ends() {
    let (rig, size) = cut(1);
    rig.server.faults().ignores_range = true;
    rig.fetch("").unwrap();
    assert_eq!(rig.server.sent(), size / 2 + size);

    let (rig, _) = cut(usize::MAX);
    rig.server.faults().ignores_range = true;
    assert!(matches!(rig.fetch(""), Err(HubError::Cut { .. })));
}

#[test]
fn an_answer_for_another_range_is_an_error_and_not_a_spoilt_file() {
    let (rig, _) = cut(1);
    rig.server.faults().wrong_range = true;
    let error = rig.fetch("").unwrap_err();
    assert!(matches!(error, HubError::Answer { .. }), "{error:?}");
    assert!(error.to_string().contains("Content-Range") || error.to_string().contains("range 'bytes"), "{error}");
}

#[test]
fn a_partial_file_that_is_too_long_or_of_other_content_is_begun_anew() {
    for content in [vec![0; 10_000_000], b"GGUF and something else".to_vec()] {
        let rig = Rig::new(one(), Faults::default());
        std::fs::create_dir_all(rig.partial().parent().unwrap()).unwrap();
        std::fs::write(rig.partial(), content).unwrap();
        rig.fetch("").unwrap();
    }
}

#[test]
fn a_size_that_is_not_the_stated_one_is_an_error_after_a_second_try() {
    let rig = Rig::new(one(), Faults { stated_size_more: 32, ..Faults::default() });
    let error = rig.fetch("").unwrap_err();
    let size = rig.server.files()[0].bytes.len() as u64;
    let HubError::Size { stated_bytes, found_bytes, .. } = error else { panic!("{error:?}") };
    assert_eq!((stated_bytes, found_bytes), (size + 32, size));
    assert_eq!(rig.server.asked_for_files().len(), 2);
    assert!(!rig.partial().exists(), "what came is not kept");
}

#[test]
fn a_hash_that_is_not_the_stated_one_is_an_error_after_a_second_try() {
    let stated = "ab".repeat(32);
    let rig = Rig::new(one(), Faults { stated_hash: Some(stated.clone()), ..Faults::default() });
    let error = rig.fetch("").unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, HubError::Hash { .. }) && text.contains(&stated), "{text}");
    assert!(text.contains(&rig.server.files()[0].sha256()), "{text}");
    assert_eq!(rig.server.asked_for_files().len(), 2);
    let left = hub_support::files_below(&rig.cache());
    assert!(left.iter().all(|path| path.to_string_lossy().ends_with(".lock")), "{left:?}");
}

#[test]
fn a_byte_that_is_wrong_once_is_healed_by_the_second_try() {
    let rig = Rig::new(one(), Faults { garbled: 1, ..Faults::default() });
    rig.fetch("").unwrap();
    assert_eq!(rig.server.asked_for_files().len(), 2);
}

#[test]
fn a_gated_repository_asks_for_a_licence_and_a_token_and_opens_with_it() {
    let rig = Rig::new(one(), Faults { token: Some("hf_right".into()), ..Faults::default() });
    let error = rig.fetch("").unwrap_err().to_string();
    assert!(error.contains("401") && error.contains("no token was sent") && error.contains("HF_TOKEN"), "{error}");
    assert!(error.contains(&format!("{}/{REPOSITORY}", rig.server.endpoint)), "{error}");
    let with = |token: &str| Hub::with(Settings { token: Some(token.into()), ..rig.settings() }).unwrap();
    let error = rig.fetch_with(&with("hf_wrong"), "").unwrap_err().to_string();
    assert!(error.contains("a token was sent") && !error.contains("hf_wrong"), "{error}");
    rig.fetch_with(&with("hf_right"), "").unwrap();
    let asked = rig.server.asked();
    let at_the_store: Vec<_> = asked.iter().filter(|asked| asked.cdn).collect();
    assert!(!at_the_store.is_empty());
    assert!(
        at_the_store.iter().all(|asked| asked.authorization.is_none()),
        "the token went to another host: {asked:?}"
    );
    assert!(asked.iter().all(|asked| asked.user_agent.as_ref().is_some_and(|ua| ua.contains("sweetspot/"))));
}

#[test]
fn a_licence_that_is_not_accepted_is_said() {
    let rig = Rig::new(one(), Faults { forbidden: true, ..Faults::default() });
    let error = rig.fetch("").unwrap_err().to_string();
    assert!(error.contains("403") && error.contains("accept the licence"), "{error}");
}

#[test]
fn a_repository_or_file_that_is_not_there_is_said_by_name() {
    let rig = Rig::new(one(), Faults { gone: true, ..Faults::default() });
    let error = rig.fetch("").unwrap_err().to_string();
    assert!(error.contains(&format!("{REPOSITORY} tiny-Q4_0.gguf: not found")), "{error}");
    let error = rig.hub().resolve(&"nobody/nothing".parse().unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("nobody/nothing: not found") && error.contains("private"), "{error}");
    let error = rig.hub().resolve(&wish_for(":Q8_0")).unwrap_err().to_string();
    assert!(error.contains("there is no Q8_0; there are: Q4_0"), "{error}");
}

#[test]
fn too_many_requests_are_waited_for_as_long_as_the_server_asks() {
    let rig = Rig::new(one(), Faults { statuses: [(429, Some(1))].into(), ..Faults::default() });
    let start = Instant::now();
    rig.fetch("").unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "it did not wait");
}

#[test]
fn a_wait_that_is_too_long_is_not_waited_for_but_said() {
    let rig = Rig::new(one(), Faults { statuses: [(429, Some(3600))].into(), ..Faults::default() });
    let error = rig.fetch("").unwrap_err();
    assert!(matches!(error, HubError::TooManyRequests { .. }), "{error:?}");
    assert!(error.to_string().contains("3600 s"), "{error}");
}

#[test]
fn a_hub_that_cannot_answer_for_a_while_is_asked_again_and_one_that_never_can_is_said() {
    let rig =
        Rig::new(one(), Faults { statuses: [(503, None), (500, None), (502, Some(0))].into(), ..Faults::default() });
    rig.server.faults().listing_statuses = [(503, None), (429, Some(0))].into();
    rig.fetch("").unwrap();
    assert_eq!(rig.server.asked_for_files().len(), 4);

    let rig = Rig::new(one(), Faults { statuses: vec![(503, None); 100].into(), ..Faults::default() });
    let error = rig.fetch("").unwrap_err();
    assert!(matches!(error, HubError::Unavailable { status: 503, tries: 4, .. }), "{error:?}");
    assert_eq!(rig.server.asked_for_files().len(), 4);
}

#[test]
fn an_answer_that_never_comes_is_given_up_and_asked_for_again() {
    let rig = Rig::new(one(), Faults { hangs: 1, ..Faults::default() });
    rig.fetch("").unwrap();
    let rig = Rig::new(one(), Faults { hangs: usize::MAX, ..Faults::default() });
    let error = rig.fetch("").unwrap_err();
    assert!(error.to_string().contains("nothing came for too long"), "{error}");
}

#[test]
fn a_wish_to_stop_is_heard_within_a_second_while_nothing_comes() {
    let rig = Rig::new(one(), Faults { hangs: usize::MAX, ..Faults::default() });
    let mut settings = rig.settings();
    settings.patience.read = Duration::from_mins(1);
    let hub = Hub::with(settings).unwrap();
    let remote = hub.resolve(&wish_for("")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        raised.store(true, Ordering::Relaxed);
        Instant::now()
    });
    let error = hub.fetch(&remote, &stop, &mut |_| {}).unwrap_err();
    let ended = Instant::now();
    assert!(matches!(error, HubError::Stopped { .. }), "{error:?}");
    assert!(ended.duration_since(stopper.join().unwrap()) < Duration::from_secs(1));
}

#[test]
fn a_wish_to_stop_in_the_middle_keeps_what_came() {
    let rig = Rig::new(one(), Faults { slow: Duration::from_millis(20), ..Faults::default() });
    let hub = rig.hub();
    let remote = hub.resolve(&wish_for("")).unwrap();
    let stop = AtomicBool::new(false);
    let error = hub.fetch(&remote, &stop, &mut |t| stop.store(t.done_bytes > 0, Ordering::Relaxed)).unwrap_err();
    assert!(matches!(error, HubError::Stopped { .. }), "{error:?}");
    let kept = std::fs::metadata(rig.partial()).unwrap().len();
    let size = rig.server.files()[0].bytes.len() as u64;
    assert!(kept > 0 && kept < size, "{kept} of {size}");
    rig.assert_nothing_wrong_in_place();
    // nor does a page that answers in the hub's place spoil it
    *rig.server.faults() = Faults { html: true, ..Faults::default() };
    rig.fetch("").unwrap_err();
    assert_eq!(std::fs::metadata(rig.partial()).unwrap().len(), kept);
    *rig.server.faults() = Faults::default();
    let fetched = rig.fetch("").unwrap();
    assert_eq!(fetched.downloaded_bytes, size - kept);
}

#[test]
fn a_web_page_in_place_of_a_model_is_said_and_not_kept() {
    let rig = Rig::new(one(), Faults { html: true, ..Faults::default() });
    let error = rig.fetch("").unwrap_err();
    assert!(matches!(error, HubError::Answer { .. }) && error.to_string().contains("web page"), "{error}");
    assert!(std::fs::metadata(rig.partial()).map_or(0, |m| m.len()) == 0, "the page was kept");
    let stub = rig.hub().stub(&rig.hub().resolve(&wish_for("")).unwrap()).unwrap_err();
    assert!(stub.to_string().contains("web page"), "{stub}");
}

#[test]
fn something_else_under_a_models_name_is_said_and_not_kept() {
    let mut files = one();
    files[0].bytes = b"version https://git-lfs.github.com/spec/v1 and so on".to_vec();
    for lfs in [true, false] {
        files[0].lfs = lfs;
        let rig = Rig::new(files.clone(), Faults::default());
        let error = rig.fetch("").unwrap_err();
        assert!(matches!(error, HubError::NotGguf { .. }), "{error:?}");
        assert!(error.to_string().contains("it begins with 'version https://git-lfs"), "{error}");
    }
}

#[test]
fn a_listing_that_is_not_the_hubs_or_would_write_elsewhere_is_refused() {
    let commit = hub_support::server::COMMIT;
    for (listing, says) in [
        ("<html>".to_owned(), "the listing begins with '<html>'"),
        ("{}".to_owned(), "the listing names no commit"),
        (r#"{"sha": "../../../x", "siblings": []}"#.to_owned(), "the listing names no commit"),
        (format!(r#"{{"sha": "{commit}", "siblings": []}}"#), "there is no GGUF model"),
        (
            format!(r#"{{"sha": "{commit}", "siblings": [{{"rfilename": "../m.gguf", "size": 5}}]}}"#),
            "there is no GGUF model",
        ),
        (format!(r#"{{"sha": "{commit}", "siblings": [{{"rfilename": "m.gguf"}}]}}"#), "states no size of m.gguf"),
        (
            format!(
                r#"{{"sha": "{commit}", "siblings": [{{"rfilename": "m.gguf", "lfs": {{"sha256": "../x", "size": 5}}}}]}}"#
            ),
            "a SHA-256 of m.gguf that is none",
        ),
    ] {
        let rig = Rig::new(one(), Faults { listing: Some(listing.clone()), ..Faults::default() });
        let error = rig.fetch("").unwrap_err().to_string();
        assert!(error.contains(says), "{listing}: {error}");
    }
}

#[test]
fn a_hub_that_is_not_there_is_said_at_once_with_what_to_do() {
    let rig = Rig::new(one(), Faults::default());
    let nobody = "127.0.0.1:1"; // where nobody listens
    for endpoint in [format!("http://{nobody}"), "http://no-such-host.invalid".to_owned()] {
        let mut settings = Settings { endpoint: endpoint.clone(), ..rig.settings() };
        (settings.patience.first_wait, settings.patience.longest_wait) =
            (Duration::from_mins(1), Duration::from_mins(1));
        let hub = Hub::with(settings).unwrap();
        let start = Instant::now();
        let error = hub.resolve(&wish_for("")).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(30), "it was waited for");
        assert!(error.is_absence_of_the_hub(), "{error:?}");
        assert!(error.to_string().contains(&endpoint) && error.to_string().contains("--offline"), "{error}");
    }
}

#[test]
fn offline_nobody_is_asked_and_what_would_be_fetched_is_said() {
    let rig = Rig::new(one(), Faults::default());
    let hub = Hub::with(Settings { offline: true, ..rig.settings() }).unwrap();
    let error = hub.resolve(&wish_for(":Q4_0")).unwrap_err().to_string();
    assert!(error.contains(&format!("{REPOSITORY}:Q4_0: not here, and offline")), "{error}");
    assert!(error.contains(&rig.server.endpoint), "{error}");
    let remote = rig.hub().resolve(&wish_for("")).unwrap();
    let before = rig.server.asked().len();
    for error in [hub.fetch(&remote, &AtomicBool::new(false), &mut |_| {}).unwrap_err(), hub.stub(&remote).unwrap_err()]
    {
        assert!(matches!(error, HubError::Offline { .. }), "{error:?}");
    }
    assert_eq!(rig.server.asked().len(), before);
}

#[test]
fn a_cache_that_cannot_be_written_is_said() {
    let rig = Rig::new(one(), Faults::default());
    // a file where a folder has to be: as unwritable as a read-only folder, for root, too
    std::fs::write(rig.path("hf"), "").unwrap();
    let error = rig.fetch("").unwrap_err();
    assert!(matches!(error, HubError::NotWritable { .. }) && error.to_string().contains("HF_HOME"), "{error}");
}
