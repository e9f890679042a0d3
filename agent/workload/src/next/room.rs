//! Room for an image, before it is asked for.
//!
//! An engine whose disk is full fails in the middle of a pull, and so does
//! what tenants write at that time. How much an image needs is known when the
//! engine begins to bring it ([`Layers`](crate::Layers)); before that, what is
//! to stay free must be there.

use pinion_model::{Failure, FailureKind};

use crate::{Operation, Shortage, Step};

use super::{View, collect};

/// What is done instead of a pull where room is short: what nobody needs goes
/// first, then it is looked again; what is lacking then ends the operation.
pub(super) fn make(view: View<'_>) -> Option<Step> {
    let shortage = &view.operation.shortage;
    let room = view.observed.room;
    let failure = match &shortage.failure {
        Some(failure) => failure.clone(),
        None => room?.too_little()?,
    };
    if let Some(step) = collect::next(view.desired, view.observed, view.now) {
        return Some(step);
    }
    Some(match shortage.failure.is_some() && shortage.freed {
        true => look_again(view),
        false => view.abandon(failure),
    })
}

fn look_again(view: View<'_>) -> Step {
    let shortage = Shortage {
        failure: None,
        freed: false,
        again: true,
    };
    view.write(Operation {
        shortage,
        ..view.operation.clone()
    })
}

/// Says on which file system what is lacking, and what to do.
pub(crate) fn short(message: String) -> Failure {
    let advice = "nothing was touched; make room on this machine (`docker system df` says what takes it), or change `engine.min_free_mib` in agent.toml, then retry it";
    Failure::new(FailureKind::Disk, format!("{message}; {advice}"))
}
