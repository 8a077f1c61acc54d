//! llama.cpp's log: to stderr, which the worker's parent keeps as the cell's log file, and its last error to the caller.

use std::ffi::{CStr, c_char, c_void};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use llama_cpp_sys_2 as sys;

/// The error lines since [`last_error`] was asked last. llama.cpp gives reasons only to its log.
static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// More error lines than this at once say nothing new.
const MAX_ERRORS: usize = 32;

/// Told each piece of text that llama.cpp logs as information.
type Listener = Box<dyn FnMut(&str) + Send>;

static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

/// Tells `listener` what llama.cpp logs, until the next call; none ends it. A listener that logs itself would wait for ever.
pub fn listen(listener: Option<Listener>) {
    *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = listener;
}

/// Sends the log of llama.cpp and ggml to stderr, debug lines left out, and remembers its errors.
pub fn route_log_to_stderr() {
    // SAFETY: `log_line` has the signature that llama.cpp asks for and lives as long as the program.
    unsafe { sys::llama_log_set(Some(log_line), std::ptr::null_mut()) };
}

/// Why llama.cpp refused something since the last call: the first line that speaks of an error, else the first that was
/// logged as one (its callers repeat it in less detail), without the function's name.
#[must_use]
pub fn last_error() -> Option<String> {
    let lines = errors();
    let telling = lines.iter().find(|line| line.contains("error")).or(lines.first())?;
    let text = telling.trim();
    // "llama_model_load: error loading model: unknown model architecture: 'x'" -> what follows the function's name
    let text = text.split_once(": ").filter(|(name, _)| !name.contains(' ')).map_or(text, |(_, rest)| rest);
    Some(text.trim_start_matches("error loading model: ").to_owned())
}

/// All that was logged as an error since the last call.
#[must_use]
pub fn errors() -> Vec<String> {
    std::mem::take(&mut *ERRORS.lock().unwrap_or_else(PoisonError::into_inner))
}

unsafe extern "C" fn log_line(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() || level == sys::GGML_LOG_LEVEL_DEBUG {
        return;
    }
    // SAFETY: not null, and llama.cpp passes a NUL-terminated string that lives for the call.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    let _ = std::io::stderr().write_all(bytes); // a log that cannot be written must not end a measurement
    if level == sys::GGML_LOG_LEVEL_INFO {
        if let Some(listener) = LISTENER.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            listener(&String::from_utf8_lossy(bytes));
        }
    } else if level == sys::GGML_LOG_LEVEL_ERROR {
        let mut errors = ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() < MAX_ERRORS {
            errors.push(String::from_utf8_lossy(bytes).trim_end().to_owned());
        }
    }
}
