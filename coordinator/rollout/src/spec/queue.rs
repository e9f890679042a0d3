use std::collections::BTreeMap;

/// What decides when a machine is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Lower ones go first: who can prove something before who cannot.
    pub(super) rank: u8,
    /// Machines of one domain share a fate. All the same: nothing is spread.
    pub(super) domain: u32,
    /// The rollout's own order.
    pub(super) seed: u64,
}

/// The machines that no stage has taken yet, in the order in which stages take
/// them. Within a rank, domains take turns in proportion to their size, so that
/// every stretch of the queue has its share of each.
pub(super) struct Queue {
    entries: Vec<Entry>,
    /// Places in `entries`.
    order: Vec<usize>,
    spreads: bool,
}

impl Queue {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let spreads = entries
            .iter()
            .any(|entry| entry.domain != entries[0].domain);
        let order = arranged(&entries, (0..entries.len()).collect());
        Self {
            entries,
            order,
            spreads,
        }
    }

    /// How many are left.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The next machines. Of two or more, not all are of one domain while
    /// another has machines.
    pub(super) fn take(&mut self, count: usize) -> Vec<usize> {
        let rest = self.order.split_off(count.min(self.order.len()));
        let mut taken = std::mem::replace(&mut self.order, rest);
        if let Some(other) = self.missing(&taken)
            && let Some(last) = taken.last_mut()
        {
            std::mem::swap(last, &mut self.order[other]);
            self.rearrange();
        }
        taken
    }

    /// Where the first machine of another domain stands, if two or more were
    /// taken that are all of one.
    fn missing(&self, taken: &[usize]) -> Option<usize> {
        let domain = |place: &usize| self.entries[*place].domain;
        let first = domain(taken.first()?);
        if taken.len() < 2 || taken.iter().any(|place| domain(place) != first) {
            return None;
        }
        self.order.iter().position(|place| domain(place) != first)
    }

    /// All machines that are meant, in their order.
    pub(super) fn take_all(&mut self, meant: impl Fn(usize) -> bool) -> Vec<usize> {
        let order = std::mem::take(&mut self.order);
        let (taken, rest) = order.into_iter().partition(|place| meant(*place));
        self.order = rest;
        self.rearrange();
        if self.spreads {
            arranged(&self.entries, taken)
        } else {
            taken
        }
    }

    fn rearrange(&mut self) {
        if self.spreads {
            self.order = arranged(&self.entries, std::mem::take(&mut self.order));
        }
    }
}

/// By rank, and within a rank spread over the domains.
fn arranged(entries: &[Entry], mut places: Vec<usize>) -> Vec<usize> {
    let group = |place: usize| (entries[place].rank, entries[place].domain);
    let mut sizes: BTreeMap<(u8, u32), u64> = BTreeMap::new();
    for place in &places {
        *sizes.entry(group(*place)).or_default() += 1;
    }
    places.sort_by_key(|place| (group(*place), entries[*place].seed));
    let mut seen: BTreeMap<(u8, u32), u64> = BTreeMap::new();
    let mut keyed: Vec<_> = places
        .into_iter()
        .map(|place| {
            let before = seen.entry(group(place)).or_default();
            let at = middle(*before, sizes[&group(place)]);
            *before += 1;
            ((entries[place].rank, at, entries[place].seed), place)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, place)| place).collect()
}

/// Where the n-th of so many stands, if they are spread evenly over a whole.
fn middle(nth: u64, of: u64) -> u64 {
    ((2 * nth + 1) << 32) / (2 * of)
}
