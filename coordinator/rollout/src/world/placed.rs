use pinion_model::{AgentId, AgentPhase, WorkloadName};

use super::{Agent, CatchUp, Placement, World};
use crate::Purpose;

/// What the index knows of one workload on one machine.
#[derive(Debug, Default)]
pub(super) struct Placed {
    catch_up: Option<CatchUp>,
    /// Workloads that go after it wait.
    to_finish: bool,
    to_adopt: bool,
    /// An operator wants it refreshed.
    to_refresh: bool,
    /// The same, and it can be now.
    refreshes: bool,
    open: bool,
}

impl Placed {
    /// `agent` is none once it was removed.
    fn of(world: &World, workload: &WorkloadName, id: &AgentId, agent: Option<&Agent>) -> Self {
        let Some(agent) = agent else {
            return Self::default();
        };
        let placement = agent.placements.get(workload);
        Self {
            catch_up: CatchUp::of(world, workload, id, agent),
            to_finish: world.catches_up(workload, id, agent),
            to_adopt: placement.is_some_and(to_be_adopted),
            to_refresh: placement.is_some_and(|placement| placement.refresh.is_some()),
            refreshes: world.is_to_refresh(id, agent, workload),
            open: is_open(world, workload, id, agent),
        }
    }
}

impl World {
    /// Looks again at all workloads of a machine: at those that were ever
    /// pinned, and at those that it has without.
    pub(super) fn refresh_placements(&mut self, id: &AgentId) {
        let agent = self.agents.get(id);
        let unpinned = agent.into_iter().flat_map(|agent| agent.placements.keys());
        let unpinned = unpinned.filter(|name| !self.workloads.contains_key(*name));
        let names = self.workloads.keys().chain(unpinned);
        let placed = names.map(|name| (name.clone(), Placed::of(self, name, id, agent)));
        for (name, placed) in placed.collect::<Vec<_>>() {
            self.note(id, &name, &placed);
        }
    }

    /// Looks again at one workload on a machine, and at those that wait for it there.
    pub(super) fn refresh_placement(&mut self, id: &AgentId, workload: &WorkloadName) {
        let placed = Placed::of(self, workload, id, self.agents.get(id));
        let key = (workload.clone(), id.clone());
        let turned = self.index.unfinished.contains(&key) != placed.to_finish;
        self.note(id, workload, &placed);
        if turned {
            self.refresh_placements(id);
            self.refresh_later(id, workload);
        }
    }

    /// Looks again at a machine in the rollouts that go after a workload.
    fn refresh_later(&mut self, id: &AgentId, workload: &WorkloadName) {
        let later: Vec<_> = self.going_after(workload).collect();
        for rollout in later {
            self.refresh_member(&rollout, id);
            self.refresh_late(&rollout, id);
        }
    }

    fn note(&mut self, id: &AgentId, workload: &WorkloadName, placed: &Placed) {
        let index = &mut self.index;
        let key = (workload.clone(), id.clone());
        let behind = placed.catch_up == Some(CatchUp::Behind);
        index.behind.keep(&key, behind);
        index.unfinished.keep(&key, placed.to_finish);
        let in_flight = placed.catch_up == Some(CatchUp::InFlight);
        index.catching_up.keep(&key, in_flight);
        let overstays = placed.catch_up == Some(CatchUp::Overstaying);
        index.overstaying.keep(&key, overstays);
        let aside = matches!(placed.catch_up, Some(CatchUp::Away | CatchUp::Stays));
        index.aside.keep(&key, aside);
        let follows = placed.catch_up.is_some_and(CatchUp::follows) || placed.to_refresh;
        let key = (id.clone(), workload.clone());
        index.rolled_back.keep(&key, placed.to_adopt);
        index.refreshes.keep(&key, placed.refreshes);
        self.note_open(id, workload, placed.open);
        self.refresh_straggler(&(key.1, key.0), follows);
    }

    fn note_open(&mut self, id: &AgentId, workload: &WorkloadName, is_open: bool) {
        let open = &mut self.index.open;
        let known = open.get(workload).is_some_and(|open| open.contains(id));
        if known == is_open {
            return;
        }
        let machines = open.or_default(workload);
        machines.keep(id, is_open);
        if machines.is_empty() {
            open.remove(workload);
        }
    }

    /// The machines for which the end of a workload's rollout may change what
    /// they should run.
    pub(super) fn open(&self, workload: &WorkloadName) -> Vec<AgentId> {
        let open = self.index.open.get(workload).into_iter();
        open.flat_map(|open| open.iter().cloned()).collect()
    }
}

/// The agent went back by itself: what it restored becomes what is desired.
fn to_be_adopted(placement: &Placement) -> bool {
    let purpose = placement
        .assignment
        .as_ref()
        .map(|assignment| &assignment.purpose);
    placement.phase == Some(AgentPhase::RolledBack)
        && !matches!(purpose, Some(Purpose::Adopt { .. }))
}

/// Whether the end of the workload's active rollout may change what a machine
/// should run. Where it has brought its digest it does not: that stays, or
/// becomes the stable one.
fn is_open(world: &World, workload: &WorkloadName, id: &AgentId, agent: &Agent) -> bool {
    let Some(rollout) = world.active_rollout(workload) else {
        return false;
    };
    let placement = agent.placements.get(workload);
    let done = placement.is_some_and(|placement| {
        let assignment = placement.assignment.as_ref();
        let phase = placement.phase;
        assignment.and_then(|assignment| assignment.rollout()) == Some(&rollout.id)
            && placement.asked.as_ref() == Some(rollout.digest())
            && matches!(phase, Some(AgentPhase::Settled | AgentPhase::Staged))
            && placement.refresh.is_none()
    });
    let stays = done && !rollout.rolled_back && rollout.is_for(id, agent);
    agent.revoked.is_none() && !stays
}
