//! Named strategies: versions with who, when and why, from the configuration
//! and through the API; a rollout keeps the version that it began with.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{Actor, RolloutPhase, StrategyName};

use super::bed::{Bed, alice, count, rest, strategy};
use crate::commands::{self, PutStrategy, RemoveStrategy};
use crate::{
    Amount, Change, NamedStrategy, Refusal, Strategy, StrategySource, StrategyVersion, Supersede,
};

fn name(name: &str) -> StrategyName {
    name.parse().expect("a strategy's name")
}

fn soak(seconds: u64) -> Strategy {
    Strategy {
        soak: Some(Duration::from_secs(seconds)),
        ..strategy(vec![count(1), rest()])
    }
}

fn put(bed: &mut Bed, named: &str, strategy: Strategy) -> Result<StrategyVersion, Refusal> {
    let put = PutStrategy {
        name: name(named),
        strategy,
        reason: "so it is better".to_owned(),
    };
    bed.decide(|world, now| commands::put_strategy(world, put.clone(), &alice(), now))
}

fn remove(bed: &mut Bed, named: &str) -> Result<(), Refusal> {
    let remove = RemoveStrategy {
        name: name(named),
        reason: "nobody uses it".to_owned(),
    };
    bed.decide(|world, now| commands::remove_strategy(world, remove.clone(), &alice(), now))
}

fn seed(bed: &mut Bed, configured: &[(&str, Strategy)]) -> Result<Vec<String>, Refusal> {
    let configured = configured.iter();
    let configured: BTreeMap<_, _> = configured
        .map(|(named, strategy)| (name(named), strategy.clone()))
        .collect();
    let names = bed.decide(|world, now| commands::seed_strategies(world, &configured, now))?;
    Ok(names.iter().map(ToString::to_string).collect())
}

fn known<'a>(bed: &'a Bed, named: &str) -> &'a NamedStrategy {
    &bed.world.strategies[&name(named)]
}

/// The version that is used now, and its soak in seconds.
fn newest(bed: &Bed, named: &str) -> Option<(u32, u64)> {
    let strategy = bed.world.strategy(&name(named))?;
    Some((strategy.version?, strategy.soak?.as_secs()))
}

fn message<T: std::fmt::Debug>(refused: Result<T, Refusal>) -> String {
    match refused {
        Err(Refusal::Precondition { message }) => message,
        other => panic!("not refused for the present state: {other:?}"),
    }
}

#[test]
fn every_version_says_who_made_it_when_and_why() {
    let mut bed = Bed::new(0);
    let first = put(&mut bed, "careful", soak(60)).expect("the first");
    bed.pass(Duration::from_secs(5));
    let second = put(&mut bed, "careful", soak(90)).expect("the second");
    assert_eq!(newest(&bed, "careful"), Some((2, 90)));
    assert_eq!(known(&bed, "careful").versions, [first, second.clone()]);
    assert_eq!(known(&bed, "careful").version(2), Some(&second));
    assert_eq!(known(&bed, "careful").version(3), None);
    assert_eq!(
        (&second.by.actor, second.by.at, second.by.reason.as_str()),
        (&alice(), bed.now, "so it is better")
    );
    assert_eq!(second.source, StrategySource::Api);
    assert_eq!(second.strategy.name, Some(name("careful")));
    let said = bed.history.iter().rev().find_map(|change| match change {
        Change::Decision(decision) => {
            Some((decision.action(), decision.subject(), decision.detail()))
        }
        Change::Observation(_) => None,
    });
    assert_eq!(
        said,
        Some((
            "strategy.put",
            "careful".to_owned(),
            "version 2: so it is better".to_owned()
        ))
    );
}

#[test]
fn what_says_the_same_makes_no_new_version() {
    let mut bed = Bed::new(0);
    put(&mut bed, "careful", soak(60)).expect("the first");
    let again = Strategy {
        name: Some(name("other")),
        version: Some(9),
        ..soak(60)
    };
    let before = bed.history.len();
    let same = put(&mut bed, "careful", again).expect("the same");
    assert_eq!(same.strategy.version, Some(1));
    assert_eq!(bed.history.len(), before, "nothing was committed");
    put(&mut bed, "careful", soak(61)).expect("another");
    put(&mut bed, "careful", soak(60)).expect("back again");
    assert_eq!(
        newest(&bed, "careful"),
        Some((3, 60)),
        "only the newest counts"
    );
}

#[test]
fn a_strategy_with_faults_is_refused_with_all_of_them() {
    let mut bed = Bed::new(0);
    let faulty = Strategy {
        max_in_flight: Some(Amount::Count(0)),
        quarantine_after: Some(0),
        ..soak(60)
    };
    match put(&mut bed, "careless", faulty) {
        Err(Refusal::Invalid { faults }) => {
            let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
            assert_eq!(
                paths,
                ["strategy.max_in_flight", "strategy.quarantine_after"]
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bed.world.strategy(&name("careless")), None);
}

#[test]
fn a_name_that_is_removed_is_not_used_and_what_it_was_stays_known() {
    let mut bed = Bed::new(0);
    assert!(matches!(
        remove(&mut bed, "careful"),
        Err(Refusal::NotFound { .. })
    ));
    put(&mut bed, "careful", soak(60)).expect("the first");
    remove(&mut bed, "careful").expect("removed");
    assert_eq!(bed.world.strategy(&name("careful")), None);
    assert_eq!(known(&bed, "careful").versions.len(), 1);
    let by = known(&bed, "careful")
        .removed
        .as_ref()
        .expect("by a person");
    assert_eq!(
        (&by.actor, by.reason.as_str()),
        (&alice(), "nobody uses it")
    );
    assert!(matches!(
        remove(&mut bed, "careful"),
        Err(Refusal::NotFound { .. })
    ));
    put(&mut bed, "careful", soak(60)).expect("there again");
    assert_eq!(newest(&bed, "careful"), Some((2, 60)));
}

#[test]
fn what_stands_in_the_configuration_is_seeded_once_and_then_only_what_changed() {
    let mut bed = Bed::new(0);
    let at_first = [("careful", soak(60)), ("quick", soak(1))];
    assert_eq!(
        seed(&mut bed, &at_first).expect("fits"),
        ["careful", "quick"]
    );
    assert_eq!(newest(&bed, "careful"), Some((1, 60)));
    let version = known(&bed, "careful").newest().expect("a version");
    assert_eq!(version.source, StrategySource::Configuration);
    assert_eq!(version.by.actor, Actor::System);
    let before = bed.history.len();
    assert!(seed(&mut bed, &at_first).expect("fits").is_empty());
    assert_eq!(bed.history.len(), before, "a restart commits nothing");
    let then = [("careful", soak(90))];
    assert_eq!(seed(&mut bed, &then).expect("fits"), ["careful", "quick"]);
    assert_eq!(newest(&bed, "careful"), Some((2, 90)));
    assert_eq!(newest(&bed, "quick"), None, "it stands there no more");
    assert!(seed(&mut bed, &then).expect("fits").is_empty());
}

#[test]
fn names_of_the_configuration_are_changed_there_alone() {
    let mut bed = Bed::new(0);
    seed(&mut bed, &[("careful", soak(60))]).expect("fits");
    for refused in [
        put(&mut bed, "careful", soak(1)).map(|_| ()),
        remove(&mut bed, "careful"),
    ] {
        let refused = message(refused);
        assert!(refused.contains("coordinator's configuration"), "{refused}");
    }
    seed(&mut bed, &[]).expect("fits");
    put(&mut bed, "careful", soak(1)).expect("the name is free");
    assert_eq!(newest(&bed, "careful"), Some((2, 1)));
}

#[test]
fn the_configuration_takes_a_name_over_from_the_api() {
    let mut bed = Bed::new(0);
    put(&mut bed, "careful", soak(60)).expect("the first");
    put(&mut bed, "ours", soak(5)).expect("another");
    assert_eq!(
        seed(&mut bed, &[("careful", soak(60))]).expect("fits"),
        ["careful"]
    );
    assert_eq!(newest(&bed, "careful"), Some((2, 60)));
    message(put(&mut bed, "careful", soak(1)));
    assert_eq!(newest(&bed, "ours"), Some((1, 5)), "the others stay");
}

#[test]
fn faults_of_the_configuration_are_told_all_at_once_by_their_names() {
    let mut bed = Bed::new(0);
    let faulty = |n| Strategy {
        max_in_flight: Some(Amount::Count(0)),
        ..soak(n)
    };
    match seed(&mut bed, &[("careful", faulty(1)), ("quick", faulty(2))]) {
        Err(Refusal::Invalid { faults }) => {
            let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
            assert_eq!(
                paths,
                [
                    "strategy.careful.max_in_flight",
                    "strategy.quick.max_in_flight"
                ]
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rollout_keeps_the_version_that_it_began_with() {
    let mut bed = Bed::new(2);
    put(&mut bed, "careful", soak(60)).expect("the first");
    let used = bed.world.strategy(&name("careful")).expect("there").clone();
    let id = bed.roll_out(2, used);
    put(&mut bed, "careful", soak(1)).expect("the second");
    remove(&mut bed, "careful").expect("removed");
    bed.drive();
    let spec = &bed.rollout(&id).spec;
    assert_eq!(
        (&spec.strategy, spec.version),
        (&Some(name("careful")), Some(1))
    );
    assert_eq!(spec.timing.soak, Duration::from_secs(60));
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn one_that_is_queued_keeps_the_version_that_it_was_asked_with() {
    let mut bed = Bed::new(1);
    let first = bed.roll_out(2, soak(1));
    bed.plan();
    let queue = |seconds| Strategy {
        supersede: Some(Supersede::Queue),
        ..soak(seconds)
    };
    put(&mut bed, "careful", queue(60)).expect("the first");
    let used = bed.world.strategy(&name("careful")).expect("there").clone();
    let queued = bed.roll_out(3, used);
    assert_eq!(bed.phase(&queued), RolloutPhase::Queued);
    put(&mut bed, "careful", queue(90)).expect("the second");
    bed.drive();
    assert_eq!(bed.phase(&first), RolloutPhase::Completed);
    let spec = &bed.rollout(&queued).spec;
    assert_eq!((spec.version, spec.timing.soak.as_secs()), (Some(1), 60));
    assert_eq!(bed.rollout(&queued).stages[0].rules.soak.as_secs(), 60);
}
