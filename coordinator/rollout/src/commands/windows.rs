use pinion_model::{Actor, RolloutId, Timestamp};

use super::{Steer, check_text, decided, rollout_of};
use crate::{Act, Outcome, Refusal, Rollout, World};

/// From now on windows and freezes do not count for this rollout, nor for
/// machines that later catch up with what it has proven. Overriding them once
/// more changes nothing.
///
/// # Errors
///
/// `NotFound` for an unknown rollout, `Invalid` without a reason,
/// `Precondition` if it has no windows and no freezes, or nothing will be
/// assigned on its account any more.
pub fn override_windows(
    world: &World,
    request: Steer,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<RolloutId>, Refusal> {
    check_text("reason", &request.reason)?;
    if request.reason.trim().is_empty() {
        let message = "say why its windows do not count; it stands in the audit log";
        return Err(Refusal::invalid("reason", message));
    }
    let rollout = rollout_of(world, &request.rollout)?;
    if rollout.windows_overridden.is_some() {
        return Ok(Outcome::unchanged(request.rollout));
    }
    check(world, rollout)?;
    let act = Act::WindowsOverridden {
        rollout: rollout.id.clone(),
        reason: request.reason,
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: request.rollout,
    })
}

fn check(world: &World, rollout: &Rollout) -> Result<(), Refusal> {
    let id = &rollout.id;
    if rollout.spec.calendar.is_empty() {
        let message = format!("{id} has no maintenance windows and no freezes to override");
        return Err(Refusal::precondition(message));
    }
    let workload = world.workloads.get(&rollout.workload);
    let proved = workload.is_some_and(|workload| workload.proven.iter().any(|s| s.rollout == *id));
    if rollout.phase.is_terminal() && !proved {
        let message = format!(
            "{id} is {}: nothing of it waits for a window any more",
            rollout.phase
        );
        return Err(Refusal::precondition(message));
    }
    Ok(())
}
