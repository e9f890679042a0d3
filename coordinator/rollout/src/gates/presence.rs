use pinion_model::{Failure, FailureKind};

use super::{Verdict, View};
use crate::OfflinePolicy;
use crate::world::Class;

/// Machines that are offline when their turn comes: waited for, gone round, or
/// failed, as the strategy says, once their grace time has passed. What is
/// unknown is never counted as offline, and those that joined late are neither
/// waited for nor failed.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let policy = view.rollout.spec.offline;
    if policy == OfflinePolicy::Fail {
        let failed = failed(view);
        if !failed.is_empty() {
            return Verdict::Fail(failed);
        }
    }
    let offline = view.tally.holding(Class::Offline);
    let until = view.tally.next_grace(view.now);
    let unknown = view.tally.holding(Class::Unknown);
    let mut parts = Vec::new();
    let until = match (policy, until) {
        (OfflinePolicy::Wait, _) if offline > 0 => {
            parts.push(format!("{offline} offline machine(s) to come back"));
            None
        }
        (OfflinePolicy::Skip | OfflinePolicy::Fail, Some(until)) => {
            parts.push(format!(
                "offline machines in their grace time, the first until {until}"
            ));
            Some(until)
        }
        _ => None,
    };
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
        until,
    )
}

fn failed(view: View<'_>) -> Vec<(pinion_model::AgentId, Failure)> {
    let members = view.at(view.tally.out_of_grace(view.now));
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
