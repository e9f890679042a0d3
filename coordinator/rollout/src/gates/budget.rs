use pinion_model::AgentPhase;

use super::{Verdict, View};
use crate::Gate;
use crate::world::Class;

/// How many machines are named in a reason.
const NAMED: usize = 5;

/// No more machines of a stage may fail than its budget, counting those that
/// nobody has acknowledged. An old container that did not come back stops
/// the rollout whatever the budget says.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let lost = |member: &crate::Member| member.phase == Some(AgentPhase::RollbackFailed);
    if let Some((agent, member)) = view.members(Class::Failed).find(|(_, member)| lost(member)) {
        let failure = member
            .failure
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let reason = format!(
            "stage {}: the old container on {agent} did not come back ({failure}); look at that machine first",
            view.stage.rules.name
        );
        return Verdict::stop(Gate::RollbackFailed, reason);
    }
    let failed = view.tally.count(Class::Failed);
    if failed <= view.stage.failure_budget as usize {
        return Verdict::Pass;
    }
    let reason = format!(
        "stage {}: {failed} of {} machine(s) failed and {} may: {}",
        view.stage.rules.name,
        view.stage.order.len(),
        view.stage.failure_budget,
        named(view)
    );
    Verdict::stop(Gate::FailureBudget, reason)
}

fn named(view: View<'_>) -> String {
    let failed = view.tally.count(Class::Failed);
    let names = view
        .members(Class::Failed)
        .take(NAMED)
        .map(|(agent, member)| match &member.failure {
            Some(failure) => format!("{agent} ({failure})"),
            None => agent.to_string(),
        });
    let names = names.collect::<Vec<_>>().join("; ");
    if failed > NAMED {
        format!("{names}; and {} more", failed - NAMED)
    } else {
        names
    }
}
