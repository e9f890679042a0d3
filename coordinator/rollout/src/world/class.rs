use std::collections::BTreeMap;

use pinion_model::{AgentId, AgentPhase, RolloutPhase, Timestamp};

use super::due::Due;
use super::{
    Agent, Counts, Mark, Marks, Member, Presence, Pull, Restore, Rollout, Standing, World,
};
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
    /// The same, and may not be touched any more.
    AskedShut,
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
    /// Asked, and a withdrawal still reaches it.
    pub(crate) const WITHDRAWABLE: [Self; 3] = [Self::Asked, Self::AskedShut, Self::AskedOffline];

    pub(crate) const IN_FLIGHT: [Self; 7] = [
        Self::Asked,
        Self::AskedShut,
        Self::AskedOffline,
        Self::Withdrawing,
        Self::WithdrawingOffline,
        Self::CutOver,
        Self::CutOverOffline,
    ];

    /// What becomes of the rollout changes nothing any more.
    const DONE: [Self; 5] = [
        Self::Settled,
        Self::Staged,
        Self::Acknowledged,
        Self::Excused,
        Self::Passed,
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
            Standing::Pending => Self::pending(world, rollout, id, member, agent),
            // What has ended does not follow the fleet any more.
            Standing::InFlight if rollout.phase.is_terminal() => {
                Self::in_flight(rollout, member, None)
            }
            Standing::Soaking if rollout.phase.is_terminal() => Self::Soaking,
            _ if agent.is_none() => Self::Gone,
            Standing::Soaking => Self::Soaking,
            Standing::InFlight => Self::in_flight(rollout, member, agent),
        }
    }

    fn pending(
        world: &World,
        rollout: &Rollout,
        id: &AgentId,
        member: &Member,
        agent: Option<&Agent>,
    ) -> Self {
        let skips_sick = rollout.spec.sick == SickPolicy::Skip;
        // Going round it takes no window; to be blamed, it must have had its turn.
        let fails = rollout.spec.offline == OfflinePolicy::Fail;
        match agent {
            None => Self::Gone,
            Some(agent) if world.is_held(agent, &rollout.workload) => Self::Held,
            Some(_) if member.sick && skips_sick => Self::Sick,
            Some(agent) if agent.presence == Presence::Offline && !fails => Self::Offline,
            Some(agent) if rollout.is_shut(&agent.labels) => Self::Shut,
            Some(agent) => match agent.presence {
                Presence::Online if world.goes_first(rollout, id).is_some() => Self::After,
                Presence::Online if agent.busy_with(&rollout.workload).is_some() => Self::Busy,
                Presence::Online => Self::Ready,
                Presence::Offline => Self::Offline,
                Presence::Unknown => Self::Unknown,
            },
        }
    }

    fn in_flight(rollout: &Rollout, member: &Member, agent: Option<&Agent>) -> Self {
        let offline = agent.is_some_and(|agent| agent.presence == Presence::Offline);
        // A way back waits for no window.
        let goes_on = member.restore.is_none();
        let overstays = agent.is_some_and(|agent| goes_on && rollout.is_shut(&agent.labels));
        match (member.has_cut_over(), member.withdrawing, offline) {
            (true, _, false) => Self::CutOver,
            (true, _, true) => Self::CutOverOffline,
            (false, true, false) => Self::Withdrawing,
            (false, true, true) => Self::WithdrawingOffline,
            (false, false, false) if overstays => Self::AskedShut,
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
    /// The same, once no other workload is in flight there.
    Busy,
    /// Assigned, or what it does first goes on; no outcome yet.
    Going,
    /// The same, but where it goes was quarantined since, and it has not cut
    /// over yet: to be assigned anew at once.
    Astray,
    /// It goes, and is offline.
    GoingOffline,
    /// It is back, or will be seen to later because it is held.
    Back,
}

impl Way {
    /// Not over yet.
    pub(crate) const OUTSTANDING: [Self; 6] = [
        Self::Todo,
        Self::Away,
        Self::Busy,
        Self::Going,
        Self::Astray,
        Self::GoingOffline,
    ];

    /// None: there is nothing to take back.
    pub(crate) fn of(
        world: &World,
        rollout: &Rollout,
        id: &AgentId,
        member: &Member,
    ) -> Option<Self> {
        let over = matches!(
            rollout.phase,
            RolloutPhase::RolledBack | RolloutPhase::Aborted
        );
        if !rollout.rolled_back || over || !member.was_changed() {
            return None;
        }
        let agent = world.agents.get(id);
        let Some(agent) = agent.filter(|agent| agent.revoked.is_none()) else {
            return Some(Self::Back);
        };
        let held = world.is_held(agent, &rollout.workload);
        let way = match &member.restore {
            Some(restore) if restore.phase.is_some_and(AgentPhase::is_terminal) => Self::Back,
            Some(restore) if restore.failure.is_some() => Self::Back,
            Some(restore)
                if restore.digest.is_none() && member.standing() != Standing::InFlight =>
            {
                Self::Back
            }
            Some(restore) if Self::is_astray(world, restore, agent) => Self::Astray,
            Some(_) => Self::Going,
            // Its own outcome comes first; it may make all else needless.
            None if member.rolls_back() => Self::Going,
            None if held && member.standing() == Standing::InFlight => Self::Going,
            None if held && !rollout.phase.is_terminal() => Self::Back,
            None if held => Self::Away,
            None if agent.presence != Presence::Online => Self::Away,
            None if agent.busy_with(&rollout.workload).is_some() => Self::Busy,
            None => Self::Todo,
        };
        let offline = agent.presence == Presence::Offline;
        Some(if way == Self::Going && offline {
            Self::GoingOffline
        } else {
            way
        })
    }

    fn is_astray(world: &World, restore: &Restore, agent: &Agent) -> bool {
        let to = restore.digest.as_ref();
        let cut = restore.phase.is_some_and(AgentPhase::has_cut_over);
        !cut && agent.presence == Presence::Online
            && to.is_some_and(|digest| world.is_quarantined(digest))
    }
}

/// The places of one stage's members, by class: what gates and limits look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tally {
    /// None of them is empty.
    classes: BTreeMap<Class, Places>,
    ways: BTreeMap<Way, Places>,
    pulls: BTreeMap<Pull, Places>,
    /// Those with containers of the workload, which alone can prove something.
    able: Places,
    pub(crate) marks: Marks,
    /// When the grace times end of those that are offline. None: there is none.
    graces: Option<Due<u32>>,
}

/// What is known of the member at one place of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) class: Class,
    pub(crate) way: Option<Way>,
    pub(crate) pull: Option<Pull>,
    pub(crate) marks: Vec<Mark>,
    /// It had containers of the workload.
    pub(crate) able: bool,
    /// For one that is offline before its turn, and did not join late: when its
    /// grace time ends.
    pub(crate) grace: Option<Timestamp>,
}

impl Seat {
    /// The seat of a member of a rollout.
    pub(crate) fn of(world: &World, rollout: &Rollout, id: &AgentId, member: &Member) -> Self {
        let class = Class::of(world, rollout, id, member);
        let counts = class == Class::Offline && !member.late;
        let away = world.agents.get(id).filter(|_| counts);
        Self {
            class,
            way: Way::of(world, rollout, id, member),
            pull: Pull::of(world, rollout, id, member),
            marks: Mark::of(world, rollout, id, member, class),
            able: member.has_containers,
            grace: away.map(|agent| agent.presence_since + rollout.spec.offline_grace),
        }
    }
}

/// Of a stage without machines.
pub(crate) static EMPTY: Tally = Tally {
    classes: BTreeMap::new(),
    ways: BTreeMap::new(),
    pulls: BTreeMap::new(),
    able: Places::EMPTY,
    marks: Marks::EMPTY,
    graces: None,
};

impl Tally {
    /// Whether a place stands there already: then nothing has to be written.
    pub(crate) fn has(&self, place: u32, seat: &Seat) -> bool {
        let is_in = |places: &Places| places.contains(place);
        let grace = self.graces.as_ref().and_then(|graces| graces.of(&place));
        self.classes.get(&seat.class).is_some_and(is_in)
            && of(&self.ways, place) == seat.way
            && of(&self.pulls, place) == seat.pull
            && self.marks.has(place, &seat.marks)
            && grace == seat.grace
    }

    /// Puts a place where it belongs now.
    pub(crate) fn put(&mut self, place: u32, seat: &Seat) {
        if seat.able {
            self.able.insert(place);
        }
        transfer(&mut self.classes, place, Some(seat.class));
        transfer(&mut self.ways, place, seat.way);
        transfer(&mut self.pulls, place, seat.pull);
        self.marks.put(place, &seat.marks);
        self.set_grace(place, seat.grace);
    }

    /// Takes a member away from a place.
    pub(crate) fn clear(&mut self, place: u32) {
        self.able.remove(place);
        transfer(&mut self.classes, place, None);
        transfer(&mut self.ways, place, None);
        transfer(&mut self.pulls, place, None);
        self.marks.put(place, &[]);
        self.set_grace(place, None);
    }

    fn set_grace(&mut self, place: u32, at: Option<Timestamp>) {
        if at.is_none() && self.graces.is_none() {
            return;
        }
        let graces = self.graces.get_or_insert_default();
        graces.set(&place, at);
        if graces.next().is_none() {
            self.graces = None;
        }
    }

    /// The places of those whose grace time has ended by `now`.
    pub(crate) fn out_of_grace(&self, now: Timestamp) -> impl Iterator<Item = usize> {
        let graces = self.graces.iter();
        graces
            .flat_map(move |due| due.by(now))
            .map(|place| *place as usize)
    }

    /// When the next grace time ends.
    pub(crate) fn next_grace(&self, now: Timestamp) -> Option<Timestamp> {
        self.graces.as_ref()?.next_after(now)
    }

    /// How many are of this class.
    pub(crate) fn count(&self, class: Class) -> usize {
        self.classes.get(&class).map_or(0, Places::len)
    }

    /// How many of this class the stage waits for: those that joined late are
    /// taken along, and hold nobody up.
    pub(crate) fn holding(&self, class: Class) -> usize {
        self.count(class) - self.marks.count(Mark::Late(class))
    }

    /// How many members it has.
    pub(crate) fn len(&self) -> usize {
        self.classes.values().map(Places::len).sum()
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

    /// The places of those that are not done, or that something is to be done
    /// for or known of; some more than once.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = usize> {
        let classes = self.classes.iter();
        let classes = classes.filter(|(class, _)| !Class::DONE.contains(class));
        let classes = classes.map(|(_, places)| places);
        // A machine that is done with can have a pull that nobody heard the end of.
        let pulls = Pull::OUTSTANDING.iter();
        let pulls = pulls.filter_map(|pull| self.pulls.get(pull));
        let places = classes.chain(self.ways.values()).chain(pulls);
        let places = places.chain(self.marks.all());
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

    /// How many stand there in the pass ahead of the stages.
    pub(crate) fn pulls(&self, pull: Pull) -> usize {
        self.pulls.get(&pull).map_or(0, Places::len)
    }

    /// Their places, in order.
    pub(crate) fn places_in(&self, pull: Pull) -> impl Iterator<Item = usize> {
        let places = self.pulls.get(&pull).into_iter();
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
