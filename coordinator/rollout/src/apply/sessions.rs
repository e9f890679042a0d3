use std::collections::BTreeMap;
use std::sync::Arc;

use pinion_model::{AgentId, SessionEpoch, Timestamp, WorkloadName};

use super::known::Known;
use super::{checks, reports};
use crate::world::Touched;
use crate::{Agent, Observation, ObservedContainer, Presence, World};

/// How many processes that lost an agent's session are remembered.
const ENDED_PROCESSES: usize = 16;

/// How many workloads a machine may name of which nothing is asked there;
/// those with pins come first.
const PLACEMENTS: usize = 64;

pub(super) fn apply(world: &mut World, observation: &Observation, touched: &mut Touched) {
    match observation {
        Observation::Started { at } => {
            world.agents.for_each_mut(|_, agent| {
                see(agent, Presence::Unknown, *at);
            });
            restart_clocks(world, *at);
            checks::sit_out(world, *at);
            touched.all_agents = true;
        }
        Observation::Hello { .. } => hello(world, observation, touched),
        Observation::Online { agent, epoch, at } => {
            if let Some(known) = of_session(world, agent, *epoch, touched) {
                see(known, Presence::Online, *at);
            }
        }
        Observation::Offline { agent, epoch, at } => {
            if let Some(known) = of_session(world, agent, *epoch, touched) {
                see(known, Presence::Offline, *at);
            }
        }
        Observation::Reported { agent, report, at } => {
            reports::apply(world, agent, report, *at, touched);
        }
        Observation::Probed { .. } => checks::probed(world, observation),
        Observation::Inventory {
            agent,
            workloads,
            at,
        } => {
            inventory(world, agent, workloads, *at, touched);
        }
    }
}

fn hello(world: &mut World, observation: &Observation, touched: &mut Touched) {
    let Observation::Hello {
        agent,
        epoch,
        generation,
        process_id,
        facts,
        versions,
        at,
    } = observation
    else {
        return;
    };
    let Some(known) = of_session(world, agent, *epoch, touched) else {
        return;
    };
    see(known, Presence::Online, *at);
    known.claimed = known.claimed.max(*generation);
    known.unsent = known.unsent.filter(|unsent| *unsent <= known.claimed);
    if *known.facts != *facts {
        known.facts = Arc::new(facts.clone());
    }
    known.versions.clone_from(versions);
    greet(known, process_id, *at);
}

/// The agent, unless the session is older than its latest.
fn of_session<'a>(
    world: &'a mut World,
    id: &AgentId,
    epoch: SessionEpoch,
    touched: &mut Touched,
) -> Option<&'a mut Agent> {
    let agent = world
        .agents
        .get_mut(id)
        .filter(|agent| epoch >= agent.epoch)?;
    agent.epoch = epoch;
    touched.agents.insert(id.clone());
    Some(agent)
}

fn see(agent: &mut Agent, presence: Presence, at: Timestamp) {
    if agent.presence != presence || presence == Presence::Unknown {
        agent.presence = presence;
        agent.presence_since = at;
    }
}

/// Nobody could report while the coordinator was away: every deadline for
/// progress begins anew.
fn restart_clocks(world: &mut World, at: Timestamp) {
    for id in world.index.active.values() {
        let Some(rollout) = world.rollouts.get_mut(id) else {
            continue;
        };
        if let Some(pass) = &mut rollout.prefetch {
            pass.progressed_at = at;
        }
        let stages = rollout.stages.iter_mut();
        for stage in stages.filter(|stage| stage.opened_at.is_some()) {
            stage.progressed_at = at;
        }
    }
}

/// A process that had ended, and that a newer one had taken over from, comes
/// back: two machines use one identity.
fn greet(agent: &mut Agent, process_id: &str, at: Timestamp) {
    if agent.processes.current == process_id {
        return;
    }
    let processes = Arc::make_mut(&mut agent.processes);
    if processes.ended.iter().any(|ended| ended == process_id) {
        agent.identity_conflict.get_or_insert(at);
        processes.ended.retain(|ended| ended != process_id);
    }
    let old = std::mem::replace(&mut processes.current, process_id.to_owned());
    if !old.is_empty() {
        processes.ended.push(old);
    }
    let surplus = processes.ended.len().saturating_sub(ENDED_PROCESSES);
    processes.ended.drain(..surplus);
}

fn inventory(
    world: &mut World,
    id: &AgentId,
    workloads: &BTreeMap<WorkloadName, Vec<ObservedContainer>>,
    at: Timestamp,
    touched: &mut Touched,
) {
    let Some(agent) = world.agents.get_mut(id) else {
        return;
    };
    agent
        .placements
        .retain(|name, placement| placement.is_wanted() || workloads.contains_key(name));
    let known = &world.workloads;
    let (pinned, others): (Vec<_>, Vec<_>) =
        workloads.keys().partition(|name| known.contains_key(*name));
    for name in pinned.into_iter().chain(others) {
        if agent.placements.len() < PLACEMENTS {
            agent.placements.or_default(name);
        }
    }
    agent.placements.for_each_mut(|name, placement| {
        let seen = workloads.get(name).map(Vec::as_slice).unwrap_or_default();
        if *placement.containers != *seen {
            let workload = known.get(name);
            let known = Known {
                placement,
                workload,
            };
            placement.containers = known.containers(seen).into();
        }
        placement.reported_at = Some(at);
        placement.drifted = reports::drifted(placement);
    });
    touched.agents.insert(id.clone());
}
