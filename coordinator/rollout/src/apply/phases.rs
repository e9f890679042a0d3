use std::collections::BTreeSet;

use pinion_model::{AgentId, RolloutId, RolloutPhase, Timestamp};

use super::stages::edit;
use crate::commands::AbortMode;
use crate::world::{Gate, Interrupted, Stable, Tally, Touched};
use crate::{Act, Counts, Decision, Rollout, World};

/// Rollouts that begin, stop, go on, go back and end.
pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    let at = decision.at;
    match &decision.act {
        Act::RolloutStarted { rollout } => start(world, rollout, at, touched),
        Act::RolloutQueued { rollout } => queue(world, rollout, at, touched),
        Act::RolloutPaused { rollout, reason } => edit(world, rollout, |rollout| {
            let reason = said(&decision.actor, "paused", reason);
            stop(rollout, RolloutPhase::Paused, &reason, at);
        }),
        Act::RolloutResumed { rollout, .. } => {
            let known = world.rollouts.get(rollout);
            let halted = known.is_some_and(|known| known.phase == RolloutPhase::Halted);
            // A pause is no verdict on what failed: that goes on counting.
            let failed: Vec<AgentId> = if halted {
                let failed = world.failed(rollout).into_iter();
                failed.chain(world.stuck(rollout)).collect()
            } else {
                Vec::new()
            };
            edit(world, rollout, |rollout| resume(rollout, &failed, at));
            let known = failed.into_iter().map(|agent| (rollout.clone(), agent));
            touched.members.extend(known);
        }
        Act::RolloutHalted {
            rollout,
            gate,
            reason,
        } => edit(world, rollout, |rollout| {
            stop(rollout, RolloutPhase::Halted, reason, at);
            rollout.halted_by = Some(*gate);
        }),
        Act::RolloutAborted {
            rollout,
            mode,
            reason,
        } => {
            let reason = said(&decision.actor, "aborted", reason);
            abort(world, rollout, *mode, &reason, at, touched);
        }
        Act::RollbackStarted { rollout, reason } => roll_back(world, rollout, reason, at, touched),
        Act::RolloutEnded {
            rollout,
            phase,
            reason,
        } => {
            end(world, rollout, *phase, reason, at, touched);
        }
        _ => {}
    }
}

pub(super) fn enter(rollout: &mut Rollout, phase: RolloutPhase, reason: &str, at: Timestamp) {
    rollout.phase = phase;
    rollout.since = at;
    rollout.reason = reason.to_owned();
    rollout.halted_by = None;
    if phase.is_terminal() {
        rollout.ended_at = Some(at);
    }
}

/// Paused or halted. What takes machines back is not forgotten by that.
fn stop(rollout: &mut Rollout, phase: RolloutPhase, reason: &str, at: Timestamp) {
    let goes_back = matches!(
        rollout.phase,
        RolloutPhase::RollingBack | RolloutPhase::Aborting
    );
    if goes_back {
        rollout.interrupted = Some(Interrupted {
            phase: rollout.phase,
            reason: rollout.reason.clone(),
        });
    }
    enter(rollout, phase, reason, at);
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
    if let Some(old) = &rollout.replaces {
        supersede(world, old, &id, at, touched);
    }
    outdate(world, rollout, at, touched);
    let workload = world.workloads.or_default(&rollout.workload);
    // Logs are for finding out what went wrong last; kept for ever, they would fill the memory.
    let previous = workload.rollouts.last();
    if let Some(previous) = previous.and_then(|id| world.rollouts.get_mut(id)) {
        let members = previous.members.iter();
        let logs = members.filter(|(_, member)| member.has_logs());
        let logs: Vec<_> = logs.map(|(agent, _)| agent.clone()).collect();
        for agent in &logs {
            if let Some(member) = previous.members.get_mut(agent) {
                member.forget_logs();
            }
        }
    }
    workload.rollouts.push(id.clone());
    touched.workloads.insert(rollout.workload.clone());
    touched.begun.insert(rollout.workload.clone());
    touched.rollouts.insert(id.clone());
    world.rollouts.insert(id, rollout.clone());
}

fn queue(world: &mut World, rollout: &Rollout, at: Timestamp, touched: &mut Touched) {
    outdate(world, rollout, at, touched);
    touched.rollouts.insert(rollout.id.clone());
    world.rollouts.insert(rollout.id.clone(), rollout.clone());
}

/// One that waits gives its place up to a newer one.
fn outdate(world: &mut World, newer: &Rollout, at: Timestamp, touched: &mut Touched) {
    if let Some(queued) = world.index.queued.get(&newer.workload).cloned() {
        supersede(world, &queued, &newer.id, at, touched);
    }
}

fn supersede(
    world: &mut World,
    old: &RolloutId,
    by: &RolloutId,
    at: Timestamp,
    touched: &mut Touched,
) {
    let tallies = world.index.tallies.get(old);
    let tallies = tallies.map(Vec::as_slice).unwrap_or_default();
    let old = world.rollouts.get_mut(old).filter(|old| old.id != *by);
    if let Some(old) = old.filter(|old| !old.phase.is_terminal()) {
        let reason = superseded(old, tallies, by);
        enter(old, RolloutPhase::Superseded, &reason, at);
        old.superseded_by = Some(by.clone());
        touched.phases.insert(old.id.clone());
    }
}

fn superseded(old: &Rollout, tallies: &[Tally], by: &RolloutId) -> String {
    if old.phase == RolloutPhase::Queued {
        return format!("superseded by {by} before it began");
    }
    let counts = tallies.iter().map(|tally| tally.counts(old.spec.offline));
    let counts: Vec<_> = counts.collect();
    let sum = |count: fn(&Counts) -> u32| counts.iter().map(count).sum::<u32>();
    let (in_flight, failed) = (sum(|stage| stage.in_flight), sum(|stage| stage.failed));
    let done = sum(|stage| stage.settled + stage.soaking + stage.staged);
    let never = sum(|stage| stage.agents) - done - in_flight - failed;
    format!(
        "superseded by {by} in stage {} of {}: {done} machine(s) had it, {in_flight} in flight were withdrawn or taken over, {failed} failed, {never} never reached",
        (old.open_stage + 1).min(old.stages.len()),
        old.stages.len()
    )
}

fn resume(rollout: &mut Rollout, failed: &[AgentId], at: Timestamp) {
    for agent in failed {
        if let Some(member) = rollout.members.get_mut(agent) {
            member.acknowledge();
        }
    }
    match rollout.interrupted.take() {
        Some(interrupted) => enter(rollout, interrupted.phase, &interrupted.reason, at),
        None => run_on(rollout, at),
    }
}

fn run_on(rollout: &mut Rollout, at: Timestamp) {
    if matches!(rollout.halted_by, Some(Gate::MinProven | Gate::Nobody))
        && let Some(stage) = rollout.stages.get_mut(rollout.open_stage)
    {
        stage.accepted_unproven = true;
    }
    if let Some(pass) = &mut rollout.prefetch {
        pass.progressed_at = at;
    }
    // Machines of stages that have passed may be in flight as well.
    let opened = rollout.stages.iter_mut();
    for stage in opened.filter(|stage| stage.opened_at.is_some()) {
        stage.progressed_at = at;
    }
    if let Some(stage) = rollout.stages.get_mut(rollout.open_stage) {
        stage.checks.restart(at);
    }
    enter(rollout, RolloutPhase::Running, "", at);
}

/// What it reverts is over for its machines as after a roll-back; the pins stay.
fn abort(
    world: &mut World,
    id: &RolloutId,
    mode: AbortMode,
    reason: &str,
    at: Timestamp,
    touched: &mut Touched,
) {
    if let Some(rollout) = world.rollouts.get_mut(id) {
        enter(rollout, RolloutPhase::Aborting, reason, at);
        rollout.reverted |= mode == AbortMode::Revert;
        rollout.rolled_back |= rollout.reverted;
        touched.rollouts.insert(id.clone());
        if mode == AbortMode::Revert {
            touched.workloads.insert(rollout.workload.clone());
        }
    }
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
    let workload = rollout.workload.clone();
    let had_begun = rollout.phase != RolloutPhase::Queued;
    enter(rollout, phase, reason, at);
    if phase == RolloutPhase::Completed
        && let Some(workload) = world.workloads.get_mut(&rollout.workload)
    {
        workload.proven.push(Stable {
            pin: rollout.pin,
            rollout: id.clone(),
        });
    }
    touched.phases.insert(id.clone());
    if world.index.active.get(&workload) == Some(id) {
        touched.ended.insert(workload);
    } else if had_begun {
        touched.workloads.insert(workload);
    }
}
