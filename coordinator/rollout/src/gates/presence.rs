use pinion_model::{Failure, FailureKind};

use super::{Verdict, View};
use crate::OfflinePolicy;
use crate::world::Class;

/// Machines that are offline when their turn comes: waited for, gone round, or
/// failed, as the strategy says. What is unknown is never counted as offline.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let offline = view.tally.count(Class::Offline);
    if offline > 0 && view.rollout.spec.offline == OfflinePolicy::Fail {
        return Verdict::Fail(failed(view));
    }
    let waits = view.rollout.spec.offline == OfflinePolicy::Wait && offline > 0;
    let unknown = view.tally.count(Class::Unknown);
    let mut parts = Vec::new();
    if waits {
        parts.push(format!("{offline} offline machine(s) to come back"));
    }
    if unknown > 0 {
        parts.push(format!(
            "{unknown} machine(s) not seen since the coordinator started"
        ));
    }
    if parts.is_empty() {
        return Verdict::Pass;
    }
    Verdict::wait(
        format!("stage {}: {}", view.stage.rules.name, parts.join(", ")),
        None,
    )
}

fn failed(view: View<'_>) -> Vec<(pinion_model::AgentId, Failure)> {
    let members = view.members(Class::Offline);
    let failed = members.map(|(agent, _)| {
        let since = view
            .world
            .agents
            .get(agent)
            .map(|agent| agent.presence_since)
            .unwrap_or_default();
        let message = format!(
            "the machine was offline when its turn came (since {since}); bring it back and retry it"
        );
        (agent.clone(), Failure::new(FailureKind::Offline, message))
    });
    failed.collect()
}
