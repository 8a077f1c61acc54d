//! A line on stderr that never panics: `eprintln!` does when the terminal, the pipe or the disk behind it is gone, and a
//! message nobody can read must not cost anybody a measurement.

/// Like `eprintln!`, but a line that cannot be written is left out.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($arg)*);
    }};
}
