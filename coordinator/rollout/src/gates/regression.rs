use pinion_model::{Failure, FailureKind};

use super::{Verdict, View};
use crate::world::Mark;
use crate::{ObservedContainer, Placement};

/// A machine that had settled and is seen sick before its stage has passed:
/// its success is taken back. One that was sick before is not asked for more
/// than it had; one that sickens later is for the next rollout to mend.
pub(crate) fn check(view: View<'_>) -> Verdict {
    if view.stage.passed_at.is_some() {
        return Verdict::Pass;
    }
    let regressed = view.at(view.tally.marks.places(Mark::Regressed));
    let failed: Vec<_> = regressed
        .map(|(id, _)| {
            let agent = view.world.agents.get(id);
            let placement = agent.and_then(|agent| agent.placements.get(&view.rollout.workload));
            let message = format!(
                "it had settled, and before stage {} had passed {}; look at its log, then retry it",
                view.stage.rules.name,
                seen(placement)
            );
            (id.clone(), Failure::new(FailureKind::Health, message))
        })
        .collect();
    match failed.is_empty() {
        true => Verdict::Pass,
        false => Verdict::Fail(failed),
    }
}

/// What was seen of its sick containers.
fn seen(placement: Option<&Placement>) -> String {
    let containers = placement.map(|placement| &*placement.containers);
    let sick = containers
        .unwrap_or_default()
        .iter()
        .filter(|container| container.is_sick());
    let words = sick.map(|ObservedContainer { name, running, .. }| match running {
        true => format!("container {name} became unhealthy"),
        false => format!("container {name} stopped"),
    });
    words.collect::<Vec<_>>().join(", ")
}
