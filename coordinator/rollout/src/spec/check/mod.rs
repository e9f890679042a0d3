//! What is measured between two stages: a check asks a probe again and again,
//! and judges what comes back. Asking is the coordinator's; judging is here.

mod condition;
mod faults;
mod judge;
#[cfg(test)]
mod tests;

use std::time::Duration;

use pinion_model::CheckName;
use serde::{Deserialize, Serialize};

pub use condition::{Comparison, Condition};
pub use faults::check_all;
pub use judge::{Answer, Judgement, Sample, Series};

/// A measurement that must succeed before the stage after it opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Unique in its stage.
    pub name: CheckName,
    /// What is asked.
    pub probe: Probe,
    /// From one sample to the next: 1 s to 1 h.
    pub interval: Duration,
    /// So many successes in a row pass: 1 to 1,000.
    pub samples: u32,
    /// So many samples may fail; one more fails the check. At most 1,000.
    pub failure_limit: u32,
    /// From the first sample. What has neither passed nor failed by then is
    /// inconclusive.
    pub timeout: Duration,
    /// It is measured and told, but never stops the rollout.
    pub dry_run: bool,
}

impl Check {
    /// A check with everything else at its default: every 10 s, one success
    /// passes, one failure fails, inconclusive after 5 min.
    #[must_use]
    pub fn of(name: CheckName, probe: Probe) -> Self {
        Self {
            name,
            probe,
            interval: Duration::from_secs(10),
            samples: 1,
            failure_limit: 0,
            timeout: Duration::from_secs(300),
            dry_run: false,
        }
    }
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// A query to a Prometheus server.
    Prometheus(PromQuery),
    /// A request to a web server.
    Http(HttpGet),
}

/// An instant query in PromQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromQuery {
    /// Of the server, without the path of its API: `http://prometheus:9090`.
    pub url: String,
    /// In PromQL. Its answer must be a scalar, or a vector of which every
    /// series counts; an empty vector says nothing.
    pub query: String,
    /// What a good value fulfils.
    pub success: Condition,
    /// What a bad value fulfils; a value that fulfils neither is inconclusive.
    /// Absent: whatever is not a success is a failure.
    pub failure: Option<Condition>,
}

/// A GET request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpGet {
    /// Whole.
    pub url: String,
    /// The code that is a success; every other one that is answered is a failure.
    pub status: u16,
    /// What must stand in the body. Absent: the body is not looked at.
    pub body_contains: Option<String>,
}

impl HttpGet {
    /// A request that succeeds with 200, whatever the body.
    #[must_use]
    pub fn of(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            status: 200,
            body_contains: None,
        }
    }
}
