//! How a worker ended, and what is known of its life.
//!
//! Left out on purpose: what follows from it for the cell; that is the lab's.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::control;

/// How a worker ended. (The vocabulary is cargo-mutants'.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with code 0.
    Success,
    /// By itself, with another code.
    Code(i32),
    /// By a signal: a crash, or somebody's kill.
    Signal(i32),
    /// It asked for memory that it could not have (its cap, or the machine's), or the kernel's out-of-memory killer took it.
    OutOfMemory,
    /// Stopped: the model was not loaded within the load timeout.
    Timeout,
    /// Stopped: no sign of life for the stall timeout.
    Stalled,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("ended by itself"),
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(number) => match control::signal_words(*number) {
                Some(words) => write!(f, "killed by signal {number} ({words})"),
                None => write!(f, "killed by signal {number}"),
            },
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::Timeout => f.write_str("not loaded in time"),
            Self::Stalled => f.write_str("no sign of life"),
        }
    }
}

/// All that is known of a worker that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How it ended.
    pub exit: Exit,
    /// The caller wanted it to stop.
    pub stopped_by_us: bool,
    /// The worker was killed from here: it did not stop when asked to, or it had stalled.
    pub killed_by_us: bool,
    /// It said that nothing more follows: every task has its event.
    pub done: bool,
    /// Why the model was not loaded, where the worker could still say so.
    pub load_failure: Option<String>,
    /// What it said that is no event; it was killed for that.
    pub protocol_error: Option<String>,
    /// The task that was started last.
    pub last_task: Option<usize>,
    /// The task that was started and neither done nor failed: the one that it died of.
    pub unfinished_task: Option<usize>,
    /// The last lines of its log.
    pub log_tail: Vec<String>,
    /// Its largest resident memory in bytes, mapped file pages included, read twice a second and after each task.
    pub peak_resident_bytes: Option<u64>,
    /// Its process id.
    pub pid: Option<u32>,
    /// From its start to its end.
    pub lived: Duration,
    /// The timeout that it broke, where it broke one.
    pub timeout: Option<Duration>,
}

impl Ending {
    /// How it ended, in one line for a human.
    #[must_use]
    pub fn reason(&self) -> String {
        if let Some(error) = &self.protocol_error {
            return error.clone();
        }
        let within = self.timeout.unwrap_or_default().as_secs_f64();
        match self.exit {
            _ if self.stopped_by_us && self.killed_by_us => {
                format!("stopped on request: it did not end by itself within {within} s and was killed")
            }
            _ if self.stopped_by_us => "stopped on request".into(),
            Exit::Timeout => format!("the model was not loaded within {within} s"),
            Exit::Stalled => format!("no sign of life for {within} s"),
            Exit::OutOfMemory => match (&self.load_failure, self.memory_line()) {
                (Some(reason), _) => format!("out of memory: {reason}"),
                (None, Some(line)) => format!("out of memory: {line}"),
                (None, None) if self.done => "out of memory".into(),
                (None, None) => "out of memory: killed by signal 9, which the kernel sends when memory runs out".into(),
            },
            exit => match &self.load_failure {
                Some(reason) => reason.clone(),
                None if exit == Exit::Success && !self.done => "ended by itself before it was done".into(),
                None => match self.assertion() {
                    Some(line) => format!("{exit}: {line}"),
                    None => exit.to_string(),
                },
            },
        }
    }

    /// What the program said when it aborted itself: a failed assertion of ggml's, or an uncaught C++ exception.
    fn assertion(&self) -> Option<&str> {
        const SIGNS: [&str; 3] = ["GGML_ASSERT", "terminate called", "fatal runtime error"];
        let is_sign = |line: &&str| SIGNS.iter().any(|sign| line.contains(sign));
        self.log_tail.iter().rev().map(|line| line.trim()).find(is_sign)
    }

    /// The last line of the log that tells of memory which could not be had.
    fn memory_line(&self) -> Option<&str> {
        self.log_tail.iter().rev().map(String::as_str).find(|line| tells_of_memory(line))
    }
}

/// Whether a line of ggml, of the C++ or Rust runtime or of a GPU driver says that memory could not be had. CUDA's pinned
/// memory and a graph that is laid out anew are not meant: ggml goes on without them.
#[must_use]
pub fn tells_of_memory(line: &str) -> bool {
    const SIGNS: [&str; 12] = [
        " of memory: weights", // a worker that counts what it needs before it loads
        "failed to allocate",
        "unable to allocate",
        "cannot allocate memory",
        "insufficient memory",
        "not enough memory",
        "thread creation failed", // OpenMP's: a thread's stack is memory, too
        "out of memory",
        "outofdevicememory",
        "memory allocation of",
        "malloc failed",
        "bad_alloc",
    ];
    const HARMLESS: [&str; 2] = ["pinned memory", "failed to allocate graph, reserving"];
    let line = line.to_lowercase();
    !HARMLESS.iter().any(|sign| line.contains(sign)) && SIGNS.iter().any(|sign| line.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_signal_is_said_in_words() {
        assert_eq!(Exit::Signal(11).to_string(), "killed by signal 11 (segmentation fault)");
        assert_eq!(Exit::Signal(63).to_string(), "killed by signal 63");
    }

    #[test]
    fn lines_about_memory_are_told_from_others() {
        for line in [
            "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 34359738368",
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "memory allocation of 1073741824 bytes failed",
            "CUDA error: out of memory",
            "allocating 512.00 MiB on device 0: cudaMalloc failed: out of memory",
            "ggml_vulkan: Device memory allocation of size 1024 failed.",
            "vk::Device::allocateMemory: ErrorOutOfDeviceMemory",
            "ggml_aligned_malloc: insufficient memory (attempted to allocate  19.73 MB)",
            "llama_model_load: error loading model: unable to allocate CPU_REPACK buffer",
            "Cannot allocate memory (os error 12)",
            "it needs 44.09 GB of memory: weights 42.38 GB, KV cache 1.53 GB; 27.00 GB are allowed",
        ] {
            assert!(tells_of_memory(line), "{line}");
        }
        for line in
            ["ggml_cuda_host_malloc: failed to allocate 64.00 MiB of pinned memory: x", "llama_kv_cache: size = 8 MiB"]
        {
            assert!(!tells_of_memory(line), "{line}");
        }
    }
}
