use pinion_model::{AgentId, Digest, Failure, FailureKind, RolloutId, WorkloadName};

use super::decisions::by;
use crate::world::{Quarantine, Touched, Way};
use crate::{Act, Decision, Rollout, Set, World};

/// Digests that no more machines get, and those that may go on again.
pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    match &decision.act {
        Act::DigestQuarantined {
            digest,
            workload,
            reason,
            ..
        } => {
            if let Some(known) = known(world, digest, workload) {
                known.imposed = Some(by(decision, reason));
            }
            touch(world, digest, touched);
        }
        Act::QuarantineLifted { digest, reason } => {
            if let Some(known) = world.quarantine.get_mut(digest) {
                known.imposed = None;
                known.failed_on = Set::default();
                known.lifted = Some(by(decision, reason));
            }
            touch(world, digest, touched);
        }
        _ => {}
    }
}

/// What is known of a digest, to be written.
fn known<'a>(
    world: &'a mut World,
    digest: &Digest,
    workload: &WorkloadName,
) -> Option<&'a mut Quarantine> {
    if !world.quarantine.contains_key(digest) {
        let clean = Quarantine::clean(workload.clone());
        world.quarantine.insert(digest.clone(), clean);
    }
    world.quarantine.get_mut(digest)
}

/// Who is behind its stable digest, or on its way to one, depends on what is
/// quarantined; so does who is on its way back to it.
fn touch(world: &World, digest: &Digest, touched: &mut Touched) {
    let pinned = world
        .workloads
        .iter()
        .filter(|(_, workload)| workload.pin_of(digest).is_some());
    touched
        .workloads
        .extend(pinned.map(|(name, _)| name.clone()));
    let draining = world.index.draining.iter();
    let draining = draining.filter_map(|id| world.rollouts.get(id));
    let back = world.active_rollouts().chain(draining);
    let back = back.filter(|rollout| rollout.rolled_back);
    let going = back.flat_map(|rollout| going(world, rollout, digest));
    touched.members.extend(going);
}

/// The machines that a rollout sends back to a digest, and that are under way.
fn going(world: &World, rollout: &Rollout, digest: &Digest) -> Vec<(RolloutId, AgentId)> {
    let tallies = world.index.tallies.get(&rollout.id).into_iter().flatten();
    let stages = rollout.stages.iter().zip(tallies);
    let agents = stages.flat_map(|(stage, tally)| {
        let places = [Way::Going, Way::Astray].map(|way| tally.places_on(way));
        let agents = places.into_iter().flatten();
        agents.filter_map(|place| stage.agent(place))
    });
    let to = |agent: &&AgentId| {
        let member = rollout.members.get(*agent);
        let restore = member.and_then(|member| member.restore.as_ref());
        restore.is_some_and(|restore| restore.digest.as_ref() == Some(digest))
    };
    let going = agents.filter(to);
    going
        .map(|agent| (rollout.id.clone(), agent.clone()))
        .collect()
}

/// What was asked of a machine came to its end.
struct Ended<'a> {
    workload: &'a WorkloadName,
    digest: &'a Digest,
    agent: &'a AgentId,
    settled: bool,
    failure: Option<&'a Failure>,
    /// Its containers were sick before.
    sick: bool,
    /// From how many machines on nobody counts any more.
    limit: u32,
}

/// Whether what a rollout has `asked` of a machine speaks for or against the image.
pub(super) fn judge(
    world: &mut World,
    rollout: &RolloutId,
    agent: &AgentId,
    asked: Option<&Digest>,
    settled: bool,
    failure: Option<&Failure>,
) {
    let rollout = world.rollouts.get(rollout);
    let Some(rollout) = rollout.filter(|rollout| asked == Some(rollout.digest())) else {
        return;
    };
    let (workload, digest) = (rollout.workload.clone(), rollout.digest().clone());
    let ended = Ended {
        workload: &workload,
        digest: &digest,
        agent,
        settled,
        failure,
        sick: rollout.members.get(agent).is_none_or(|member| member.sick),
        limit: rollout.quarantine_after,
    };
    count(world, &ended);
}

/// Counts the machines on which the image itself failed.
fn count(world: &mut World, ended: &Ended<'_>) {
    if world.is_quarantined(ended.digest) {
        return;
    }
    match ended.failure {
        Some(failure) if is_its_own(failure.kind) && !ended.sick => {
            let known = known(world, ended.digest, ended.workload);
            let room = |known: &&mut Quarantine| known.failed_on.len() < ended.limit as usize;
            if let Some(known) = known.filter(room) {
                known.failed_on.insert(ended.agent.clone());
            }
        }
        None if ended.settled => {
            if let Some(known) = world.quarantine.get_mut(ended.digest) {
                known.failed_on.remove(ended.agent);
            }
        }
        _ => {}
    }
}

/// A failure of the image, not of the machine, the network or the registry.
fn is_its_own(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Create | FailureKind::Start | FailureKind::Health
    )
}
