use std::sync::Arc;

use pinion_model::{AgentId, AgentPhase, Failure, FailureKind, RolloutId, Timestamp};

use crate::world::{Ahead, Prefetched, Touched};
use crate::{Act, Assignment, Decision, Member, Placement, Prefetch, Report, Rollout, World};

/// The pass ahead of the stages: when it opens, whom it loses, when it is over.
pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    let at = decision.at;
    match &decision.act {
        Act::PrefetchOpened { rollout } => edit(world, rollout, |pass| {
            pass.opened_at = Some(at);
            pass.progressed_at = at;
        }),
        Act::PrefetchPassed { rollout, note } => {
            edit(world, rollout, |pass| {
                pass.passed_at = Some(at);
                pass.note.clone_from(note);
            });
            touched.phases.insert(rollout.clone());
        }
        Act::PrefetchFailed {
            rollout,
            agent,
            failure,
        } => {
            let member = member_of(world, rollout, agent);
            if let Some(pull) = member.and_then(|member| member.prefetch.as_mut()) {
                pull.failure = Some(Arc::new(failure.clone()));
                touched.members.insert((rollout.clone(), agent.clone()));
            }
        }
        _ => {}
    }
}

fn edit(world: &mut World, id: &RolloutId, edit: impl FnOnce(&mut Prefetch)) {
    let rollout = world.rollouts.get_mut(id);
    if let Some(pass) = rollout.and_then(|rollout| rollout.prefetch.as_mut()) {
        edit(pass);
    }
}

fn member_of<'a>(
    world: &'a mut World,
    rollout: &RolloutId,
    agent: &AgentId,
) -> Option<&'a mut Member> {
    world.rollouts.get_mut(rollout)?.members.get_mut(agent)
}

/// A machine is asked to pull, or to leave that be. What it runs, and what was
/// asked of it before, stays as it is.
pub(super) fn asked(
    world: &mut World,
    id: &AgentId,
    assignment: &Assignment,
    rollout: &RolloutId,
    at: Timestamp,
    touched: &mut Touched,
) {
    drop_ahead(world, id, assignment, touched);
    let Some(agent) = world.agents.get_mut(id) else {
        return;
    };
    agent.give_out(assignment.generation);
    agent.placements.or_default(&assignment.workload).ahead = Some(Box::new(Ahead {
        assignment: assignment.clone(),
        phase: None,
        since: at,
        waiting_for: Arc::default(),
    }));
    touched.placement(&assignment.workload, id, false);
    touched.members.insert((rollout.clone(), id.clone()));
    if let Some(member) = member_of(world, rollout, id) {
        enlist(member, assignment);
    }
}

fn enlist(member: &mut Member, assignment: &Assignment) {
    if assignment.prefetch.is_some() {
        member.prefetch = Some(Prefetched {
            generation: assignment.generation,
            phase: None,
            failure: None,
            acknowledged: false,
            withdrawing: false,
        });
    } else if let Some(pull) = &mut member.prefetch {
        pull.generation = assignment.generation;
        pull.withdrawing = true;
    }
}

fn progress(rollout: &mut Rollout, at: Timestamp) {
    if let Some(pass) = &mut rollout.prefetch {
        pass.progressed_at = at;
    }
}

/// Something else takes the place of what was asked ahead. A pull that was not
/// over then was never asked for: it may be asked for again. That of the
/// rollout that takes it back itself is still to end.
pub(super) fn drop_ahead(
    world: &mut World,
    id: &AgentId,
    next: &Assignment,
    touched: &mut Touched,
) {
    let placement = world
        .agents
        .get_mut(id)
        .and_then(|agent| agent.placements.get_mut(&next.workload));
    let Some(ahead) = placement.and_then(|placement| placement.ahead.take()) else {
        return;
    };
    let own = next.purpose.is_prefetch() && ahead.assignment.rollout() == next.rollout();
    if !own {
        forget(world, id, &ahead, touched);
    }
}

/// What was asked ahead is not wanted any more, and no outcome will come.
pub(super) fn forget(world: &mut World, id: &AgentId, ahead: &Ahead, touched: &mut Touched) {
    let Some(rollout) = ahead.assignment.rollout() else {
        return;
    };
    let Some(member) = member_of(world, rollout, id) else {
        return;
    };
    match &mut member.prefetch {
        Some(pull) if pull.is_over() => pull.withdrawing = false,
        _ => member.prefetch = None,
    }
    touched.members.insert((rollout.clone(), id.clone()));
}

/// Whether the report is about what was asked ahead; then it is taken in here.
pub(super) fn reported(
    world: &mut World,
    id: &AgentId,
    report: &Report,
    at: Timestamp,
    touched: &mut Touched,
) -> bool {
    let agent = world.agents.get_mut(id);
    let placement = agent.and_then(|agent| agent.placements.get_mut(&report.workload));
    let Some(placement) = placement else {
        return false;
    };
    let Some(rollout) = told(placement, report) else {
        return false;
    };
    let Some(changed) = record(placement, report, at) else {
        return true; // It was over.
    };
    touched.placement(&report.workload, id, false);
    touched.members.insert((rollout.clone(), id.clone()));
    let Some(rollout) = world.rollouts.get_mut(&rollout) else {
        return true;
    };
    if let Some(member) = rollout.members.get_mut(id) {
        conclude(member, report);
    }
    if changed && is_outcome(report.phase) {
        progress(rollout, at);
    }
    true
}

/// Nothing follows, and it is not to be asked for again.
fn is_outcome(phase: AgentPhase) -> bool {
    phase == AgentPhase::Prefetched || phase.is_terminal() && phase != AgentPhase::Withdrawn
}

/// The rollout that asked ahead for what is reported.
fn told(placement: &Placement, report: &Report) -> Option<RolloutId> {
    let asked = &placement.ahead.as_ref()?.assignment;
    let named = asked.generation == report.generation && asked.attempt == report.attempt;
    asked.rollout().filter(|_| named).cloned()
}

/// Into the placement; whether the phase changed. None: nothing was to come any more.
fn record(placement: &mut Placement, report: &Report, at: Timestamp) -> Option<bool> {
    let ahead = placement.ahead.as_mut().filter(|ahead| !ahead.is_over())?;
    let changed = ahead.phase != Some(report.phase);
    if changed {
        ahead.since = at;
    }
    ahead.phase = Some(report.phase);
    ahead.waiting_for.clone_from(&report.waiting_for);
    placement.reported_at = Some(at);
    Some(changed)
}

fn conclude(member: &mut Member, report: &Report) {
    let Some(pull) = &mut member.prefetch else {
        return;
    };
    match report.phase {
        AgentPhase::Prefetched => {
            pull.failure = None;
            pull.withdrawing = false;
        }
        AgentPhase::Withdrawn if pull.withdrawing => {
            pull.withdrawing = false;
            if !pull.is_over() {
                member.prefetch = None;
                return;
            }
        }
        phase if phase.is_terminal() => {
            let failure = report.failure.clone().unwrap_or_else(|| silent(phase));
            pull.failure = Some(Arc::new(failure));
            pull.withdrawing = false;
        }
        _ => {}
    }
    pull.phase = Some(report.phase);
}

fn silent(phase: AgentPhase) -> Failure {
    let message = format!(
        "asked to pull the image, the agent answered {phase} and gave no reason; see its log"
    );
    Failure::new(FailureKind::Internal, message)
}
