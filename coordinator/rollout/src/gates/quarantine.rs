use pinion_model::Actor;

use super::Verdict;
use crate::{Gate, Rollout, World};

/// A rollout of a quarantined digest stops, whoever quarantined it.
pub(crate) fn check(world: &World, rollout: &Rollout) -> Verdict {
    let digest = rollout.digest();
    let sentence = world
        .quarantined(digest)
        .and_then(|known| known.sentence(digest));
    match sentence {
        Some(reason) => Verdict::stop(Gate::Quarantine, reason),
        None => Verdict::Pass,
    }
}

/// Whether a person quarantined the rollout's digest, and not its failures.
pub(crate) fn is_by_a_person(world: &World, rollout: &Rollout) -> bool {
    let known = world.quarantined(rollout.digest());
    let imposed = known.and_then(|known| known.imposed.as_ref());
    imposed.is_some_and(|by| by.actor != Actor::System)
}

/// On how many machines the image failed, if that is as many as the rollout
/// lets it, and it is not quarantined yet.
pub(crate) fn is_due(world: &World, rollout: &Rollout) -> Option<usize> {
    let known = world.quarantine.get(rollout.digest())?;
    let failed = known.failed_on.len();
    let reached = failed >= rollout.quarantine_after as usize;
    (reached && known.imposed.is_none()).then_some(failed)
}
