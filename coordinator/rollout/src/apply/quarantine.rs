use pinion_model::{AgentId, Digest, Failure, RolloutId, WorkloadName};

use super::decisions::by;
use crate::world::{Quarantine, Touched, Way, is_of_the_image};
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

/// What every machine should run depends on whether a digest that was proven
/// is quarantined. Of any other, that depends on it only where the machine was
/// asked for it outside a rollout; so does who is on its way back to it.
fn touch(world: &World, digest: &Digest, touched: &mut Touched) {
    touched.digests.insert(digest.clone());
    let workloads = world.workloads.iter();
    let proven = workloads.filter(|(_, workload)| workload.has_proven(digest));
    touched
        .workloads
        .extend(proven.map(|(name, _)| name.clone()));
    touched.placements.extend(asked(world, digest));
    let draining = world.index.draining.iter();
    let draining = draining.filter_map(|id| world.rollouts.get(id));
    let back = world.active_rollouts().chain(draining);
    let back = back.filter(|rollout| rollout.rolled_back);
    let going = back.flat_map(|rollout| going(world, rollout, digest));
    touched.members.extend(going);
}

/// The machines that were asked for a digest, and that catch up with what is
/// stable or would.
fn asked(world: &World, digest: &Digest) -> Vec<(WorkloadName, AgentId)> {
    let index = &world.index;
    let lists = [
        &index.behind,
        &index.catching_up,
        &index.overstaying,
        &index.aside,
    ];
    let listed = lists.into_iter().flat_map(Set::iter);
    let listed = listed.chain(index.calendars.stragglers.all());
    let asked = listed.filter(|(workload, agent)| {
        let agent = world.agents.get(agent);
        let placement = agent.and_then(|agent| agent.placements.get(workload));
        placement.is_some_and(|placement| placement.asked.as_ref() == Some(digest))
    });
    asked.cloned().collect()
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

/// What came of what was asked of a machine.
pub(super) struct Ended<'a> {
    pub(super) agent: &'a AgentId,
    pub(super) workload: &'a WorkloadName,
    /// What was asked for.
    pub(super) digest: &'a Digest,
    pub(super) settled: bool,
    pub(super) failure: Option<&'a Failure>,
}

/// Whether what a rollout has asked of a machine speaks for or against the
/// image. It says nothing where the machine was sick before.
pub(super) fn judge(
    world: &mut World,
    rollout: &RolloutId,
    ended: &Ended<'_>,
    touched: &mut Touched,
) {
    let rollout = world.rollouts.get(rollout);
    let Some(rollout) = rollout.filter(|rollout| rollout.digest() == ended.digest) else {
        return;
    };
    let member = rollout.members.get(ended.agent);
    let (sick, enough) = (
        member.is_none_or(|member| member.sick),
        rollout.quarantine_after,
    );
    count(world, ended, sick, enough, touched);
}

/// The same for a machine that was asked for its stable digest outside any
/// rollout: the one that proved the digest there says how many may fail.
/// `sick` says that its containers were so when it was asked.
pub(super) fn judge_stable(
    world: &mut World,
    ended: &Ended<'_>,
    sick: bool,
    touched: &mut Touched,
) {
    let proved = world.proved(ended.workload, ended.digest, Some(ended.agent));
    if let Some(enough) = proved.map(|rollout| rollout.quarantine_after) {
        count(world, ended, sick, enough, touched);
    }
}

/// Counts the machines on which the image itself failed.
fn count(world: &mut World, ended: &Ended<'_>, sick: bool, enough: u32, touched: &mut Touched) {
    if world.is_quarantined(ended.digest) {
        return;
    }
    match ended.failure {
        Some(failure) if is_of_the_image(failure.kind) && !sick => {
            if let Some(known) = known(world, ended.digest, ended.workload) {
                known.enough = enough;
                if known.failed_on.len() < enough as usize {
                    known.failed_on.insert(ended.agent.clone());
                }
            }
        }
        None if ended.settled => {
            if let Some(known) = world.quarantine.get_mut(ended.digest) {
                known.failed_on.remove(ended.agent);
            }
        }
        _ => {}
    }
    touched.digests.insert(ended.digest.clone());
}
