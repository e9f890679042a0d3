use pinion_model::{RolloutPhase, Timestamp};

use crate::{CheckRun, Observation, World};

/// A sample counts while its check goes on: the rollout runs, the stage is
/// open, no machine of it has moved and no newer sample came since it was
/// asked for.
pub(super) fn probed(world: &mut World, observation: &Observation) {
    let Observation::Probed {
        rollout,
        stage,
        check,
        asked_at,
        sample,
        at,
    } = observation
    else {
        return;
    };
    let running = |rollout: &&mut crate::Rollout| rollout.phase == RolloutPhase::Running;
    let Some(rollout) = world.rollouts.get_mut(rollout).filter(running) else {
        return;
    };
    let open = rollout.open_stage;
    let Some(stage) = rollout.stages.get_mut(open).filter(|known| {
        known.rules.name == *stage && known.opened_at.is_some() && *asked_at >= known.checks.since
    }) else {
        return;
    };
    let mut rules = stage.rules.checks.iter();
    let Some(rule) = rules.find(|rule| rule.name == *check) else {
        return;
    };
    let runs = &mut stage.checks.runs;
    match runs.iter_mut().find(|run| run.name == *check) {
        None => runs.push(CheckRun::begin(check.clone(), sample.clone(), *asked_at)),
        Some(run) if run.verdict(rule, *at).is_none() && *asked_at > run.last_at => {
            run.add(sample.clone(), *asked_at);
        }
        Some(_) => {}
    }
}

/// A coordinator began: while there was none, nobody could ask.
pub(super) fn sit_out(world: &mut World, at: Timestamp) {
    for id in world.index.active.values() {
        let Some(rollout) = world.rollouts.get_mut(id) else {
            continue;
        };
        for run in rollout
            .stages
            .iter_mut()
            .flat_map(|stage| &mut stage.checks.runs)
        {
            run.sit_out(at);
        }
    }
}
