use pinion_model::{Actor, LabelSelector, Timestamp, WorkloadName, check_labels};

use super::{TEXT_LIMIT, decided};
use crate::spec::Faults;
use crate::world::{Attribution, FleetHold};
use crate::{Act, Outcome, Refusal, World};

/// Most holds of selectors and workloads at once.
const MAX_HOLDS: usize = 256;

/// Machines or a workload to go round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceHold {
    /// Which machines; empty: every one.
    pub agents: LabelSelector,
    /// For which workload. None: for all.
    pub workload: Option<WorkloadName>,
    /// Why; not empty.
    pub reason: String,
    /// None: until it is lifted.
    pub expires_at: Option<Timestamp>,
}

/// Lets rollouts go round all machines with some labels, or a whole workload.
/// What is in flight goes on. The same hold of the same person once more
/// changes nothing. Answers the hold's id.
///
/// # Errors
///
/// `Invalid` without a reason, with an end that is past or labels that cannot
/// be; `Precondition` if there are 256 holds.
pub fn place_hold(
    world: &World,
    request: PlaceHold,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<String>, Refusal> {
    check(&request, now)?;
    if let Some(id) = placed(world, &request, by) {
        return Ok(Outcome::unchanged(id));
    }
    if world.holds.len() >= MAX_HOLDS {
        let message =
            format!("there are {MAX_HOLDS} holds; lift those that are not needed any more");
        return Err(Refusal::precondition(message));
    }
    let id = format!("hold-{}", world.holds_placed + 1);
    let hold = FleetHold {
        agents: request.agents,
        workload: request.workload,
        by: Attribution {
            actor: by.clone(),
            at: now,
            reason: request.reason,
        },
        expires_at: request.expires_at,
    };
    let act = Act::HoldPlaced {
        id: id.clone(),
        hold,
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: id,
    })
}

/// A hold that is this one.
fn placed(world: &World, request: &PlaceHold, by: &Actor) -> Option<String> {
    let same = |hold: &FleetHold| {
        hold.agents == request.agents
            && hold.workload == request.workload
            && hold.expires_at == request.expires_at
            && hold.by.reason == request.reason
            && hold.by.actor == *by
    };
    let found = world.holds.iter().find(|(_, hold)| same(hold));
    found.map(|(id, _)| id.clone())
}

fn check(request: &PlaceHold, now: Timestamp) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    let reason = request.reason.trim();
    faults.demand(
        !reason.is_empty() && reason.len() <= TEXT_LIMIT,
        "reason",
        || {
            format!(
                "must say why in at most {TEXT_LIMIT} bytes, so that others know when to lift it"
            )
        },
    );
    let past = request.expires_at.is_some_and(|end| end <= now);
    faults.demand(!past, "expires_at", || {
        format!("must be later than now ({now})")
    });
    if let Err(error) = check_labels(&request.agents.0) {
        faults.add("agents", error.to_string());
    }
    faults.refuse()
}

/// Ends a hold of a selector or a workload. Answers what it was.
///
/// # Errors
///
/// `NotFound` for an unknown hold.
pub fn lift_hold(
    world: &World,
    id: &str,
    reason: &str,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<FleetHold>, Refusal> {
    super::check_text("reason", reason)?;
    let Some(hold) = world.holds.get(id) else {
        return Err(Refusal::not_found("hold", id));
    };
    let act = Act::HoldLifted {
        id: id.to_owned(),
        reason: reason.to_owned(),
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: hold.clone(),
    })
}
