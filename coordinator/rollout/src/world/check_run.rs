use pinion_model::{CheckName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Check, Judgement, Sample};

/// What was measured of a stage's checks. Begins anew when a machine that the
/// stage waits for changes its phase, and when an operator resumes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// What was asked for before says nothing about the stage as it is.
    pub since: Timestamp,
    /// Those of which there is a sample.
    pub runs: Vec<CheckRun>,
}

impl Checks {
    /// Begins anew.
    pub(crate) fn restart(&mut self, at: Timestamp) {
        self.since = at;
        self.runs.clear();
    }
}

/// One check of a stage, as far as it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRun {
    /// Which check.
    pub name: CheckName,
    /// Successes in a row, up to now.
    pub successes: u32,
    /// Failures in all.
    pub failures: u32,
    /// Samples in all.
    pub samples: u32,
    /// When the first sample was asked for; later by as long as no coordinator
    /// was there to ask for more.
    pub first_at: Timestamp,
    /// When the last was.
    pub last_at: Timestamp,
    /// Up to when `first_at` leaves time without a coordinator out.
    #[serde(default)]
    pub out_until: Timestamp,
    /// The last.
    pub last: Sample,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckVerdict {
    /// Enough successes in a row.
    Passed,
    /// More failures than may be.
    Failed,
    /// Neither in time.
    Inconclusive,
}

impl CheckVerdict {
    /// The stable word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl CheckRun {
    /// With its first sample.
    pub(crate) fn begin(name: CheckName, sample: Sample, asked_at: Timestamp) -> Self {
        let mut run = Self {
            name,
            successes: 0,
            failures: 0,
            samples: 0,
            first_at: asked_at,
            last_at: asked_at,
            out_until: asked_at,
            last: Sample::inconclusive(""),
        };
        run.add(sample, asked_at);
        run
    }

    /// One more sample.
    pub(crate) fn add(&mut self, sample: Sample, asked_at: Timestamp) {
        self.samples = self.samples.saturating_add(1);
        match sample.outcome {
            Judgement::Success => self.successes = self.successes.saturating_add(1),
            Judgement::Failure => {
                self.successes = 0;
                self.failures = self.failures.saturating_add(1);
            }
            Judgement::Inconclusive => self.successes = 0,
        }
        self.last_at = asked_at;
        self.last = sample;
    }

    /// Nobody could ask from the last sample until `at`: that time does not
    /// count, however often a coordinator began in it.
    pub(crate) fn sit_out(&mut self, at: Timestamp) {
        let from = self.last_at.max(self.out_until);
        self.first_at = self.first_at + at.since(from);
        self.out_until = from.max(at);
    }

    /// How it ended. None: it goes on.
    #[must_use]
    pub fn verdict(&self, check: &Check, now: Timestamp) -> Option<CheckVerdict> {
        if self.successes >= check.samples {
            Some(CheckVerdict::Passed)
        } else if self.failures > check.failure_limit {
            Some(CheckVerdict::Failed)
        } else if now >= self.deadline(check) {
            Some(CheckVerdict::Inconclusive)
        } else {
            None
        }
    }

    /// When it is inconclusive, unless it ends before.
    pub(crate) fn deadline(&self, check: &Check) -> Timestamp {
        self.first_at + check.timeout
    }

    /// When the next sample is due.
    pub(crate) fn due(&self, check: &Check) -> Timestamp {
        self.last_at + check.interval
    }
}
