use pinion_model::StrategyName;
use serde::{Deserialize, Serialize};

use super::{Attribution, World};
use crate::Strategy;

/// A named strategy: every version that it ever had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedStrategy {
    /// Oldest first; the number of the n-th is n.
    pub versions: Vec<StrategyVersion>,
    /// Who removed it, when and why. None: it can be used.
    pub removed: Option<Attribution>,
}

/// One version of a named strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyVersion {
    /// As it was asked for, with its name and version.
    pub strategy: Strategy,
    /// Where it stands.
    pub source: StrategySource,
    /// Who put it there, when and why.
    pub by: Attribution,
}

/// Where a named strategy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategySource {
    /// In the coordinator's configuration, which alone can change it.
    Configuration,
    /// In the store, where it was put through the API.
    Api,
}

impl NamedStrategy {
    /// The newest version; none once it was removed.
    #[must_use]
    pub fn newest(&self) -> Option<&StrategyVersion> {
        let newest = self.versions.last();
        newest.filter(|_| self.removed.is_none())
    }

    /// One version by its number, also of one that was removed.
    #[must_use]
    pub fn version(&self, number: u32) -> Option<&StrategyVersion> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.versions.get(index)
    }
}

impl StrategyVersion {
    /// Whether it says the same as another strategy, whatever their names and versions.
    #[must_use]
    pub fn says(&self, other: &Strategy) -> bool {
        let bare = |strategy: &Strategy| Strategy {
            name: None,
            version: None,
            ..strategy.clone()
        };
        bare(&self.strategy) == bare(other)
    }
}

impl World {
    /// The newest version of a named strategy, with its name and version; none
    /// if there is none of that name, or not any more.
    #[must_use]
    pub fn strategy(&self, name: &StrategyName) -> Option<&Strategy> {
        let newest = self.strategies.get(name)?.newest()?;
        Some(&newest.strategy)
    }
}
