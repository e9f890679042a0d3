use std::sync::Arc;

use pinion_model::{AgentId, AgentPhase, Digest, RolloutId, Timestamp};

use super::prefetch;
use crate::world::{Restore, Standing, Touched};
use crate::{Assignment, Member, Placement, Purpose, Rollout, World};

pub(super) fn apply(
    world: &mut World,
    id: &AgentId,
    assignment: &Assignment,
    at: Timestamp,
    touched: &mut Touched,
) {
    if is_stale(world, id, assignment) {
        return;
    }
    if let Purpose::Prefetch { rollout } = &assignment.purpose {
        return prefetch::asked(world, id, assignment, rollout, at, touched);
    }
    prefetch::drop_ahead(world, id, assignment, touched);
    let sick = was_sick(world, id, assignment);
    let Some(agent) = world.agents.get_mut(id) else {
        return;
    };
    agent.give_out(assignment.generation);
    let placement = agent.placements.or_default(&assignment.workload);
    let was_in_flight = placement.is_in_flight();
    let before = Before {
        running: baseline(placement),
        proven: placement.proven.clone(),
    };
    let previous = place(placement, assignment, sick, at);
    let turned = placement.is_in_flight() != was_in_flight;
    touched.placement(&assignment.workload, id, turned);
    if let Some(previous) = previous.filter(|old| assignment.rollout() != Some(old)) {
        take_over(world, &previous, id, at, touched);
    }
    if let Some(rollout) = assignment
        .rollout()
        .and_then(|id| world.rollouts.get_mut(id))
    {
        enlist(rollout, id, assignment, before, at);
        touched.members.insert((rollout.id.clone(), id.clone()));
    }
}

/// Whoever planned it did not know what is asked there now.
fn is_stale(world: &World, id: &AgentId, assignment: &Assignment) -> bool {
    let agent = world.agents.get(id);
    let placement = agent.and_then(|agent| agent.placements.get(&assignment.workload));
    placement.is_some_and(|placement| {
        let ahead = placement.ahead.as_ref();
        let ahead = ahead.is_some_and(|ahead| ahead.assignment.generation >= assignment.generation);
        ahead || placement.assignment.is_some() && placement.generation() >= assignment.generation
    })
}

/// Its containers were sick when the rollout that asks began.
fn was_sick(world: &World, id: &AgentId, assignment: &Assignment) -> bool {
    let rollout = assignment.rollout().and_then(|id| world.rollouts.get(id));
    let member = rollout.and_then(|rollout| rollout.members.get(id));
    member.is_some_and(|member| member.sick)
}

/// What is known of a machine before something new is asked of it.
struct Before {
    running: Option<Digest>,
    proven: Option<Digest>,
}

/// What the machine runs, before something new is asked of it.
fn baseline(placement: &Placement) -> Option<Digest> {
    let settled = !placement.is_in_flight() && placement.phase != Some(AgentPhase::Soaking);
    let observed = placement.observed_digest().filter(|_| settled);
    observed.or(placement.proven.as_ref()).cloned()
}

/// Puts the assignment in its place; answers the rollout that the previous one was part of.
fn place(
    placement: &mut Placement,
    assignment: &Assignment,
    sick: bool,
    at: Timestamp,
) -> Option<RolloutId> {
    let in_flight = placement.is_in_flight();
    let old = placement.assignment.replace(assignment.clone());
    match &assignment.run {
        Some(run) => {
            placement.asked = Some(run.digest.clone());
            // What is adopted was judged when it was restored.
            if !matches!(assignment.purpose, Purpose::Adopt { .. }) {
                placement.unwell = sick || placement.is_sick();
            }
            placement.withdrawn = None;
            placement.refresh = None;
            placement.phase = None;
            placement.failure = None;
            placement.since = at;
            placement.waiting_for = Arc::default();
            placement.deferral = None;
            placement.running = None;
            placement.drifted = false;
            placement.untidy = None;
        }
        None if in_flight => {
            let old = old.as_ref().map(|old| old.generation);
            placement.withdrawn = placement.withdrawn.or(old);
        }
        None => {
            placement.asked = None;
            placement.phase = None;
            placement.failure = None;
        }
    }
    old.as_ref().and_then(|old| old.rollout().cloned())
}

/// An assignment of a rollout was replaced by one that is not its own.
fn take_over(
    world: &mut World,
    rollout: &RolloutId,
    agent: &AgentId,
    at: Timestamp,
    touched: &mut Touched,
) {
    let Some(rollout) = world.rollouts.get_mut(rollout) else {
        return;
    };
    let going_back = rollout.rolled_back;
    let Some(member) = rollout.members.get_mut(agent) else {
        return;
    };
    if going_back || matches!(member.standing(), Standing::InFlight | Standing::Soaking) {
        member.taken_over = true;
        member.withdrawing = false;
        member.since = at;
        touched.members.insert((rollout.id.clone(), agent.clone()));
    }
}

fn enlist(
    rollout: &mut Rollout,
    agent: &AgentId,
    assignment: &Assignment,
    before: Before,
    at: Timestamp,
) {
    let digest = rollout.digest().clone();
    let Some(member) = rollout.members.get_mut(agent) else {
        return;
    };
    match &assignment.purpose {
        Purpose::Rollout { .. } => {
            if !member.was_changed() {
                remember(&mut member.baseline, before.running, &digest);
                remember(&mut member.proven, before.proven, &digest);
            }
            ask(member, assignment, at);
        }
        Purpose::Restore { .. } => {
            // What was asked before it was first taken back has no outcome any more.
            member.changed |= member.restore.is_some() && member.was_changed();
            member.restore = Some(Box::new(Restore {
                generation: assignment.generation,
                digest: assignment.digest().cloned(),
                phase: None,
                failure: None,
                acknowledged: false,
            }));
            member.since = at;
            if let Some(stage) = rollout.stages.get_mut(member.stage as usize) {
                stage.progressed_at = at;
            }
        }
        Purpose::Withdraw { .. } => {
            member.generation = assignment.generation;
            member.withdrawing = true;
            member.since = at;
        }
        Purpose::Prefetch { .. } | Purpose::Adopt { .. } | Purpose::Stable => {}
    }
}

/// What an earlier attempt found there is better than the rollout's own digest.
fn remember(known: &mut Option<Digest>, now: Option<Digest>, own: &Digest) {
    let usable = now.filter(|now| now != own || known.is_none());
    *known = usable.or(known.take());
}

fn ask(member: &mut Member, assignment: &Assignment, at: Timestamp) {
    member.generation = assignment.generation;
    member.attempt = assignment.attempt;
    member.phase = None;
    member.withdrawing = false;
    member.taken_over = false;
    member.failure = None;
    member.deferred = false;
    member.in_use = false;
    member.waiting_for = Arc::default();
    member.since = at;
}
