//! Ctrl-C: the first asks the run to stop and to report what it has, the second ends the program at once.

use std::path::PathBuf;

use tokio::sync::watch;

/// Becomes true when the person at the keyboard, or the system, wants the run to end. Needs a tokio runtime.
#[must_use]
pub fn watch() -> watch::Receiver<bool> {
    watch_saying("stopping; what was measured will be reported (once more to end at once)")
}

/// As [`watch`], with the words that the first request is answered with.
#[must_use]
pub fn watch_saying(answer: &'static str) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        requested().await;
        crate::say!("{answer}");
        let _ = sender.send(true);
        requested().await;
        std::process::exit(crate::exit_code::Exit::Interrupted as i32);
    });
    receiver
}

/// When somebody wants the program to end, removes a half-written file and ends it at once. Needs no runtime.
///
/// # Errors
/// No thread, or no runtime in it, can be started.
pub fn clean_up(partial: PathBuf) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("interrupt".into()).spawn(move || {
        runtime.block_on(requested());
        let _ = std::fs::remove_file(partial); // gone already, or not to be removed: nothing more can be done
        std::process::exit(crate::exit_code::Exit::Interrupted as i32);
    })?;
    Ok(())
}

#[cfg(unix)]
async fn requested() {
    use tokio::signal::unix::{SignalKind, signal};
    // the terminal's end (SIGHUP) is no reason to lose what was measured
    let (Ok(mut terminate), Ok(mut hangup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) else {
        return std::future::pending().await; // no signals here: nothing to wait for
    };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => if interrupted.is_err() { std::future::pending::<()>().await },
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

#[cfg(not(unix))]
async fn requested() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
