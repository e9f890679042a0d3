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

/// Sends machines back to their baselines, as many at once as the strategy
/// says. Those that are offline on their way are gone round, and where none
/// gets further for `progress_deadline`, the others do not wait for it. Those
/// whose baseline was quarantined on their way are sent elsewhere at once.
pub(super) fn restore(world: &World, rollout: &Rollout, now: Timestamp) -> Vec<Change> {
    let on = |way| {
        let stages = View::all(world, rollout, now);
        stages.flat_map(move |view| view.at(view.tally.places_on(way)))
    };
    // Those that were on their way already take nobody's room.
    let astray = on(Way::Astray);
    astray
        .chain(on(Way::Todo).take(room(world, rollout, now)))
        .map(|(agent, member)| assign::restore(world, rollout, agent, member, now))
        .collect()
}

fn count(world: &World, rollout: &Rollout, ways: &[Way]) -> usize {
    let stages = View::all(world, rollout, Timestamp(0));
    let counts = stages.flat_map(|view| ways.iter().map(move |way| view.tally.ways(*way)));
    counts.sum()
}

fn room(world: &World, rollout: &Rollout, now: Timestamp) -> usize {
    let whole = count(world, rollout, &Way::OUTSTANDING) + count(world, rollout, &[Way::Back]);
    let limit = rollout.spec.rollback_in_flight.of(whole).max(1) as usize;
    if now >= deadline(rollout) {
        return limit;
    }
    limit.saturating_sub(count(world, rollout, &[Way::Going, Way::Astray]))
}

fn deadline(rollout: &Rollout) -> Timestamp {
    let progressed = rollout.stages.iter().map(|stage| stage.progressed_at);
    let progressed = progressed.max().unwrap_or(rollout.since).max(rollout.since);
    progressed + rollout.spec.progress_deadline
}

/// When the next ones are sent back, whatever became of those before; none if
/// nobody waits for that.
pub(super) fn due(world: &World, rollout: &Rollout) -> Option<Timestamp> {
    let waits = rollout.rolled_back && count(world, rollout, &[Way::Todo]) > 0;
    waits.then(|| deadline(rollout))
}

/// A roll-back, or an abort that reverts, until every machine is back or cannot be waited for.
pub(super) fn plan(world: &World, rollout: &Rollout, now: Timestamp) -> Vec<Change> {
    let restores = restore(world, rollout, now);
    if !restores.is_empty() {
        return restores;
    }
    // Those that cannot be sent back yet must not be sent forward meanwhile.
    let withdrawn = withdraw::all(world, rollout, now);
    if !withdrawn.is_empty() || count(world, rollout, &Way::OUTSTANDING) > 0 {
        return withdrawn;
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
        phase: match rollout.phase {
            RolloutPhase::Aborting => RolloutPhase::Aborted,
            _ => RolloutPhase::RolledBack,
        },
        reason,
    };
    vec![Decision::system(now, act).into()]
}
