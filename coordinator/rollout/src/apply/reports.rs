use std::sync::Arc;

use pinion_model::{AgentId, AgentPhase, Digest, Failure, FailureKind, InUse, Timestamp};

use super::known::Known;
use super::quarantine::Ended;
use super::{prefetch, quarantine};
use crate::world::{Standing, Touched, Tried};
use crate::{Member, ObservedContainer, Placement, Purpose, Report, Rollout, World};

pub(super) fn apply(
    world: &mut World,
    id: &AgentId,
    report: &Report,
    at: Timestamp,
    touched: &mut Touched,
) {
    if prefetch::reported(world, id, report, at, touched) {
        return;
    }
    let Some(agent) = world.agents.get_mut(id) else {
        return;
    };
    let Some(placement) = agent.placements.get_mut(&report.workload) else {
        return;
    };
    if !is_due(placement, report) {
        return;
    }
    let known = Known {
        placement,
        workload: world.workloads.get(&report.workload),
    };
    let report = &known.report(report);
    let failure = failure(placement, report).map(Arc::new);
    let was_in_flight = placement.is_in_flight();
    let (asked, unwell) = (placement.asked.clone(), placement.unwell);
    let changed = record(placement, report, failure.clone(), at);
    let turned = placement.is_in_flight() != was_in_flight;
    touched.placement(&report.workload, id, turned);
    let purpose = placement
        .assignment
        .as_ref()
        .map(|assignment| assignment.purpose.clone());
    let rollout = purpose.as_ref().and_then(Purpose::rollout);
    if let Some(digest) = asked.filter(|_| report.phase.is_terminal()) {
        let ended = Ended {
            agent: id,
            workload: &report.workload,
            digest: &digest,
            settled: report.phase == AgentPhase::Settled,
            failure: failure.as_deref(),
        };
        match &purpose {
            Some(
                Purpose::Rollout { rollout, .. }
                | Purpose::Withdraw {
                    rollout: Some(rollout),
                },
            ) => {
                quarantine::judge(world, rollout, &ended, touched);
            }
            Some(Purpose::Stable | Purpose::Withdraw { rollout: None }) => {
                quarantine::judge_stable(world, &ended, unwell, touched);
            }
            _ => {}
        }
    }
    if let Some(rollout) = rollout.and_then(|id| world.rollouts.get_mut(id)) {
        touched.members.insert((rollout.id.clone(), id.clone()));
        let restoring = matches!(purpose, Some(Purpose::Restore { .. }));
        let adopting = matches!(purpose, Some(Purpose::Adopt { .. }));
        if restoring {
            restored(rollout, id, report, failure, changed, at);
        } else if !adopting {
            progressed(rollout, id, report, failure, changed, at);
        }
        let workload = world.workloads.get(&rollout.workload);
        let newest = workload.and_then(|workload| workload.rollouts.last());
        if newest != Some(&rollout.id)
            && let Some(member) = rollout.members.get_mut(id)
        {
            member.forget_logs();
        }
    }
}

/// Whether a report is about the present assignment and says something newer.
fn is_due(placement: &Placement, report: &Report) -> bool {
    let Some(assignment) = &placement.assignment else {
        return false;
    };
    let named = report.generation == assignment.generation
        || placement.withdrawn == Some(report.generation);
    let terminal = placement.phase.is_some_and(AgentPhase::is_terminal);
    let newer = placement
        .phase
        .is_none_or(|phase| rank(report.phase) >= rank(phase));
    let newer = newer || is_back_at_the_gate(placement, report);
    named && report.attempt == assignment.attempt && !terminal && newer
}

/// Somebody came in the way right before the first container was touched.
fn is_back_at_the_gate(placement: &Placement, report: &Report) -> bool {
    let deferral = report.deferral.as_ref();
    placement.phase == Some(AgentPhase::CuttingOver)
        && report.phase == AgentPhase::Waiting
        && deferral.is_some_and(|deferral| !deferral.forced)
}

/// Phases go up only: a report that was delayed or repeated never takes a proof back,
/// and so never puts a machine back in flight.
fn rank(phase: AgentPhase) -> u8 {
    match phase {
        AgentPhase::Pending => 0,
        AgentPhase::Prefetching
        | AgentPhase::Prefetched
        | AgentPhase::Waiting
        | AgentPhase::Pulling
        | AgentPhase::Creating => 1,
        AgentPhase::CuttingOver => 2,
        AgentPhase::Verifying => 3,
        AgentPhase::Soaking => 4,
        AgentPhase::RollingBack => 5,
        _ => 6,
    }
}

/// The failure of a terminal report. Settled on another digest than was asked is one, too.
fn failure(placement: &Placement, report: &Report) -> Option<Failure> {
    if !report.phase.is_terminal() {
        return None;
    }
    if report.phase.is_failure() {
        let silent = || {
            Failure::new(
                FailureKind::Internal,
                "the agent gave no reason; see its log",
            )
        };
        return Some(report.failure.clone().unwrap_or_else(silent));
    }
    if report.phase == AgentPhase::Settled {
        return unlike(placement.asked.as_ref()?, report);
    }
    report.failure.clone()
}

fn unlike(asked: &Digest, report: &Report) -> Option<Failure> {
    let mut containers = report
        .containers
        .iter()
        .filter(|container| container.running)
        .peekable();
    let fits = match &report.running {
        Some(running) => running == asked,
        None => containers.peek().is_some() && containers.all(|c| c.digest.as_ref() == Some(asked)),
    };
    if fits {
        return None;
    }
    let running = report
        .running
        .as_ref()
        .map_or("an unknown digest", Digest::as_str);
    let message = format!(
        "the agent settled on {running}, but {asked} was asked for; look at its containers before trying again"
    );
    Some(Failure::new(FailureKind::Internal, message))
}

/// Into the placement; whether the phase changed.
fn record(
    placement: &mut Placement,
    report: &Report,
    failure: Option<Arc<Failure>>,
    at: Timestamp,
) -> bool {
    let changed = placement.phase != Some(report.phase);
    if changed {
        placement.since = at;
    }
    placement.phase = Some(report.phase);
    placement.waiting_for.clone_from(&report.waiting_for);
    placement.deferral.clone_from(&report.deferral);
    placement.reported_at = Some(at);
    if !report.containers.is_empty() && *placement.containers != *report.containers {
        placement.containers = report.containers.as_slice().into();
    }
    if report.running.is_some() {
        placement.running.clone_from(&report.running);
    }
    if report.phase.is_terminal() {
        conclude(placement, report, failure);
    }
    placement.drifted = drifted(placement);
    changed
}

fn conclude(placement: &mut Placement, report: &Report, failure: Option<Arc<Failure>>) {
    placement.withdrawn = None;
    let asked = placement.asked.clone();
    let purpose = placement.assignment.as_ref().map(|it| &it.purpose);
    let adopts = matches!(purpose, Some(Purpose::Adopt { .. }));
    match (&failure, report.phase) {
        (None, AgentPhase::Settled) => {
            placement.tried = placement
                .tried
                .take()
                .filter(|tried| Some(&tried.digest) != asked.as_ref());
            if !(adopts && placement.unwell) {
                placement.proven = asked;
            }
            placement.untidy = report.failure.clone().map(Arc::new);
        }
        (Some(failure), phase) => {
            // What a machine restored by itself was not tried there: the digest
            // that failed before it stays the one that is not asked for again.
            if !adopts {
                let tried = asked.map(|digest| Tried {
                    digest,
                    attempt: report.attempt,
                    generation: report.generation,
                    failure: failure.clone(),
                });
                placement.tried = tried.map(Arc::new);
            }
            placement.unwell |= report.containers.iter().any(ObservedContainer::is_sick);
            let back = phase == AgentPhase::RolledBack && !placement.unwell;
            if back && report.running.is_some() {
                placement.proven.clone_from(&report.running);
            }
        }
        (None, _) => {}
    }
    if report.phase == AgentPhase::Withdrawn {
        placement.asked = None;
    }
    placement.failure = failure;
}

/// It settled, and a container is known to run another digest.
pub(super) fn drifted(placement: &Placement) -> bool {
    placement.phase == Some(AgentPhase::Settled)
        && placement.failure.is_none()
        && placement.containers.iter().any(|container| {
            container.running && container.digest.is_some() && container.digest != placement.asked
        })
}

fn progressed(
    rollout: &mut Rollout,
    agent: &AgentId,
    report: &Report,
    failure: Option<Arc<Failure>>,
    changed: bool,
    at: Timestamp,
) {
    let digest = rollout.digest().clone();
    let skips = rollout.spec.timing.in_use == InUse::Skip;
    let is_in_use = |failure: &Arc<Failure>| failure.kind == FailureKind::InUse;
    let Some(member) = rollout
        .members
        .get_mut(agent)
        .filter(|member| !member.taken_over)
    else {
        return;
    };
    // Only another digest that runs again undoes what earlier attempts have left.
    let restored = report.running.as_ref().is_some_and(|now| *now != digest);
    member.changed &= !(report.phase == AgentPhase::RolledBack && restored);
    member.phase = Some(report.phase);
    member.waiting_for.clone_from(&report.waiting_for);
    let deferral = report.deferral.as_ref();
    member.deferred = deferral.is_some_and(|deferral| !deferral.forced);
    if report.running.is_some() {
        member.running.clone_from(&report.running);
    }
    // A failure of a deadline is since the deadline, also when it is confirmed later.
    let confirms = member.failure.is_some() && report.phase == AgentPhase::Withdrawn;
    if changed && !confirms {
        member.since = at;
    }
    if report.phase.is_terminal() {
        member.withdrawing = false;
        // A deadline that had passed stays a failure, unless the agent says what became of it.
        if report.phase != AgentPhase::Withdrawn || failure.is_some() {
            member.acknowledged &= failure.is_some();
            member.in_use = skips && failure.as_ref().is_some_and(is_in_use);
            member.failure = failure;
        }
    }
    let withdrawn = report.phase == AgentPhase::Withdrawn;
    let got_further = report.phase.has_cut_over() || report.phase.is_terminal() && !withdrawn;
    let done = matches!(report.phase, AgentPhase::Settled | AgentPhase::Staged);
    let late = member.late;
    if let Some(stage) = rollout
        .stages
        .get_mut(member.stage as usize)
        .filter(|_| changed)
    {
        // What comes before the cut-over can be taken back and asked anew.
        if got_further {
            stage.progressed_at = at;
        }
        // The stage does not wait for those that joined it late.
        if !late {
            stage.checks.restart(at);
        }
        if done && !late {
            stage.settled_at = Some(at);
        }
    }
}

fn restored(
    rollout: &mut Rollout,
    agent: &AgentId,
    report: &Report,
    failure: Option<Arc<Failure>>,
    changed: bool,
    at: Timestamp,
) {
    let Some(member) = rollout.members.get_mut(agent) else {
        return;
    };
    let Some(restore) = &mut member.restore else {
        return;
    };
    restore.phase = Some(report.phase);
    restore.failure.clone_from(&failure);
    let nothing_to_restore = restore.digest.is_none();
    member.running.clone_from(&report.running);
    let stage = rollout.stages.get_mut(member.stage as usize);
    if let Some(stage) = stage.filter(|_| changed) {
        stage.progressed_at = at;
    }
    if nothing_to_restore {
        match member.standing() {
            // What was asked before is there to be reported.
            Standing::InFlight => progressed(rollout, agent, report, failure, changed, at),
            // It stays, so what it had proven stays.
            Standing::Soaking if report.phase.is_terminal() => {
                member.phase = Some(AgentPhase::Settled);
            }
            _ => {}
        }
    } else if report.phase.is_terminal() {
        outlived(member, failure, at);
    }
}

/// What was asked of it before it was taken back has no outcome any more.
fn outlived(member: &mut Member, failure: Option<Arc<Failure>>, at: Timestamp) {
    if !matches!(member.standing(), Standing::InFlight | Standing::Soaking) {
        return;
    }
    member.since = at;
    member.withdrawing = false;
    match failure {
        Some(failure) => member.failure = Some(failure),
        None => {
            member.taken_over = true;
            member.phase = None;
            member.waiting_for = Arc::default();
        }
    }
}
