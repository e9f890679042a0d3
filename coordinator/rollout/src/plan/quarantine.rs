use pinion_model::{Digest, Timestamp};

use crate::gates::quarantine::is_due;
use crate::{Act, Change, Decision, Quarantine, World};

/// Quarantines digests that failed on as many machines as may be: as their
/// rollout says that goes on, else as the one says that proved them and with
/// whose digest machines catch up.
pub(super) fn plan(world: &World, now: Timestamp) -> Vec<Change> {
    let active = world.active_rollouts().filter_map(|rollout| {
        let failed = is_due(world, rollout)?;
        let (id, enough) = (&rollout.id, rollout.quarantine_after);
        let reason = format!("{id} bears no more (quarantine_after = {enough})");
        let known = world.quarantine.get(rollout.digest())?;
        Some((rollout.digest(), known, failed, reason))
    });
    let active: Vec<_> = active.collect();
    let judged = |digest: &Digest| active.iter().any(|(active, ..)| *active == digest);
    let others = world.index.to_quarantine.iter();
    let others = others
        .filter(|digest| !judged(digest))
        .filter_map(|digest| {
            let known = world.quarantine.get(digest)?;
            let reason = outside(world, digest, known);
            Some((digest, known, known.failed_on.len(), reason))
        });
    let others: Vec<_> = others.collect();
    let due = active.into_iter().chain(others);
    due.map(|(digest, known, failed, reason)| impose(digest, known, failed, reason, now))
        .collect()
}

fn outside(world: &World, digest: &Digest, known: &Quarantine) -> String {
    let proved = world.proved(&known.workload, digest, None);
    let by = proved.map_or_else(String::new, |rollout| {
        format!("was proven by {}, but ", rollout.id)
    });
    let enough = known.enough;
    format!("it {by}failed on machines that were to catch up with it (quarantine_after = {enough})")
}

fn impose(
    digest: &Digest,
    known: &Quarantine,
    failed: usize,
    reason: String,
    now: Timestamp,
) -> Change {
    let act = Act::DigestQuarantined {
        digest: digest.clone(),
        workload: known.workload.clone(),
        agents: u32::try_from(failed).unwrap_or(u32::MAX),
        reason,
    };
    Decision::system(now, act).into()
}
