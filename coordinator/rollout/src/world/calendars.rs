//! Who follows which rollout's calendar, so that a window that opens or shuts
//! touches those alone for whom that changes anything.

use pinion_model::{AgentId, Labels, RolloutId, WorkloadName};

use super::due::Due;
use super::{Rollout, Standing, World};
use crate::{Group, Map, Set};

/// The part of the index that windows and freezes need.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Calendars {
    /// Members of rollouts that are not over.
    pub(crate) members: Followers<(RolloutId, AgentId)>,
    /// Machines that go to the stable digest, by the rollout that proved it.
    pub(crate) stragglers: Followers<(WorkloadName, AgentId)>,
    /// When a rollout's calendar is to be looked at again; only of those that
    /// have followers.
    pub(crate) due: Due<RolloutId>,
}

/// Followers of rollouts' calendars, by group. Whoever is unrestricted follows none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Followers<K: Ord> {
    of: Map<K, (RolloutId, Group)>,
    by_rollout: Map<RolloutId, Map<Group, Set<K>>>,
}

impl<K: Ord> Default for Followers<K> {
    fn default() -> Self {
        Self {
            of: Map::default(),
            by_rollout: Map::default(),
        }
    }
}

impl<K: Ord + Clone> Followers<K> {
    /// Whom it follows from now on. Answers the rollouts that lost or gained it.
    fn set(&mut self, key: &K, follows: Option<(&RolloutId, Group)>) -> Vec<RolloutId> {
        let follows = follows.filter(|(_, group)| !group.is_unrestricted());
        let old = self.of.get(key);
        if old.map(|(rollout, group)| (rollout, *group)) == follows {
            return Vec::new();
        }
        let mut changed = Vec::new();
        if let Some((rollout, group)) = self.of.remove(key) {
            self.leave(key, &rollout, group);
            changed.push(rollout);
        }
        if let Some((rollout, group)) = follows {
            let groups = self.by_rollout.or_default(rollout);
            groups.or_default(&group).insert(key.clone());
            self.of.insert(key.clone(), (rollout.clone(), group));
            changed.push(rollout.clone());
        }
        changed
    }

    fn leave(&mut self, key: &K, rollout: &RolloutId, group: Group) {
        let Some(groups) = self.by_rollout.get_mut(rollout) else {
            return;
        };
        if let Some(keys) = groups.get_mut(&group) {
            keys.remove(key);
            if keys.is_empty() {
                groups.remove(&group);
            }
        }
        if groups.is_empty() {
            self.by_rollout.remove(rollout);
        }
    }

    /// Whoever follows any rollout's.
    pub(crate) fn all(&self) -> impl Iterator<Item = &K> {
        self.of.keys()
    }

    fn any(&self, rollout: &RolloutId) -> bool {
        self.by_rollout.contains_key(rollout)
    }

    /// The followers of a rollout, in groups that `wanted` takes.
    pub(crate) fn of_rollout(
        &self,
        rollout: &RolloutId,
        wanted: impl Fn(Group) -> bool,
    ) -> impl Iterator<Item = &K> {
        let groups = self.by_rollout.get(rollout).into_iter().flat_map(Map::iter);
        let groups = groups.filter(move |(group, _)| wanted(**group));
        groups.flat_map(|(_, keys)| keys.iter())
    }
}

impl Rollout {
    /// What of its calendar is for a machine with these labels; nothing, once
    /// that was overridden.
    #[must_use]
    pub fn group(&self, labels: &Labels) -> Group {
        let calendar = &self.spec.calendar;
        if self.windows_overridden.is_some() || calendar.is_empty() {
            return Group::default();
        }
        calendar.group(labels)
    }

    /// Whether a machine with these labels may not be touched at this time.
    #[must_use]
    pub fn is_shut(&self, labels: &Labels) -> bool {
        !self.openings.is_open(self.group(labels))
    }
}

impl World {
    /// Looks again at whether and how a member follows its rollout's calendar.
    pub(super) fn refresh_group(&mut self, id: &RolloutId, agent: &AgentId) {
        let group = || {
            let rollout = self.rollouts.get(id)?;
            let known = self.agents.get(agent)?;
            let member = rollout.members.get(agent)?;
            let waits = matches!(member.standing(), Standing::Pending | Standing::InFlight);
            let follows = waits && !rollout.phase.is_terminal() && known.revoked.is_none();
            follows.then(|| rollout.group(&known.labels))
        };
        let follows = group().map(|group| (id, group));
        let key = (id.clone(), agent.clone());
        let changed = self.index.calendars.members.set(&key, follows);
        changed.iter().for_each(|id| self.refresh_calendar(id));
    }

    /// The same for a machine that goes to the stable digest, or should.
    pub(super) fn refresh_straggler(&mut self, key: &(WorkloadName, AgentId), catches_up: bool) {
        let (workload, agent) = key;
        let proven = || {
            let known = self.agents.get(agent)?;
            let (_, rollout) = self.proven_of(workload, agent, known)?;
            Some((rollout.id.clone(), rollout.group(&known.labels)))
        };
        let follows = catches_up.then(proven).flatten();
        let follows = follows.as_ref().map(|(id, group)| (id, *group));
        let changed = self.index.calendars.stragglers.set(key, follows);
        changed.iter().for_each(|id| self.refresh_calendar(id));
    }

    /// Looks again at when a rollout's windows change.
    pub(super) fn refresh_calendar(&mut self, id: &RolloutId) {
        let calendars = &mut self.index.calendars;
        let followed = calendars.members.any(id) || calendars.stragglers.any(id);
        let rollout = self.rollouts.get(id).filter(|_| followed);
        calendars
            .due
            .set(id, rollout.and_then(|rollout| rollout.openings.next));
    }
}
