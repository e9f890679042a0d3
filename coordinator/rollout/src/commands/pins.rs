use pinion_model::{
    Actor, Digest, Image, PinNumber, RolloutId, SourceSha, Timestamp, WorkloadName,
};

use super::follow::{Followed, follow, under_way};
use super::{check_text, decided, quarantine};
use crate::{Act, Outcome, Pin, Refusal, Strategy, Workload, World};

/// A digest to become a workload's pin. The catalog's part of it (images, tag,
/// whether a rollout follows) is the caller's to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promote {
    /// Of the catalog.
    pub workload: WorkloadName,
    /// What to run.
    pub digest: Digest,
    /// What it was built from.
    pub source_sha: Option<SourceSha>,
    /// At most 4 KiB.
    pub notes: String,
    /// Where it can be pulled from, in the catalog's order; at least one.
    pub images: Vec<Image>,
    /// Tag that agents keep on the digest.
    pub local_tag: String,
    /// For workloads with `rollout = "auto"`: how the rollout goes that follows.
    pub auto: Option<Strategy>,
}

/// What a promotion came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promoted {
    /// The current pin.
    pub pin: Pin,
    /// False if this digest was the current pin already.
    pub changed: bool,
    /// The rollout that this started or queued, or found under way to the same digest.
    pub rollout: Option<RolloutId>,
    /// Why no rollout began or was queued, where one should have been.
    pub no_rollout: Option<String>,
}

/// Makes a digest the workload's pin, and starts its rollout if that is the
/// workload's setting. The pin stands also where no rollout of it can begin
/// now: the answer says why.
///
/// # Errors
///
/// `Invalid` if the notes are too long, there are no images, or the strategy
/// contradicts itself; `Precondition` if the digest is quarantined.
pub fn promote(
    world: &World,
    request: Promote,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<Promoted>, Refusal> {
    check_text("notes", &request.notes)?;
    if request.images.is_empty() {
        return Err(Refusal::invalid(
            "workload",
            "has no image in the catalog; name a registry for it in the configuration",
        ));
    }
    quarantine::refuse(world, &request.digest)?;
    let workload = world.workloads.get(&request.workload);
    if let Some(current) = workload
        .and_then(Workload::current)
        .filter(|pin| pin.digest == request.digest)
    {
        return Ok(Outcome::unchanged(Promoted {
            pin: current.clone(),
            changed: false,
            rollout: under_way(world, &request.workload, &request.digest)
                .map(|rollout| rollout.id.clone()),
            no_rollout: None,
        }));
    }
    let auto = request.auto.clone();
    let name = request.workload.clone();
    let pin = next_pin(workload, request, by, now);
    let mut changes = vec![decided(
        by,
        now,
        Act::PinPromoted {
            workload: name.clone(),
            pin: pin.clone(),
        },
    )];
    let followed = match &auto {
        Some(strategy) => follow(world, &name, &pin, strategy, by, now)?,
        None => Followed::default(),
    };
    changes.extend(followed.changes);
    Ok(Outcome {
        changes,
        value: Promoted {
            pin,
            changed: true,
            rollout: followed.rollout,
            no_rollout: followed.no_rollout,
        },
    })
}

fn next_pin(workload: Option<&Workload>, request: Promote, by: &Actor, at: Timestamp) -> Pin {
    Pin {
        number: PinNumber(workload.map_or(0, |workload| workload.pins.len() as u64) + 1),
        digest: request.digest,
        source_sha: request.source_sha,
        notes: request.notes,
        images: request.images.into(),
        local_tag: request.local_tag.into(),
        promoted_by: by.clone(),
        at,
    }
}
