use pinion_model::{RolloutPhase, Timestamp};

use super::{assign, withdraw};
use crate::gates::restore::check as restore_gate;
use crate::gates::{Verdict, View};
use crate::naming::{few, few_failed};
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
/// says, unless one did not get there for a reason that others may have. Those
/// that are offline on their way are gone round, and where none gets further
/// for `progress_deadline`, the others do not wait for it. Those whose baseline
/// was quarantined on their way are sent elsewhere at once.
pub(super) fn restore(world: &World, rollout: &Rollout, now: Timestamp) -> Vec<Change> {
    let on = |way| {
        let stages = View::all(world, rollout, now);
        stages.flat_map(move |view| view.at(view.tally.places_on(way)))
    };
    // Those that were on their way already take nobody's room.
    let astray = on(Way::Astray);
    let stops = restore_gate(world, rollout) != Verdict::Pass;
    let room = if stops { 0 } else { room(world, rollout, now) };
    astray
        .chain(on(Way::Todo).take(room))
        .map(|(agent, member)| assign::restore(world, rollout, agent, member, now))
        .collect()
}

fn count(world: &World, rollout: &Rollout, ways: &[Way]) -> usize {
    let stages = View::all(world, rollout, Timestamp(0));
    let counts = stages.flat_map(|view| ways.iter().map(move |way| view.tally.ways(*way)));
    counts.sum()
}

fn room(world: &World, rollout: &Rollout, now: Timestamp) -> usize {
    let rest = [Way::Held, Way::ToStable, Way::Stuck, Way::Back];
    let whole = count(world, rollout, &Way::OUTSTANDING) + count(world, rollout, &rest);
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
    let goes_on = rollout.rolled_back && rollout.interrupted.is_none();
    let waits = goes_on && count(world, rollout, &[Way::Todo]) > 0;
    waits.then(|| deadline(rollout))
}

/// One that was paused or halted on its way back: nobody else is sent. What
/// was asked goes on, but to nothing that was quarantined since.
pub(super) fn stand(world: &World, rollout: &Rollout, now: Timestamp) -> Vec<Change> {
    let stages = View::all(world, rollout, now);
    let astray = stages.flat_map(|view| view.at(view.tally.places_on(Way::Astray)));
    let astray: Vec<_> = astray
        .map(|(agent, member)| assign::restore(world, rollout, agent, member, now))
        .collect();
    if astray.is_empty() {
        withdraw::all(world, rollout, now)
    } else {
        astray
    }
}

/// A roll-back, or an abort that reverts, until every machine is back or cannot
/// be waited for. It never rolls back itself: where a machine does not get
/// back, it halts, and a person looks.
pub(super) fn plan(world: &World, rollout: &Rollout, now: Timestamp) -> Vec<Change> {
    if let Verdict::Stop(stop) = restore_gate(world, rollout) {
        let act = Act::RolloutHalted {
            rollout: rollout.id.clone(),
            gate: stop.gate,
            reason: stop.reason,
        };
        return vec![Decision::system(now, act).into()];
    }
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
        let failure = member.restore.as_ref()?.failure.as_deref()?;
        Some((agent, Some(failure)))
    });
    let failed = few_failed(failed);
    let mut reason = rollout.reason.clone();
    if !failed.is_empty() {
        reason = format!("{reason}; did not get back: {failed}");
    }
    reason.push_str(&held(world, rollout, now));
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

/// Those that the roll-back went round.
fn held(world: &World, rollout: &Rollout, now: Timestamp) -> String {
    let stages = View::all(world, rollout, now);
    let held = stages.flat_map(|view| view.at(view.tally.places_on(Way::Held)));
    let held = few(held.map(|(agent, _)| agent));
    match held.is_empty() {
        true => String::new(),
        false => format!("; held, so not taken back yet: {held}"),
    }
}
