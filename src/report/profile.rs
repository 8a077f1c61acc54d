//! One profile of a [`super::cell::CellView`]: its grade, its numbers and what they mean.

use super::quality::QualityView;
use crate::lab::outcome::{ProfileOutcome, Status};
use crate::plan::config::Thresholds;
use crate::profiles::{Metric, ProfileName, Samples, interactive, long_context, quality};
use crate::verdict::{Rating, recommendation};
use crate::worker::exit::Exit;

/// How a profile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileStatus {
    /// Measured, and its rating is not `failed`.
    Passed,
    /// Measured, and too bad.
    Failed,
    /// It could not be measured.
    Error,
    /// Not tried.
    Skipped,
}

impl ProfileStatus {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

/// One profile of a cell in the reports.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileView {
    /// Which.
    pub profile: ProfileName,
    /// How it ended.
    pub status: ProfileStatus,
    /// Its grade; absent where it was not tried or has no thresholds.
    pub rating: Option<Rating>,
    /// The grades of the single numbers that the rating is the worst of, by the metrics' names.
    pub criteria: Vec<(String, Rating)>,
    /// Its numbers; none where it was not measured.
    pub metrics: Vec<Metric>,
    /// What the numbers mean.
    pub interpretation: Option<String>,
    /// What ended the measuring, by what was repeated.
    pub ended_by: Vec<(&'static str, crate::profiles::EndedBy)>,
    /// Why it could not be measured or was not tried.
    pub reason: Option<String>,
    /// How the worker ended, when it ended while this profile ran.
    pub exit: Option<Exit>,
    /// The last lines of the worker's log, when it failed.
    pub log_tail: Vec<String>,
    /// What disturbed the measurement.
    pub noise: Vec<String>,
    /// How long it took.
    pub duration_seconds: f64,
    /// Answers and divergence, of the quality profile.
    pub quality: Option<Box<QualityView>>,
    /// Every load, of the long-context profile.
    pub long_context: Option<Box<long_context::Summary>>,
}

impl ProfileView {
    /// A number by its name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|metric| metric.name == name)?.value
    }

    /// The headline, and where the rating is not a good one, what holds it back.
    pub(super) fn numbers(&self) -> String {
        let numbers = match &self.long_context {
            Some(summary) => super::long_context::numbers(summary),
            None => recommendation::numbers(self.metric("ttft_seconds"), self.metric("tokens_per_second")),
        };
        let weak = self.criteria.iter().filter(|(_, rating)| Some(*rating) == self.rating && *rating < Rating::Good);
        let weak: Vec<&str> = weak.map(|(name, _)| name.as_str()).collect();
        if weak.is_empty() { numbers } else { format!("{numbers}; held back by {}", weak.join(" and ")) }
    }

    pub(super) fn of(outcome: &ProfileOutcome, thresholds: &Thresholds) -> Self {
        let mut view = Self {
            profile: outcome.profile,
            status: match outcome.status {
                Status::Measured | Status::Failed => ProfileStatus::Error,
                Status::Skipped => ProfileStatus::Skipped,
            },
            rating: (outcome.status == Status::Failed).then_some(Rating::Failed),
            criteria: Vec::new(),
            metrics: Vec::new(),
            interpretation: None,
            ended_by: Vec::new(),
            reason: outcome.reason.clone(),
            exit: outcome.exit,
            log_tail: outcome.log_tail.clone(),
            noise: noise(outcome),
            duration_seconds: outcome.duration_seconds,
            quality: None,
            long_context: None,
        };
        if let Some(samples) = &outcome.samples {
            view.judge(samples, thresholds);
        }
        if outcome.status == Status::Failed {
            // what it had measured before it failed does not make it pass
            (view.status, view.rating) = (ProfileStatus::Error, Some(Rating::Failed));
        }
        if outcome.status == Status::Skipped {
            // what it had measured before somebody stopped it is no verdict
            (view.status, view.rating) = (ProfileStatus::Skipped, None);
        }
        view
    }

    fn judge(&mut self, samples: &Samples, thresholds: &Thresholds) {
        self.metrics = samples.metrics();
        self.status = ProfileStatus::Passed;
        match samples {
            Samples::Interactive(samples) => {
                let summary = interactive::summarize(samples);
                let rating = interactive::rating(&summary, &thresholds.interactive);
                self.rating = Some(rating);
                let criteria = interactive::criteria(&summary, &thresholds.interactive);
                self.criteria = criteria.iter().map(|c| (c.metric.to_owned(), c.rating)).collect();
                self.interpretation = Some(interactive::interpretation(&summary, &thresholds.interactive));
                self.ended_by = vec![
                    ("repetitions", samples.generations_ended_by),
                    ("first tokens", samples.first_tokens_ended_by),
                ];
                if !rating.passes() {
                    self.status = ProfileStatus::Failed;
                }
            }
            Samples::Quality(samples) => self.judge_quality(samples),
            Samples::LongContext(samples) => self.judge_long_context(samples, &thresholds.long_context),
            Samples::Bench(_) => {}
        }
    }

    fn judge_quality(&mut self, samples: &quality::Samples) {
        let view = QualityView::of(samples);
        if let Some(summary) = &view.summary {
            self.rating = quality::rating(summary);
            self.criteria = quality::criteria(summary).into_iter().map(|c| (c.metric, c.rating)).collect();
        }
        if self.rating.is_some_and(|rating| !rating.passes()) {
            self.status = ProfileStatus::Failed;
        }
        self.interpretation = Some(view.words(None));
        self.quality = Some(Box::new(view));
    }
}

fn noise(outcome: &ProfileOutcome) -> Vec<String> {
    let warnings = outcome.vitals.iter().flat_map(crate::machine::vitals::VitalsSpan::warnings);
    warnings.map(|warning| warning.to_string()).collect()
}
