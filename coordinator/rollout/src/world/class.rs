use std::collections::BTreeMap;

use pinion_model::{AgentId, RolloutPhase};

use super::{Agent, Counts, Mark, Marks, Member, Presence, Rollout, Standing, World};
use crate::shared::Places;
use crate::{OfflinePolicy, SickPolicy};

/// What planning needs to know of a member: where it stands, and whether it can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Pending, and may be assigned now.
    Ready,
    /// Pending; not seen since the coordinator began.
    Unknown,
    /// Pending, and offline.
    Offline,
    /// Pending, and held: the machine, its labels or its workload.
    Held,
    /// Pending, and gone round: it was sick before.
    Sick,
    /// Pending, and may not be touched at this time.
    Shut,
    /// Pending, and a workload that goes first is yet to reach it.
    After,
    /// Pending, and another workload is in flight there.
    Busy,
    /// Revoked or removed before there was an outcome.
    Gone,
    /// In flight, not cut over, not withdrawn.
    Asked,
    /// The same, and offline.
    AskedOffline,
    /// In flight, withdrawn, and the agent has not said what became of it.
    Withdrawing,
    /// The same, and offline.
    WithdrawingOffline,
    /// In flight, past the point of withdrawal.
    CutOver,
    /// The same, and offline.
    CutOverOffline,
    /// Proven, soaking.
    Soaking,
    /// Proven and soaked.
    Settled,
    /// Pulled and tagged only.
    Staged,
    /// Failed, and nobody knows.
    Failed,
    /// Failed, and an operator went on knowing it.
    Acknowledged,
    /// Failed, and was sick before: it is not blamed on the rollout.
    Excused,
    /// The rollout ended without it.
    Passed,
}

impl Class {
    pub(crate) const IN_FLIGHT: [Self; 6] = [
        Self::Asked,
        Self::AskedOffline,
        Self::Withdrawing,
        Self::WithdrawingOffline,
        Self::CutOver,
        Self::CutOverOffline,
    ];

    /// The class of a member of a rollout.
    pub(crate) fn of(world: &World, rollout: &Rollout, id: &AgentId, member: &Member) -> Self {
        let agent = world.agents.get(id);
        let agent = agent.filter(|agent| agent.revoked.is_none());
        match member.standing() {
            Standing::Settled => Self::Settled,
            Standing::Staged => Self::Staged,
            Standing::Failed if member.sick => Self::Excused,
            Standing::Failed if member.acknowledged => Self::Acknowledged,
            Standing::Failed => Self::Failed,
            Standing::Pending if rollout.phase.is_terminal() => Self::Passed,
            Standing::Pending => Self::pending(rollout, member, agent),
            // What has ended does not follow the fleet any more.
            Standing::InFlight if rollout.phase.is_terminal() => Self::in_flight(member, None),
            Standing::Soaking if rollout.phase.is_terminal() => Self::Soaking,
            _ if agent.is_none() => Self::Gone,
            Standing::Soaking => Self::Soaking,
            Standing::InFlight => Self::in_flight(member, agent),
        }
    }

    fn pending(rollout: &Rollout, member: &Member, agent: Option<&Agent>) -> Self {
        let skips_sick = rollout.spec.sick == SickPolicy::Skip;
        match agent {
            None => Self::Gone,
            Some(agent) if agent.is_held() => Self::Held,
            Some(_) if member.sick && skips_sick => Self::Sick,
            Some(agent) => match agent.presence {
                Presence::Online => Self::Ready,
                Presence::Offline => Self::Offline,
                Presence::Unknown => Self::Unknown,
            },
        }
    }

    fn in_flight(member: &Member, agent: Option<&Agent>) -> Self {
        let offline = agent.is_some_and(|agent| agent.presence == Presence::Offline);
        match (member.has_cut_over(), member.withdrawing, offline) {
            (true, _, false) => Self::CutOver,
            (true, _, true) => Self::CutOverOffline,
            (false, true, false) => Self::Withdrawing,
            (false, true, true) => Self::WithdrawingOffline,
            (false, false, false) => Self::Asked,
            (false, false, true) => Self::AskedOffline,
        }
    }
}

/// A member's way back, while its rollout is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// To be assigned its baseline now.
    Todo,
    /// The same, once it is online.
    Away,
    /// Assigned, or what it does first goes on; no outcome yet.
    Going,
    /// It is back, or will be seen to later because it is held.
    Back,
}

impl Way {
    /// None: there is nothing to take back.
    pub(crate) fn of(rollout: &Rollout, member: &Member, agent: Option<&Agent>) -> Option<Self> {
        let over = rollout.phase == RolloutPhase::RolledBack;
        if !rollout.rolled_back || over || !member.was_changed() {
            return None;
        }
        let Some(agent) = agent.filter(|agent| agent.revoked.is_none()) else {
            return Some(Self::Back);
        };
        Some(match &member.restore {
            Some(restore)
                if restore
                    .phase
                    .is_some_and(pinion_model::AgentPhase::is_terminal) =>
            {
                Self::Back
            }
            Some(restore) if restore.failure.is_some() => Self::Back,
            Some(restore)
                if restore.digest.is_none() && member.standing() != Standing::InFlight =>
            {
                Self::Back
            }
            Some(_) => Self::Going,
            // Its own outcome comes first; it may make all else needless.
            None if member.rolls_back() => Self::Going,
            None if agent.is_held() && member.standing() == Standing::InFlight => Self::Going,
            None if agent.is_held() && !rollout.phase.is_terminal() => Self::Back,
            None if agent.is_held() => Self::Away,
            None if agent.presence == Presence::Online => Self::Todo,
            None => Self::Away,
        })
    }
}

/// The places of one stage's members, by class: what gates and limits look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tally {
    /// None of them is empty.
    classes: BTreeMap<Class, Places>,
    ways: BTreeMap<Way, Places>,
    /// Those with containers of the workload, which alone can prove something.
    able: Places,
    pub(crate) marks: Marks,
}

/// Of a stage without machines.
pub(crate) static EMPTY: Tally = Tally {
    classes: BTreeMap::new(),
    ways: BTreeMap::new(),
    able: Places::EMPTY,
    marks: Marks::EMPTY,
};

impl Tally {
    /// Whether a place stands there already: then nothing has to be written.
    pub(crate) fn has(&self, place: u32, class: Class, way: Option<Way>, marks: &[Mark]) -> bool {
        let is_in = |places: &Places| places.contains(place);
        self.classes.get(&class).is_some_and(is_in)
            && of(&self.ways, place) == way
            && self.marks.has(place, marks)
    }

    /// Puts a place where it belongs now.
    pub(crate) fn put(
        &mut self,
        place: u32,
        class: Class,
        way: Option<Way>,
        marks: &[Mark],
        able: bool,
    ) {
        if able {
            self.able.insert(place);
        }
        transfer(&mut self.classes, place, Some(class));
        transfer(&mut self.ways, place, way);
        self.marks.put(place, marks);
    }

    /// How many are of this class.
    pub(crate) fn count(&self, class: Class) -> usize {
        self.classes.get(&class).map_or(0, Places::len)
    }

    /// How many are of one of these.
    pub(crate) fn count_of(&self, classes: &[Class]) -> usize {
        classes.iter().map(|class| self.count(*class)).sum()
    }

    /// How many of these have containers of the workload.
    pub(crate) fn able_of(&self, classes: &[Class]) -> usize {
        let sets = classes.iter().filter_map(|class| self.classes.get(class));
        sets.map(|places| places.count_with(&self.able)).sum()
    }

    /// Their places, in order.
    pub(crate) fn places(&self, class: Class) -> impl Iterator<Item = usize> {
        let places = self.classes.get(&class).into_iter();
        places.flat_map(Places::iter).map(|place| place as usize)
    }

    /// How many are on this part of the way back.
    pub(crate) fn ways(&self, way: Way) -> usize {
        self.ways.get(&way).map_or(0, Places::len)
    }

    /// Their places, in order.
    pub(crate) fn places_on(&self, way: Way) -> impl Iterator<Item = usize> {
        let places = self.ways.get(&way).into_iter();
        places.flat_map(Places::iter).map(|place| place as usize)
    }

    pub(crate) fn counts(&self, offline: OfflinePolicy) -> Counts {
        let count = |classes: &[Class]| u32::try_from(self.count_of(classes)).unwrap_or(u32::MAX);
        let skips = offline == OfflinePolicy::Skip;
        Counts {
            agents: count_all(self.classes.values()),
            pending: count(&[
                Class::Ready,
                Class::Unknown,
                Class::Shut,
                Class::After,
                Class::Busy,
            ]) + if skips { 0 } else { count(&[Class::Offline]) },
            in_flight: count(&Class::IN_FLIGHT),
            soaking: count(&[Class::Soaking]),
            settled: count(&[Class::Settled]),
            staged: count(&[Class::Staged]),
            failed: count(&[Class::Failed, Class::Acknowledged, Class::Excused]),
            excused: count(&[Class::Excused]),
            skipped: count(&[Class::Held, Class::Sick, Class::Gone, Class::Passed])
                + if skips { count(&[Class::Offline]) } else { 0 },
        }
    }
}

fn count_all<'a>(sets: impl Iterator<Item = &'a Places>) -> u32 {
    let count: usize = sets.map(Places::len).sum();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// In which of the sets a place is.
fn of<K: Copy>(sets: &BTreeMap<K, Places>, place: u32) -> Option<K> {
    let mut sets = sets.iter();
    let found = sets.find(|(_, places)| places.contains(place));
    found.map(|(key, _)| *key)
}

/// Takes a place out of the set in which it is, and puts it into another.
fn transfer<K: Copy + Ord>(sets: &mut BTreeMap<K, Places>, place: u32, to: Option<K>) {
    let from = of(sets, place);
    if from == to {
        return;
    }
    if let Some(from) = from
        && let Some(places) = sets.get_mut(&from)
    {
        places.remove(place);
        if places.len() == 0 {
            sets.remove(&from);
        }
    }
    if let Some(to) = to {
        sets.entry(to).or_default().insert(place);
    }
}
