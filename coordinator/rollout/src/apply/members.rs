use std::collections::BTreeSet;
use std::sync::Arc;

use pinion_model::{AgentId, Failure, Generation, RolloutId, RolloutPhase, Timestamp};

use super::decisions::by;
use super::quarantine::Ended;
use super::{assigned, phases, quarantine};
use crate::world::{Standing, Touched, Tried};
use crate::{Act, Assignment, Decision, Gate, Map, Member, Rollout, Set, World};

/// What is asked of single machines, and what becomes of them in their rollouts.
pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    let at = decision.at;
    match &decision.act {
        Act::AgentsRetried {
            rollout, agents, ..
        } => retry(world, rollout, agents, at, touched),
        Act::MemberFailed {
            rollout,
            agent,
            failure,
        } => {
            fail(world, rollout, agent, failure, at, touched);
            speak_against(world, rollout, agent, failure, touched);
        }
        Act::Assigned {
            agent, assignment, ..
        } => {
            assigned::apply(world, agent, assignment, at, touched);
        }
        Act::RefreshAsked {
            agent,
            workload,
            reason,
        } => {
            if let Some(known) = world.agents.get_mut(agent) {
                let placement = known.placements.or_default(workload);
                placement.refresh = Some(Box::new(by(decision, reason)));
                touched.agents.insert(agent.clone());
            }
        }
        Act::GenerationRaised { agent, generation } => raise(world, agent, *generation, touched),
        _ => {}
    }
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
    if rollout.rolled_back {
        return send_back_again(rollout, agents, at, touched);
    }
    let open = rollout.open_stage;
    let mut known = false;
    for agent in agents {
        let Some(member) = rollout.members.get_mut(agent) else {
            continue;
        };
        if member.standing() != Standing::Failed {
            pull_again(rollout, agent, at);
            touched.members.insert((id.clone(), agent.clone()));
            continue;
        }
        known |= member.acknowledged;
        member.changed = member.was_changed();
        member.phase = None;
        member.failure = None;
        member.acknowledged = false;
        member.withdrawing = false;
        member.taken_over = false;
        member.generation = Generation::default();
        member.attempt = member.attempt.next();
        member.waiting_for = Arc::default();
        member.since = at;
        let stage = member.stage as usize;
        rollout.open_stage = rollout.open_stage.min(stage);
        if let Some(stage) = rollout.stages.get_mut(stage) {
            stage.passed_at = None;
            stage.checks.restart(at);
            stage.progressed_at = at;
        }
        touched.agents.insert(agent.clone());
    }
    if rollout.halted_by == Some(Gate::MinProven) {
        undecided(rollout, known, at);
    }
    // Whoever was late for a stage that is to come again is not any more.
    if rollout.open_stage != open {
        let late = world.index.late.get(id).into_iter();
        let late = late.flat_map(|stages| stages.values().flat_map(Set::iter));
        touched
            .members
            .extend(late.map(|agent| (id.clone(), agent.clone())));
    }
}

/// Machines that did not get back are asked once more: what the rollout left
/// there is there still.
fn send_back_again(
    rollout: &mut Rollout,
    agents: &BTreeSet<AgentId>,
    at: Timestamp,
    touched: &mut Touched,
) {
    for agent in agents {
        let member = rollout.members.get_mut(agent);
        let failed = |member: &&mut Member| {
            let restore = member.restore.as_ref();
            restore.is_some_and(|restore| restore.failure.is_some())
        };
        let Some(member) = member.filter(failed) else {
            continue;
        };
        member.changed = member.was_changed();
        member.restore = None;
        member.since = at;
        if let Some(stage) = rollout.stages.get_mut(member.stage as usize) {
            stage.progressed_at = at;
        }
        touched.agents.insert(agent.clone());
        touched.members.insert((rollout.id.clone(), agent.clone()));
    }
}

/// A machine that could not pull ahead is asked once more.
fn pull_again(rollout: &mut Rollout, agent: &AgentId, at: Timestamp) {
    if let Some(member) = rollout.members.get_mut(agent) {
        member.prefetch = None;
    }
    if let Some(pass) = &mut rollout.prefetch {
        pass.progressed_at = at;
    }
}

/// What proved too little is to be tried again, so the gate that halted the
/// rollout has nothing to say any more. An operator who had resumed it,
/// knowing these failures, need not do so twice.
fn undecided(rollout: &mut Rollout, known: bool, at: Timestamp) {
    if known {
        phases::enter(rollout, RolloutPhase::Running, "", at);
    } else {
        rollout.halted_by = None;
    }
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
    // One that was offline when its turn came has tried nothing, nor has one
    // that was asked and stopped in time.
    let asked = member.standing() != Standing::Pending;
    let failure = Arc::new(failure.clone());
    member.failure = Some(failure.clone());
    member.since = at;
    let agents = &mut world.agents;
    let placement = agents
        .get_mut(agent)
        .and_then(|a| a.placements.get_mut(&rollout.workload));
    if let Some(placement) = placement.filter(|_| asked) {
        placement.tried = Some(Arc::new(Tried {
            digest,
            attempt: member.attempt,
            generation: member.generation,
            failure,
        }));
    }
    let held_up = (!member.late).then_some(member.stage as usize);
    if let Some(stage) = held_up.and_then(|stage| rollout.stages.get_mut(stage)) {
        stage.checks.restart(at);
    }
    touched.agents.insert(agent.clone());
    touched.members.insert((id.clone(), agent.clone()));
}

/// A machine that sickens after its soak speaks against the image as one does
/// whose agent saw it, as long as that is what it was last asked to run.
fn speak_against(
    world: &mut World,
    id: &RolloutId,
    agent: &AgentId,
    failure: &Failure,
    touched: &mut Touched,
) {
    let asked = || {
        let known = world.agents.get(agent)?;
        let workload = &world.rollouts.get(id)?.workload;
        let asked = known.placements.get(workload)?.asked.clone()?;
        Some((workload.clone(), asked))
    };
    if let Some((workload, digest)) = asked() {
        let ended = Ended {
            agent,
            workload: &workload,
            digest: &digest,
            settled: false,
            failure: Some(failure),
        };
        quarantine::judge(world, id, &ended, touched);
    }
}

/// Every assignment of the agent is stamped anew: a generation that it knows
/// from before the restored backup may have meant something else.
fn raise(world: &mut World, id: &AgentId, generation: Generation, touched: &mut Touched) {
    let Some(agent) = world.agents.get_mut(id) else {
        return;
    };
    agent.generation = agent.generation.max(generation);
    agent.unsent = None;
    let (rollouts, placements) = (&mut world.rollouts, &mut agent.placements);
    placements.for_each_mut(|_, placement| {
        let ahead = placement.ahead.as_mut().map(|ahead| &mut ahead.assignment);
        for assignment in placement.assignment.iter_mut().chain(ahead) {
            restamp(rollouts, id, assignment, generation);
        }
    });
    touched.agents.insert(id.clone());
}

fn restamp(
    rollouts: &mut Map<RolloutId, Rollout>,
    id: &AgentId,
    assignment: &mut Assignment,
    generation: Generation,
) {
    let old = std::mem::replace(&mut assignment.generation, generation);
    let rollout = assignment.purpose.rollout();
    let rollout = rollout.and_then(|rollout| rollouts.get_mut(rollout));
    let Some(member) = rollout.and_then(|rollout| rollout.members.get_mut(id)) else {
        return;
    };
    let restore = member
        .restore
        .as_mut()
        .map(|restore| &mut restore.generation);
    let pull = member.prefetch.as_mut().map(|pull| &mut pull.generation);
    let own = std::iter::once(&mut member.generation);
    for stamp in own.chain(restore).chain(pull) {
        if *stamp == old {
            *stamp = generation;
        }
    }
}
