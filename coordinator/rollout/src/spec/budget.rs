use pinion_model::FailureKind;
use serde::{Deserialize, Serialize};

use super::Amount;

/// How many machines may fail before a gate trips. 0 and 100 percent are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// More than that trips. A share is one of the whole stage, whatever the sample.
    pub amount: Amount,
    /// It is not judged before that many machines of the stage have an outcome,
    /// or all have. 0 and 1: with the first.
    #[serde(default)]
    pub min_sample: u32,
}

impl From<Amount> for Budget {
    fn from(amount: Amount) -> Self {
        Self {
            amount,
            min_sample: 0,
        }
    }
}

impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.min_sample {
            0 | 1 => write!(f, "{}", self.amount),
            sample => write!(f, "{} once {sample} have an outcome", self.amount),
        }
    }
}

/// Kinds of failure that share a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureGroup {
    /// The image did not get there: not found, network, registry, disk, platform.
    Pull,
    /// The registry did not accept the machine's credentials.
    Credentials,
    /// The container could not be created or started; the engine failed.
    Start,
    /// It ran, and was not or did not stay healthy.
    Health,
    /// A deadline passed, the tenant's use of the machine included.
    Timeout,
    /// The machine's own policy refused it.
    Policy,
    /// The machine was away when its turn came, or the coordinator was while a
    /// machine's new agent was to be confirmed.
    Offline,
}

impl FailureGroup {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 7] = [
        Self::Pull,
        Self::Credentials,
        Self::Start,
        Self::Health,
        Self::Timeout,
        Self::Policy,
        Self::Offline,
    ];

    /// The group of a failure.
    #[must_use]
    pub fn of(kind: FailureKind) -> Self {
        match kind {
            FailureKind::NotFound
            | FailureKind::Network
            | FailureKind::Registry
            | FailureKind::Disk
            | FailureKind::Platform => Self::Pull,
            FailureKind::Credentials => Self::Credentials,
            FailureKind::Create
            | FailureKind::Start
            | FailureKind::Engine
            | FailureKind::Internal => Self::Start,
            FailureKind::Health => Self::Health,
            FailureKind::Timeout | FailureKind::InUse => Self::Timeout,
            FailureKind::Policy => Self::Policy,
            FailureKind::Offline | FailureKind::Indeterminate => Self::Offline,
        }
    }

    /// The stable word, as it stands in strategies.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Credentials => "credentials",
            Self::Start => "start",
            Self::Health => "health",
            Self::Timeout => "timeout",
            Self::Policy => "policy",
            Self::Offline => "offline",
        }
    }
}

impl std::fmt::Display for FailureGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
