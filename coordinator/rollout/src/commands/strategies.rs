use std::collections::BTreeMap;

use pinion_model::{Actor, LabelSelector, StrategyName, Timestamp};

use super::{check_text, decided};
use crate::spec::fill;
use crate::{
    Act, Attribution, Change, Fault, NamedStrategy, Outcome, Refusal, Strategy, StrategySource,
    StrategyVersion, World,
};

/// A strategy to be kept under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutStrategy {
    /// Of the strategy.
    pub name: StrategyName,
    /// What it says; its own name and version do not count.
    pub strategy: Strategy,
    /// Why; may be empty.
    pub reason: String,
}

/// A name that is not to be used any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveStrategy {
    /// Of the strategy.
    pub name: StrategyName,
    /// Why; may be empty.
    pub reason: String,
}

/// Keeps a strategy under a name: its next version, unless it says what the
/// newest one says. Rollouts that have begun keep the version that they began with.
///
/// # Errors
///
/// `Invalid` with every fault of the strategy, `Precondition` for a name of the
/// coordinator's configuration.
pub fn put_strategy(
    world: &World,
    request: PutStrategy,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<StrategyVersion>, Refusal> {
    check_text("reason", &request.reason)?;
    let known = world.strategies.get(&request.name);
    let newest = known.and_then(NamedStrategy::newest);
    refuse_configured(&request.name, newest)?;
    fill(&request.strategy, LabelSelector::default(), now)?;
    if let Some(same) = newest.filter(|newest| newest.says(&request.strategy)) {
        return Ok(Outcome::unchanged(same.clone()));
    }
    let put = Put {
        name: &request.name,
        strategy: &request.strategy,
        source: StrategySource::Api,
        reason: &request.reason,
    };
    let version = put.version(known, by, now);
    Ok(Outcome {
        changes: vec![put.change(known, by, now)],
        value: version,
    })
}

/// Removes a name. Its versions stay, for those who read what a rollout began
/// with; one that is put under the name later is the next version.
///
/// # Errors
///
/// `NotFound` if there is none of that name, `Precondition` for a name of the
/// coordinator's configuration.
pub fn remove_strategy(
    world: &World,
    request: RemoveStrategy,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<()>, Refusal> {
    check_text("reason", &request.reason)?;
    let known = world.strategies.get(&request.name);
    let newest = known.and_then(NamedStrategy::newest);
    if newest.is_none() {
        return Err(Refusal::not_found("strategy", &request.name));
    }
    refuse_configured(&request.name, newest)?;
    let act = Act::StrategyRemoved {
        name: request.name,
        reason: request.reason,
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: (),
    })
}

/// What a coordinator finds in its configuration when it starts: a strategy
/// that says something new gets its next version, and one that stands there no
/// more is removed. Answers the names that changed.
///
/// # Errors
///
/// `Invalid` with every fault of those that changed, by their names.
pub fn seed_strategies(
    world: &World,
    configured: &BTreeMap<StrategyName, Strategy>,
    now: Timestamp,
) -> Result<Outcome<Vec<StrategyName>>, Refusal> {
    let changed = configured.iter().filter(|(name, strategy)| {
        let newest = world.strategies.get(*name).and_then(NamedStrategy::newest);
        newest.is_none_or(|newest| {
            newest.source != StrategySource::Configuration || !newest.says(strategy)
        })
    });
    let changed: Vec<_> = changed.collect();
    let faults = changed
        .iter()
        .flat_map(|(name, strategy)| faults(name, strategy, now));
    let faults: Vec<_> = faults.collect();
    if !faults.is_empty() {
        return Err(Refusal::Invalid { faults });
    }
    let puts = changed.into_iter().map(|(name, strategy)| {
        let put = Put {
            name,
            strategy,
            source: StrategySource::Configuration,
            reason: "it stands so in the coordinator's configuration",
        };
        let known = world.strategies.get(name);
        (name.clone(), put.change(known, &Actor::System, now))
    });
    let gone = gone(world, configured).map(|name| (name.clone(), forget(name, now)));
    let (value, changes) = puts.chain(gone).unzip();
    Ok(Outcome { changes, value })
}

/// A version that is to be made.
struct Put<'a> {
    name: &'a StrategyName,
    strategy: &'a Strategy,
    source: StrategySource,
    reason: &'a str,
}

impl Put<'_> {
    fn number(&self, known: Option<&NamedStrategy>) -> u32 {
        let before = known.map_or(0, |known| known.versions.len());
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }

    fn change(&self, known: Option<&NamedStrategy>, by: &Actor, now: Timestamp) -> Change {
        let act = Act::StrategyPut {
            name: self.name.clone(),
            version: self.number(known),
            strategy: Box::new(self.strategy.clone()),
            source: self.source,
            reason: self.reason.to_owned(),
        };
        decided(by, now, act)
    }

    fn version(
        &self,
        known: Option<&NamedStrategy>,
        by: &Actor,
        now: Timestamp,
    ) -> StrategyVersion {
        StrategyVersion {
            strategy: Strategy {
                name: Some(self.name.clone()),
                version: Some(self.number(known)),
                ..self.strategy.clone()
            },
            source: self.source,
            by: Attribution {
                actor: by.clone(),
                at: now,
                reason: self.reason.to_owned(),
            },
        }
    }
}

fn refuse_configured(name: &StrategyName, newest: Option<&StrategyVersion>) -> Result<(), Refusal> {
    let configured = newest.is_some_and(|newest| newest.source == StrategySource::Configuration);
    if !configured {
        return Ok(());
    }
    Err(Refusal::precondition(format!(
        "strategy {name} stands in the coordinator's configuration; change it there, or use another name"
    )))
}

/// What is wrong with a configured strategy: each fault by the strategy's name.
fn faults(name: &StrategyName, strategy: &Strategy, now: Timestamp) -> Vec<Fault> {
    let Err(Refusal::Invalid { faults }) = fill(strategy, LabelSelector::default(), now) else {
        return Vec::new();
    };
    let named = faults.into_iter().map(|fault| Fault {
        path: match fault.path.strip_prefix("strategy") {
            Some(rest) => format!("strategy.{name}{rest}"),
            None => fault.path,
        },
        ..fault
    });
    named.collect()
}

/// The names that stood in the configuration, and do not any more.
fn gone<'a>(
    world: &'a World,
    configured: &'a BTreeMap<StrategyName, Strategy>,
) -> impl Iterator<Item = &'a StrategyName> {
    let known = world.strategies.iter();
    let gone = known.filter(|(name, known)| {
        let newest = known.newest();
        newest.is_some_and(|newest| newest.source == StrategySource::Configuration)
            && !configured.contains_key(*name)
    });
    gone.map(|(name, _)| name)
}

fn forget(name: &StrategyName, now: Timestamp) -> Change {
    let act = Act::StrategyRemoved {
        name: name.clone(),
        reason: "it stands in the coordinator's configuration no more".to_owned(),
    };
    decided(&Actor::System, now, act)
}
