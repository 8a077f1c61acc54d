//! The configuration's section `[logging]`: what is kept of the workers' logs.

use serde::{Deserialize, Serialize};

use super::check::Problems;

/// Most lines of a log's end.
const MOST_LINES: usize = 200;

/// What is kept of the workers' logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoggingConfig {
    /// Whose logs stay in the run's folder.
    pub keep_worker_logs: KeepLogs,
    /// Lines of a log's end that the report shows of what failed.
    pub tail_lines: usize,
}

/// Whose logs stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepLogs {
    /// Those of all cells.
    #[default]
    All,
    /// Those of cells in which anything was not measured.
    Failed,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self { keep_worker_logs: KeepLogs::All, tail_lines: 20 }
    }
}

impl LoggingConfig {
    pub(super) fn check(self, problems: &mut Problems) {
        problems.within("logging.tail_lines", self.tail_lines, 0, MOST_LINES);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn logging_is_read_and_nonsense_is_named() {
        let error = |text: &str| Config::parse(&format!("[logging]\n{text}")).unwrap_err();
        assert_eq!(error("tail_lines = 201"), "logging.tail_lines is 201; it must be 0 to 200");
        assert!(error("keep_worker_logs = 'fail'").ends_with("unknown value 'fail'; did you mean 'failed'?"));
    }
}
