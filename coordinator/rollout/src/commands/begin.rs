use std::sync::Arc;

use pinion_model::{Actor, PinNumber, RolloutId, RolloutPhase, Timestamp, WorkloadName};

use super::{StartRollout, after};
use crate::spec::{fill, freeze};
use crate::{
    Amount, Attribution, Fault, Openings, Pin, Prefetch, Refusal, Rollout, Run, Spec, World,
};

/// With every default filled in.
pub(super) fn spec(world: &World, request: &StartRollout, now: Timestamp) -> Result<Spec, Refusal> {
    let after = after::check(world, &request.workload, &request.strategy.after);
    told_with(fill(&request.strategy, request.agents.clone(), now), after)
}

/// Everything that is wrong is told at once.
pub(super) fn told_with<T>(result: Result<T, Refusal>, more: Vec<Fault>) -> Result<T, Refusal> {
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

/// A rollout as it was asked for: it has its id and its spec for good, and no
/// stage and no machine before it begins.
pub(super) fn asked(
    world: &World,
    request: &StartRollout,
    pin: &Pin,
    spec: Spec,
    by: &Actor,
    now: Timestamp,
) -> Rollout {
    Rollout {
        id: next_id(world, &request.workload, pin.number),
        workload: request.workload.clone(),
        pin: pin.number,
        run: Run {
            digest: pin.digest.clone(),
            images: pin.images.clone(),
        },
        local_tag: pin.local_tag.clone(),
        phase: RolloutPhase::Queued,
        reason: String::new(),
        interrupted: None,
        since: now,
        halted_by: None,
        open_stage: 0,
        stages: Vec::new(),
        members: crate::Map::default(),
        left_out: Vec::new().into(),
        selected: 0,
        prefetch: None,
        max_unavailable: None,
        quarantine_after: 0,
        openings: Openings::default(),
        windows_overridden: None,
        rolled_back: false,
        reverted: false,
        started: Attribution {
            actor: by.clone(),
            at: now,
            reason: request.reason.clone(),
        },
        ended_at: None,
        replaces: None,
        superseded_by: None,
        trimmed: None,
        spec: Arc::new(spec),
    }
}

/// The same as it begins, its stages frozen. It may have no machine: a
/// promotion on an empty fleet is right, and its rollout then waits for a person.
pub(crate) fn begun(world: &World, asked: Rollout, now: Timestamp) -> Rollout {
    let spec = &asked.spec;
    let frozen = freeze(
        world,
        spec,
        &asked.id,
        &asked.workload,
        &asked.run.digest,
        now,
    );
    let (selected, members) = (frozen.selected as usize, frozen.members.len());
    Rollout {
        phase: RolloutPhase::Running,
        reason: String::new(),
        since: now,
        stages: frozen.stages,
        members: frozen.members,
        left_out: frozen.left_out.into(),
        selected: frozen.selected,
        prefetch: spec.prefetch.map(|rules| Prefetch {
            max_in_flight: rules.max_in_flight.of(selected),
            failure_budget: rules.failure_budget.amount.of(selected),
            progressed_at: now,
            ..Prefetch::default()
        }),
        max_unavailable: spec.max_unavailable.map(|limit| limit.of(members)),
        quarantine_after: spec
            .quarantine_after
            .unwrap_or_else(|| Amount::Percent(1).of(selected).max(3)),
        openings: spec.calendar.state(now),
        started: Attribution {
            at: now,
            ..asked.started
        },
        ..asked
    }
}

/// The n-th rollout of that pin is `<workload>-<pin>-<n>`.
fn next_id(world: &World, workload: &WorkloadName, pin: PinNumber) -> RolloutId {
    let mut ids = (1..).map(|number| RolloutId::new(workload, pin, number));
    ids.find(|id| !world.rollouts.contains_key(id))
        .expect("there are fewer than 4 billion rollouts of a pin")
}
