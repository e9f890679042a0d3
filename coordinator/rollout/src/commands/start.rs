use std::sync::Arc;

use pinion_model::{
    Actor, LabelSelector, PinNumber, RolloutId, RolloutPhase, Timestamp, WorkloadName,
};

use super::reach::unmatched;
use super::{after, check_text, decided, quarantine};
use crate::spec::{fill, freeze};
use crate::{
    Act, Amount, Attribution, Fault, Outcome, Pin, Prefetch, Refusal, Rollout, Run, Spec, Strategy,
    Workload, World,
};

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

/// Starts taking a pin to the fleet. An active rollout of the workload is superseded.
///
/// # Errors
///
/// `NotFound` for a workload without pins or an unknown pin, `Invalid` for a
/// strategy that contradicts itself or a selector that matches no machine,
/// `Precondition` if that pin is being rolled out already or its digest is quarantined.
pub fn start_rollout(
    world: &World,
    request: StartRollout,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<Rollout>, Refusal> {
    check_text("reason", &request.reason)?;
    let pin = pin_of(world, &request)?;
    quarantine::refuse(world, &pin.digest)?;
    let begun = begin(world, &request, pin, by, now);
    let rollout = told_with(begun, unmatched(world, &request))?;
    if rollout.members.is_empty() {
        return Err(Refusal::invalid("agents", nobody(&rollout)));
    }
    let act = Act::RolloutStarted {
        rollout: Box::new(rollout.clone()),
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: rollout,
    })
}

/// Everything that is wrong is told at once.
fn told_with<T>(result: Result<T, Refusal>, more: Vec<Fault>) -> Result<T, Refusal> {
    match result {
        Ok(value) if more.is_empty() => Ok(value),
        Ok(_) => Err(Refusal::Invalid { faults: more }),
        Err(Refusal::Invalid { mut faults }) => {
            faults.extend(more);
            Err(Refusal::Invalid { faults })
        }
        Err(refusal) => Err(refusal),
    }
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

/// A rollout as it begins. It may have no machine: a promotion on an empty
/// fleet is right, and its rollout then waits for a person.
pub(super) fn begin(
    world: &World,
    request: &StartRollout,
    pin: &Pin,
    by: &Actor,
    now: Timestamp,
) -> Result<Rollout, Refusal> {
    let workload = &request.workload;
    let spec = spec(world, request, now)?;
    let replaces = replaced(world, workload, pin)?;
    let id = next_id(world, workload, pin.number);
    let frozen = freeze(world, &spec, &id, workload, &pin.digest, now);
    Ok(Rollout {
        id,
        workload: workload.clone(),
        pin: pin.number,
        run: Run {
            digest: pin.digest.clone(),
            images: pin.images.clone(),
        },
        local_tag: pin.local_tag.clone(),
        phase: RolloutPhase::Running,
        reason: String::new(),
        since: now,
        halted_by: None,
        open_stage: 0,
        stages: frozen.stages,
        members: frozen.members,
        left_out: frozen.left_out.into(),
        selected: frozen.selected,
        prefetch: spec.prefetch.map(|rules| Prefetch {
            max_in_flight: rules.max_in_flight.of(frozen.selected as usize),
            failure_budget: rules.failure_budget.amount.of(frozen.selected as usize),
            progressed_at: now,
            ..Prefetch::default()
        }),
        max_unavailable: spec
            .max_unavailable
            .map(|limit| limit.of(frozen.selected as usize)),
        quarantine_after: spec
            .quarantine_after
            .unwrap_or_else(|| Amount::Percent(1).of(frozen.selected as usize).max(3)),
        openings: spec.calendar.state(now),
        windows_overridden: None,
        rolled_back: false,
        started: Attribution {
            actor: by.clone(),
            at: now,
            reason: request.reason.clone(),
        },
        ended_at: None,
        replaces,
        superseded_by: None,
        spec: Arc::new(spec),
    })
}

/// With every default filled in.
fn spec(world: &World, request: &StartRollout, now: Timestamp) -> Result<Spec, Refusal> {
    let after = after::check(world, &request.workload, &request.strategy.after);
    told_with(fill(&request.strategy, request.agents.clone(), now), after)
}

/// The active rollout that makes way for one of this pin; the same digest is
/// not taken to the fleet twice at once.
fn replaced(
    world: &World,
    workload: &WorkloadName,
    pin: &Pin,
) -> Result<Option<RolloutId>, Refusal> {
    let active = world.active_rollout(workload);
    if let Some(same) =
        active.filter(|active| active.run.digest == pin.digest && !active.rolled_back)
    {
        let message = format!(
            "{} takes this digest to the fleet already, and is {}; resume it, or abort it first",
            same.id, same.phase
        );
        return Err(Refusal::precondition(message));
    }
    Ok(active.map(|active| active.id.clone()))
}

/// The n-th rollout of that pin is `<workload>-<pin>-<n>`.
fn next_id(world: &World, workload: &WorkloadName, pin: PinNumber) -> RolloutId {
    let rollouts = world
        .workloads
        .get(workload)
        .map(|workload| workload.rollouts.as_slice());
    let of_pin = |id: &&RolloutId| {
        world
            .rollouts
            .get(id)
            .is_some_and(|rollout| rollout.pin == pin)
    };
    let before = rollouts.unwrap_or_default().iter().filter(of_pin).count();
    RolloutId::new(workload, pin, u32::try_from(before + 1).unwrap_or(u32::MAX))
}
