use pinion_model::{Actor, Digest, Timestamp, WorkloadName};

use super::{TEXT_LIMIT, decided};
use crate::{Act, Outcome, Refusal, World};

/// A digest that no more machines should get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineDigest {
    /// Which; it need not be pinned.
    pub digest: Digest,
    /// Whose image it is.
    pub workload: WorkloadName,
    /// Why; not empty.
    pub reason: String,
}

/// Keeps a digest from all machines that do not run it, in every rollout. Its
/// rollout stops. Quarantining what is quarantined changes nothing. Answers
/// whether it was not quarantined before.
///
/// # Errors
///
/// `Invalid` without a reason, `NotFound` for a workload without pins.
pub fn quarantine(
    world: &World,
    request: QuarantineDigest,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<bool>, Refusal> {
    check_reason(&request.reason)?;
    if !world.workloads.contains_key(&request.workload) {
        return Err(Refusal::not_found("pin of workload", &request.workload));
    }
    if world.is_quarantined(&request.digest) {
        return Ok(Outcome::unchanged(false));
    }
    let known = world.quarantine.get(&request.digest);
    let failed = known.map_or(0, |known| known.failed_on.len());
    let act = Act::DigestQuarantined {
        digest: request.digest,
        workload: request.workload,
        agents: u32::try_from(failed).unwrap_or(u32::MAX),
        reason: request.reason,
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: true,
    })
}

/// Lets a quarantined digest go to machines again. Those on which it failed are
/// forgotten; its rollout goes on once it is resumed.
///
/// # Errors
///
/// `Invalid` without a reason, `Precondition` if it is not quarantined.
pub fn lift_quarantine(
    world: &World,
    digest: &Digest,
    reason: &str,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<()>, Refusal> {
    check_reason(reason)?;
    if !world.is_quarantined(digest) {
        let message =
            format!("{digest} is not quarantined; `pinion quarantine list` shows those that are");
        return Err(Refusal::precondition(message));
    }
    let act = Act::QuarantineLifted {
        digest: digest.clone(),
        reason: reason.to_owned(),
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: (),
    })
}

fn check_reason(reason: &str) -> Result<(), Refusal> {
    if !reason.trim().is_empty() && reason.len() <= TEXT_LIMIT {
        return Ok(());
    }
    let message =
        format!("must say why in at most {TEXT_LIMIT} bytes, so that others know what was found");
    Err(Refusal::invalid("reason", message))
}

/// Refuses what would take a quarantined digest to machines.
pub(super) fn refuse(world: &World, digest: &Digest) -> Result<(), Refusal> {
    let sentence = world
        .quarantined(digest)
        .and_then(|known| known.sentence(digest));
    match sentence {
        Some(message) => Err(Refusal::precondition(message)),
        None => Ok(()),
    }
}
