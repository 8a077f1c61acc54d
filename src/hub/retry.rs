//! What is asked again, and after which wait: broken connections, too many requests, a hub that cannot answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::client::{Answer, Trouble};
use super::{HubError, Patience};

/// How often a wait looks at the wish to stop.
const POLL: Duration = Duration::from_millis(50);

/// Repetitions of one thing.
#[derive(Debug)]
pub(super) struct Retries {
    patience: Patience,
    in_a_row: u32,
}

impl Retries {
    /// None yet.
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, in_a_row: 0 }
    }

    /// Something came: what went wrong before counts no more.
    pub(super) fn progressed(&mut self) {
        self.in_a_row = 0;
    }

    /// How often it went wrong in a row.
    pub(super) fn failures(&self) -> u32 {
        self.in_a_row
    }

    /// It went wrong once more: how long to wait before the next attempt; none where there is none.
    pub(super) fn failed(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let doubled = 2_u32.saturating_pow(self.in_a_row);
        self.in_a_row += 1;
        let wait = self.patience.first_wait.saturating_mul(doubled).min(self.patience.longest_wait);
        let wait = wait.max(asked.unwrap_or_default());
        (self.in_a_row <= self.patience.repetitions && wait <= self.patience.longest_wait).then_some(wait)
    }
}

/// What a request is for, to say it in errors.
pub(super) struct Asking<'a> {
    /// Repository or file.
    pub what: String,
    /// The repository.
    pub repository: &'a str,
    /// The hub's address.
    pub endpoint: &'a str,
    /// Whether a token goes with it.
    pub token_sent: bool,
    /// The wish to stop.
    pub stop: &'a AtomicBool,
}

impl Asking<'_> {
    /// Asks until there is an answer with a body worth reading: 200, 206, or 416 (a range that the file does not have).
    ///
    /// `is_known` is whether the hub was reached before: a hub that never was is not waited for.
    ///
    /// # Errors
    /// What the status means, or what the network did too often.
    pub(super) fn until_answered(
        &self,
        retries: &mut Retries,
        is_known: bool,
        note: &mut dyn FnMut(&str),
        mut ask: impl FnMut() -> Result<Answer, Trouble>,
    ) -> Result<Answer, HubError> {
        let what = || self.what.clone();
        loop {
            let (error, asked) = match ask() {
                Ok(answer) => match self.judge(&answer, retries.failures() + 1) {
                    None => return Ok(answer),
                    Some(error) if is_worth_a_wait(&error) => (error, answer.retry_after),
                    Some(error) => return Err(error),
                },
                Err(Trouble::Stopped) => return Err(self.stopped()),
                Err(Trouble::Hopeless(reason)) => return Err(HubError::Answer { what: what(), reason }),
                Err(Trouble::NoConnection(reason)) if !is_known => return Err(self.unreachable(reason)),
                Err(Trouble::NoConnection(reason) | Trouble::Broken(reason)) => (self.unreachable(reason), None),
            };
            let Some(wait) = retries.failed(asked) else { return Err(error) };
            note(&format!("{}; again in {:.0} s", short(&error), wait.as_secs_f64().ceil()));
            self.pause(wait)?;
        }
    }

    /// Waits, unless somebody wants to stop.
    ///
    /// # Errors
    /// [`HubError::Stopped`].
    pub(super) fn pause(&self, wait: Duration) -> Result<(), HubError> {
        let start = Instant::now();
        while start.elapsed() < wait {
            if self.stop.load(Ordering::Relaxed) {
                return Err(self.stopped());
            }
            std::thread::sleep(POLL.min(wait.saturating_sub(start.elapsed())));
        }
        Ok(())
    }

    /// The error for a wish to stop.
    pub(super) fn stopped(&self) -> HubError {
        HubError::Stopped { what: self.what.clone() }
    }

    fn unreachable(&self, reason: String) -> HubError {
        HubError::Unreachable { what: self.what.clone(), endpoint: self.endpoint.to_owned(), reason }
    }

    fn judge(&self, answer: &Answer, tries: u32) -> Option<HubError> {
        let (what, status, token_sent) = (self.what.clone(), answer.status, self.token_sent);
        Some(match status {
            200 | 206 | 416 => return None,
            401 | 403 => {
                let page = format!("{}/{}", self.endpoint, self.repository);
                HubError::Refused { what, status, token_sent, page }
            }
            404 | 410 => HubError::NotFound { what, endpoint: self.endpoint.to_owned(), token_sent },
            429 => HubError::TooManyRequests { what, wait: answer.retry_after },
            408 | 500..=599 => HubError::Unavailable { what, status, tries },
            _ => HubError::Status { what, status },
        })
    }
}

fn is_worth_a_wait(error: &HubError) -> bool {
    matches!(error, HubError::TooManyRequests { .. } | HubError::Unavailable { .. })
}

/// For a line of progress.
fn short(error: &HubError) -> String {
    match error {
        HubError::TooManyRequests { .. } => "too many requests".to_owned(),
        HubError::Unavailable { status, .. } => format!("the hub answers with status {status}"),
        HubError::Unreachable { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        let seconds = Duration::from_secs;
        Patience { first_wait: seconds(1), longest_wait: seconds(5), repetitions: 4, ..Patience::default() }
    }

    #[test]
    fn waits_double_up_to_a_limit_and_progress_begins_anew() {
        let mut retries = Retries::new(patience());
        let seconds = |wait: Option<Duration>| wait.map(|w| w.as_secs());
        let waits: Vec<_> = (0..5).map(|_| seconds(retries.failed(None))).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(5), None]);
        retries.progressed();
        assert_eq!(seconds(retries.failed(None)), Some(1));
    }

    #[test]
    fn a_wait_that_the_server_asks_for_is_kept_unless_it_is_too_long() {
        let mut retries = Retries::new(patience());
        assert_eq!(retries.failed(Some(Duration::from_secs(3))), Some(Duration::from_secs(3)));
        assert_eq!(retries.failed(Some(Duration::from_secs(3600))), None);
    }
}
