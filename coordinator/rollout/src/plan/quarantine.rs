use pinion_model::Timestamp;

use crate::gates::quarantine::is_due;
use crate::{Act, Change, Decision, Rollout, World};

/// Quarantines digests that failed on as many machines as their rollout lets them.
pub(super) fn plan(world: &World, now: Timestamp) -> Vec<Change> {
    let due = world
        .active_rollouts()
        .filter_map(|rollout| Some((rollout, is_due(world, rollout)?)));
    due.map(|(rollout, failed)| impose(rollout, failed, now))
        .collect()
}

fn impose(rollout: &Rollout, failed: usize, now: Timestamp) -> Change {
    let act = Act::DigestQuarantined {
        digest: rollout.digest().clone(),
        workload: rollout.workload.clone(),
        agents: u32::try_from(failed).unwrap_or(u32::MAX),
        reason: format!(
            "{} bears no more (quarantine_after = {})",
            rollout.id, rollout.quarantine_after
        ),
    };
    Decision::system(now, act).into()
}
