//! Machines outside any rollout, on their way to the stable digest.

use std::time::Duration;

use pinion_model::{LabelSelector, Labels, RolloutPhase};

use super::bed::{Bed, agent, alice, count, digest, keep, rest, steer, strategy};
use crate::commands::{self, HoldAgent, Refresh, StartRollout};
use crate::{Act, Change, Cohort, Decision, Purpose, StageSpec, Strategy};

fn all() -> Strategy {
    strategy(vec![rest()])
}

fn hold(bed: &mut Bed, name: &str) {
    let hold = HoldAgent {
        agent: agent(name),
        reason: "demo for a customer".into(),
        expires_at: Some(bed.now + Duration::from_secs(60)),
    };
    bed.decide(|world, now| commands::hold(world, hold.clone(), &alice(), now))
        .expect("held");
}

#[test]
fn a_newcomer_gets_the_stable_digest() {
    let mut bed = Bed::new(2);
    bed.roll_out(2, all());
    bed.drive();
    bed.enrol("m3", true);
    bed.drive();
    assert_eq!(*bed.running("m3"), digest(2));
    let assignment = bed.world.desired(&agent("m3")).assignments.remove(0);
    assert_eq!(assignment.rollout(), None);
    assert_eq!(assignment.purpose, Purpose::Stable);
}

#[test]
fn a_machine_that_joins_during_a_rollout_gets_the_stable_digest_first_and_the_new_one_after() {
    let mut bed = Bed::new(2);
    bed.roll_out(1, all());
    bed.drive();
    let approved = StageSpec {
        approval: Some(crate::Approval::Manual),
        ..rest()
    };
    let id = bed.roll_out(2, strategy(vec![count(1), approved]));
    bed.enrol("m3", true);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::AwaitingApproval);
    assert_eq!(bed.word(&id, "m3"), Some("joins_late"));
    assert_eq!(*bed.running("m3"), digest(1));
    let approval = bed.approval(&id, None);
    bed.approve(&approval).expect("approved");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(*bed.running("m3"), digest(2));
}

#[test]
fn a_held_machine_is_gone_round_and_catches_up_when_its_hold_ends() {
    let mut bed = Bed::new(3);
    bed.roll_out(1, all());
    bed.drive();
    hold(&mut bed, "m2");
    let id = bed.roll_out(2, all());
    bed.plan();
    assert_eq!(bed.word(&id, "m2"), Some("held"));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(*bed.running("m2"), digest(1));
    assert_eq!(bed.plan().wake_at, Some(bed.now + Duration::from_secs(60)));
    bed.pass(Duration::from_secs(60));
    bed.drive();
    assert_eq!(bed.world.agents[&agent("m2")].hold, None);
    assert_eq!(*bed.running("m2"), digest(2));
}

#[test]
fn at_most_a_tenth_of_the_fleet_catches_up_at_once() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all());
    bed.drive();
    for n in 2..=20 {
        bed.enrol(&format!("m{n}"), true);
    }
    bed.plan();
    let asked = bed.world.agents.values().filter(|agent| {
        agent
            .placements
            .get(&bed.workload)
            .is_some_and(crate::Placement::is_in_flight)
    });
    assert_eq!(asked.count(), 2);
    bed.drive();
    assert!(
        bed.machines
            .values()
            .all(|machine| machine.running[&bed.workload] == digest(2))
    );
}

#[test]
fn what_failed_on_a_machine_is_not_tried_there_again_until_an_operator_asks() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all());
    bed.drive();
    bed.enrol("m2", true);
    bed.machines
        .get_mut(&agent("m2"))
        .expect("m2")
        .bad
        .insert(digest(2));
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(1));
    let generation = bed.world.agents[&agent("m2")].generation;
    bed.pass(Duration::from_secs(86_400));
    bed.drive();
    assert_eq!(
        bed.world.agents[&agent("m2")].generation,
        generation,
        "it is left alone"
    );
    bed.machines.get_mut(&agent("m2")).expect("m2").bad.clear();
    let refresh = Refresh {
        agents: vec![agent("m2")],
        workloads: Vec::new(),
        reason: String::new(),
    };
    let answer = bed
        .decide(|world, now| commands::refresh(world, refresh.clone(), &alice(), now))
        .expect("asked");
    assert!(answer[0].asked.contains_key(&bed.workload));
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(2));
    let app = bed.workload.clone();
    assert_eq!(
        bed.machines[&agent("m2")]
            .attempt(&app)
            .map(|attempt| attempt.0),
        Some(2)
    );
}

#[test]
fn a_refresh_says_for_each_machine_what_could_not_be_asked() {
    let mut bed = Bed::new(3);
    bed.roll_out(2, all());
    bed.drive();
    bed.offline("m1");
    hold(&mut bed, "m2");
    let refresh = Refresh {
        agents: vec![agent("m1"), agent("m2"), agent("m3")],
        workloads: Vec::new(),
        reason: String::new(),
    };
    let answer = bed
        .decide(|world, now| commands::refresh(world, refresh.clone(), &alice(), now))
        .expect("asked");
    let failed = |n: usize| {
        answer[n]
            .failed
            .get(&bed.workload)
            .map(|failure| failure.message.clone())
            .unwrap_or_default()
    };
    assert!(
        failed(0).contains("not online") && failed(1).contains("held"),
        "{answer:?}"
    );
    assert!(answer[2].failed.is_empty());
}

#[test]
fn a_rollout_for_a_part_of_the_fleet_leaves_the_rest_as_it_is() {
    let mut bed = Bed::new(0);
    for (name, region) in [("m1", "ord"), ("m2", "ams")] {
        bed.enrol_with(name, true, Labels::from([("region".into(), region.into())]));
    }
    bed.promote(2);
    let request = StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy: all(),
        agents: LabelSelector(Labels::from([("region".into(), "ord".into())])),
        reason: String::new(),
    };
    let id = bed
        .decide(|world, now| commands::start_rollout(world, request.clone(), &alice(), now))
        .expect("started")
        .id;
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(
        (bed.running("m1"), bed.running("m2")),
        (&digest(2), &digest(1))
    );
    assert_eq!(bed.word(&id, "m2"), Some("not_a_member"));
    bed.enrol_with("m3", true, Labels::from([("region".into(), "ord".into())]));
    bed.drive();
    assert_eq!(
        *bed.running("m3"),
        digest(2),
        "one that it would have been for"
    );
}

#[test]
fn a_machine_with_a_digest_that_was_rolled_back_goes_back_too() {
    let mut bed = Bed::new(2);
    bed.roll_out(1, all());
    bed.drive();
    let id = bed.roll_out(2, all());
    bed.drive();
    bed.enrol("m3", true);
    bed.drive();
    assert_eq!(*bed.running("m3"), digest(2));
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.drive();
    assert_eq!(*bed.running("m3"), digest(1));
}

#[test]
fn a_machine_that_missed_the_way_back_to_an_older_pin_catches_up_with_it() {
    let mut bed = Bed::new(2);
    bed.roll_out(1, all());
    bed.drive();
    let newer = bed.roll_out(
        2,
        strategy(vec![StageSpec {
            max_in_flight: Some(crate::Amount::Count(1)),
            ..rest()
        }]),
    );
    bed.plan();
    let first = bed.nth(&newer, 0, 0);
    while bed.counts(&newer, 0).settled == 0 {
        bed.step(&first);
    }
    bed.decide(|world, now| keep(world, steer(&newer), &alice(), now))
        .expect("aborted");
    bed.drive();
    assert_eq!(
        *bed.running(&first),
        digest(2),
        "what is done stays until something newer is"
    );
    bed.offline(&first);
    let back = StartRollout {
        workload: bed.workload.clone(),
        pin: Some(pinion_model::PinNumber(1)),
        strategy: Strategy {
            offline: Some(crate::OfflinePolicy::Skip),
            ..all()
        },
        agents: LabelSelector::default(),
        reason: String::new(),
    };
    let older = bed
        .decide(|world, now| commands::start_rollout(world, back.clone(), &alice(), now))
        .expect("started")
        .id;
    bed.drive();
    assert_eq!(bed.phase(&older), RolloutPhase::Completed);
    bed.hello(&first);
    bed.drive();
    assert_eq!(*bed.running(&first), digest(1));
}

#[test]
fn where_neither_the_stable_digest_nor_what_was_restored_is_well_each_is_tried_once() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all());
    bed.drive();
    bed.enrol("m2", true);
    let newcomer = bed.machines.get_mut(&agent("m2")).expect("a newcomer");
    newcomer.sick = true;
    bed.drive();
    let placement = &bed.world.agents[&agent("m2")].placements[&bed.workload];
    let tried = placement.tried.as_ref().map(|tried| &tried.digest);
    assert_eq!(tried, Some(&digest(2)));
    assert!(
        placement.failure.is_some(),
        "nor does what it went back to run"
    );
}

fn in_region(name: &str) -> Labels {
    Labels::from([("region".into(), name.into())])
}

#[test]
fn a_newcomer_that_no_stage_would_take_keeps_the_digest_of_the_whole_fleet() {
    let ord = StageSpec::of(Cohort::Selector(LabelSelector(in_region("ord"))));
    for (stage, goes) in [(count(1), None), (ord, Some("m6"))] {
        let mut bed = Bed::new(0);
        for name in ["m1", "m2"] {
            bed.enrol_with(name, true, in_region("ord"));
        }
        bed.roll_out(1, all());
        bed.drive();
        let id = bed.roll_out(2, strategy(vec![stage]));
        bed.drive();
        assert_eq!(bed.phase(&id), RolloutPhase::Completed);
        bed.pass(Duration::from_secs(1));
        bed.enrol_with("m5", true, in_region("lhr"));
        bed.enrol_with("m6", true, in_region("ord"));
        bed.drive();
        for name in ["m5", "m6"] {
            let expected = if goes == Some(name) { 2 } else { 1 };
            assert_eq!(*bed.running(name), digest(expected), "{name}");
        }
        let why = bed.why(&id, "m5").expect("it has not got it").detail;
        assert!(why.contains("none of its stages takes it"), "{why}");
    }
}

#[test]
fn what_went_first_in_a_rollout_goes_first_where_a_machine_catches_up() {
    let mut bed = Bed::new(1);
    bed.work_on("first");
    bed.roll_out(2, all());
    bed.drive();
    bed.work_on("app");
    let after = Strategy {
        after: ["first".parse().expect("a workload")].into(),
        ..all()
    };
    bed.roll_out(2, after);
    bed.drive();
    let since = bed.history.len();
    bed.enrol("m2", true);
    bed.work_on("first");
    bed.drive();
    let asked = bed.history[since..]
        .iter()
        .filter_map(|change| match change {
            Change::Decision(Decision {
                act: Act::Assigned { assignment, .. },
                ..
            }) => Some(assignment.workload.as_str().to_owned()),
            _ => None,
        });
    let asked: Vec<_> = asked.collect();
    assert_eq!(asked, ["first", "app"], "whichever name comes first");
}
