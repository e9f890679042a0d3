//! Workloads that go after others on a machine.

use pinion_model::{AgentPhase, RolloutPhase};
use proptest::prelude::*;

use super::bed::{Bed, agent, alice, count, keep, rest, strategy};
use super::workloads::{after, all, also, flying, one_by_one};
use crate::commands::{self, HoldAgent, StartRollout};
use crate::{Act, Amount, Change, Decision, Refusal, StageSpec, Strategy, explain_all, summary};

#[test]
fn a_workload_that_goes_first_is_waited_for_machine_by_machine() {
    let mut bed = Bed::new(3);
    let one = bed.roll_out(2, one_by_one());
    bed.plan();
    let web = also(&mut bed, "web", after(&["app"], all()));
    bed.plan();
    let order: Vec<_> = (0..3).map(|place| bed.nth(&one, 0, place)).collect();
    for name in &order {
        assert_eq!(bed.word(&web, name), Some("after"));
    }
    let why = bed.why(&web, &order[1]).expect("it waits");
    assert!(
        why.detail.contains("app goes first") && why.detail.contains(one.as_str()),
        "{}",
        why.detail
    );
    let text = summary(&bed.world, &web, bed.now);
    assert!(text.contains("goes first"), "{text}");
    bed.work_on("app");
    bed.say(&order[0], AgentPhase::Soaking);
    bed.plan();
    assert_eq!(
        bed.word(&web, &order[0]),
        Some("after"),
        "it is proven once it has soaked"
    );
    bed.say(&order[0], AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.word(&web, &order[0]), Some("in_flight"));
    assert_eq!(bed.word(&web, &order[2]), Some("after"));
    bed.drive();
    assert_eq!(bed.phase(&one), RolloutPhase::Completed);
    assert_eq!(bed.phase(&web), RolloutPhase::Completed);
}

#[test]
fn a_failure_of_what_goes_first_holds_the_machine_until_it_is_known_or_over() {
    let lenient = StageSpec {
        failure_budget: Some(Amount::Count(0).into()),
        ..rest()
    };
    let start = || {
        let mut bed = Bed::new(2);
        let app = bed.roll_out(2, strategy(vec![lenient.clone()]));
        bed.plan();
        let web = also(&mut bed, "web", after(&["app"], all()));
        bed.work_on("app");
        bed.say("m1", AgentPhase::RolledBack);
        bed.say("m2", AgentPhase::Settled);
        bed.plan();
        bed.say("m1", AgentPhase::Settled);
        bed.plan();
        assert_eq!(bed.phase(&app), RolloutPhase::Halted);
        assert_eq!(bed.word(&web, "m1"), Some("after"));
        assert_eq!(bed.word(&web, "m2"), Some("in_flight"));
        (bed, app, web)
    };
    let (mut bed, app, web) = start();
    bed.steer_with(commands::resume, &app);
    bed.plan();
    assert_eq!(bed.word(&web, "m1"), Some("in_flight"), "acknowledged");
    let (mut bed, app, web) = start();
    bed.steer_with(keep, &app);
    bed.plan();
    assert_eq!(bed.phase(&app), RolloutPhase::Aborted);
    assert_eq!(bed.word(&web, "m1"), Some("in_flight"), "over");
}

#[test]
fn a_machine_that_what_goes_first_does_not_come_to_is_not_held() {
    let mut bed = Bed::new(3);
    let hold = HoldAgent {
        agent: agent("m3"),
        reason: "care".into(),
        expires_at: None,
    };
    let app = bed.roll_out(2, strategy(vec![count(2)]));
    bed.plan();
    let outside = ["m1", "m2", "m3"]
        .into_iter()
        .find(|name| bed.word(&app, name) == Some("not_a_member"))
        .expect("no stage has it");
    let web = also(&mut bed, "web", after(&["app"], all()));
    bed.plan();
    assert_eq!(bed.word(&web, outside), Some("in_flight"));

    let mut bed = Bed::new(3);
    bed.roll_out(2, one_by_one());
    bed.plan();
    bed.decide(|world, now| commands::hold(world, hold.clone(), &alice(), now))
        .expect("held");
    let web = also(&mut bed, "web", after(&["app"], all()));
    bed.plan();
    assert_eq!(bed.word(&web, "m3"), Some("held"), "both go round it");
    assert_eq!(bed.word(&web, "m2"), Some("after"));
}

#[test]
fn nothing_goes_on_to_a_machine_that_what_goes_first_is_taken_back_from() {
    let mut bed = Bed::new(2);
    let app = bed.roll_out(2, all());
    bed.drive();
    bed.offline("m1");
    bed.steer_with(commands::roll_back, &app);
    bed.plan();
    let web = also(&mut bed, "web", after(&["app"], all()));
    bed.plan();
    assert_eq!(bed.word(&web, "m2"), Some("after"));
    bed.work_on("app");
    bed.say("m2", AgentPhase::Settled);
    bed.work_on("web");
    bed.plan();
    assert_eq!(bed.word(&web, "m2"), Some("in_flight"), "it is back");
}

fn faults(bed: &Bed, workload: &str, strategy: Strategy) -> Vec<String> {
    let request = StartRollout {
        workload: workload.parse().expect("a name"),
        pin: None,
        strategy,
        agents: pinion_model::LabelSelector::default(),
        reason: String::new(),
    };
    match commands::start_rollout(&bed.world, request, &alice(), bed.now) {
        Err(Refusal::Invalid { faults }) => faults.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

#[test]
fn what_cannot_go_first_is_refused_all_at_once() {
    let mut bed = Bed::new(1);
    bed.promote(2);
    let contrary = Strategy {
        quarantine_after: Some(0),
        ..after(&["app", "nobody"], all())
    };
    let found = faults(&bed, "app", contrary);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().any(|it| it.contains("quarantine_after")));
    let own: Vec<_> = found
        .iter()
        .filter(|it| it.starts_with("strategy.after: "))
        .collect();
    assert!(own[0].contains("cannot go after itself"), "{own:?}");
    assert!(own[1].contains("no workload \"nobody\""), "{own:?}");
}

#[test]
fn workloads_that_would_wait_for_each_other_are_refused() {
    let mut bed = Bed::new(1);
    for workload in ["app", "web", "db"] {
        bed.work_on(workload);
        bed.promote(2);
    }
    bed.work_on("web");
    let web = bed.start(after(&["app"], all()));
    bed.work_on("db");
    bed.start(after(&["web"], all()));
    let found = faults(&bed, "app", after(&["db"], all()));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("app would wait for itself")
            && found[0].contains("db, which goes after web, which goes after app"),
        "{found:?}"
    );
    assert!(faults(&bed, "app", all()).is_empty());
    bed.steer_with(keep, &web);
    bed.drive();
    assert!(
        faults(&bed, "app", after(&["db"], all())).is_empty(),
        "what is over waits for nothing"
    );
}

/// Which workloads go after which: only later ones after earlier ones.
fn order() -> impl proptest::strategy::Strategy<Value = (Vec<bool>, Vec<u32>)> {
    let before = proptest::collection::vec(any::<bool>(), 6);
    let limits = proptest::collection::vec(1..4_u32, 4);
    (before, limits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn workloads_that_go_after_each_other_never_lock_up(
        (before, limits) in order(),
        fails in proptest::collection::vec((1..6_usize, 0..4_usize), 0..4),
    ) {
        let names = ["app", "db", "proxy", "web"];
        let mut bed = Bed::new(5);
        for workload in names {
            bed.work_on(workload);
            bed.promote(2);
        }
        for (machine, workload) in fails {
            let spoilt = names[workload].parse().expect("a name");
            let machine = bed.machines.get_mut(&agent(&format!("m{machine}"))).expect("a machine");
            machine.bad_workloads.insert(spoilt);
        }
        let mut ids = Vec::new();
        let mut pairs = before.into_iter();
        // The last begins first: it is there before those that it goes after.
        for (place, workload) in names.iter().enumerate().rev() {
            let first: Vec<_> = names[..place].iter().filter(|_| pairs.next() == Some(true)).copied().collect();
            bed.work_on(workload);
            let strategy = Strategy {
                max_in_flight: Some(Amount::Count(limits[place])),
                quarantine_after: Some(u32::MAX),
                ..after(&first, strategy(vec![count(1), rest()]))
            };
            ids.push(bed.start(strategy));
        }
        for _ in 0..40 {
            bed.drive();
            for name in 1..=5 {
                let flying = flying(&bed, &format!("m{name}")).len();
                prop_assert!(flying <= 1, "one at a time");
            }
            let halted = ids.iter().find(|id| bed.phase(id) == RolloutPhase::Halted).cloned();
            let Some(halted) = halted else { break };
            bed.steer_with(commands::resume, &halted);
        }
        for id in &ids {
            prop_assert_eq!(
                bed.phase(id), RolloutPhase::Completed,
                "{}\n{:?}", summary(&bed.world, id, bed.now), explain_all(&bed.world, id, bed.now)
            );
        }
    }
}

/// The workloads that a machine was asked for since then, in this order.
fn asked(bed: &Bed, name: &str, since: usize) -> Vec<String> {
    let changes = bed.history[since..].iter();
    let asked = changes.filter_map(|change| match change {
        Change::Decision(Decision {
            act: Act::Assigned {
                agent, assignment, ..
            },
            ..
        }) => {
            let its = agent.as_str() == name && assignment.run.is_some();
            its.then(|| assignment.workload.to_string())
        }
        _ => None,
    });
    let mut asked: Vec<_> = asked.collect();
    asked.dedup();
    asked
}

fn five_at_once() -> Strategy {
    Strategy {
        max_in_flight: Some(Amount::Count(5)),
        ..all()
    }
}

#[test]
fn what_goes_first_goes_first_also_where_a_machine_catches_up_with_it() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all());
    bed.drive();
    let web = also(&mut bed, "web", after(&["app"], five_at_once()));
    bed.plan();
    bed.say("m1", AgentPhase::Pulling);
    let since = bed.history.len();
    bed.enrol("m2", true);
    bed.work_on("app");
    bed.plan();
    assert_eq!(asked(&bed, "m2", since), ["app"]);
    let why = bed.why(&web, "m2").expect("it waits");
    assert_eq!(why.word, "after");
    for part in [
        "app goes first",
        "its stable digest",
        "pinion agent show m2",
    ] {
        assert!(why.detail.contains(part), "{}", why.detail);
    }
    bed.say("m2", AgentPhase::Soaking);
    bed.plan();
    assert_eq!(
        bed.word(&web, "m2"),
        Some("after"),
        "it is proven once it has soaked"
    );
    bed.say("m2", AgentPhase::Settled);
    bed.drive();
    assert_eq!(asked(&bed, "m2", since), ["app", "web"]);
    assert_eq!(bed.phase(&web), RolloutPhase::Completed);
}

#[test]
fn one_whose_turn_was_taken_back_at_the_end_of_what_goes_first_catches_up_before_the_next() {
    let mut bed = Bed::new(1);
    let app = bed.roll_out(2, five_at_once());
    bed.plan();
    let web = also(&mut bed, "web", after(&["app"], five_at_once()));
    bed.plan();
    let since = bed.history.len();
    bed.enrol("m2", true);
    bed.plan();
    assert_eq!(asked(&bed, "m2", since), ["app"]);
    bed.work_on("app");
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&app), RolloutPhase::Completed);
    bed.say("m2", AgentPhase::Withdrawn);
    bed.plan();
    assert_eq!(bed.word(&web, "m2"), Some("after"));
    bed.drive();
    assert_eq!(asked(&bed, "m2", since), ["app", "web"]);
    assert_eq!(bed.phase(&web), RolloutPhase::Completed);
}

#[test]
fn a_machine_that_cannot_catch_up_with_what_goes_first_is_not_held_by_it() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all());
    bed.drive();
    let web = also(&mut bed, "web", after(&["app"], five_at_once()));
    bed.plan();
    bed.say("m1", AgentPhase::Pulling);
    bed.enrol("m2", true);
    bed.work_on("app");
    bed.plan();
    bed.say("m2", AgentPhase::RolledBack);
    bed.plan();
    bed.say("m2", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.word(&web, "m2"), Some("in_flight"));
}

#[test]
fn what_goes_later_is_no_candidate_until_its_turn_comes() {
    let mut bed = Bed::new(20);
    bed.roll_out(2, all());
    bed.drive();
    also(&mut bed, "web", after(&["app"], five_at_once()));
    bed.drive();
    let names: Vec<_> = (21..=40).map(|n| format!("m{n}")).collect();
    for name in &names {
        bed.enrol(name, true);
    }
    let behind = |bed: &Bed, workload: &str| {
        let behind = bed.world.index.behind.iter();
        behind.filter(|(name, _)| name.as_str() == workload).count()
    };
    assert_eq!((behind(&bed, "app"), behind(&bed, "web")), (20, 0));
    bed.drive();
    assert_eq!((behind(&bed, "app"), behind(&bed, "web")), (0, 0));
    for name in &names {
        assert_eq!(bed.running(name), &super::bed::digest(2));
    }
}
