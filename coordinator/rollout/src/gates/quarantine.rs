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

/// On how many machines the image failed, if that is as many as the rollout
/// lets it, and it is not quarantined yet.
pub(crate) fn is_due(world: &World, rollout: &Rollout) -> Option<usize> {
    let known = world.quarantine.get(rollout.digest())?;
    let failed = known.failed_on.len();
    let reached = failed >= rollout.quarantine_after as usize;
    (reached && known.imposed.is_none()).then_some(failed)
}
