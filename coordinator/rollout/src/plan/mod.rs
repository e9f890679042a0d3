//! What to do next.

use pinion_model::Timestamp;

use crate::{Change, World};

/// The planner's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be committed together, naming the decision revision that was planned from.
    pub changes: Vec<Change>,
    /// When to plan again, if nothing else happens before.
    pub wake_at: Option<Timestamp>,
}

/// What to do now, given all that is known. Applying its changes and planning
/// again at the same instant gives no changes.
#[must_use]
pub fn plan(_world: &World, _now: Timestamp) -> Plan {
    Plan::default()
}

/// The assignment that brings a machine to its stable digest; none if it has none.
pub(crate) fn stable_assignment(
    _world: &World,
    _agent: &pinion_model::AgentId,
    _workload: &pinion_model::WorkloadName,
    _generation: pinion_model::Generation,
    _again: bool,
) -> Option<crate::Assignment> {
    None
}
