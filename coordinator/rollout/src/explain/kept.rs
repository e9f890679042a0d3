//! What an older rollout still says, once it has let go of its machines.

use super::Reason;
use crate::{ROLLOUTS_KEPT_WHOLE, Rollout};

/// A machine of which the rollout no longer says whether it was in it.
pub(super) fn not_kept(rollout: &Rollout) -> Reason {
    Reason {
        stage: None,
        word: "not_kept",
        detail: format!(
            "the rollout is {}, and what became of each machine is no longer kept, since that stands only of the {ROLLOUTS_KEPT_WHOLE} newest rollouts of {}; `pinion rollout show {}` says how many stood where, and `pinion agent show` what this one runs now",
            rollout.phase, rollout.workload, rollout.id
        ),
        since: rollout.since,
    }
}

/// What stands behind the sentence about the whole; empty if all are kept.
pub(super) fn note(rollout: &Rollout) -> String {
    match (rollout.not_kept(), rollout.members.len()) {
        (0, _) => String::new(),
        (gone, 0) => format!(
            ". Its {gone} machine(s) are no longer kept, only how many stood where: each stands only of the {ROLLOUTS_KEPT_WHOLE} newest rollouts of {}",
            rollout.workload
        ),
        (gone, left) => format!(
            ". {gone} of its machines are no longer kept, only how many stood where; {left} that something may still become of are"
        ),
    }
}
