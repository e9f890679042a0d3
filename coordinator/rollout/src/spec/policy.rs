use serde::{Deserialize, Serialize};

use super::{Amount, Budget};

/// What a tripped gate does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureAction {
    /// Assign nothing more, withdraw what has not cut over, wait for a person.
    #[default]
    Halt,
    /// Take every machine that was changed back to what was proven there.
    Rollback,
}

/// What becomes of a machine that is offline when its turn comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfflinePolicy {
    /// The stage waits until it is back.
    #[default]
    Wait,
    /// The stage goes on without it once its grace time has passed; when it is
    /// back it gets what its stage has then.
    Skip,
    /// It counts as a failure once its grace time has passed.
    Fail,
}

/// What becomes of a machine whose containers were sick before the rollout.
/// In neither case is it blamed on the rollout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SickPolicy {
    /// It is updated like any other: the new image may be the cure.
    #[default]
    Include,
    /// The rollout goes round it.
    Skip,
}

/// What starting this rollout does to one of the same workload that is not over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supersede {
    /// It takes its place at once.
    #[default]
    Replace,
    /// It waits until that one is over; a newer one that waits takes its place.
    Queue,
    /// It is refused.
    Reject,
}

/// A first pass in which machines authenticate, check platform and disk, pull
/// and verify, and no container is touched; so it keeps to no window and no
/// freeze. What is absent is the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefetchSpec {
    /// Share of the selected machines. Absent: 10 %.
    pub max_in_flight: Option<Amount>,
    /// Share of the selected machines. Absent: the strategy's.
    pub failure_budget: Option<Budget>,
}

/// The same with every default filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefetchRules {
    /// Share of the selected machines.
    pub max_in_flight: Amount,
    /// Share of the selected machines.
    pub failure_budget: Budget,
}
