use super::decisions::by;
use crate::world::Touched;
use crate::{Act, Decision, Strategy, StrategyVersion, World};

/// Named strategies that get a version, or are removed. Rollouts keep what they
/// began with, so nothing else changes.
pub(super) fn apply(world: &mut World, decision: &Decision, _touched: &mut Touched) {
    match &decision.act {
        Act::StrategyPut {
            name,
            version,
            strategy,
            source,
            reason,
        } => {
            let known = world.strategies.or_default(name);
            known.removed = None;
            known.versions.push(StrategyVersion {
                strategy: Strategy {
                    name: Some(name.clone()),
                    version: Some(*version),
                    ..Strategy::clone(strategy)
                },
                source: *source,
                by: by(decision, reason),
            });
        }
        Act::StrategyRemoved { name, reason } => {
            if let Some(known) = world.strategies.get_mut(name) {
                known.removed = Some(by(decision, reason));
            }
        }
        _ => {}
    }
}
