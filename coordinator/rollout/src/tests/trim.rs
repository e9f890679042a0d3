//! Of a workload's newest rollouts every machine is kept; of older ones, how
//! many stood where.

use std::time::Duration;

use pinion_model::{AgentPhase, LabelSelector, Labels, RolloutId, RolloutPhase};

use super::bed::{Bed, agent, count, digest, keep, rest, strategy};
use crate::commands::roll_back;
use crate::{
    Cohort, Counts, OfflinePolicy, ROLLOUTS_KEPT_WHOLE, StageSpec, World, explain_all, summary,
};

const MINUTE: Duration = Duration::from_secs(60);

fn completed(bed: &mut Bed, n: u8) -> RolloutId {
    let id = bed.roll_out(n, strategy(vec![count(1), rest()]));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    id
}

/// Rollouts that begin and are ended at once, until those before are old.
fn age(bed: &mut Bed, from: u8) {
    for n in from..=from + u8::try_from(ROLLOUTS_KEPT_WHOLE).expect("few") {
        let id = bed.roll_out(n, strategy(vec![rest()]));
        bed.steer_with(keep, &id);
        bed.plan();
        assert_eq!(bed.phase(&id), RolloutPhase::Aborted);
    }
}

fn ring(value: &str) -> Labels {
    Labels::from([("ring".into(), value.into())])
}

fn numbers(bed: &Bed, id: &RolloutId) -> Vec<Counts> {
    let stages = 0..bed.rollout(id).stages.len();
    stages.map(|stage| bed.counts(id, stage)).collect()
}

fn members(world: &World) -> usize {
    let rollouts = world.rollouts.values();
    rollouts.map(|rollout| rollout.members.len()).sum()
}

/// What is kept is what is read back, and the index follows from it.
fn check(bed: &Bed) {
    let written = serde_json::to_string(&bed.world).expect("a world is written");
    let read: World = serde_json::from_str(&written).expect("a world is read back");
    assert!(read == bed.world, "a trimmed world is read back as it was");
}

#[test]
fn after_thirty_rollouts_a_world_has_the_machines_of_ten_and_the_numbers_of_all() {
    let mut bed = Bed::new(4);
    let mut known = Vec::new();
    for n in 2..=31 {
        let id = completed(&mut bed, n);
        known.push((numbers(&bed, &id), id));
        assert!(members(&bed.world) <= 4 * ROLLOUTS_KEPT_WHOLE);
        check(&bed);
    }
    assert_eq!(members(&bed.world), 4 * ROLLOUTS_KEPT_WHOLE);
    assert_eq!(bed.world.index.tallies.len(), ROLLOUTS_KEPT_WHOLE);
    for (numbers_then, id) in &known {
        assert_eq!(&numbers(&bed, id), numbers_then);
        assert_eq!(bed.rollout(id).selected, 4);
    }
    let (whole, trimmed) = (&known[20].1, &known[19].1);
    assert_eq!(bed.rollout(whole).not_kept(), 0);
    assert_eq!(bed.rollout(trimmed).not_kept(), 4);
    let orders = |id| bed.rollout(id).stages.iter().map(|stage| stage.order.len());
    assert_eq!(orders(trimmed).sum::<usize>(), 0);
    assert_eq!(orders(whole).sum::<usize>(), 4);
}

#[test]
fn an_older_rollout_says_that_its_machines_are_no_longer_kept() {
    let mut bed = Bed::new(2);
    let old = completed(&mut bed, 2);
    assert_eq!(bed.why(&old, "m1"), None, "it is done");
    age(&mut bed, 3);
    bed.pass(MINUTE);
    bed.enrol("m3", true);

    let reason = bed.why(&old, "m1").expect("nobody knows any more");
    assert_eq!(reason.word, "not_kept");
    assert!(
        reason.detail.contains("10 newest rollouts of app"),
        "{}",
        reason.detail
    );
    assert_eq!(
        bed.word(&old, "m3"),
        Some("not_a_member"),
        "it came after the end"
    );
    assert_eq!(explain_all(&bed.world, &old, bed.now), Vec::new());
    let said = summary(&bed.world, &old, bed.now);
    assert!(
        said.contains("completed") && said.contains("2 machine(s) are no longer kept"),
        "{said}"
    );
}

#[test]
fn the_way_back_goes_to_a_digest_that_a_trimmed_rollout_proved() {
    let mut bed = Bed::new(3);
    let proof = completed(&mut bed, 2);
    age(&mut bed, 3);
    let newest = completed(&mut bed, 40);
    assert!(bed.rollout(&proof).members.is_empty());

    bed.steer_with(roll_back, &newest);
    bed.drive();
    assert_eq!(bed.phase(&newest), RolloutPhase::RolledBack);
    for name in ["m1", "m2", "m3"] {
        assert_eq!(bed.running(name), &digest(2));
    }
    let pin = bed.world.workloads[&bed.workload].current().expect("a pin");
    assert_eq!(pin.digest, digest(2));

    // Whoever comes now gets what that old rollout proved.
    bed.enrol("late", true);
    bed.drive();
    assert_eq!(bed.running("late"), &digest(2));
    check(&bed);
}

#[test]
fn a_machine_that_has_yet_to_say_what_became_of_it_stays_in_its_old_rollout() {
    let mut bed = Bed::new(3);
    let old = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    bed.say("m3", AgentPhase::CuttingOver);
    bed.offline("m3");
    bed.drive();
    age(&mut bed, 3);

    let left: Vec<_> = bed.rollout(&old).members.keys().cloned().collect();
    assert_eq!(left, [agent("m3")]);
    let stood = bed.counts(&old, 0);
    assert_eq!((stood.agents, stood.in_flight), (3, 1));
    assert!(summary(&bed.world, &old, bed.now).contains("2 of its machines are no longer kept"));
    check(&bed);

    bed.hello("m3");
    bed.say("m3", AgentPhase::Settled);
    let stood = bed.counts(&old, 0);
    assert_eq!((stood.agents, stood.in_flight, stood.settled), (3, 0, 3));
    bed.roll_out(20, strategy(vec![rest()]));
    assert_eq!(
        bed.counts(&old, 0),
        stood,
        "it went as well, and is counted"
    );
    assert!(bed.rollout(&old).members.is_empty());
    check(&bed);
}

#[test]
fn a_machine_on_its_way_back_gets_there_however_old_its_rollout_is() {
    let mut bed = Bed::new(4);
    completed(&mut bed, 2);
    let old = bed.roll_out(3, strategy(vec![rest()]));
    bed.drive();
    for name in ["m3", "m4"] {
        bed.offline(name);
    }
    bed.steer_with(roll_back, &old);
    bed.drive();
    assert_eq!(bed.phase(&old), RolloutPhase::RollingBack);
    age(&mut bed, 4);

    assert_eq!(bed.phase(&old), RolloutPhase::Superseded);
    let left: Vec<_> = bed.rollout(&old).members.keys().cloned().collect();
    assert_eq!(left, [agent("m3"), agent("m4")]);
    check(&bed);
    for name in ["m3", "m4"] {
        assert_eq!(bed.running(name), &digest(3));
        bed.hello(name);
        bed.drive();
        assert_eq!(bed.running(name), &digest(2));
    }
    check(&bed);
}

#[test]
fn whom_an_old_rollout_left_out_stays_known_where_its_digest_is_a_stable_one() {
    let mut bed = Bed::new(0);
    for (name, value) in [("m1", "canary"), ("m2", "late"), ("m3", "late")] {
        bed.enrol_with(name, true, ring(value));
    }
    let stage = || StageSpec::of(Cohort::Selector(LabelSelector(ring("canary"))));
    let proof = bed.roll_out(2, strategy(vec![stage()]));
    bed.drive();
    assert_eq!(bed.phase(&proof), RolloutPhase::Completed);
    bed.pass(MINUTE);
    let aborted = bed.roll_out(3, strategy(vec![stage()]));
    bed.steer_with(keep, &aborted);
    bed.drive();
    age(&mut bed, 4);

    for id in [&proof, &aborted] {
        assert_eq!(bed.rollout(id).left_out.len(), 2);
    }
    bed.pass(MINUTE);
    completed(&mut bed, 30);
    age(&mut bed, 31);
    assert_eq!(bed.rollout(&proof).left_out.len(), 2);
    assert_eq!(bed.word(&proof, "m2"), Some("not_a_member"));
    assert_eq!(bed.word(&aborted, "m2"), Some("not_kept"));
    assert_eq!(bed.rollout(&aborted).left_out.len(), 0);
    for id in [&proof, &aborted] {
        assert_eq!(bed.rollout(id).left_out_count(), 2);
    }
    check(&bed);
    bed.pass(MINUTE);
    completed(&mut bed, 2);
    age(&mut bed, 50);
    assert_eq!(
        bed.rollout(&proof).left_out.len(),
        0,
        "everybody has it now"
    );
    check(&bed);
}

#[test]
fn a_machine_that_was_away_for_a_dozen_rollouts_catches_up() {
    let mut bed = Bed::new(3);
    let mut skips = strategy(vec![rest()]);
    skips.offline = Some(OfflinePolicy::Skip);
    bed.offline("m3");
    for n in 2..=20 {
        let id = bed.roll_out(n, skips.clone());
        bed.drive();
        assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    }
    assert_eq!(members(&bed.world), 3 * ROLLOUTS_KEPT_WHOLE);
    bed.hello("m3");
    bed.drive();
    assert_eq!(bed.running("m3"), &digest(20));
    check(&bed);
}
