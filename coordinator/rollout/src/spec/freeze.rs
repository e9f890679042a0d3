use std::collections::BTreeSet;
use std::sync::Arc;

use pinion_model::{AgentId, Attempt, Digest, RolloutId, Timestamp, WorkloadName};

use super::amount::share;
use super::order::seed;
use super::{Cohort, Spec, StageRules};
use crate::{Agent, Map, Member, Placement, Stage, Timing, World};

/// Who is in which stage, from now on for good.
pub(crate) struct Frozen {
    pub(crate) stages: Vec<Stage>,
    pub(crate) members: Map<AgentId, Member>,
    /// Selected, but in no stage.
    pub(crate) left_out: Vec<AgentId>,
    /// How many were selected.
    pub(crate) selected: u32,
}

/// Freezes the stages over the machines that are enrolled, not revoked and
/// selected now: those with containers of the workload first, then in the
/// rollout's own order.
pub(crate) fn freeze(
    world: &World,
    spec: &Spec,
    id: &RolloutId,
    workload: &WorkloadName,
    digest: &Digest,
    now: Timestamp,
) -> Frozen {
    let fleet = fleet(world, spec, id, workload);
    let mut free: BTreeSet<usize> = (0..fleet.len()).collect();
    let mut frozen = Frozen {
        stages: Vec::new(),
        members: Map::default(),
        left_out: Vec::new(),
        selected: number_of(fleet.len()),
    };
    for (number, rules) in spec.stages.iter().enumerate() {
        let taken = cohort(&rules.cohort, &fleet, &free);
        let mut order = Vec::with_capacity(taken.len());
        for (place, index) in taken.into_iter().enumerate() {
            free.remove(&index);
            let (name, agent) = fleet[index];
            let (stage, place) = (number_of(number), number_of(place));
            let pending = Member::pending(
                stage,
                place,
                has_containers(agent, workload),
                attempt(agent, workload, digest),
                now,
            );
            let member = Member {
                sick: agent
                    .placements
                    .get(workload)
                    .is_some_and(Placement::is_sick),
                ..pending
            };
            frozen.members.insert(name.clone(), member);
            order.push(name.clone());
        }
        frozen.stages.push(stage_of(spec, rules, order, now));
    }
    frozen.left_out = free
        .into_iter()
        .map(|index| fleet[index].0.clone())
        .collect();
    frozen.left_out.sort();
    frozen
}

fn stage_of(spec: &Spec, rules: &StageRules, order: Vec<AgentId>, now: Timestamp) -> Stage {
    Stage {
        max_in_flight: rules.max_in_flight.of(order.len()),
        failure_budget: rules.failure_budget.amount.of(order.len()),
        budgets: rules
            .budgets
            .iter()
            .map(|(group, budget)| (*group, budget.amount.of(order.len())))
            .collect(),
        timing: Arc::new(Timing {
            soak: rules.soak,
            ..spec.timing
        }),
        rules: Arc::new(rules.clone()),
        order: order.into(),
        opened_at: None,
        passed_at: None,
        approved: None,
        progressed_at: now,
        settled_at: None,
        accepted_unproven: false,
        checks: Vec::new(),
        note: String::new(),
    }
}

fn number_of(index: usize) -> u32 {
    u32::try_from(index).expect("a fleet has fewer than 4 billion machines")
}

fn fleet<'a>(
    world: &'a World,
    spec: &Spec,
    id: &RolloutId,
    workload: &WorkloadName,
) -> Vec<(&'a AgentId, &'a Agent)> {
    let agents = world
        .agents
        .iter()
        .filter(|(_, agent)| agent.revoked.is_none());
    let mut fleet: Vec<_> = agents
        .filter(|(_, agent)| spec.agents.matches(&agent.labels))
        .collect();
    fleet.sort_by_cached_key(|(name, agent)| (!has_containers(agent, workload), seed(id, name)));
    fleet
}

fn cohort(cohort: &Cohort, fleet: &[(&AgentId, &Agent)], free: &BTreeSet<usize>) -> Vec<usize> {
    let wanted = match cohort {
        Cohort::Count(count) => *count as usize,
        Cohort::Percent(percent) => {
            let taken = fleet.len() - free.len();
            (share(*percent, fleet.len()) as usize).saturating_sub(taken)
        }
        Cohort::Selector(selector) => {
            let matching = free
                .iter()
                .filter(|index| selector.matches(&fleet[**index].1.labels));
            return matching.copied().collect();
        }
        Cohort::Rest => free.len(),
    };
    free.iter().take(wanted).copied().collect()
}

fn has_containers(agent: &Agent, workload: &WorkloadName) -> bool {
    agent
        .placements
        .get(workload)
        .is_some_and(|placement| !placement.containers.is_empty())
}

/// A machine where this digest failed before is asked for another attempt:
/// starting a rollout is an operator's way of asking again.
fn attempt(agent: &Agent, workload: &WorkloadName, digest: &Digest) -> Attempt {
    let tried = agent
        .placements
        .get(workload)
        .and_then(|placement| placement.tried.as_ref());
    match tried.filter(|tried| tried.digest == *digest) {
        Some(tried) => tried.attempt.next(),
        None => Attempt(1),
    }
}
