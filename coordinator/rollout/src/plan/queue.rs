use pinion_model::{RolloutPhase, Timestamp};

use crate::commands::begun;
use crate::{Act, Change, Decision, Rollout, World};

/// Begins what was queued once what it waited for is over; or ends it, if its
/// digest was quarantined meanwhile.
pub(super) fn plan(world: &World, now: Timestamp) -> Vec<Change> {
    let queued = world.index.queued.iter();
    let free = queued.filter(|(workload, _)| !world.index.active.contains_key(*workload));
    let free = free.filter_map(|(_, id)| world.rollouts.get(id));
    free.map(|queued| begin(world, queued, now)).collect()
}

fn begin(world: &World, queued: &Rollout, now: Timestamp) -> Change {
    let quarantined = world.quarantined(queued.digest());
    let sentence = quarantined.and_then(|known| known.sentence(queued.digest()));
    let act = match sentence {
        Some(reason) => Act::RolloutEnded {
            rollout: queued.id.clone(),
            phase: RolloutPhase::Aborted,
            reason: format!("it did not begin: {reason}"),
        },
        None => Act::RolloutStarted {
            rollout: Box::new(begun(world, queued.clone(), now)),
        },
    };
    Decision::system(now, act).into()
}
