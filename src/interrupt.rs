//! Ctrl-C: the first asks the run to stop and to report what it has, the second ends the program at once.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Becomes true when the person at the keyboard, or the system, wants the run to end. Needs a tokio runtime.
#[must_use]
pub fn watch() -> watch::Receiver<bool> {
    watch_saying("stopping; what was measured will be reported (once more to end at once)")
}

/// As [`watch()`], with the words that the first request is answered with.
#[must_use]
pub fn watch_saying(answer: &'static str) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let mut requests = Requests::listen();
    tokio::spawn(async move {
        requests.next().await;
        crate::say!("{answer}");
        let _ = sender.send(true);
        requests.next().await;
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
        runtime.block_on(async { Requests::listen().next().await });
        let _ = std::fs::remove_file(partial); // gone already, or not to be removed: nothing more can be done
        std::process::exit(crate::exit_code::Exit::Interrupted as i32);
    })?;
    Ok(())
}

/// A flag that becomes true when somebody wants the program to end; the first request is answered with these words, the second
/// ends the program at once. Needs no runtime.
///
/// # Errors
/// No thread, or no runtime in it, can be started.
pub fn flag(answer: &'static str) -> std::io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut requests = {
        let _entered = runtime.enter();
        Requests::listen()
    };
    std::thread::Builder::new().name("interrupt".into()).spawn(move || {
        runtime.block_on(requests.next());
        raised.store(true, Ordering::Relaxed);
        crate::say!("{answer}");
        runtime.block_on(requests.next());
        std::process::exit(crate::exit_code::Exit::Interrupted as i32);
    })?;
    Ok(flag)
}

/// Returns when somebody wants the run to end; never when nobody is there any more to want it.
pub async fn stopped(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What asks a program to end: listened to from the moment that this is made, so that nothing gets lost before the first wait.
#[cfg(unix)]
struct Requests(Option<[tokio::signal::unix::Signal; 3]>);

#[cfg(unix)]
impl Requests {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        // the terminal's end (SIGHUP) is no reason to lose what was measured
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Self(match (interrupt, terminate, hangup) {
            (Ok(interrupt), Ok(terminate), Ok(hangup)) => Some([interrupt, terminate, hangup]),
            _ => None, // no signals here: nothing to wait for
        })
    }

    async fn next(&mut self) {
        let Some([interrupt, terminate, hangup]) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// What asks a program to end.
#[cfg(not(unix))]
struct Requests;

#[cfg(not(unix))]
impl Requests {
    fn listen() -> Self {
        Self
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
