//! How a rollout of a run goes: a strategy at random, of all that a strategy can say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{InUse, LabelSelector, Timestamp, WorkloadName};
use pinion_rollout::{
    Amount, Approval, Budget, Calendar, Check, Cohort, FailureAction, FailureGroup, Freeze,
    HttpGet, OfflinePolicy, PrefetchSpec, Probe, SickPolicy, StageSpec, Strategy, Supersede,
    Window,
};

use crate::random::Random;
use crate::scenario::REGIONS;

/// One that is accepted, for a rollout that begins now; it goes after those workloads.
pub(crate) fn strategy(
    random: &mut Random,
    now: Timestamp,
    after: BTreeSet<WorkloadName>,
) -> Strategy {
    let min_healthy = random.seconds(1, 8);
    let healthy_deadline = min_healthy + random.seconds(10, 60);
    let progress_deadline = healthy_deadline + random.seconds(60, 600);
    let in_use = match progress_deadline.as_secs() % 3 {
        0 => InUse::Fail,
        1 => InUse::Skip,
        _ => InUse::Force,
    };
    let defer_within = Duration::from_secs(progress_deadline.as_secs() % 7 * 60);
    Strategy {
        stages: stages(random),
        spread_by: random.chance(300).then(|| "region".to_owned()),
        prefetch: random.chance(250).then(|| prefetch(random)),
        on_failure: Some(*random.pick(&[FailureAction::Halt, FailureAction::Rollback])),
        rollback_in_flight: random.chance(400).then(|| in_flight(random)),
        max_in_flight: Some(in_flight(random)),
        max_unavailable: random.chance(250).then(|| in_flight(random)),
        count_baseline: Some(random.chance(300)),
        strict: Some(random.chance(200)),
        failure_budget: Some(budget(random)),
        budgets: budgets(random),
        min_healthy: Some(min_healthy),
        healthy_deadline: Some(healthy_deadline),
        progress_deadline: Some(progress_deadline),
        start_within: Some(random.seconds(20, 600)),
        in_use: Some(in_use),
        defer_within: Some(defer_within),
        soak: Some(soak(random)),
        offline: Some(*random.pick(&[
            OfflinePolicy::Wait,
            OfflinePolicy::Skip,
            OfflinePolicy::Fail,
        ])),
        offline_grace: random.chance(300).then(|| random.seconds(1, 300)),
        sick: Some(*random.pick(&[SickPolicy::Include, SickPolicy::Skip])),
        quarantine_after: random.chance(400).then(|| few(random)),
        supersede: Some(supersede(random)),
        after,
        calendar: calendar(random, now),
        ..Strategy::default()
    }
}

/// Most times it takes the older one's place.
fn supersede(random: &mut Random) -> Supersede {
    match random.below(10) {
        0 => Supersede::Reject,
        1 | 2 => Supersede::Queue,
        _ => Supersede::Replace,
    }
}

fn few(random: &mut Random) -> u32 {
    u32::try_from(random.between(1, 4)).unwrap_or(1)
}

fn soak(random: &mut Random) -> Duration {
    match random.below(5) {
        0 => Duration::ZERO,
        _ => random.seconds(1, 90),
    }
}

fn stages(random: &mut Random) -> Vec<StageSpec> {
    let mut cohorts = Vec::new();
    if random.chance(500) {
        cohorts.push(Cohort::Count(few(random)));
    }
    if random.chance(200) {
        cohorts.push(Cohort::Selector(region(random)));
    }
    let mut percent = 0;
    for _ in 0..random.below(3) {
        percent += u32::try_from(random.between(5, 40)).unwrap_or(5);
        cohorts.push(Cohort::Percent(percent));
    }
    if cohorts.is_empty() || random.chance(900) {
        cohorts.push(Cohort::Rest);
    }
    let stages = cohorts.into_iter();
    stages.map(|cohort| stage(cohort, random)).collect()
}

fn region(random: &mut Random) -> LabelSelector {
    let region = (*random.pick(&REGIONS)).to_owned();
    LabelSelector(BTreeMap::from([("region".to_owned(), region)]))
}

fn stage(cohort: Cohort, random: &mut Random) -> StageSpec {
    let approval = match random.chance(120) {
        true => Approval::Manual,
        false => Approval::Automatic,
    };
    StageSpec {
        approval: Some(approval),
        max_in_flight: random.chance(300).then(|| in_flight(random)),
        failure_budget: random.chance(300).then(|| budget(random)),
        soak: random.chance(200).then(|| soak(random)),
        bake: random.chance(200).then(|| random.seconds(1, 120)),
        min_proven: random.chance(200).then(|| few(random) - 1),
        checks: if random.chance(150) {
            vec![check(random)]
        } else {
            Vec::new()
        },
        ..StageSpec::of(cohort)
    }
}

fn check(random: &mut Random) -> Check {
    let probe = Probe::Http(HttpGet::of("http://app/health"));
    Check {
        interval: random.seconds(1, 30),
        samples: few(random),
        failure_limit: few(random) - 1,
        timeout: random.seconds(60, 300),
        dry_run: random.chance(200),
        ..Check::of("smoke".parse().expect("a check's name"), probe)
    }
}

fn prefetch(random: &mut Random) -> PrefetchSpec {
    PrefetchSpec {
        max_in_flight: Some(in_flight(random)),
        failure_budget: random.chance(700).then(|| budget(random)),
    }
}

fn in_flight(random: &mut Random) -> Amount {
    match random.below(3) {
        0 => Amount::Count(few(random)),
        1 => Amount::Percent(u32::try_from(random.between(5, 50)).unwrap_or(10)),
        _ => Amount::Percent(100),
    }
}

fn budget(random: &mut Random) -> Budget {
    let amount = match random.below(4) {
        0 => Amount::Count(0),
        1 => Amount::Count(few(random)),
        2 => Amount::Percent(u32::try_from(random.between(1, 40)).unwrap_or(10)),
        _ => Amount::Percent(100),
    };
    let min_sample = if random.chance(250) { few(random) } else { 0 };
    Budget { amount, min_sample }
}

fn budgets(random: &mut Random) -> BTreeMap<FailureGroup, Budget> {
    let kinds = random.below(3);
    let one = |_| (*random.pick(&FailureGroup::ALL), budget(random));
    (0..kinds).map(one).collect()
}

/// Most times none; else a window soon, or a freeze that ends.
fn calendar(random: &mut Random, now: Timestamp) -> Calendar {
    let (windows, freezes) = match random.below(10) {
        0 => (vec![window(random, now)], Vec::new()),
        1 => (Vec::new(), vec![freeze(random, now)]),
        _ => (Vec::new(), Vec::new()),
    };
    Calendar { windows, freezes }
}

fn window(random: &mut Random, now: Timestamp) -> Window {
    let minute = (now.0 / 60_000 + random.between(0, 30)) % (24 * 60);
    let start = format!("{:02}:{:02}", minute / 60, minute % 60);
    Window {
        agents: if random.chance(500) {
            region(random)
        } else {
            LabelSelector::default()
        },
        days: BTreeSet::new(),
        start: start.parse().expect("a time of day"),
        duration: random.seconds(3600, 4 * 3600),
        time_zone: "UTC".parse().expect("a time zone"),
    }
}

fn freeze(random: &mut Random, now: Timestamp) -> Freeze {
    let from = now + random.seconds(0, 600);
    Freeze {
        from,
        until: from + random.seconds(60, 1800),
        reason: "holidays".to_owned(),
        agents: if random.chance(500) {
            region(random)
        } else {
            LabelSelector::default()
        },
    }
}
