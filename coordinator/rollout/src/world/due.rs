use pinion_model::Timestamp;

use crate::{Map, Set};

/// When something is due for whom: at most one instant each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Due<K: Ord> {
    by_key: Map<K, Timestamp>,
    by_time: Map<Timestamp, Set<K>>,
}

impl<K: Ord> Default for Due<K> {
    fn default() -> Self {
        Self {
            by_key: Map::default(),
            by_time: Map::default(),
        }
    }
}

impl<K: Ord + Clone> Due<K> {
    /// Sets or clears the instant of one.
    pub(crate) fn set(&mut self, key: &K, at: Option<Timestamp>) {
        if self.of(key) == at {
            return;
        }
        if let Some(old) = self.by_key.remove(key) {
            self.forget(old, key);
        }
        if let Some(at) = at {
            self.by_key.insert(key.clone(), at);
            self.by_time.or_default(&at).insert(key.clone());
        }
    }

    fn forget(&mut self, at: Timestamp, key: &K) {
        let keys = self.by_time.or_default(&at);
        keys.remove(key);
        if keys.is_empty() {
            self.by_time.remove(&at);
        }
    }

    /// The instant of one.
    pub(crate) fn of(&self, key: &K) -> Option<Timestamp> {
        self.by_key.get(key).copied()
    }

    /// Those that are due by `now`, earliest first.
    pub(crate) fn by(&self, now: Timestamp) -> impl Iterator<Item = &K> {
        let due = self.by_time.iter().take_while(move |(at, _)| **at <= now);
        due.flat_map(|(_, keys)| keys.iter())
    }

    /// The earliest instant.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.by_time.keys().next().copied()
    }

    /// The earliest instant after `now`.
    pub(crate) fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.by_time.after(Some(&now)).next().map(|(at, _)| *at)
    }
}
