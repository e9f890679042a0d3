use pinion_model::{RolloutPhase, Timestamp};

use super::{assign, withdraw};
use crate::gates::View;
use crate::world::Way;
use crate::{Act, Change, Decision, Rollout, World};

/// Makes desired what agents have restored by themselves.
pub(super) fn adopt(world: &World, now: Timestamp) -> Vec<Change> {
    let placements = world
        .index
        .rolled_back
        .iter()
        .filter_map(|(agent, workload)| {
            let placement = world.agents.get(agent)?.placements.get(workload)?;
            assign::adopt(world, agent, placement, now)
        });
    placements.collect()
}

/// Sends machines back to their baselines, all at once.
pub(super) fn restore(world: &World, rollout: &Rollout, now: Timestamp) -> Vec<Change> {
    let stages = View::all(world, rollout, now);
    let members = stages.flat_map(|view| view.at(view.tally.places_on(Way::Todo)));
    members
        .map(|(agent, member)| assign::restore(world, rollout, agent, member, now))
        .collect()
}

/// A roll-back, until every machine is back or cannot be waited for.
pub(super) fn plan(world: &World, rollout: &Rollout, now: Timestamp) -> Vec<Change> {
    let restores = restore(world, rollout, now);
    let waits = View::all(world, rollout, now).any(|view| {
        let mut outstanding = Way::OUTSTANDING.into_iter();
        outstanding.any(|way| view.tally.ways(way) > 0)
    });
    if !restores.is_empty() {
        return restores;
    }
    if waits {
        // Those that cannot be sent back yet must not be sent forward meanwhile.
        return withdraw::all(world, rollout, now);
    }
    let failed = rollout.members.iter().filter_map(|(agent, member)| {
        let failure = member.restore.as_ref()?.failure.as_ref()?;
        Some(format!("{agent} ({failure})"))
    });
    let failed: Vec<_> = failed.collect();
    let mut reason = rollout.reason.clone();
    if !failed.is_empty() {
        reason = format!("{reason}; did not get back: {}", failed.join("; "));
    }
    let act = Act::RolloutEnded {
        rollout: rollout.id.clone(),
        phase: RolloutPhase::RolledBack,
        reason,
    };
    vec![Decision::system(now, act).into()]
}
