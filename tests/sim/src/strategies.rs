//! How a rollout of a run goes: a strategy at random, of all that a strategy can say.

use std::time::Duration;

use pinion_model::LabelSelector;
use pinion_rollout::{
    Amount, Approval, Budget, Cohort, FailureAction, OfflinePolicy, StageSpec, Strategy,
};

use crate::random::Random;
use crate::scenario::REGIONS;

/// One that is accepted.
pub(crate) fn strategy(random: &mut Random) -> Strategy {
    let min_healthy = random.seconds(1, 8);
    let healthy_deadline = min_healthy + random.seconds(10, 60);
    let progress_deadline = healthy_deadline + random.seconds(60, 600);
    Strategy {
        stages: stages(random),
        on_failure: Some(*random.pick(&[FailureAction::Halt, FailureAction::Rollback])),
        max_in_flight: Some(in_flight(random)),
        failure_budget: Some(budget(random)),
        min_healthy: Some(min_healthy),
        healthy_deadline: Some(healthy_deadline),
        progress_deadline: Some(progress_deadline),
        start_within: Some(random.seconds(20, 600)),
        soak: Some(if random.chance(200) {
            Duration::ZERO
        } else {
            random.seconds(1, 90)
        }),
        offline: Some(*random.pick(&[
            OfflinePolicy::Wait,
            OfflinePolicy::Skip,
            OfflinePolicy::Fail,
        ])),
        ..Strategy::default()
    }
}

fn stages(random: &mut Random) -> Vec<StageSpec> {
    let mut stages = Vec::new();
    if random.chance(500) {
        stages.push(Cohort::Count(
            u32::try_from(random.between(1, 3)).unwrap_or(1),
        ));
    }
    if random.chance(200) {
        let region = (*random.pick(&REGIONS)).to_owned();
        let labels = std::collections::BTreeMap::from([("region".to_owned(), region)]);
        stages.push(Cohort::Selector(LabelSelector(labels)));
    }
    let mut percent = 0;
    for _ in 0..random.below(3) {
        percent += u32::try_from(random.between(5, 40)).unwrap_or(5);
        stages.push(Cohort::Percent(percent));
    }
    if stages.is_empty() || random.chance(900) {
        stages.push(Cohort::Rest);
    }
    stages
        .into_iter()
        .map(|cohort| stage(cohort, random))
        .collect()
}

fn stage(cohort: Cohort, random: &mut Random) -> StageSpec {
    let is_manual = random.chance(120);
    StageSpec {
        approval: Some(if is_manual {
            Approval::Manual
        } else {
            Approval::Automatic
        }),
        max_in_flight: random.chance(300).then(|| in_flight(random)),
        failure_budget: random.chance(300).then(|| budget(random)),
        bake: random.chance(200).then(|| random.seconds(1, 120)),
        min_proven: random
            .chance(200)
            .then(|| u32::try_from(random.between(0, 3)).unwrap_or(1)),
        ..StageSpec::of(cohort)
    }
}

fn in_flight(random: &mut Random) -> Amount {
    match random.below(3) {
        0 => Amount::Count(u32::try_from(random.between(1, 5)).unwrap_or(1)),
        1 => Amount::Percent(u32::try_from(random.between(5, 50)).unwrap_or(10)),
        _ => Amount::Percent(100),
    }
}

fn budget(random: &mut Random) -> Budget {
    let amount = match random.below(4) {
        0 => Amount::Count(0),
        1 => Amount::Count(u32::try_from(random.between(1, 4)).unwrap_or(1)),
        2 => Amount::Percent(u32::try_from(random.between(1, 40)).unwrap_or(10)),
        _ => Amount::Percent(100),
    };
    Budget {
        amount,
        min_sample: u32::try_from(random.below(4)).unwrap_or(0),
    }
}
