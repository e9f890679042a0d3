use pinion_model::{Actor, RolloutId, RolloutPhase, Timestamp};
use serde::{Deserialize, Serialize};

use super::check_text;
use super::steer::{live, steered};
use crate::{Act, Outcome, Refusal, Rollout, World};

/// A rollout to end before it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    /// Which.
    pub rollout: RolloutId,
    /// What becomes of the machines that it has reached.
    pub mode: AbortMode,
    /// Why; may be empty.
    pub reason: String,
}

/// What becomes of what a rollout has done when it is aborted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbortMode {
    /// It stays: what has cut over finishes, what has not is withdrawn.
    #[default]
    Keep,
    /// Every machine goes back to what it ran before, as in a roll-back.
    Revert,
}

/// Ends it; its phase is aborted then, in both modes. The pin stays the current
/// one, and the stable one stays as it was. One that is ending already can
/// still be told to revert, but not to keep what is on its way back. One that
/// is queued ends at once.
///
/// # Errors
///
/// `NotFound` for an unknown rollout, `Precondition` if it is over, is being
/// rolled back, or is reverting and asked to keep.
pub fn abort(
    world: &World,
    request: Abort,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<RolloutId>, Refusal> {
    check_text("reason", &request.reason)?;
    let rollout = live(world, &request.rollout, "abort")?;
    let act = match (rollout.phase, rollout.rolled_back, request.mode) {
        (RolloutPhase::Queued, ..) => Act::RolloutEnded {
            rollout: rollout.id.clone(),
            phase: RolloutPhase::Aborted,
            reason: ended(by, &request.reason),
        },
        (RolloutPhase::Aborting, false, AbortMode::Keep)
        | (RolloutPhase::Aborting, true, AbortMode::Revert) => {
            return Ok(Outcome::unchanged(request.rollout));
        }
        (RolloutPhase::RollingBack, ..) | (_, true, _) => return Err(half_way(rollout)),
        (_, false, mode) => Act::RolloutAborted {
            rollout: rollout.id.clone(),
            mode,
            reason: request.reason,
        },
    };
    Ok(steered(request.rollout, act, by, now))
}

fn half_way(rollout: &Rollout) -> Refusal {
    let id = &rollout.id;
    let what = match rollout.course() {
        RolloutPhase::RollingBack => "rolling back",
        _ => "reverting",
    };
    let next = match rollout.interrupted {
        Some(_) => format!(
            "it is {}, and `pinion rollout resume {id}` goes on",
            rollout.phase
        ),
        None => format!("`pinion rollout pause {id}` sends no more machines back"),
    };
    Refusal::precondition(format!(
        "{id} is {what}, which cannot be aborted half-way; {next}, or start a rollout that takes its place"
    ))
}

fn ended(by: &Actor, reason: &str) -> String {
    match reason {
        "" => format!("aborted by {by} before it began"),
        reason => format!("aborted by {by} before it began: {reason}"),
    }
}
