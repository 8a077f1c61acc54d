//! Process groups, signals and file descriptors, as every Unix has them.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{self, Signal};
use nix::unistd::{self, Pid};

/// A file that writes to what stdout was, whereas file descriptor 1 is stderr from now on: whatever C code prints cannot
/// get between the lines of the protocol.
pub(super) fn take_stdout() -> io::Result<Box<dyn Write + Send>> {
    let kept = unistd::dup(io::stdout())?;
    // Not for whatever the engine may start: the parent waits for the end of this pipe.
    fcntl(&kept, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    unistd::dup2_stdout(io::stderr())?;
    Ok(Box::new(File::from(kept)))
}

/// Ends this process at once, without the destructors of libraries whose threads may still compute.
pub(super) fn vanish() -> ! {
    let _ = signal::kill(Pid::this(), Signal::SIGKILL);
    std::process::abort()
}

/// Puts the command's process into a group of its own: a terminal's Ctrl-C does not reach it, and one signal ends it all.
pub(super) fn own_group(command: &mut tokio::process::Command) {
    command.process_group(0);
}

/// Kills the process and everything in its group.
pub(super) fn kill_group(child: &mut tokio::process::Child) {
    let group = child.id().and_then(|pid| i32::try_from(pid).ok());
    // An id is only there until the process is reaped, so that no other process can be hit.
    if group.is_none_or(|group| signal::killpg(Pid::from_raw(group), Signal::SIGKILL).is_err()) {
        let _ = child.start_kill();
    }
}

/// Kills what is left of the group of a process that is dead. Only for a group that is not empty: its number is not given
/// to another process as long as somebody is in it.
pub(super) fn kill_rest(pid: u32) {
    if let Ok(group) = i32::try_from(pid) {
        let _ = signal::killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

/// The signal that ended a process.
pub(super) fn signal_of(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// What a signal means, in the words of a shell.
pub(super) fn signal_words(number: i32) -> Option<&'static str> {
    Some(match Signal::try_from(number).ok()? {
        Signal::SIGSEGV => "segmentation fault",
        Signal::SIGABRT => "aborted",
        Signal::SIGBUS => "bus error",
        Signal::SIGILL => "illegal instruction",
        Signal::SIGFPE => "arithmetic error",
        Signal::SIGKILL => "killed",
        Signal::SIGTERM => "terminated",
        Signal::SIGINT => "interrupted",
        Signal::SIGXCPU => "CPU time limit",
        other => other.as_str(),
    })
}
