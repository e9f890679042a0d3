use pinion_model::{AgentId, Digest, FailureKind, WorkloadName};
use serde::{Deserialize, Serialize};

use super::{Attribution, World};
use crate::Set;

/// A failure of the image, not of the machine, the network or the registry.
pub(crate) fn is_of_the_image(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Create | FailureKind::Start | FailureKind::Health
    )
}

/// An image that failed, or that an operator distrusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Whose image it is.
    pub workload: WorkloadName,
    /// Machines on which the image itself failed since it was last lifted: its
    /// container could not be created or started, or was not healthy. Counted
    /// until it is quarantined, and no further than `enough`.
    pub failed_on: Set<AgentId>,
    /// How many of those are enough: the `quarantine_after` of the rollout in
    /// which it failed last, or that had proven it to a machine on which it
    /// failed outside any rollout.
    pub enough: u32,
    /// Who quarantined it, since when and why. None: it is not.
    pub imposed: Option<Attribution>,
    /// Who lifted it last, when and why.
    pub lifted: Option<Attribution>,
}

impl Quarantine {
    /// An image of which nothing bad is known yet.
    #[must_use]
    pub fn clean(workload: WorkloadName) -> Self {
        Self {
            workload,
            failed_on: Set::default(),
            enough: u32::MAX,
            imposed: None,
            lifted: None,
        }
    }

    /// It failed on as many machines as may be, and is not quarantined yet.
    pub(crate) fn is_due(&self) -> bool {
        self.imposed.is_none() && self.failed_on.len() >= self.enough as usize
    }

    /// Since when, by whom, why, on how many machines it failed, and how to
    /// lift it. None: it is not quarantined.
    #[must_use]
    pub fn sentence(&self, digest: &Digest) -> Option<String> {
        let by = self.imposed.as_ref()?;
        let failed = match self.failed_on.len() {
            0 => String::new(),
            failed => format!(", having failed on {failed} machine(s)"),
        };
        Some(format!(
            "{} of {} is quarantined since {} by {}{failed}: {}; `pinion quarantine lift {digest} --reason …` lets it go to machines again",
            digest.short(),
            self.workload,
            by.at,
            by.actor,
            by.reason
        ))
    }
}

impl World {
    /// Whether a digest may not be assigned to any more machines.
    #[must_use]
    pub fn is_quarantined(&self, digest: &Digest) -> bool {
        self.quarantined(digest).is_some()
    }

    /// Looks again at whether a digest is to be quarantined.
    pub(super) fn refresh_quarantine(&mut self, digest: &Digest) {
        let known = self.quarantine.get(digest);
        let due = known.is_some_and(Quarantine::is_due);
        self.index.to_quarantine.keep(digest, due);
    }

    /// Why a digest may not be assigned to any more machines. None: it may.
    #[must_use]
    pub fn quarantined(&self, digest: &Digest) -> Option<&Quarantine> {
        let known = self.quarantine.get(digest);
        known.filter(|known| known.imposed.is_some())
    }
}
