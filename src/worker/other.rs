//! What is done where a system has no counterpart to Linux' limits, or no Unix process control: nothing, and it is said.
//!
//! A worker then ends with its parent because its stdin ends, its memory is not capped, and its peak is not known.

/// In the place of `linux.rs`.
#[cfg(not(target_os = "linux"))]
pub(super) mod limits {
    use std::io;

    use crate::worker::output::note;

    /// Nothing to arrange: stdin's end says that the parent is gone.
    pub(in crate::worker) fn die_with(_parent: Option<u32>) -> io::Result<bool> {
        Ok(true)
    }

    /// There is no such killer to speak to.
    pub(in crate::worker) fn die_first() -> io::Result<()> {
        Ok(())
    }

    /// Left to the system's settings.
    pub(in crate::worker) fn leave_no_core() -> io::Result<()> {
        Ok(())
    }

    /// Whether [`cap_memory`] really caps.
    pub(in crate::worker) const CAPS_MEMORY: bool = false;

    /// Not capped; the line goes to the log.
    pub(in crate::worker) fn cap_memory(bytes: u64) -> io::Result<()> {
        note(&format!("this system cannot limit the memory of one process: the cap of {bytes} bytes is not enforced"));
        Ok(())
    }

    /// Nobody counts.
    pub(in crate::worker) fn oom_kills() -> Option<u64> {
        None
    }

    /// Not known.
    pub(in crate::worker) fn peak_resident_bytes(_pid: u32) -> Option<u64> {
        None
    }
}

/// In the place of `unix.rs`.
#[cfg(not(unix))]
pub(super) mod control {
    use std::io::{self, Write};
    use std::process::ExitStatus;

    /// Stdout itself: C code that prints would be a protocol error.
    pub(in crate::worker) fn take_stdout() -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(io::stdout()))
    }

    /// Ends this process at once.
    pub(in crate::worker) fn vanish() -> ! {
        std::process::abort()
    }

    /// No groups.
    pub(in crate::worker) fn own_group(_command: &mut tokio::process::Command) {}

    /// Kills the process.
    pub(in crate::worker) fn kill_group(child: &mut tokio::process::Child) {
        let _ = child.start_kill();
    }

    /// No groups.
    pub(in crate::worker) fn kill_rest(_pid: u32) {}

    /// No signals.
    pub(in crate::worker) fn signal_of(_status: ExitStatus) -> Option<i32> {
        None
    }

    /// No signals.
    pub(in crate::worker) fn signal_words(_number: i32) -> Option<&'static str> {
        None
    }
}
