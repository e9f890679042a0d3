//! What people, pipelines and agents ask for: each a pure function from the
//! world to the changes that carry it out, or to a refusal.
//!
//! A command may be run again on a newer world, when somebody else committed
//! in between; it decides anew each time.

mod abort;
mod access;
mod after;
mod approve;
mod begin;
mod enrollment;
mod fleet;
mod follow;
mod holds;
mod pins;
mod preview;
mod quarantine;
mod reach;
mod refresh;
mod retry;
mod start;
mod steer;
mod strategies;
mod supersede;
mod windows;

use pinion_model::{Actor, AgentId, RolloutId, Timestamp};

pub use abort::{Abort, AbortMode, abort};
pub use access::{
    CreateToken, IssueOperator, NewToken, create_token, issue_operator, revoke_operator,
    revoke_token,
};
pub use approve::{Approve, approve};
pub use enrollment::{
    Answer, Claim, Redeem, Renew, Standing, check_redeem, redeem, renew, standing,
};
pub use fleet::{HoldAgent, SetLabels, hold, release, remove_agent, revoke_agent, set_labels};
pub use holds::{PlaceHold, lift_hold, place_hold};
pub use pins::{Promote, Promoted, promote};
pub use preview::{PlannedAgent, PlannedRollout, PlannedStage, plan_rollout};
pub use quarantine::{QuarantineDigest, lift_quarantine, quarantine};
pub use refresh::{Refresh, Refreshed, refresh};
pub use retry::{RetryAgents, retry};
pub use start::{StartRollout, start_rollout};
pub use steer::{Steer, pause, resume, roll_back};
pub use strategies::{PutStrategy, RemoveStrategy, put_strategy, remove_strategy, seed_strategies};
pub use windows::override_windows;

pub(crate) use begin::begun;
pub(crate) use steer::taken_back;

use crate::{Act, Agent, Change, Decision, Refusal, Rollout, World};

/// Longest text that a person gives as a reason or note, in bytes.
const TEXT_LIMIT: usize = 4 * 1024;

fn decided(by: &Actor, at: Timestamp, act: Act) -> Change {
    Decision {
        at,
        actor: by.clone(),
        act,
    }
    .into()
}

fn rollout_of<'a>(world: &'a World, id: &RolloutId) -> Result<&'a Rollout, Refusal> {
    world
        .rollouts
        .get(id)
        .ok_or_else(|| Refusal::not_found("rollout", id))
}

fn agent_of<'a>(world: &'a World, id: &AgentId) -> Result<&'a Agent, Refusal> {
    world
        .agents
        .get(id)
        .ok_or_else(|| Refusal::not_found("agent", id))
}

fn check_text(field: &str, text: &str) -> Result<(), Refusal> {
    if text.len() > TEXT_LIMIT {
        let message = format!("must be at most {TEXT_LIMIT} bytes; got {}", text.len());
        return Err(Refusal::invalid(field, message));
    }
    Ok(())
}
