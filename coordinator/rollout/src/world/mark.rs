use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{AgentId, AgentPhase};

use super::{Class, Member, Placement, Rollout, World};
use crate::FailureGroup;
use crate::shared::Places;

/// What limits look at beside a member's class; a member may bear several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// It failed in this way, nobody knows it, and the rollout is to blame.
    Failed(FailureGroup),
    /// It failed, nobody knows it, and its old container did not come back,
    /// whether or not it was sick before.
    Lost,
    /// It is sick now, was not before, and is not in flight.
    Sick,
    /// The same, and it had settled.
    Regressed,
    /// It joined late and is of this class: the stage does not wait for it.
    Late(Class),
    /// It is sick now, was so before, and is not in flight.
    SickBefore,
}

impl Mark {
    /// What a member of this class bears.
    pub(crate) fn of(
        world: &World,
        rollout: &Rollout,
        id: &AgentId,
        member: &Member,
        class: Class,
    ) -> Vec<Self> {
        let mut marks = Vec::new();
        if member.late {
            marks.push(Self::Late(class));
        }
        if class == Class::Failed {
            let kind = member.failure.as_ref().map(|failure| failure.kind);
            let group = kind.map_or(FailureGroup::Start, FailureGroup::of);
            marks.push(Self::Failed(group));
        }
        let unknown = class == Class::Failed || class == Class::Excused && !member.acknowledged;
        if unknown && member.phase == Some(AgentPhase::RollbackFailed) {
            marks.push(Self::Lost);
        }
        // What has ended does not follow the fleet any more.
        let follows = !rollout.phase.is_terminal() && !Class::IN_FLIGHT.contains(&class);
        if follows && is_sick(world, rollout, id, member) {
            marks.extend(Self::ailments(member, class));
        }
        marks
    }

    fn ailments(member: &Member, class: Class) -> &'static [Self] {
        match class {
            _ if member.sick => &[Self::SickBefore],
            Class::Settled => &[Self::Sick, Self::Regressed],
            _ => &[Self::Sick],
        }
    }
}

fn is_sick(world: &World, rollout: &Rollout, id: &AgentId, member: &Member) -> bool {
    let agent = world.agents.get(id);
    let agent = agent.filter(|agent| agent.revoked.is_none());
    let Some(placement) = agent.and_then(|agent| agent.placements.get(&rollout.workload)) else {
        return false;
    };
    placement.is_sick()
        || member.phase == Some(AgentPhase::RollbackFailed) && !has_come_back(placement)
}

/// Its containers were seen again after an old one did not come back, or
/// something has settled there since.
fn has_come_back(placement: &Placement) -> bool {
    let seen = placement.reported_at > Some(placement.since);
    placement.phase == Some(AgentPhase::Settled) || seen && !placement.containers.is_empty()
}

/// The places of one stage's members, by what they bear; none of them is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Marks(BTreeMap<Mark, Places>);

impl Marks {
    pub(crate) const EMPTY: Self = Self(BTreeMap::new());

    /// Whether a place bears exactly these.
    pub(crate) fn has(&self, place: u32, marks: &[Mark]) -> bool {
        let borne = self.0.iter().filter(|(_, places)| places.contains(place));
        borne.map(|(mark, _)| mark).collect::<BTreeSet<_>>() == marks.iter().collect()
    }

    /// Lets a place bear exactly these.
    pub(crate) fn put(&mut self, place: u32, marks: &[Mark]) {
        self.0.retain(|mark, places| {
            if !marks.contains(mark) {
                places.remove(place);
            }
            places.len() > 0
        });
        for mark in marks {
            self.0.entry(*mark).or_default().insert(place);
        }
    }

    /// The places of those that bear anything, by what they bear.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Places> {
        self.0.values()
    }

    /// Those that bear it; none if nobody does.
    pub(super) fn of(&self, mark: Mark) -> Option<&Places> {
        self.0.get(&mark)
    }

    /// How many bear it.
    pub(crate) fn count(&self, mark: Mark) -> usize {
        self.of(mark).map_or(0, Places::len)
    }

    /// Their places, in order.
    pub(crate) fn places(&self, mark: Mark) -> impl Iterator<Item = usize> {
        let places = self.0.get(&mark).into_iter();
        places.flat_map(Places::iter).map(|place| place as usize)
    }
}
