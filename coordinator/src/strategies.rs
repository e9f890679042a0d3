//! Strategies by name: what the configuration holds goes into the World when
//! the coordinator starts, and from then on every name is looked up there.

use anyhow::Context as _;
use pinion_model::StrategyName;
use pinion_rollout::{Refusal, Strategy, World, commands};

use crate::cli::UsageError;
use crate::config::{Config, ConfigError};
use crate::ledger::{DecideError, Ledger};

/// Makes the World's strategies those of the configuration: the next version
/// where one says something new, and none any more where one is gone. Those
/// that were put through the API stay as they are.
///
/// # Errors
///
/// If the engine refuses one, with every fault of all; or if the store fails.
pub async fn seed(ledger: &Ledger, config: &Config) -> anyhow::Result<Vec<StrategyName>> {
    let configured = &config.strategies;
    let seeded = ledger
        .decide(|world, now| commands::seed_strategies(world, configured, now))
        .await;
    match seeded {
        Ok(seeded) => Ok(seeded.value),
        Err(DecideError::Refused(Refusal::Invalid { faults })) => {
            let faults = faults.into_iter().map(|fault| ConfigError::Key {
                file: "the configuration".to_owned(),
                key: fault.path,
                message: fault.message,
            });
            let faults = ConfigError::Several(faults.collect());
            Err(UsageError::Config(faults).into())
        }
        Err(error) => Err(error).context("keep the strategies of the configuration"),
    }
}

/// The strategy of a name, with the version that is asked for; `None` is the
/// newest, which a name that was removed does not have.
///
/// # Errors
///
/// If there is none, with those that there are.
pub(crate) fn resolve(
    world: &World,
    name: &StrategyName,
    version: Option<u32>,
) -> Result<Strategy, Refusal> {
    let Some(number) = version else {
        let newest = world.strategy(name).cloned();
        return newest.ok_or_else(|| unknown(world, name));
    };
    let known = world.strategies.get(name);
    let known = known.ok_or_else(|| unknown(world, name))?;
    let found = known.version(number);
    found.map(|found| found.strategy.clone()).ok_or_else(|| {
        let has = known.versions.len();
        let message = format!("must be 1 to {has}, the versions of {name}; got {number}");
        invalid("strategy.version", message)
    })
}

fn unknown(world: &World, name: &StrategyName) -> Refusal {
    let usable = world.strategies.iter();
    let usable = usable.filter(|(_, known)| known.removed.is_none());
    let usable: Vec<_> = usable.map(|(name, _)| name.as_str()).collect();
    let message = format!(
        "must be one of {}; got {:?}",
        usable.join(", "),
        name.as_str()
    );
    invalid("strategy.name", message)
}

fn invalid(path: &str, message: String) -> Refusal {
    Refusal::Invalid {
        faults: vec![pinion_rollout::Fault::new(path, message)],
    }
}
