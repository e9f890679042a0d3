//! Why a machine, a stage or a rollout is not done. Reads only, and is asked
//! for one machine at a time.

mod agent;
mod ahead;
mod back;
mod failed;
mod held;
mod kept;
mod others;
mod over;
mod pending;
mod shut;
mod summary;

use pinion_model::{StageName, Timestamp};

pub use agent::{explain, explain_all};
pub(crate) use held::held;
pub(crate) use shut::shut;
pub use summary::{summary, waiting_for};

/// Why one agent is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its stage; none if it is not a member.
    pub stage: Option<StageName>,
    /// A stable word for scripts: `stage_not_open`, `stage_passed`, `awaiting_approval`,
    /// `limit_in_flight`, `limit_unavailable`, `limit_strict`, `sick_before`,
    /// `busy`, `after`, `offline`, `unknown`, `outside_window`, `freeze`, `held`, `identity_conflict`,
    /// `revoked`, `removed`, `in_flight`, `withdrawing`, `soaking`, `staged`, `joins_late`,
    /// `failed`, `drifted`, `settled_with_failure`, `nothing_to_go_back_to`, `prefetching`,
    /// `prefetch_failed`, `prefetch_not_passed`, `quarantined`, `queued`, `paused`, `halted`, `aborting`, `rolling_back`,
    /// `over`, `not_kept` or `not_a_member`.
    pub word: &'static str,
    /// For people: what it waits for, and what would unblock it.
    pub detail: String,
    /// Since when.
    pub since: Timestamp,
}
