use pinion_model::StrategyName;
use pinion_proto::v1;
use pinion_rollout::{NamedStrategy, StrategySource, StrategyVersion};
use pinion_strategy::message::strategy;

use super::attribution;

/// A name, and one version of it.
pub(crate) fn named(
    name: &StrategyName,
    named: &NamedStrategy,
    shown: &StrategyVersion,
) -> v1::NamedStrategy {
    v1::NamedStrategy {
        name: name.to_string(),
        version: Some(version(shown)),
        versions: u32::try_from(named.versions.len()).unwrap_or(u32::MAX),
        removed: named.removed.as_ref().map(attribution),
    }
}

/// One version, as it was asked for.
pub(crate) fn version(version: &StrategyVersion) -> v1::StrategyVersion {
    let source = match version.source {
        StrategySource::Configuration => v1::StrategySource::Configuration,
        StrategySource::Api => v1::StrategySource::Api,
    };
    v1::StrategyVersion {
        strategy: Some(strategy(&version.strategy)),
        source: source.into(),
        put: Some(attribution(&version.by)),
    }
}
