//! Ctrl-C: the first asks the run to stop and to report what it has, the second ends the program at once.

use std::io::Write;

use tokio::sync::watch;

/// Becomes true when the person at the keyboard, or the system, wants the run to end. Needs a tokio runtime.
#[must_use]
pub fn watch() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        requested().await;
        // not eprintln!, which would panic on a terminal that is gone
        let _ = writeln!(std::io::stderr(), "stopping; what was measured will be reported (once more to end at once)");
        let _ = sender.send(true);
        requested().await;
        std::process::exit(crate::exit_code::Exit::Interrupted as i32);
    });
    receiver
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
