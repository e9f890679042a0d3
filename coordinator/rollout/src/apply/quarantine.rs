use pinion_model::{AgentId, AgentPhase, Digest, Failure, FailureKind, WorkloadName};

use super::decisions::by;
use crate::world::{Quarantine, Touched};
use crate::{Act, Decision, Set, World};

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

/// Who is behind its stable digest depends on what is quarantined.
fn touch(world: &World, digest: &Digest, touched: &mut Touched) {
    let pinned = world
        .workloads
        .iter()
        .filter(|(_, workload)| workload.pin_of(digest).is_some());
    touched
        .workloads
        .extend(pinned.map(|(name, _)| name.clone()));
}

/// A machine's turn in a rollout came to its end.
pub(super) struct Ended<'a> {
    pub(super) workload: &'a WorkloadName,
    pub(super) digest: &'a Digest,
    pub(super) agent: &'a AgentId,
    pub(super) phase: AgentPhase,
    pub(super) failure: Option<&'a Failure>,
    /// Its containers were sick before.
    pub(super) sick: bool,
    /// From how many machines on nobody counts any more.
    pub(super) limit: u32,
}

/// Counts the machines on which the image itself failed.
pub(super) fn count(world: &mut World, ended: &Ended<'_>) {
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
        None if ended.phase == AgentPhase::Settled => {
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
