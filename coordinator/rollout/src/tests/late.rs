//! Machines that join or return while a rollout goes on.

use std::time::Duration;

use pinion_model::{AgentId, AgentPhase, LabelSelector, Labels, RolloutId, RolloutPhase};

use super::bed::{Bed, agent, count, digest, rest, strategy};
use crate::{
    Act, Amount, Approval, Change, Cohort, OfflinePolicy, Purpose, StageSpec, Strategy, commands,
    summary,
};

/// One machine at a time in each of two stages: `m1` and `m2`, then the rest.
fn slow() -> Strategy {
    Strategy {
        max_in_flight: Some(Amount::Count(1)),
        ..strategy(vec![count(2), rest()])
    }
}

/// One machine at a time, in one stage.
fn slow_all() -> Strategy {
    Strategy {
        max_in_flight: Some(Amount::Count(1)),
        ..strategy(vec![rest()])
    }
}

/// A rollout to four machines whose second stage is open and at work.
fn in_second_stage() -> (Bed, RolloutId) {
    let mut bed = Bed::new(4);
    let id = bed.roll_out(2, slow());
    while bed.rollout(&id).open_stage == 0 || bed.counts(&id, 1).in_flight == 0 {
        bed.plan();
        for name in ["m1", "m2", "m3", "m4"] {
            bed.step(name);
        }
    }
    (bed, id)
}

#[test]
fn a_machine_that_joins_gets_what_its_stage_has_now_through_the_same_proof() {
    let (mut bed, id) = in_second_stage();
    bed.enrol("m5", true);
    bed.plan();
    let member = &bed.rollout(&id).members[&agent("m5")];
    assert_eq!((member.stage, member.late), (1, true));
    while bed.world.desired(&agent("m5")).assignments.is_empty() {
        bed.plan();
        for name in ["m1", "m2", "m3", "m4"] {
            bed.step(name);
        }
    }
    let assignment = bed.world.desired(&agent("m5")).assignments.remove(0);
    assert!(
        matches!(assignment.purpose, Purpose::Rollout { ref rollout, .. } if *rollout == id),
        "{:?}",
        assignment.purpose
    );
    bed.drive();
    assert_eq!(*bed.running("m5"), digest(2));
}

#[test]
fn a_machine_that_returns_after_its_stage_has_passed_joins_the_open_one() {
    let mut bed = Bed::new(3);
    let mut rules = Strategy {
        offline: Some(OfflinePolicy::Skip),
        ..strategy(vec![count(2), rest()])
    };
    rules.stages[1].approval = Some(Approval::Manual);
    let id = bed.roll_out(2, rules);
    let away = bed.nth(&id, 0, 1);
    bed.offline(&away);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::AwaitingApproval);
    assert_eq!(bed.word(&id, &away), Some("stage_passed"));
    let approval = bed.approval(&id, None);
    bed.approve(&approval).expect("approved");
    bed.plan();
    bed.hello(&away);
    bed.plan();
    assert_eq!(bed.rollout(&id).members[&agent(&away)].stage, 1);
    bed.drive();
    assert_eq!(*bed.running(&away), digest(2));
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_stage_does_not_wait_for_machines_that_joined_it_late() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    bed.enrol("m2", true);
    bed.plan();
    assert_eq!(bed.counts(&id, 0).agents, 2);
    while bed.phase(&id) == RolloutPhase::Running {
        bed.step("m1");
        bed.plan();
    }
    assert_eq!(bed.phase(&id), RolloutPhase::Completed, "m2 never worked");
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(2), "it catches up");
}

#[test]
fn a_machine_that_joins_late_and_fails_counts_against_the_budget() {
    let mut bed = Bed::new(1);
    let rules = Strategy {
        max_in_flight: Some(Amount::Count(2)),
        ..strategy(vec![rest()])
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    bed.enrol("m2", true);
    let machine = bed.machines.get_mut(&agent("m2")).expect("m2");
    machine.bad.insert(digest(2));
    bed.plan();
    while bed.step("m2") {
        bed.plan();
    }
    assert_eq!(bed.counts(&id, 0).failed, 1);
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
}

/// A rollout whose only machine is at work, and `m2`, which joined it late and
/// went offline before its turn.
fn with_late_and_offline(policy: OfflinePolicy, grace: Duration) -> (Bed, RolloutId) {
    let mut bed = Bed::new(1);
    let rules = Strategy {
        offline: Some(policy),
        offline_grace: Some(grace),
        ..slow_all()
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    bed.enrol("m2", true);
    bed.plan();
    bed.offline("m2");
    bed.plan();
    assert!(bed.rollout(&id).members[&agent("m2")].late);
    (bed, id)
}

#[test]
fn a_stage_waits_for_no_grace_time_of_machines_that_joined_it_late() {
    for policy in [
        OfflinePolicy::Wait,
        OfflinePolicy::Skip,
        OfflinePolicy::Fail,
    ] {
        let (mut bed, id) = with_late_and_offline(policy, Duration::from_secs(3600));
        let why = bed.why(&id, "m2").expect("it waits");
        assert_eq!(why.word, "offline");
        assert!(
            why.detail.contains("does not wait for it"),
            "{}",
            why.detail
        );
        bed.say("m1", AgentPhase::Settled);
        bed.plan();
        assert_eq!(bed.phase(&id), RolloutPhase::Completed, "{policy:?}");
        bed.hello("m2");
        bed.drive();
        assert_eq!(*bed.running("m2"), digest(2), "it catches up");
    }
}

#[test]
fn a_machine_that_joined_late_does_not_fail_a_stage_by_going_offline() {
    let (mut bed, id) = with_late_and_offline(OfflinePolicy::Fail, Duration::ZERO);
    bed.pass(Duration::from_secs(60));
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
    assert_eq!(bed.counts(&id, 0).failed, 0);
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_stage_does_not_wait_for_another_workload_on_machines_that_joined_it_late() {
    let mut bed = Bed::new(1);
    let app = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    bed.work_on("web");
    let rules = Strategy {
        max_in_flight: Some(Amount::Count(2)),
        ..strategy(vec![rest()])
    };
    bed.roll_out(2, rules);
    bed.plan();
    bed.enrol("m2", true);
    bed.plan();
    assert!(bed.rollout(&app).members[&agent("m2")].late);
    assert_eq!(bed.word(&app, "m2"), Some("busy"));
    bed.work_on("app");
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&app), RolloutPhase::Completed);
}

#[test]
fn a_stage_does_not_wait_for_what_goes_first_on_machines_that_joined_it_late() {
    let mut bed = Bed::new(1);
    let app = bed.roll_out(2, slow_all());
    bed.plan();
    bed.work_on("web");
    let after = Strategy {
        after: ["app".parse().expect("a workload")].into(),
        ..slow_all()
    };
    let web = bed.roll_out(2, after);
    bed.plan();
    bed.enrol("m2", true);
    bed.plan();
    bed.work_on("app");
    bed.say("m1", AgentPhase::CuttingOver);
    bed.steer_with(commands::pause, &app);
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.word(&web, "m2"), Some("after"));
    bed.work_on("web");
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&web), RolloutPhase::Completed);
}

#[test]
fn a_machine_that_no_stage_is_for_does_not_join() {
    let mut bed = Bed::new(1);
    bed.enrol_with(
        "canary",
        true,
        Labels::from([("role".into(), "canary".into())]),
    );
    let canaries = StageSpec::of(Cohort::Selector(LabelSelector(Labels::from([(
        "role".into(),
        "canary".into(),
    )]))));
    let id = bed.roll_out(2, strategy(vec![canaries]));
    bed.plan();
    bed.enrol("m5", true);
    bed.enrol_with(
        "canary2",
        true,
        Labels::from([("role".into(), "canary".into())]),
    );
    bed.plan();
    assert!(!bed.rollout(&id).members.contains_key(&agent("m5")));
    assert!(bed.rollout(&id).members.contains_key(&agent("canary2")));
    assert_eq!(bed.word(&id, "m5"), Some("not_a_member"));
}

/// To whom a rollout gave a turn since then.
fn turns(bed: &Bed, since: usize) -> Vec<AgentId> {
    let turns = bed.history[since..]
        .iter()
        .filter_map(|change| match change {
            Change::Decision(decision) => match &decision.act {
                Act::Assigned {
                    agent, assignment, ..
                } if matches!(assignment.purpose, Purpose::Rollout { .. }) => Some(agent.clone()),
                _ => None,
            },
            Change::Observation(_) => None,
        });
    turns.collect()
}

#[test]
fn one_that_joined_late_is_not_asked_as_the_last_stage_passes_and_catches_up() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, slow_all());
    bed.plan();
    bed.enrol("m2", true);
    bed.plan();
    assert_eq!(bed.word(&id, "m2"), Some("limit_in_flight"));
    let since = bed.history.len();
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(turns(&bed, since), [], "it would be taken back at once");
    let asked = bed.world.desired(&agent("m2")).assignments.remove(0);
    assert_eq!(
        (asked.purpose.clone(), asked.digest()),
        (Purpose::Stable, Some(&digest(2)))
    );
}

#[test]
fn one_that_joined_late_is_not_asked_as_its_stage_passes_and_joins_the_next() {
    let labels = || Labels::from([("region".to_owned(), "east".to_owned())]);
    let mut bed = Bed::new(1);
    bed.enrol_with("east", true, labels());
    let east = StageSpec {
        max_in_flight: Some(Amount::Count(1)),
        ..StageSpec::of(Cohort::Selector(LabelSelector(labels())))
    };
    let approved = StageSpec {
        approval: Some(Approval::Manual),
        max_in_flight: Some(Amount::Count(2)),
        ..rest()
    };
    let id = bed.roll_out(2, strategy(vec![east, approved]));
    bed.plan();
    bed.enrol_with("east2", true, labels());
    bed.plan();
    assert_eq!(bed.word(&id, "east2"), Some("limit_in_flight"));
    let since = bed.history.len();
    bed.say("east", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::AwaitingApproval);
    assert_eq!(turns(&bed, since), []);
    assert_eq!(bed.word(&id, "east2"), Some("stage_passed"));
    let approval = bed.approval(&id, None);
    bed.approve(&approval).expect("approved");
    bed.plan();
    assert_eq!(bed.rollout(&id).members[&agent("east2")].stage, 1);
    let mut asked = turns(&bed, since);
    asked.sort();
    assert_eq!(asked, [agent("east2"), agent("m1")]);
}

#[test]
fn at_the_end_every_machine_is_counted_also_one_that_joined_late() {
    let mut bed = Bed::new(2);
    let rules = Strategy {
        max_in_flight: Some(Amount::Count(2)),
        ..strategy(vec![rest()])
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    for n in 3..=5 {
        bed.enrol(&format!("m{n}"), true);
    }
    bed.plan();
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    let text = summary(&bed.world, &id, bed.now);
    assert!(text.contains("with 2 of 2 selected machine(s)"), "{text}");
    bed.say("m2", AgentPhase::Settled);
    bed.plan();
    assert_eq!(
        bed.rollout(&id).reason,
        "2 of 5 selected or late machine(s) proven, 0 staged only, 0 failed, 0 skipped, 2 late and not reached, 1 late and still in flight"
    );
}

#[test]
fn at_the_end_one_that_returned_and_was_not_reached_is_counted() {
    let mut bed = Bed::new(3);
    let rules = Strategy {
        offline: Some(OfflinePolicy::Skip),
        max_in_flight: Some(Amount::Count(1)),
        ..strategy(vec![count(2), rest()])
    };
    let id = bed.roll_out(2, rules);
    let (first, away) = (bed.nth(&id, 0, 0), bed.nth(&id, 0, 1));
    let last = bed.nth(&id, 1, 0);
    bed.offline(&away);
    bed.plan();
    bed.say(&first, AgentPhase::Settled);
    bed.plan();
    bed.hello(&away);
    bed.plan();
    assert_eq!(bed.rollout(&id).members[&agent(&away)].stage, 1);
    bed.say(&last, AgentPhase::Settled);
    bed.plan();
    assert_eq!(
        bed.rollout(&id).reason,
        "2 of 3 selected machine(s) proven, 0 staged only, 0 failed, 0 skipped, 1 late and not reached"
    );
}

#[test]
fn a_machine_that_joins_late_waits_for_what_goes_first_also_where_that_has_yet_to_take_it() {
    let mut bed = Bed::new(2);
    let app = bed.roll_out(2, strategy(vec![count(1), rest()]));
    bed.plan();
    bed.work_on("web");
    let after = Strategy {
        after: ["app".parse().expect("a workload")].into(),
        max_in_flight: Some(Amount::Count(3)),
        ..strategy(vec![rest()])
    };
    let web = bed.roll_out(2, after);
    bed.plan();
    bed.enrol("m9", true);
    bed.plan();
    assert!(!bed.rollout(&app).members.contains_key(&agent("m9")));
    assert_eq!(bed.word(&web, "m9"), Some("after"));
}
