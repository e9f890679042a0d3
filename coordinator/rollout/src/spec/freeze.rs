use std::collections::BTreeMap;
use std::sync::Arc;

use pinion_model::{AgentId, Attempt, Digest, RolloutId, Timestamp, WorkloadName};

use super::amount::share;
use super::order::seed;
use super::queue::{Entry, Queue};
use super::{Cohort, OfflinePolicy, SickPolicy, Spec, StageRules};
use crate::{Agent, Checks, Map, Member, Presence, Stage, Timing, World};

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
/// selected now: those with containers of the workload first and those that are
/// gone round last, spread over the values of a label if one is named, else in
/// the rollout's own order.
pub(crate) fn freeze(
    world: &World,
    spec: &Spec,
    id: &RolloutId,
    workload: &WorkloadName,
    digest: &Digest,
    now: Timestamp,
) -> Frozen {
    let fleet = fleet(world, spec);
    let mut queue = Queue::new(entries(world, &fleet, spec, id, workload));
    let mut frozen = Frozen {
        stages: Vec::new(),
        members: Map::default(),
        left_out: Vec::new(),
        selected: number_of(fleet.len()),
    };
    for (number, rules) in spec.stages.iter().enumerate() {
        let taken = cohort(&rules.cohort, &fleet, &mut queue);
        let mut order = Vec::with_capacity(taken.len());
        for (place, index) in taken.into_iter().enumerate() {
            let (name, agent) = fleet[index];
            let (stage, place) = (number_of(number), number_of(place));
            let member = enlisted(agent, workload, digest, (stage, place), now);
            frozen.members.insert(name.clone(), member);
            order.push(name.clone());
        }
        frozen.stages.push(stage_of(spec, rules, order, now));
    }
    frozen.left_out = queue
        .take(fleet.len())
        .into_iter()
        .map(|index| fleet[index].0.clone())
        .collect();
    frozen.left_out.sort();
    frozen
}

/// A machine as it becomes a member of a rollout, at a place of a stage.
pub(crate) fn enlisted(
    agent: &Agent,
    workload: &WorkloadName,
    digest: &Digest,
    (stage, place): (u32, u32),
    now: Timestamp,
) -> Member {
    let attempt = attempt(agent, workload, digest);
    let able = has_containers(agent, workload);
    Member {
        sick: is_sick(agent, workload),
        ..Member::pending(stage, place, able, attempt, now)
    }
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
        late: Vec::new(),
        opened_at: None,
        passed_at: None,
        approved: None,
        progressed_at: now,
        settled_at: None,
        accepted_unproven: false,
        checks: Checks::default(),
        note: String::new(),
    }
}

fn number_of(index: usize) -> u32 {
    u32::try_from(index).expect("a fleet has fewer than 4 billion machines")
}

fn fleet<'a>(world: &'a World, spec: &Spec) -> Vec<(&'a AgentId, &'a Agent)> {
    let agents = world
        .agents
        .iter()
        .filter(|(_, agent)| agent.revoked.is_none());
    agents
        .filter(|(_, agent)| spec.agents.matches(&agent.labels))
        .collect()
}

/// When each machine is taken. A label's values are domains, and so is its absence.
fn entries(
    world: &World,
    fleet: &[(&AgentId, &Agent)],
    spec: &Spec,
    id: &RolloutId,
    workload: &WorkloadName,
) -> Vec<Entry> {
    let value = |agent: &Agent| agent.labels.get(spec.spread_by.as_ref()?).cloned();
    let mut domains = BTreeMap::new();
    for (_, agent) in fleet {
        let next = number_of(domains.len());
        domains.entry(value(agent)).or_insert(next);
    }
    let entries = fleet.iter().map(|(name, agent)| Entry {
        rank: rank(world, spec, agent, workload),
        domain: domains[&value(agent)],
        seed: seed(id, name),
    });
    entries.collect()
}

/// Machines with containers first, the well ones of them before the sick; those
/// that are gone round as things stand last.
fn rank(world: &World, spec: &Spec, agent: &Agent, workload: &WorkloadName) -> u8 {
    let sick = is_sick(agent, workload);
    let offline = agent.presence == Presence::Offline;
    let skipped =
        sick && spec.sick == SickPolicy::Skip || offline && spec.offline == OfflinePolicy::Skip;
    if skipped || world.is_held(agent, workload) {
        3
    } else if sick {
        1
    } else if has_containers(agent, workload) {
        0
    } else {
        2
    }
}

fn cohort(cohort: &Cohort, fleet: &[(&AgentId, &Agent)], queue: &mut Queue) -> Vec<usize> {
    let wanted = match cohort {
        Cohort::Count(count) => *count as usize,
        Cohort::Percent(percent) => {
            let taken = fleet.len() - queue.len();
            (share(*percent, fleet.len()) as usize).saturating_sub(taken)
        }
        Cohort::Selector(selector) => {
            return queue.take_all(|index| selector.matches(&fleet[index].1.labels));
        }
        Cohort::Rest => queue.len(),
    };
    queue.take(wanted)
}

fn is_sick(agent: &Agent, workload: &WorkloadName) -> bool {
    agent
        .placements
        .get(workload)
        .is_some_and(|placement| placement.is_sick())
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
