//! Strategies that the coordinator keeps by name, version after version.

use pinion_model::StrategyName;
use pinion_rollout::Strategy;
use pinion_rollout::commands::{self, PutStrategy, RemoveStrategy};

use super::bench::Bench;
use super::operators::alice;
use super::words::Words;

/// `keep strategy NAME "reason"`: what the script says of it last.
pub(super) fn keep(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    let name = name(words)?;
    let strategy = bench.strategies.get(&name).cloned();
    let request = PutStrategy {
        strategy: strategy.ok_or_else(|| unknown(&name))?,
        name,
        reason: words.quoted(),
    };
    words.end()?;
    bench.decide(|world, now| commands::put_strategy(world, request, &alice(), now));
    Ok(())
}

/// `forget strategy NAME "reason"`.
pub(super) fn forget(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    let request = RemoveStrategy {
        name: name(words)?,
        reason: words.quoted(),
    };
    words.end()?;
    bench.decide(|world, now| commands::remove_strategy(world, request, &alice(), now));
    Ok(())
}

/// The one that is kept under that name, else what the script says of it.
pub(super) fn find(bench: &Bench, name: &str) -> Result<Strategy, String> {
    let name: StrategyName = name.parse().map_err(|error| format!("{error}"))?;
    let kept = bench.world.strategy(&name);
    let found = kept.or_else(|| bench.strategies.get(&name));
    found.cloned().ok_or_else(|| unknown(&name))
}

/// The versions of those that are kept, and which of them rollouts go by.
pub(super) fn answers(bench: &Bench) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, kept) in &bench.world.strategies {
        for (version, number) in kept.versions.iter().zip(1..) {
            let by = &version.by;
            lines.push(format!(
                "{name} version {number} by {} since {}: {}",
                by.actor, by.at, by.reason
            ));
        }
        if let Some(by) = &kept.removed {
            lines.push(format!("{name} is removed by {}: {}", by.actor, by.reason));
        }
    }
    for rollout in bench.world.rollouts.values() {
        let spec = &rollout.spec;
        if let (Some(name), Some(version)) = (&spec.strategy, spec.version) {
            lines.push(format!(
                "{} goes by {name}, version {version}: soak {} s",
                rollout.id,
                spec.timing.soak.as_secs()
            ));
        }
    }
    lines
}

fn name(words: &mut Words) -> Result<StrategyName, String> {
    match words.take("strategy") {
        true => words.parse("a name"),
        false => Err("it is \"strategy\", and its name".to_owned()),
    }
}

fn unknown(name: &StrategyName) -> String {
    format!("there is no strategy {:?}", name.as_str())
}
