use std::sync::Arc;
use std::time::Duration;

use pinion_model::{AgentId, Attempt, Digest, Generation, Timestamp, WorkloadName};

use crate::{
    Act, Assignment, Change, Decision, Member, Placement, Purpose, Rollout, Run, Timing, World,
};

/// A restore is to happen whenever the machine gets to it.
const RESTORE_WITHIN: Duration = Duration::from_secs(7 * 86_400);

/// A machine's turn in a rollout.
pub(super) fn turn(
    world: &World,
    rollout: &Rollout,
    agent: &AgentId,
    member: &Member,
    now: Timestamp,
) -> Option<Change> {
    let stage = rollout.stages.get(member.stage as usize)?;
    let assignment = Assignment {
        workload: rollout.workload.clone(),
        generation: world.next_generation(agent),
        attempt: member.attempt,
        purpose: Purpose::Rollout {
            rollout: rollout.id.clone(),
            stage: stage.rules.name.clone(),
        },
        run: Some(rollout.run.clone()),
        prefetch: None,
        timing: stage.timing.clone(),
        local_tag: rollout.local_tag.clone(),
    };
    Some(assigned(agent, assignment, String::new(), now))
}

/// A machine is asked to pull a rollout's image ahead of its turn.
pub(super) fn prefetch(
    world: &World,
    rollout: &Rollout,
    agent: &AgentId,
    member: &Member,
    now: Timestamp,
) -> Change {
    let assignment = ahead(world, rollout, agent, member, Some(rollout.run.clone()));
    assigned(agent, assignment, String::new(), now)
}

/// What it pulls ahead is not wanted any more.
pub(super) fn stop_prefetch(
    world: &World,
    rollout: &Rollout,
    agent: &AgentId,
    reason: &str,
    now: Timestamp,
) -> Option<Change> {
    world.agents.get(agent)?;
    let member = rollout.members.get(agent)?;
    let assignment = ahead(world, rollout, agent, member, None);
    Some(assigned(agent, assignment, reason.to_owned(), now))
}

fn ahead(
    world: &World,
    rollout: &Rollout,
    agent: &AgentId,
    member: &Member,
    prefetch: Option<Run>,
) -> Assignment {
    Assignment {
        workload: rollout.workload.clone(),
        generation: world.next_generation(agent),
        attempt: member.attempt,
        purpose: Purpose::Prefetch {
            rollout: rollout.id.clone(),
        },
        run: None,
        prefetch,
        timing: Arc::new(rollout.spec.timing),
        local_tag: rollout.local_tag.clone(),
    }
}

/// A machine's way back from a rollout: the last digest that was proven healthy
/// on it, else what it was seen to run if that was well, else the digest that
/// the workload had there before; else nothing, and it stays as it is.
pub(super) fn restore(
    world: &World,
    rollout: &Rollout,
    agent: &AgentId,
    member: &Member,
    now: Timestamp,
) -> Change {
    let digest = way_back(world, rollout, agent, member);
    let run = digest.and_then(|digest| world.run_of(&rollout.workload, digest));
    let placement = world
        .agents
        .get(agent)
        .and_then(|agent| agent.placements.get(&rollout.workload));
    let assignment = Assignment {
        workload: rollout.workload.clone(),
        generation: world.next_generation(agent),
        attempt: match &run {
            Some(run) => attempt(placement, &run.digest, true),
            None => member.attempt,
        },
        purpose: Purpose::Restore {
            rollout: rollout.id.clone(),
        },
        run,
        prefetch: None,
        timing: Arc::new(Timing {
            soak: Duration::ZERO,
            start_within: RESTORE_WITHIN,
            ..rollout.spec.timing
        }),
        local_tag: rollout.local_tag.clone(),
    };
    assigned(
        agent,
        assignment,
        format!("{} is rolled back", rollout.id),
        now,
    )
}

/// Never the rollout's own digest, and never a quarantined one. None also where
/// its own is what the machine ran before an abort: what goes on there may end.
fn way_back<'a>(
    world: &'a World,
    rollout: &Rollout,
    agent: &AgentId,
    member: &'a Member,
) -> Option<&'a Digest> {
    if rollout.stays_on(member) {
        return None;
    }
    let may = |digest: &&Digest| *digest != rollout.digest() && !world.is_quarantined(digest);
    let proven = member.proven.as_ref().filter(may);
    let seen = || member.baseline.as_ref().filter(|_| !member.sick);
    let before = || world.before_for(rollout, agent);
    proven
        .or_else(|| seen().filter(may))
        .or_else(|| before().map(|pin| &pin.digest).filter(may))
}

/// What an agent restored by itself, for it to adopt without a step.
pub(super) fn adopt(
    world: &World,
    agent: &AgentId,
    placement: &Placement,
    now: Timestamp,
) -> Option<Change> {
    let old = placement.assignment.as_ref()?;
    let other = |digest: &&Digest| Some(*digest) != placement.asked.as_ref();
    let member = || {
        world
            .rollouts
            .get(old.rollout()?)?
            .members
            .get(agent)?
            .baseline
            .as_ref()
    };
    let restored = placement.running.as_ref().filter(other);
    let restored = restored
        .or_else(|| placement.proven.as_ref().filter(other))
        .or_else(|| member().filter(other));
    let assignment = Assignment {
        workload: old.workload.clone(),
        generation: world.next_generation(agent),
        attempt: Attempt(1),
        purpose: Purpose::Adopt {
            rollout: old.rollout().cloned(),
        },
        run: restored.and_then(|digest| world.run_of(&old.workload, digest)),
        prefetch: None,
        timing: old.timing.clone(),
        local_tag: old.local_tag.clone(),
    };
    Some(assigned(
        agent,
        assignment,
        "the machine rolled back by itself".to_owned(),
        now,
    ))
}

/// What was asked before is taken back, unless it has cut over.
pub(super) fn withdraw(
    world: &World,
    agent: &AgentId,
    workload: &WorkloadName,
    reason: &str,
    now: Timestamp,
) -> Option<Change> {
    let old = world.assignment(agent, workload)?;
    let assignment = Assignment {
        generation: world.next_generation(agent),
        purpose: Purpose::Withdraw {
            rollout: old.rollout().cloned(),
        },
        run: None::<Run>,
        prefetch: None,
        ..old.clone()
    };
    Some(assigned(agent, assignment, reason.to_owned(), now))
}

/// The assignment that brings a machine to its stable digest; none if it has
/// none. `again` raises the attempt where the same digest was asked for before.
pub(super) fn stable_assignment(
    world: &World,
    agent: &AgentId,
    workload: &WorkloadName,
    generation: Generation,
    again: bool,
) -> Option<Assignment> {
    let known = world.agents.get(agent)?;
    let (pin, rollout) = world.proven_of(workload, agent, known)?;
    let placement = known.placements.get(workload);
    Some(Assignment {
        workload: workload.clone(),
        generation,
        attempt: attempt(placement, &pin.digest, again),
        purpose: Purpose::Stable,
        run: Some(Run {
            digest: pin.digest.clone(),
            images: pin.images.clone(),
        }),
        prefetch: None,
        timing: Arc::new(rollout.spec.timing),
        local_tag: pin.local_tag.clone(),
    })
}

fn attempt(placement: Option<&Placement>, digest: &Digest, again: bool) -> Attempt {
    let Some(placement) = placement else {
        return Attempt(1);
    };
    let tried = placement
        .tried
        .as_ref()
        .filter(|tried| tried.digest == *digest);
    let asked = placement
        .assignment
        .as_ref()
        .filter(|asked| asked.digest() == Some(digest));
    match tried
        .map(|tried| tried.attempt)
        .max(asked.map(|asked| asked.attempt))
    {
        Some(before) if again => before.next(),
        Some(before) => before,
        None => Attempt(1),
    }
}

pub(super) fn assigned(
    agent: &AgentId,
    assignment: Assignment,
    reason: String,
    now: Timestamp,
) -> Change {
    Decision::system(
        now,
        Act::Assigned {
            agent: agent.clone(),
            assignment,
            reason,
        },
    )
    .into()
}
