use pinion_model::{Actor, LabelSelector, PinNumber, Timestamp, WorkloadName};

use super::begin::{asked, begun, spec, told_with};
use super::reach::unmatched;
use super::supersede::{Course, course};
use super::{check_text, decided, quarantine};
use crate::{Act, Change, Outcome, Pin, Refusal, Rollout, Strategy, Workload, World};

/// A rollout to start, or to try on paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartRollout {
    /// Which workload.
    pub workload: WorkloadName,
    /// None: the current pin.
    pub pin: Option<PinNumber>,
    /// How it goes.
    pub strategy: Strategy,
    /// Empty: the whole fleet.
    pub agents: LabelSelector,
    /// Why; may be empty.
    pub reason: String,
}

/// Starts taking a pin to the fleet. What becomes of a rollout of the workload
/// that is not over is the strategy's to say: it is superseded, or this one is
/// queued behind it (its phase says so), or refused.
///
/// # Errors
///
/// `NotFound` for a workload without pins or an unknown pin, `Invalid` for a
/// strategy that contradicts itself or a selector that matches no machine,
/// `Precondition` if that pin is being rolled out already, its digest is
/// quarantined, or another rollout is not over and the strategy rejects that.
pub fn start_rollout(
    world: &World,
    request: StartRollout,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<Rollout>, Refusal> {
    check_text("reason", &request.reason)?;
    let pin = pin_of(world, &request)?;
    quarantine::refuse(world, &pin.digest)?;
    let spec = told_with(spec(world, &request, now), unmatched(world, &request))?;
    let course = course(world, &request.workload, pin, &spec, now)?;
    let asked = asked(world, &request, pin, spec, by, now);
    let rollout = begun(world, asked.clone(), now);
    if rollout.members.is_empty() {
        return Err(Refusal::invalid("agents", nobody(&rollout)));
    }
    let (change, value) = set_on(course, asked, rollout, by, now);
    Ok(Outcome {
        changes: vec![change],
        value,
    })
}

/// The change that takes a rollout on its course, and the rollout as it is then.
pub(super) fn set_on(
    course: Course,
    asked: Rollout,
    begun: Rollout,
    by: &Actor,
    now: Timestamp,
) -> (Change, Rollout) {
    let rollout = match &course {
        Course::Now { replaces } => Rollout {
            replaces: replaces.clone(),
            ..begun
        },
        Course::Later { replaces, reason } => Rollout {
            replaces: replaces.clone(),
            reason: reason.clone(),
            ..asked
        },
    };
    let boxed = Box::new(rollout.clone());
    let act = match course {
        Course::Now { .. } => Act::RolloutStarted { rollout: boxed },
        Course::Later { .. } => Act::RolloutQueued { rollout: boxed },
    };
    (decided(by, now, act), rollout)
}

fn nobody(rollout: &Rollout) -> String {
    format!(
        "none of the {} selected machines is in a stage; add a stage with rest = true",
        rollout.left_out.len()
    )
}

pub(super) fn pin_of<'a>(world: &'a World, request: &StartRollout) -> Result<&'a Pin, Refusal> {
    let workload = world.workloads.get(&request.workload);
    let Some(current) = workload.and_then(Workload::current) else {
        return Err(Refusal::not_found("pin of workload", &request.workload));
    };
    match request.pin {
        None => Ok(current),
        Some(number) => workload
            .and_then(|workload| workload.pin(number))
            .ok_or_else(|| {
                Refusal::not_found("pin", format!("{} of {}", number, request.workload))
            }),
    }
}
