use std::sync::Arc;

use pinion_model::{Actor, Digest, Image, PinNumber, RolloutId, SourceSha, Timestamp};
use serde::{Deserialize, Serialize};

/// A named line of images: its pins and its rollouts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Append-only; the number of the n-th is n.
    pub pins: Vec<Pin>,
    /// Pins whose rollout completed and was not taken back, oldest first; also
    /// one that an operator took as it was, although too few machines proved it.
    pub proven: Vec<Stable>,
    /// Every rollout that began, oldest first.
    pub rollouts: Vec<RolloutId>,
}

impl Workload {
    /// The newest pin.
    #[must_use]
    pub fn current(&self) -> Option<&Pin> {
        self.pins.last()
    }

    /// One pin by its number.
    #[must_use]
    pub fn pin(&self, number: PinNumber) -> Option<&Pin> {
        let index = usize::try_from(number.0.checked_sub(1)?).ok()?;
        self.pins.get(index)
    }

    /// Whether a digest is one of those that were proven and not taken back.
    pub(crate) fn has_proven(&self, digest: &Digest) -> bool {
        let mut pins = self.proven.iter().filter_map(|stable| self.pin(stable.pin));
        pins.any(|pin| pin.digest == *digest)
    }

    /// The newest pin of this digest.
    #[must_use]
    pub fn pin_of(&self, digest: &Digest) -> Option<&Pin> {
        self.pins.iter().rev().find(|pin| pin.digest == *digest)
    }
}

/// The digest chosen for a workload, at one point of its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// From 1.
    pub number: PinNumber,
    /// The digest.
    pub digest: Digest,
    /// What it was built from; none on pins made by a roll-back of a pin without one.
    pub source_sha: Option<SourceSha>,
    /// At most 4 KiB.
    pub notes: String,
    /// Where the image can be pulled from, in the catalog's order.
    pub images: Arc<[Image]>,
    /// Tag that agents keep on the digest.
    pub local_tag: Arc<str>,
    /// Who chose it.
    pub promoted_by: Actor,
    /// When.
    pub at: Timestamp,
}

/// A pin that became stable, and the rollout that proved it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stable {
    /// Which pin.
    pub pin: PinNumber,
    /// Which rollout completed.
    pub rollout: RolloutId,
}
