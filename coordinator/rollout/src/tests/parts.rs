//! Rollouts of a part of the fleet: what they proved is that part's, and
//! nobody else's.

use std::time::Duration;

use pinion_model::{AgentPhase, Digest, LabelSelector, Labels, RolloutId, RolloutPhase};

use super::bed::{Bed, agent, alice, count, digest, keep, rest, strategy};
use crate::commands::{self, StartRollout};
use crate::{Cohort, ROLLOUTS_KEPT_WHOLE, StageSpec, Strategy};

fn labels(region: &str) -> Labels {
    Labels::from([("region".to_owned(), region.to_owned())])
}

fn all() -> Strategy {
    strategy(vec![rest()])
}

/// One machine in each of two regions.
fn two_regions() -> Bed {
    let mut bed = Bed::new(0);
    bed.enrol_with("east", true, labels("east"));
    bed.enrol_with("west", true, labels("west"));
    bed
}

/// Promotes a digest and takes it to a region.
fn to_region(bed: &mut Bed, n: u8, region: &str) -> RolloutId {
    bed.promote(n);
    let request = StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy: all(),
        agents: LabelSelector(labels(region)),
        reason: String::new(),
    };
    let id = bed
        .decide(|world, now| commands::start_rollout(world, request.clone(), &alice(), now))
        .expect("started")
        .id;
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    id
}

fn everywhere(bed: &mut Bed, n: u8) -> RolloutId {
    let id = bed.roll_out(n, all());
    bed.drive();
    id
}

fn roll_back(bed: &mut Bed, id: &RolloutId) {
    bed.steer_with(commands::roll_back, id);
    bed.plan();
}

/// What a machine was asked for last.
fn asked(bed: &Bed, name: &str) -> Option<Digest> {
    let asked = bed.world.assignment(&agent(name), &bed.workload);
    asked.and_then(|asked| asked.digest().cloned())
}

fn current(bed: &Bed) -> Option<&Digest> {
    let workload = &bed.world.workloads[&bed.workload];
    workload.current().map(|pin| &pin.digest)
}

fn stable(bed: &Bed) -> Option<&Digest> {
    bed.world.stable(&bed.workload).map(|pin| &pin.digest)
}

/// Newcomers on which nothing was ever proven go by the pins alone: digest 3
/// cuts over on one in each region, and is taken back.
fn newcomers_go_back(bed: &mut Bed) {
    for region in ["east", "west"] {
        bed.enrol_with(&format!("{region}-new"), false, labels(region));
    }
    bed.drive();
    let id = bed.roll_out(3, all());
    bed.plan();
    bed.say("east-new", AgentPhase::CuttingOver);
    bed.say("west-new", AgentPhase::CuttingOver);
    roll_back(bed, &id);
}

#[test]
fn a_machine_goes_back_to_what_a_rollout_that_was_for_it_proved() {
    let mut bed = two_regions();
    everywhere(&mut bed, 1);
    to_region(&mut bed, 2, "east");
    newcomers_go_back(&mut bed);
    assert_eq!(asked(&bed, "east-new"), Some(digest(2)));
    assert_eq!(asked(&bed, "west-new"), Some(digest(1)), "2 was not for it");
}

#[test]
fn a_pin_that_was_rolled_out_to_others_only_is_nothing_to_go_back_to() {
    let mut bed = two_regions();
    to_region(&mut bed, 2, "east");
    newcomers_go_back(&mut bed);
    assert_eq!(asked(&bed, "east-new"), Some(digest(2)));
    assert_eq!(asked(&bed, "west-new"), None, "it stays as it is");
}

#[test]
fn a_roll_back_of_the_whole_fleet_makes_no_pin_of_a_part_the_current_one() {
    let mut bed = two_regions();
    everywhere(&mut bed, 1);
    to_region(&mut bed, 2, "east");
    assert_eq!(stable(&bed), Some(&digest(1)), "2 is for the east only");
    let id = everywhere(&mut bed, 3);
    roll_back(&mut bed, &id);
    bed.drive();
    assert_eq!(current(&bed), Some(&digest(1)));
    assert_eq!(bed.running("east"), &digest(2));
    assert_eq!(bed.running("west"), &digest(1));
}

#[test]
fn a_roll_back_of_a_part_makes_what_was_proven_on_that_part_the_current_pin_again() {
    let mut bed = two_regions();
    everywhere(&mut bed, 1);
    to_region(&mut bed, 2, "east");
    let id = to_region(&mut bed, 3, "east");
    roll_back(&mut bed, &id);
    bed.drive();
    assert_eq!(current(&bed), Some(&digest(2)));
    assert_eq!(bed.running("east"), &digest(2));
}

#[test]
fn a_rollout_that_left_machines_in_no_stage_is_none_of_the_whole_fleet() {
    let mut bed = two_regions();
    everywhere(&mut bed, 1);
    bed.roll_out(2, strategy(vec![count(1)]));
    bed.drive();
    assert_eq!(stable(&bed), Some(&digest(1)));
    let id = everywhere(&mut bed, 3);
    assert_eq!(stable(&bed), Some(&digest(3)));
    roll_back(&mut bed, &id);
    assert_eq!(current(&bed), Some(&digest(1)));
}

#[test]
fn where_nothing_was_ever_proven_on_all_the_pin_that_people_chose_before_is_the_current_one() {
    let mut bed = two_regions();
    to_region(&mut bed, 2, "east");
    to_region(&mut bed, 3, "west");
    assert_eq!(stable(&bed), Some(&digest(3)), "the last at all");
    let id = everywhere(&mut bed, 4);
    roll_back(&mut bed, &id);
    bed.drive();
    assert_eq!(current(&bed), Some(&digest(3)));
    assert_eq!(bed.running("east"), &digest(2));
    assert_eq!(bed.running("west"), &digest(3));
}
#[test]
fn what_became_stable_elsewhere_takes_nothing_that_an_abort_left_here() {
    let mut bed = two_regions();
    everywhere(&mut bed, 1);
    let id = bed.roll_out(2, all());
    bed.plan();
    for _ in 0..6 {
        bed.step("east");
    }
    bed.steer_with(keep, &id);
    bed.drive();
    assert_eq!(bed.running("east"), &digest(2));
    to_region(&mut bed, 3, "west");
    assert_eq!(bed.running("east"), &digest(2), "3 was not for it");
}

/// Completes a rollout of digest 1 to all, and of digest 2 by this strategy;
/// then the machine `new` is enrolled with these labels.
fn then_comes(bed: &mut Bed, rules: Strategy, labels: Labels) -> RolloutId {
    everywhere(bed, 1);
    let id = bed.roll_out(2, rules);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    bed.pass(Duration::from_secs(1));
    bed.enrol_with("new", true, labels);
    bed.drive();
    id
}

#[test]
fn what_one_machine_has_proven_is_not_for_those_that_are_enrolled_later() {
    for machines in [1, 4] {
        let mut bed = Bed::new(machines);
        let id = then_comes(&mut bed, strategy(vec![count(1)]), Labels::new());
        assert_eq!(asked(&bed, "new"), Some(digest(1)), "of {machines}");
        assert_eq!(stable(&bed), Some(&digest(1)), "of {machines}");
        let why = bed.why(&id, "new").expect("it is no member");
        assert_eq!(why.word, "not_a_member");
        assert!(
            why.detail.contains("none of its stages takes it"),
            "{why:?}"
        );
    }
}

#[test]
fn a_newcomer_of_a_region_that_no_stage_names_is_left_alone() {
    let selecting = |region| StageSpec::of(Cohort::Selector(LabelSelector(labels(region))));
    let stages = || strategy(vec![selecting("east"), selecting("west")]);
    for (region, runs) in [("north", 1), ("west", 2)] {
        let mut bed = two_regions();
        then_comes(&mut bed, stages(), labels(region));
        assert_eq!(asked(&bed, "new"), Some(digest(runs)), "{region}");
        assert_eq!(stable(&bed), Some(&digest(runs)), "{region}");
    }
}

#[test]
fn a_newcomer_that_no_stage_takes_makes_a_proof_no_proof_for_all() {
    let mut bed = Bed::new(1);
    then_comes(&mut bed, strategy(vec![count(1)]), Labels::new());
    let newest = everywhere(&mut bed, 3);
    roll_back(&mut bed, &newest);
    assert_eq!(current(&bed), Some(&digest(1)), "2 was for one machine");
    assert_eq!(asked(&bed, "m1"), Some(digest(2)), "each to its own");
    assert_eq!(asked(&bed, "new"), Some(digest(1)));
}

#[test]
fn a_machine_that_is_enrolled_anew_keeps_what_its_place_in_a_stage_has_brought() {
    let mut bed = Bed::new(1);
    everywhere(&mut bed, 1);
    let id = bed.roll_out(2, strategy(vec![count(1)]));
    bed.pass(Duration::from_secs(1));
    bed.decide(|world, now| commands::remove_agent(world, agent("m1"), "", &alice(), now))
        .expect("removed");
    bed.enrol("m1", true);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    for n in 3..=3 + u8::try_from(ROLLOUTS_KEPT_WHOLE).expect("few") {
        let id = bed.roll_out(n, all());
        bed.steer_with(keep, &id);
        bed.plan();
    }
    bed.hello("m1");
    bed.drive();
    assert_eq!(asked(&bed, "m1"), Some(digest(2)), "however old it is");
    let mut rebuilt = bed.world.clone();
    rebuilt.rebuild_index();
    assert_eq!(rebuilt.index, bed.world.index);
}
