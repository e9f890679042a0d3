use pinion_model::Digest;
use pinion_proto::convert::or_empty;
use pinion_proto::v1;
use pinion_rollout::{Quarantine, World};

use super::attribution;

/// Machines that are named; `agents` counts them all.
const NAMED: usize = 20;

/// What is known of a digest that is or was quarantined.
pub(crate) fn quarantine(world: &World, digest: &Digest, known: &Quarantine) -> v1::Quarantine {
    let active = world.active_rollout(&known.workload).into_iter();
    let mut unfinished = active.chain(world.queued_rollout(&known.workload));
    let rollout = unfinished.find(|rollout| rollout.digest() == digest);
    let named = known.failed_on.iter().take(NAMED);
    v1::Quarantine {
        digest: digest.to_string(),
        workload: known.workload.to_string(),
        imposed: known.imposed.as_ref().map(attribution),
        agents: u32::try_from(known.failed_on.len()).unwrap_or(u32::MAX),
        failed_on: named.map(ToString::to_string).collect(),
        lifted: known.lifted.as_ref().map(attribution),
        rollout: or_empty(rollout.map(|rollout| &rollout.id)),
    }
}
