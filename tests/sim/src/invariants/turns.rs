//! Who may be given a turn, and when a way back is over.

use pinion_model::{AgentId, AgentPhase, RolloutId, RolloutPhase, Timestamp};
use pinion_rollout::{
    Act, Agent, Assignment, Change, Decision, Member, Purpose, Rollout, Standing, World, apply,
};

use super::{Held, holds};

/// A turn, or a pull ahead of it, keeps to holds, windows, freezes and to what
/// goes first.
pub(super) fn nobody_is_reached_who_must_wait(
    world: &World,
    id: &AgentId,
    assignment: &Assignment,
    at: Timestamp,
) -> Held {
    let (Some(agent), Some(rollout)) = (
        world.agents.get(id),
        assignment.rollout().and_then(|id| world.rollouts.get(id)),
    ) else {
        return Ok(());
    };
    let is_turn = matches!(assignment.purpose, Purpose::Rollout { .. });
    if !is_turn && assignment.prefetch.is_none() {
        return Ok(());
    }
    rollouts_go_round_what_is_held(world, id, agent, rollout)?;
    if !is_turn {
        return Ok(());
    }
    windows_and_freezes_are_kept(id, agent, rollout, at)?;
    what_goes_first_has_gone(world, id, rollout)
}

fn rollouts_go_round_what_is_held(
    world: &World,
    id: &AgentId,
    agent: &Agent,
    rollout: &Rollout,
) -> Held {
    let mut holds_of_fleet = world.holds.iter();
    let by = holds_of_fleet.find(|(_, hold)| hold.keeps(agent, &rollout.workload));
    holds(
        "rollouts go round what is held",
        agent.hold.is_none() && by.is_none(),
        || {
            format!(
                "{} reaches {id}, which {by:?} or its own hold keeps",
                rollout.id
            )
        },
    )
}

/// Asked of the calendar itself, not of what was noted of it.
fn windows_and_freezes_are_kept(
    id: &AgentId,
    agent: &Agent,
    rollout: &Rollout,
    at: Timestamp,
) -> Held {
    let openings = rollout.spec.calendar.state(at);
    holds(
        "nothing is assigned outside its window or in a freeze",
        openings.is_open(rollout.group(&agent.labels)),
        || format!("{} reaches {id} at {at}: {openings}", rollout.id),
    )
}

/// What goes first and has begun on a machine has ended there.
fn what_goes_first_has_gone(world: &World, id: &AgentId, rollout: &Rollout) -> Held {
    let first = world.active_rollouts();
    let mut first = first.filter(|first| rollout.spec.after.contains(&first.workload));
    let before = first.find(|first| first.members.get(id).is_some_and(is_under_way));
    holds("what goes first has gone", before.is_none(), || {
        format!(
            "{} reaches {id} before {:?} is done there",
            rollout.id,
            before.map(|first| &first.id)
        )
    })
}

fn is_under_way(member: &Member) -> bool {
    matches!(member.standing(), Standing::InFlight | Standing::Soaking)
}

/// A way back, after a roll-back or an abort that reverts, is over when
/// everybody is back who can be waited for.
///
/// Looked at on the World right before the end: one plan may send the last
/// ones back to nothing and end.
pub(super) fn nobody_is_left_half_way(world: &World, changes: &[Change]) -> Held {
    let is_end = |change: &Change| ended(change).is_some();
    if !changes.iter().any(is_end) {
        return Ok(());
    }
    let mut world = world.clone();
    for change in changes {
        if let Some(rollout) = ended(change).and_then(|id| world.rollouts.get(id)) {
            nobody_of_it_is_left(&world, rollout)?;
        }
        apply(&mut world, change);
    }
    Ok(())
}

/// The rollout that ends with it, not for having reached everybody.
fn ended(change: &Change) -> Option<&RolloutId> {
    match change {
        Change::Decision(Decision {
            act: Act::RolloutEnded { rollout, phase, .. },
            ..
        }) if *phase != RolloutPhase::Completed => Some(rollout),
        _ => None,
    }
}

fn nobody_of_it_is_left(world: &World, rollout: &Rollout) -> Held {
    let mut members = rollout.members.iter();
    let left = members.find(|(id, member)| is_left(world, rollout, id, member));
    holds(
        "a way back ends when everybody is back who can be",
        !rollout.rolled_back || left.is_none(),
        || format!("{} ends, and {left:?} is not back", rollout.id),
    )
}

/// It has the image, and nothing became of its way back.
fn is_left(world: &World, rollout: &Rollout, id: &AgentId, member: &Member) -> bool {
    let agent = world.agents.get(id).filter(|agent| agent.revoked.is_none());
    let can_be_reached = agent.is_some_and(|agent| !world.is_held(agent, &rollout.workload));
    let has_it = matches!(member.standing(), Standing::Soaking | Standing::Settled);
    // An abort takes it back to what it ran before, which is this.
    let is_reverted = rollout.phase == RolloutPhase::Aborting;
    let had_it = is_reverted && member.proven.as_ref() == Some(rollout.digest());
    let is_over = member.restore.as_ref().is_some_and(|restore| {
        restore.failure.is_some()
            || restore.digest.is_none()
            || restore.phase.is_some_and(AgentPhase::is_terminal)
    });
    can_be_reached && has_it && !had_it && !member.taken_over && !is_over
}
