use std::collections::BTreeSet;

use pinion_model::{AgentId, Failure, Generation, RolloutId, RolloutPhase, Timestamp};

use super::{access, assigned};
use crate::world::{Attribution, Gate, Hold, Stable, Standing, Touched, Tried};
use crate::{Act, Decision, Rollout, World};

pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    let at = decision.at;
    let by = |reason: &str| Attribution {
        actor: decision.actor.clone(),
        at,
        reason: reason.to_owned(),
    };
    match &decision.act {
        Act::PinPromoted { workload, pin } => {
            world
                .workloads
                .entry(workload.clone())
                .or_default()
                .pins
                .push(pin.clone());
        }
        Act::RolloutStarted { rollout } => start(world, rollout, at, touched),
        Act::StageOpened { rollout, stage } => open(world, rollout, *stage, at, touched),
        Act::StagePassed {
            rollout,
            stage,
            note,
        } => edit(world, rollout, touched, |rollout| {
            if let Some(passed) = rollout.stages.get_mut(*stage) {
                passed.passed_at = Some(at);
                passed.note.clone_from(note);
                rollout.open_stage = stage + 1;
            }
        }),
        Act::ApprovalAwaited { rollout, stage } => edit(world, rollout, touched, |rollout| {
            let name = rollout
                .stages
                .get(*stage)
                .map(|stage| stage.rules.name.to_string());
            let reason = format!("stage {} waits for approval", name.unwrap_or_default());
            enter(rollout, RolloutPhase::AwaitingApproval, &reason, at);
        }),
        Act::StageApproved {
            rollout,
            stage,
            reason,
        } => edit(world, rollout, touched, |rollout| {
            let Some((place, _)) = rollout.stage(stage) else {
                return;
            };
            rollout.stages[place].approved = Some(by(reason));
            if rollout.phase == RolloutPhase::AwaitingApproval && rollout.open_stage == place {
                enter(rollout, RolloutPhase::Running, "", at);
            }
        }),
        Act::RolloutPaused { rollout, reason } => edit(world, rollout, touched, |rollout| {
            enter(
                rollout,
                RolloutPhase::Paused,
                &said(&decision.actor, "paused", reason),
                at,
            );
        }),
        Act::RolloutResumed { rollout, .. } => {
            edit(world, rollout, touched, |rollout| resume(rollout, at));
        }
        Act::RolloutHalted {
            rollout,
            gate,
            reason,
        } => edit(world, rollout, touched, |rollout| {
            enter(rollout, RolloutPhase::Halted, reason, at);
            rollout.halted_by = Some(*gate);
        }),
        Act::RolloutAborted { rollout, reason } => edit(world, rollout, touched, |rollout| {
            enter(
                rollout,
                RolloutPhase::Aborting,
                &said(&decision.actor, "aborted", reason),
                at,
            );
        }),
        Act::RollbackStarted { rollout, reason } => roll_back(world, rollout, reason, at, touched),
        Act::RolloutEnded {
            rollout,
            phase,
            reason,
        } => {
            end(world, rollout, *phase, reason, at, touched);
        }
        Act::AgentsRetried {
            rollout, agents, ..
        } => retry(world, rollout, agents, at, touched),
        Act::MemberFailed {
            rollout,
            agent,
            failure,
        } => {
            fail(world, rollout, agent, failure, at, touched);
        }
        Act::Assigned {
            agent, assignment, ..
        } => assigned::apply(world, agent, assignment, at, touched),
        Act::GenerationRaised { agent, generation } => raise(world, agent, *generation, touched),
        Act::LabelsSet { agent, labels } => {
            edit_agent(world, agent, touched, |agent| {
                agent.labels.clone_from(labels)
            });
        }
        Act::AgentHeld {
            agent,
            reason,
            expires_at,
        } => edit_agent(world, agent, touched, |agent| {
            agent.hold = Some(Hold {
                by: by(reason),
                expires_at: *expires_at,
            });
        }),
        Act::AgentReleased { agent, .. } => edit_agent(world, agent, touched, |agent| {
            agent.hold = None;
            agent.identity_conflict = None;
            agent.processes.ended.clear();
        }),
        Act::HoldExpired { agent } => edit_agent(world, agent, touched, |agent| agent.hold = None),
        Act::AgentRevoked { agent, reason } => {
            let_go(world, agent, touched);
            edit_agent(world, agent, touched, |agent| {
                agent.revoked = Some(by(reason))
            });
        }
        Act::AgentRemoved { agent, .. } => {
            let_go(world, agent, touched);
            world.agents.remove(agent);
        }
        act => access::apply(world, act, at, touched),
    }
}

/// Edits a rollout without touching what its members' classes follow from.
fn edit(world: &mut World, id: &RolloutId, touched: &mut Touched, edit: impl FnOnce(&mut Rollout)) {
    if let Some(rollout) = world.rollouts.get_mut(id) {
        let failures =
            rollout.phase == RolloutPhase::Halted || rollout.phase == RolloutPhase::Paused;
        edit(rollout);
        // A resume acknowledges failures, which are members' classes.
        if failures {
            touched.rollouts.insert(id.clone());
        }
    }
}

fn edit_agent(
    world: &mut World,
    id: &AgentId,
    touched: &mut Touched,
    edit: impl FnOnce(&mut crate::Agent),
) {
    if let Some(agent) = world.agents.get_mut(id) {
        edit(agent);
        touched.agents.insert(id.clone());
    }
}

/// What was asked of a machine ends with its identity: no outcome will come,
/// and one that is enrolled under its name is another.
fn let_go(world: &mut World, id: &AgentId, touched: &mut Touched) {
    let Some(agent) = world.agents.get(id) else {
        return;
    };
    for assignment in agent
        .placements
        .values()
        .filter_map(|placement| placement.assignment.as_ref())
    {
        let rollout = assignment
            .rollout()
            .and_then(|rollout| world.rollouts.get_mut(rollout));
        let Some(rollout) = rollout else { continue };
        touched.members.insert((rollout.id.clone(), id.clone()));
        if let Some(member) = rollout.members.get_mut(id) {
            member.taken_over = true;
            member.withdrawing = false;
        }
    }
    touched.agents.insert(id.clone());
}

fn enter(rollout: &mut Rollout, phase: RolloutPhase, reason: &str, at: Timestamp) {
    rollout.phase = phase;
    rollout.since = at;
    rollout.reason = reason.to_owned();
    rollout.halted_by = None;
    if phase.is_terminal() {
        rollout.ended_at = Some(at);
    }
}

fn said(actor: &pinion_model::Actor, what: &str, reason: &str) -> String {
    if reason.is_empty() {
        format!("{what} by {actor}")
    } else {
        format!("{what} by {actor}: {reason}")
    }
}

fn start(world: &mut World, rollout: &Rollout, at: Timestamp, touched: &mut Touched) {
    let id = rollout.id.clone();
    if let Some(old) = rollout
        .replaces
        .as_ref()
        .and_then(|old| world.rollouts.get_mut(old))
    {
        let reason = superseded(old, &id);
        enter(old, RolloutPhase::Superseded, &reason, at);
        old.superseded_by = Some(id.clone());
        touched.rollouts.insert(old.id.clone());
    }
    let workload = world.workloads.entry(rollout.workload.clone()).or_default();
    workload.rollouts.push(id.clone());
    touched.workloads.insert(rollout.workload.clone());
    touched.rollouts.insert(id.clone());
    world.rollouts.insert(id, rollout.clone());
}

fn superseded(old: &Rollout, by: &RolloutId) -> String {
    let count = |standing: Standing| {
        old.members
            .values()
            .filter(|m| m.standing() == standing)
            .count()
    };
    let done = count(Standing::Settled) + count(Standing::Soaking) + count(Standing::Staged);
    format!(
        "superseded by {by} in stage {} of {}: {done} machine(s) had it, {} in flight were withdrawn or taken over, {} failed, {} never reached",
        (old.open_stage + 1).min(old.stages.len()),
        old.stages.len(),
        count(Standing::InFlight),
        count(Standing::Failed),
        count(Standing::Pending)
    )
}

fn open(world: &mut World, id: &RolloutId, stage: usize, at: Timestamp, touched: &mut Touched) {
    edit(world, id, touched, |rollout| {
        if let Some(opened) = rollout.stages.get_mut(stage) {
            opened.opened_at.get_or_insert(at);
            opened.progressed_at = at;
            rollout.open_stage = stage;
        }
        if rollout.phase != RolloutPhase::Running {
            enter(rollout, RolloutPhase::Running, "", at);
        }
    });
}

fn resume(rollout: &mut Rollout, at: Timestamp) {
    if rollout.halted_by == Some(Gate::MinProven)
        && let Some(stage) = rollout.stages.get_mut(rollout.open_stage)
    {
        stage.accepted_unproven = true;
    }
    for member in rollout.members.values_mut() {
        member.acknowledged |= member.standing() == Standing::Failed;
    }
    if let Some(stage) = rollout.stages.get_mut(rollout.open_stage) {
        stage.progressed_at = at;
    }
    enter(rollout, RolloutPhase::Running, "", at);
}

fn roll_back(
    world: &mut World,
    id: &RolloutId,
    reason: &str,
    at: Timestamp,
    touched: &mut Touched,
) {
    let Some(rollout) = world.rollouts.get_mut(id) else {
        return;
    };
    enter(rollout, RolloutPhase::RollingBack, reason, at);
    rollout.rolled_back = true;
    rollout.ended_at = None;
    let digest = rollout.digest().clone();
    if let Some(workload) = world.workloads.get_mut(&rollout.workload) {
        let bad: BTreeSet<_> = workload
            .pins
            .iter()
            .filter(|pin| pin.digest == digest)
            .map(|pin| pin.number)
            .collect();
        workload.proven.retain(|stable| !bad.contains(&stable.pin));
    }
    touched.workloads.insert(rollout.workload.clone());
    touched.rollouts.insert(id.clone());
}

fn end(
    world: &mut World,
    id: &RolloutId,
    phase: RolloutPhase,
    reason: &str,
    at: Timestamp,
    touched: &mut Touched,
) {
    let Some(rollout) = world.rollouts.get_mut(id) else {
        return;
    };
    enter(rollout, phase, reason, at);
    if phase == RolloutPhase::Completed
        && let Some(workload) = world.workloads.get_mut(&rollout.workload)
    {
        workload.proven.push(Stable {
            pin: rollout.pin,
            rollout: id.clone(),
        });
    }
    touched.workloads.insert(rollout.workload.clone());
    touched.rollouts.insert(id.clone());
}

fn retry(
    world: &mut World,
    id: &RolloutId,
    agents: &BTreeSet<AgentId>,
    at: Timestamp,
    touched: &mut Touched,
) {
    let Some(rollout) = world.rollouts.get_mut(id) else {
        return;
    };
    for agent in agents {
        let Some(member) = rollout.members.get_mut(agent) else {
            continue;
        };
        member.phase = None;
        member.failure = None;
        member.acknowledged = false;
        member.withdrawing = false;
        member.taken_over = false;
        member.generation = Generation::default();
        member.attempt = member.attempt.next();
        member.waiting_for.clear();
        member.since = at;
        let stage = member.stage as usize;
        rollout.open_stage = rollout.open_stage.min(stage);
        rollout.stages[stage].passed_at = None;
        rollout.stages[stage].progressed_at = at;
        touched.agents.insert(agent.clone());
    }
    touched.rollouts.insert(id.clone());
}

fn fail(
    world: &mut World,
    id: &RolloutId,
    agent: &AgentId,
    failure: &Failure,
    at: Timestamp,
    touched: &mut Touched,
) {
    let Some(rollout) = world.rollouts.get_mut(id) else {
        return;
    };
    let digest = rollout.digest().clone();
    let Some(member) = rollout.members.get_mut(agent) else {
        return;
    };
    member.failure = Some(failure.clone());
    member.since = at;
    // One that was offline when its turn came has tried nothing.
    let asked = member.generation > Generation::default();
    let agents = &mut world.agents;
    let placement = agents
        .get_mut(agent)
        .and_then(|a| a.placements.get_mut(&rollout.workload));
    if let Some(placement) = placement.filter(|_| asked) {
        placement.tried = Some(Tried {
            digest,
            attempt: member.attempt,
        });
    }
    touched.agents.insert(agent.clone());
    touched.members.insert((id.clone(), agent.clone()));
}

/// Every assignment of the agent is stamped anew: a generation that it knows
/// from before the restored backup may have meant something else.
fn raise(world: &mut World, id: &AgentId, generation: Generation, touched: &mut Touched) {
    let Some(agent) = world.agents.get_mut(id) else {
        return;
    };
    agent.generation = agent.generation.max(generation);
    for placement in agent.placements.values_mut() {
        let Some(assignment) = &mut placement.assignment else {
            continue;
        };
        let old = std::mem::replace(&mut assignment.generation, generation);
        let rollout = assignment.purpose.rollout();
        let rollout = rollout.and_then(|rollout| world.rollouts.get_mut(rollout));
        let Some(member) = rollout.and_then(|rollout| rollout.members.get_mut(id)) else {
            continue;
        };
        if member.generation == old {
            member.generation = generation;
        }
        if let Some(restore) = member
            .restore
            .as_mut()
            .filter(|restore| restore.generation == old)
        {
            restore.generation = generation;
        }
    }
    touched.agents.insert(id.clone());
}
