//! What a machine goes back to by itself, and whether that proves anything.

use pinion_model::Digest;

use super::bed::{Bed, agent, digest, rest, strategy};
use crate::{Amount, StageSpec, Strategy};

/// Every machine may fail.
fn tolerant() -> Strategy {
    let stage = StageSpec {
        failure_budget: Some(Amount::Percent(100).into()),
        min_proven: Some(0),
        ..rest()
    };
    Strategy {
        quarantine_after: Some(100),
        ..strategy(vec![stage])
    }
}

fn proven(bed: &Bed, name: &str) -> Option<Digest> {
    let placement = &bed.world.agents[&agent(name)].placements[&bed.workload];
    placement.proven.clone()
}

/// Digest 2 is rolled out, and fails everywhere.
fn fail_everywhere(bed: &mut Bed) {
    for machine in bed.machines.values_mut() {
        machine.bad.insert(digest(2));
    }
    bed.roll_out(2, tolerant());
    bed.drive();
}

#[test]
fn what_a_machine_restored_is_proven_only_if_it_was_not_sick_before() {
    for (health, known) in [
        ("healthy", Some(digest(1))),
        ("starting", Some(digest(1))),
        ("none", Some(digest(1))),
        ("unhealthy", None),
        ("stopped", None),
    ] {
        let mut bed = Bed::new(2);
        bed.seen("m1", &[health]);
        fail_everywhere(&mut bed);
        assert_eq!(*bed.running("m1"), digest(1), "{health}: it went back");
        assert_eq!(proven(&bed, "m1"), known, "{health}");
        assert_eq!(proven(&bed, "m2"), Some(digest(1)), "it was well");
    }
}

#[test]
fn what_a_machine_restored_and_is_sick_now_is_not_proven() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, tolerant());
    bed.plan();
    bed.step("m1");
    let ailing = bed.machines.get_mut(&agent("m1")).expect("m1");
    ailing.sick = true;
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(1), "it went back");
    assert_eq!(proven(&bed, "m1"), None);
}

#[test]
fn an_older_proof_outlives_the_restoring_of_what_was_sick() {
    let mut bed = Bed::new(1);
    bed.roll_out(1, tolerant());
    bed.drive();
    let workload = bed.workload.clone();
    let drifted = bed.machines.get_mut(&agent("m1")).expect("m1");
    drifted.running.insert(workload, digest(5));
    bed.seen("m1", &["unhealthy"]);
    fail_everywhere(&mut bed);
    assert_eq!(*bed.running("m1"), digest(5), "it went back");
    assert_eq!(proven(&bed, "m1"), Some(digest(1)));
}
