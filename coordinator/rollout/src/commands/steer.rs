use pinion_model::{Actor, PinNumber, RolloutId, RolloutPhase, Timestamp};

use super::{check_text, decided, quarantine, rollout_of};
use crate::{Act, Change, Outcome, Pin, Refusal, Rollout, World};

/// A rollout and why something is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steer {
    /// Which.
    pub rollout: RolloutId,
    /// Why; may be empty.
    pub reason: String,
}

/// Assigns nothing more and withdraws what has not cut over. One that takes its
/// machines back sends no more of them; those on their way arrive. Pausing what
/// is paused changes nothing.
///
/// # Errors
///
/// `NotFound` for an unknown rollout, `Precondition` unless it runs, waits for
/// approval or takes its machines back.
pub fn pause(
    world: &World,
    request: Steer,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<RolloutId>, Refusal> {
    check_text("reason", &request.reason)?;
    let rollout = live(world, &request.rollout, "pause")?;
    has_begun(world, rollout)?;
    match rollout.phase {
        RolloutPhase::Paused => return Ok(Outcome::unchanged(request.rollout)),
        RolloutPhase::Running | RolloutPhase::AwaitingApproval | RolloutPhase::RollingBack => {}
        RolloutPhase::Aborting if rollout.rolled_back => {}
        phase => {
            let message = format!(
                "{} is {phase}; only a rollout that runs, awaits approval or takes its machines back can be paused",
                rollout.id
            );
            return Err(Refusal::precondition(message));
        }
    }
    let act = Act::RolloutPaused {
        rollout: rollout.id.clone(),
        reason: request.reason,
    };
    Ok(steered(request.rollout, act, by, now))
}

/// Goes on after a pause or a halt. After a halt, the failures known now do not
/// trip it again; new ones do. A pause forgives nothing. One that was taking
/// its machines back goes on with that.
///
/// # Errors
///
/// `NotFound` for an unknown rollout, `Precondition` unless it is paused or
/// halted, or if it would take a quarantined digest to machines.
pub fn resume(
    world: &World,
    request: Steer,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<RolloutId>, Refusal> {
    check_text("reason", &request.reason)?;
    let rollout = live(world, &request.rollout, "resume")?;
    has_begun(world, rollout)?;
    if !matches!(rollout.phase, RolloutPhase::Paused | RolloutPhase::Halted) {
        let message = format!(
            "{} is {}; only a rollout that is paused or halted can be resumed",
            rollout.id, rollout.phase
        );
        return Err(Refusal::precondition(message));
    }
    if !rollout.rolled_back {
        quarantine::refuse(world, rollout.digest())?;
    }
    let act = Act::RolloutResumed {
        rollout: rollout.id.clone(),
        reason: request.reason,
    };
    Ok(steered(request.rollout, act, by, now))
}

/// Takes every machine that it changed back to what that machine ran before.
///
/// # Errors
///
/// `NotFound` for an unknown rollout, `Precondition` if it is queued, was
/// superseded, rolled back or reverted, or is over and not the workload's newest.
pub fn roll_back(
    world: &World,
    request: Steer,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<RolloutId>, Refusal> {
    check_text("reason", &request.reason)?;
    let rollout = rollout_of(world, &request.rollout)?;
    has_begun(world, rollout)?;
    let newest = world
        .workloads
        .get(&rollout.workload)
        .and_then(|workload| workload.rollouts.last());
    match rollout.phase {
        RolloutPhase::RollingBack => return Ok(Outcome::unchanged(request.rollout)),
        RolloutPhase::Paused | RolloutPhase::Halted if rollout.rolled_back => {
            let message = format!(
                "{} is {} while its machines go back already; `pinion rollout resume {}` goes on with that",
                rollout.id, rollout.phase, rollout.id
            );
            return Err(Refusal::precondition(message));
        }
        RolloutPhase::Aborting | RolloutPhase::Aborted if rollout.rolled_back => {
            let message = format!(
                "{} is {}, and its machines go back already; promote the digest that should be the pin",
                rollout.id, rollout.phase
            );
            return Err(Refusal::precondition(message));
        }
        RolloutPhase::Completed | RolloutPhase::Aborted if newest == Some(&rollout.id) => {}
        RolloutPhase::Completed
        | RolloutPhase::Aborted
        | RolloutPhase::Superseded
        | RolloutPhase::RolledBack => {
            let message = format!(
                "{} is {} and {} came after it; roll that one back, or promote the digest that should run",
                rollout.id,
                rollout.phase,
                newest
                    .filter(|newest| **newest != rollout.id)
                    .map_or("nothing", RolloutId::as_str)
            );
            return Err(Refusal::precondition(message));
        }
        _ => {}
    }
    let said = if request.reason.is_empty() {
        String::new()
    } else {
        format!(": {}", request.reason)
    };
    let act = Act::RollbackStarted {
        rollout: rollout.id.clone(),
        reason: format!("rolled back by {by}{said}"),
    };
    let mut changes = vec![decided(by, now, act)];
    changes.extend(taken_back(world, rollout, now));
    Ok(Outcome {
        changes,
        value: request.rollout,
    })
}

/// The pin that a roll-back appends to the history: the digest that was there
/// before, on all of the machines that the rollout was for, and not only on a
/// part of them (see `World::before`). What each machine goes back to is its
/// own, and may be another. None if the current pin is another already, or
/// nothing was there before that was not taken back itself.
pub(crate) fn taken_back(world: &World, rollout: &Rollout, now: Timestamp) -> Option<Change> {
    let workload = world.workloads.get(&rollout.workload)?;
    let current = workload
        .current()
        .filter(|pin| pin.digest == *rollout.digest())?;
    let before = world.before(rollout)?;
    let pin = Pin {
        number: PinNumber(workload.pins.len() as u64 + 1),
        notes: format!(
            "roll-back of {} (pin {}): pin {} again",
            rollout.id, current.number, before.number
        ),
        promoted_by: Actor::System,
        at: now,
        ..before.clone()
    };
    Some(decided(
        &Actor::System,
        now,
        Act::PinPromoted {
            workload: rollout.workload.clone(),
            pin,
        },
    ))
}

pub(super) fn live<'a>(
    world: &'a World,
    id: &RolloutId,
    what: &str,
) -> Result<&'a Rollout, Refusal> {
    let rollout = rollout_of(world, id)?;
    if rollout.phase.is_terminal() {
        let message = format!("{id} is {}: there is nothing left to {what}", rollout.phase);
        return Err(Refusal::precondition(message));
    }
    Ok(rollout)
}

/// One that is queued has nothing yet that could be steered, but its end.
pub(super) fn has_begun(world: &World, rollout: &Rollout) -> Result<(), Refusal> {
    if rollout.phase != RolloutPhase::Queued {
        return Ok(());
    }
    let ahead = world.active_rollout(&rollout.workload);
    let ahead = ahead.map_or_else(String::new, |ahead| {
        format!(" before {} is over, which is {}", ahead.id, ahead.phase)
    });
    Err(Refusal::precondition(format!(
        "{} is queued and does not begin{ahead}; until then it can only be aborted",
        rollout.id
    )))
}

/// One act on the rollout that was named.
pub(super) fn steered(
    rollout: RolloutId,
    act: Act,
    by: &Actor,
    now: Timestamp,
) -> Outcome<RolloutId> {
    Outcome {
        changes: vec![decided(by, now, act)],
        value: rollout,
    }
}
