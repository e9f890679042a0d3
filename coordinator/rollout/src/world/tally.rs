use std::collections::BTreeMap;

use pinion_model::Timestamp;

use super::due::Due;
use super::{Class, Counts, Mark, Marks, Pull, Seat, Way};
use crate::OfflinePolicy;
use crate::shared::Places;

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

    /// How many that the stage waits for have containers of the workload, and
    /// are of none of these classes.
    pub(crate) fn able_but(&self, classes: &[Class]) -> usize {
        let others = self.classes.iter();
        let others = others.filter(|(class, _)| !classes.contains(class));
        let able = others.map(|(class, places)| {
            let late = self.marks.of(Mark::Late(*class));
            let late = late.map_or(0, |places| places.count_with(&self.able));
            places.count_with(&self.able) - late
        });
        able.sum()
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
