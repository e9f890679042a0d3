//! Between messages and the World's own types. Nothing is decided here.

pub(crate) mod access;
pub(crate) mod agents;
pub(crate) mod audit;
mod checks;
pub(crate) mod holds;
pub(crate) mod pins;
pub(crate) mod quarantine;
pub(crate) mod rollouts;
pub(crate) mod strategies;

use pinion_proto::convert::timestamp;
use pinion_proto::v1;
use pinion_rollout::Attribution;
pub(crate) use pinion_strategy::message as strategy;

/// Who, when and why.
pub(crate) fn attribution(attribution: &Attribution) -> v1::Attribution {
    v1::Attribution {
        actor: Some((&attribution.actor).into()),
        at: Some(timestamp(attribution.at)),
        reason: attribution.reason.clone(),
    }
}
