use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use pinion_model::Timestamp;

/// When something is due for whom: at most one instant each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Due<K> {
    by_key: BTreeMap<K, Timestamp>,
    by_time: BTreeMap<Timestamp, BTreeSet<K>>,
}

impl<K> Due<K> {
    pub(crate) const NOTHING: Self = Self {
        by_key: BTreeMap::new(),
        by_time: BTreeMap::new(),
    };
}

impl<K> Default for Due<K> {
    fn default() -> Self {
        Self::NOTHING
    }
}

impl<K: Ord + Clone> Due<K> {
    /// Sets or clears the instant of one.
    pub(crate) fn set(&mut self, key: &K, at: Option<Timestamp>) {
        if self.by_key.get(key).copied() == at {
            return;
        }
        if let Some(old) = self.by_key.remove(key) {
            self.forget(old, key);
        }
        if let Some(at) = at {
            self.by_key.insert(key.clone(), at);
            self.by_time.entry(at).or_default().insert(key.clone());
        }
    }

    fn forget(&mut self, at: Timestamp, key: &K) {
        if let Some(keys) = self.by_time.get_mut(&at) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_time.remove(&at);
            }
        }
    }

    /// Those that are due by `now`, earliest first.
    pub(crate) fn by(&self, now: Timestamp) -> impl Iterator<Item = &K> {
        self.by_time.range(..=now).flat_map(|(_, keys)| keys)
    }

    /// The earliest instant.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.by_time.keys().next().copied()
    }

    /// The earliest instant after `now`.
    pub(crate) fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let later = (Bound::Excluded(now), Bound::Unbounded);
        self.by_time.range(later).next().map(|(at, _)| *at)
    }
}
