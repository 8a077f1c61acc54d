//! Ctrl-C: the first asks the run to stop and to report what it has, the second ends the program at once.

use tokio::sync::watch;

/// Becomes true when the person at the keyboard, or the system, wants the run to end. Needs a tokio runtime.
#[must_use]
pub fn watch() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        requested().await;
        eprintln!("stopping; what was measured will be reported (once more to end at once)");
        let _ = sender.send(true);
        requested().await;
        std::process::exit(crate::exit_code::Exit::Interrupted as i32);
    });
    receiver
}

#[cfg(unix)]
async fn requested() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await; // no signals here: nothing to wait for
    };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => if interrupted.is_err() { std::future::pending::<()>().await },
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn requested() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
