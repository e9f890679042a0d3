//! Why a machine, a stage or a rollout is not done.

use pinion_model::{AgentId, RolloutId, StageName, Timestamp};

use crate::World;

/// Why one agent is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its stage; none if it is not a member.
    pub stage: Option<StageName>,
    /// A stable word for scripts, such as `stage_not_open` or `offline`.
    pub word: &'static str,
    /// For people: what it waits for, and what would unblock it.
    pub detail: String,
    /// Since when.
    pub since: Timestamp,
}

/// Why an agent is not done in a rollout. None: it is, or there is no such
/// rollout or agent.
#[must_use]
pub fn explain(
    _world: &World,
    _rollout: &RolloutId,
    _agent: &AgentId,
    _now: Timestamp,
) -> Option<Reason> {
    None
}

/// The same for every agent of the rollout that is not done, in the order of
/// the stages, then those that are not members.
#[must_use]
pub fn explain_all(
    _world: &World,
    _rollout: &RolloutId,
    _now: Timestamp,
) -> Vec<(AgentId, Reason)> {
    Vec::new()
}

/// Why the rollout as a whole is where it is, in one sentence or two.
#[must_use]
pub fn summary(_world: &World, _rollout: &RolloutId, _now: Timestamp) -> String {
    String::new()
}

/// What a stage's next step waits for, in words; empty if nothing.
#[must_use]
pub fn waiting_for(
    _world: &World,
    _rollout: &RolloutId,
    _stage: usize,
    _now: Timestamp,
) -> Vec<String> {
    Vec::new()
}
