use std::borrow::Borrow;
use std::fmt;

use imbl::OrdSet;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// An ordered set. A clone shares everything with its original; a write copies
/// what is on its way while a clone still looks at it.
pub struct Set<K>(OrdSet<K>);

impl<K: Ord> Set<K> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &K> + Clone {
        self.0.iter()
    }

    /// The first in order.
    #[must_use]
    pub fn first(&self) -> Option<&K> {
        self.0.get_min()
    }

    /// Whether this one is in it.
    #[must_use]
    pub fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains(key)
    }
}

impl<K: Ord + Clone> Set<K> {
    /// Puts one in; whether it was not there.
    pub fn insert(&mut self, key: K) -> bool {
        !self.contains(&key) && self.0.insert(key).is_none()
    }

    /// Takes one out; whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.contains(key) && self.0.remove(key).is_some()
    }

    /// Puts one in, or takes it out.
    pub(crate) fn keep(&mut self, key: &K, wanted: bool) {
        if !wanted {
            self.remove(key);
        } else if !self.contains(key) {
            self.insert(key.clone());
        }
    }
}

impl<K> Default for Set<K> {
    fn default() -> Self {
        Self(OrdSet::new())
    }
}

impl<K> Clone for Set<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Ord> PartialEq for Set<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K: Ord> Eq for Set<K> {}

impl<K: Ord + fmt::Debug> fmt::Debug for Set<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone> FromIterator<K> for Set<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut set = Self::default();
        for key in keys {
            set.insert(key);
        }
        set
    }
}

impl<K: Ord + Serialize> Serialize for Set<K> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de, K: Deserialize<'de> + Ord + Clone> Deserialize<'de> for Set<K> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Vec::<K>::deserialize(from)?.into_iter().collect())
    }
}
