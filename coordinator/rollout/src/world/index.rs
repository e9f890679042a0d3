use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{AgentId, Digest, RolloutId, RolloutPhase, WorkloadName};

use super::calendars::Calendars;
use super::due::Due;
use super::{Agent, Class, Presence, Pull, Rollout, Seat, Tally, Way, World};
use crate::{Map, Set};

/// How long an agent that has not come since the coordinator began is unknown, not offline.
pub(crate) const UNKNOWN_FOR: Duration = Duration::from_secs(90);

/// What planning needs at hand. Follows from the facts; kept in step by
/// [`crate::apply`], and rebuilt from nothing when a world is read back.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Index {
    /// The rollout of each workload that is not terminal.
    pub(crate) active: Map<WorkloadName, RolloutId>,
    /// The rollout of each workload that waits for the active one's end.
    pub(crate) queued: Map<WorkloadName, RolloutId>,
    /// Superseded rollouts with machines to withdraw or to take back.
    pub(crate) draining: Set<RolloutId>,
    /// By rollout, by stage.
    pub(crate) tallies: Map<RolloutId, Vec<Tally>>,
    /// Machines that should be asked for the stable digest.
    pub(crate) behind: Set<(WorkloadName, AgentId)>,
    /// Machines that have yet to be done with the stable digest: what goes after
    /// the workload waits there.
    pub(crate) unfinished: Set<(WorkloadName, AgentId)>,
    /// Machines that were asked outside a rollout, and may not be touched any more.
    pub(crate) overstaying: Set<(WorkloadName, AgentId)>,
    /// Digests that failed on as many machines as may be.
    pub(crate) to_quarantine: Set<Digest>,
    /// Who follows which rollout's windows.
    pub(crate) calendars: Calendars,
    /// By workload with an active rollout: machines for which its end may
    /// change what they should run.
    pub(crate) open: Map<WorkloadName, Set<AgentId>>,
    /// Machines that were asked outside a rollout, without an outcome yet.
    pub(crate) catching_up: Set<(WorkloadName, AgentId)>,
    /// Machines that none of these lists has, but that a quarantine may bring
    /// into one: asked and away, or staying with what is distrusted.
    pub(crate) aside: Set<(WorkloadName, AgentId)>,
    /// Placements that an operator wants refreshed, and that can be now.
    pub(crate) refreshes: Set<(AgentId, WorkloadName)>,
    /// By rollout, by their stage: machines to take into the open stage, once
    /// theirs is open or has passed.
    pub(crate) late: Map<RolloutId, BTreeMap<usize, Set<AgentId>>>,
    /// Placements that the agent itself rolled back, to be adopted.
    pub(crate) rolled_back: Set<(AgentId, WorkloadName)>,
    /// Agents that know a higher generation than we do.
    pub(crate) ahead: Set<AgentId>,
    /// When holds of machines expire.
    pub(crate) holds: Due<AgentId>,
    /// When holds of selectors and workloads expire.
    pub(crate) fleet_holds: Due<String>,
    /// When agents stop being unknown.
    pub(crate) unknown: Due<AgentId>,
    /// Agents that are not revoked.
    pub(crate) present: Set<AgentId>,
    /// How many those are.
    pub(crate) fleet: usize,
}

/// What a change touched, and so what of the index is to be looked at again.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// All there is to machines.
    pub(crate) agents: BTreeSet<AgentId>,
    /// Places that a member has left: rollout, stage, place.
    pub(crate) left: Vec<(RolloutId, u32, u32)>,
    pub(crate) all_agents: bool,
    /// Holds of selectors and workloads, for when they end.
    pub(crate) holds: BTreeSet<String>,
    /// One workload on a machine, where nothing else there depends on it.
    pub(crate) placements: BTreeSet<(WorkloadName, AgentId)>,
    pub(crate) members: BTreeSet<(RolloutId, AgentId)>,
    /// All there is to rollouts: every one of their machines.
    pub(crate) rollouts: BTreeSet<RolloutId>,
    /// Rollouts whose phase changed: their machines that are not done.
    pub(crate) phases: BTreeSet<RolloutId>,
    /// What every machine should run of workloads.
    pub(crate) workloads: BTreeSet<WorkloadName>,
    /// Workloads whose rollout has ended: what machines should run for which
    /// that may have changed it.
    pub(crate) ended: BTreeSet<WorkloadName>,
    pub(crate) calendars: BTreeSet<RolloutId>,
    /// Workloads with a new rollout: what older ones keep of machines may go.
    pub(crate) begun: BTreeSet<WorkloadName>,
    /// Digests that failed somewhere, were quarantined or lifted.
    pub(crate) digests: BTreeSet<Digest>,
}

impl Touched {
    /// A workload on a machine. Where it went in flight or came to an end
    /// (`turned`), others there may have waited for it, or must wait now.
    pub(crate) fn placement(&mut self, workload: &WorkloadName, agent: &AgentId, turned: bool) {
        if turned {
            self.agents.insert(agent.clone());
        } else {
            self.placements.insert((workload.clone(), agent.clone()));
        }
    }
}

impl World {
    /// The index from nothing.
    pub(crate) fn rebuild_index(&mut self) {
        self.index = Index::default();
        let touched = Touched {
            rollouts: self.rollouts.keys().cloned().collect(),
            digests: self.quarantine.keys().cloned().collect(),
            all_agents: true,
            holds: self.holds.keys().cloned().collect(),
            ..Touched::default()
        };
        self.refresh_index(touched);
    }

    /// Looks again at what was touched.
    pub(crate) fn refresh_index(&mut self, mut touched: Touched) {
        if touched.all_agents {
            touched.agents.extend(self.agents.keys().cloned());
        }
        for hold in &touched.holds {
            let known = self.holds.get(hold);
            let end = known.and_then(|hold| hold.expires_at);
            self.index.fleet_holds.set(hold, end);
        }
        for digest in &touched.digests {
            self.refresh_quarantine(digest);
        }
        for (rollout, stage, place) in &touched.left {
            self.leave(rollout, *stage, *place);
        }
        // Whom an older rollout has yet to take back depends on what is stable.
        let workloads = touched.workloads.iter().chain(&touched.ended);
        let draining: Vec<_> = workloads.flat_map(|name| self.draining(name)).collect();
        touched.phases.extend(draining);
        let rollouts = touched.rollouts.iter().chain(&touched.phases);
        let rollouts: Vec<_> = rollouts.cloned().collect();
        rollouts.iter().for_each(|id| self.refresh_active(id));
        let later = rollouts.iter().flat_map(|id| self.later(id));
        touched.phases.extend(later);
        for rollout in &touched.rollouts {
            self.refresh_rollout(rollout, Self::everyone);
        }
        for rollout in &touched.phases {
            self.refresh_rollout(rollout, Self::unfinished);
        }
        for agent in &touched.agents {
            self.refresh_agent(agent);
            touched.members.extend(self.memberships(agent));
        }
        for (workload, agent) in &touched.placements {
            self.refresh_ahead(agent);
            let active = self.index.active.get(workload);
            touched
                .members
                .extend(active.map(|id| (id.clone(), agent.clone())));
        }
        let members = touched.members.iter();
        let later: Vec<_> = members
            .flat_map(|(id, agent)| self.later(id).map(|later| (later, agent.clone())))
            .collect();
        touched.members.extend(later);
        for (rollout, agent) in &touched.members {
            self.refresh_member(rollout, agent);
            self.refresh_late(rollout, agent);
            self.refresh_draining(rollout);
        }
        for workload in &touched.workloads {
            for agent in self.agents.keys().cloned().collect::<Vec<_>>() {
                self.refresh_placement(&agent, workload);
            }
        }
        for workload in &touched.ended {
            for agent in self.open(workload) {
                self.refresh_placement(&agent, workload);
            }
        }
        for (workload, agent) in &touched.placements {
            self.refresh_placement(agent, workload);
        }
        for rollout in &touched.calendars {
            self.refresh_calendar(rollout);
        }
        for workload in &touched.begun {
            self.trim(workload);
        }
    }

    /// The rollouts that a machine is in, or may yet join.
    fn memberships(&self, agent: &AgentId) -> Vec<(RolloutId, AgentId)> {
        let active = self.index.active.values();
        let draining = self.index.draining.iter().filter(|id| {
            let rollout = self.rollouts.get(*id);
            rollout.is_some_and(|rollout| rollout.members.contains_key(agent))
        });
        let ids = active.chain(draining);
        ids.map(|id| (id.clone(), agent.clone())).collect()
    }

    /// The active rollouts that go after this one's workload.
    fn later<'a>(&'a self, id: &RolloutId) -> impl Iterator<Item = RolloutId> + use<'a> {
        let first = self.rollouts.get(id).map(|first| &first.workload);
        first.into_iter().flat_map(|first| self.going_after(first))
    }

    /// The active rollouts that go after a workload.
    pub(super) fn going_after(&self, first: &WorkloadName) -> impl Iterator<Item = RolloutId> {
        let active = self.active_rollouts();
        let later = active.filter(move |later| later.spec.after.contains(first));
        later.map(|later| later.id.clone())
    }

    /// The rollouts of a workload that are over, and have machines to withdraw
    /// or to take back.
    fn draining<'a>(
        &'a self,
        workload: &WorkloadName,
    ) -> impl Iterator<Item = RolloutId> + use<'a> {
        let workload = workload.clone();
        let draining = self.index.draining.iter();
        let draining = draining.filter(move |id| {
            let rollout = self.rollouts.get(*id);
            rollout.is_some_and(|rollout| rollout.workload == workload)
        });
        draining.cloned()
    }

    fn refresh_active(&mut self, id: &RolloutId) {
        let Some(rollout) = self.rollouts.get(id) else {
            return;
        };
        let workload = rollout.workload.clone();
        let queued = rollout.phase == RolloutPhase::Queued;
        let active = !queued && !rollout.phase.is_terminal();
        for (rollouts, wanted) in [
            (&mut self.index.queued, queued),
            (&mut self.index.active, active),
        ] {
            if wanted {
                rollouts.insert(workload.clone(), id.clone());
            } else if rollouts.get(&workload) == Some(id) {
                rollouts.remove(&workload);
            }
        }
    }

    fn everyone(&self, rollout: &Rollout) -> Vec<AgentId> {
        rollout.members.keys().cloned().collect()
    }

    /// The machines that a rollout's phase means something for.
    fn unfinished(&self, rollout: &Rollout) -> Vec<AgentId> {
        let tallies = self.index.tallies.get(&rollout.id).into_iter().flatten();
        let stages = rollout.stages.iter().zip(tallies);
        let places = stages.flat_map(|(stage, tally)| {
            let places = tally.unfinished();
            places.filter_map(|place| stage.agent(place))
        });
        places.cloned().collect()
    }

    /// The machines that failed in a rollout, or to pull while its pass ahead
    /// goes on, and nobody has acknowledged it.
    pub(crate) fn failed(&self, id: &RolloutId) -> Vec<AgentId> {
        let Some(rollout) = self.rollouts.get(id) else {
            return Vec::new();
        };
        let tallies = self.index.tallies.get(id).into_iter().flatten();
        let stages = rollout.stages.iter().zip(tallies);
        let pulls = rollout.prefetch.as_ref();
        let pulls = pulls.is_some_and(|pass| pass.passed_at.is_none());
        let places = stages.flat_map(|(stage, tally)| {
            let failed = [Class::Failed, Class::Excused].into_iter();
            let places = failed.flat_map(|class| tally.places(class));
            let pull = pulls.then(|| tally.places_in(Pull::Failed));
            let places = places.chain(pull.into_iter().flatten());
            places.filter_map(|place| stage.agent(place))
        });
        places.cloned().collect()
    }

    /// The machines that did not get back, and nobody has acknowledged it.
    pub(crate) fn stuck(&self, id: &RolloutId) -> Vec<AgentId> {
        let tallies = self.index.tallies.get(id).into_iter().flatten();
        let rollout = self.rollouts.get(id).into_iter();
        let stages = rollout.flat_map(|rollout| &rollout.stages).zip(tallies);
        let places = stages.flat_map(|(stage, tally)| {
            let places = tally.places_on(Way::Stuck);
            places.filter_map(|place| stage.agent(place))
        });
        places.cloned().collect()
    }

    fn refresh_rollout(&mut self, id: &RolloutId, who: fn(&Self, &Rollout) -> Vec<AgentId>) {
        let Some(rollout) = self.rollouts.get(id) else {
            return;
        };
        let over = rollout.phase.is_terminal() || rollout.rolled_back;
        for agent in who(self, rollout) {
            self.refresh_member(id, &agent);
            self.refresh_late(id, &agent);
        }
        if over {
            self.index.late.remove(id);
        }
        self.refresh_draining(id);
    }

    pub(super) fn refresh_member(&mut self, id: &RolloutId, agent: &AgentId) {
        let known = self.rollouts.get(id);
        if known.is_none_or(|rollout| !rollout.members.contains_key(agent)) {
            return;
        }
        self.refresh_group(id, agent);
        let Some(rollout) = self.rollouts.get(id) else {
            return;
        };
        let Some(member) = rollout.members.get(agent) else {
            return;
        };
        let seat = Seat::of(self, rollout, agent, member);
        let (stage, place) = (member.stage as usize, member.place);
        let known = self
            .index
            .tallies
            .get(id)
            .and_then(|known| known.get(stage));
        if known.is_some_and(|known| known.has(place, &seat)) {
            return;
        }
        let tallies = self.index.tallies.or_default(id);
        tallies.resize_with(rollout.stages.len(), Tally::default);
        if let Some(tally) = tallies.get_mut(stage) {
            tally.put(place, &seat);
        }
    }

    fn refresh_draining(&mut self, id: &RolloutId) {
        let Some(rollout) = self.rollouts.get(id) else {
            return;
        };
        let tallies = self
            .index
            .tallies
            .get(id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let drains = rollout.phase.is_terminal()
            && tallies.iter().any(|tally| {
                let mut back = Way::OUTSTANDING.iter().chain(&Way::LATER);
                let back = back.any(|way| tally.ways(*way) > 0);
                let asked = tally.count_of(&Class::WITHDRAWABLE) + tally.pulls(Pull::Asked);
                asked > 0 || back
            });
        if drains {
            self.index.draining.insert(id.clone());
        } else {
            self.index.draining.remove(id);
        }
    }

    fn refresh_ahead(&mut self, id: &AgentId) {
        let agent = self.agents.get(id);
        let ahead = agent.is_some_and(Agent::is_ahead);
        self.index.ahead.keep(id, ahead);
    }

    fn refresh_agent(&mut self, id: &AgentId) {
        let agent = self.agents.get(id);
        let held_until = agent.and_then(|agent| agent.hold.as_ref()?.expires_at);
        self.index.holds.set(id, held_until);
        let unknown = agent.filter(|agent| agent.presence == Presence::Unknown);
        self.index
            .unknown
            .set(id, unknown.map(|agent| agent.presence_since + UNKNOWN_FOR));
        self.index
            .present
            .keep(id, agent.is_some_and(|agent| agent.revoked.is_none()));
        self.index.fleet = self.index.present.len();
        self.refresh_ahead(id);
        self.refresh_placements(id);
    }
}
