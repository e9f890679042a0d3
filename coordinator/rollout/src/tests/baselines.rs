//! What each machine goes back to, how many at once, and what becomes of those that do not get there.

use pinion_model::{AgentPhase, RolloutPhase};

use super::bed::{Bed, agent, alice, digest, steer};
use super::rollback::{all, on_two};
use crate::commands;
use crate::{Amount, Strategy};

/// Machines on digest 1, then on 2, to be taken back that many at once.
fn taken_back_by(machines: usize, at_once: Amount) -> (Bed, pinion_model::RolloutId) {
    let mut bed = Bed::new(machines);
    bed.roll_out(1, all());
    bed.drive();
    let rules = Strategy {
        rollback_in_flight: Some(at_once),
        ..all()
    };
    let id = bed.roll_out(2, rules);
    bed.drive();
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.plan();
    (bed, id)
}

/// How many are on their way back now.
fn on_their_way(bed: &Bed, id: &pinion_model::RolloutId) -> usize {
    let members = bed.rollout(id).members.values();
    let going = |restore: &crate::Restore| !restore.phase.is_some_and(AgentPhase::is_terminal);
    members
        .filter(|member| member.restore.as_deref().is_some_and(going))
        .count()
}

#[test]
fn a_roll_back_has_a_limit_of_its_own_that_is_at_least_one_machine() {
    for (at_once, limit) in [
        (Amount::Count(2), 2),
        (Amount::Percent(50), 3),
        (Amount::Percent(1), 1),
        (Amount::Percent(100), 5),
    ] {
        let (mut bed, id) = taken_back_by(5, at_once);
        assert_eq!(on_their_way(&bed, &id), limit, "{at_once}");
        for _ in 0..100 {
            for n in 1..=5 {
                bed.step(&format!("m{n}"));
            }
            bed.plan();
            assert!(on_their_way(&bed, &id) <= limit, "{at_once}");
        }
        assert_eq!(bed.phase(&id), RolloutPhase::RolledBack, "{at_once}");
        assert!((1..=5).all(|n| *bed.running(&format!("m{n}")) == digest(1)));
    }
}

#[test]
fn a_machine_that_vanishes_or_hangs_on_its_way_back_does_not_keep_the_others() {
    let (mut bed, id) = taken_back_by(3, Amount::Count(1));
    let first = bed.nth(&id, 0, 0);
    bed.offline(&first);
    bed.plan();
    assert_eq!(on_their_way(&bed, &id), 2, "it is gone round");
    assert_eq!(bed.word(&id, &first), Some("offline"));
    let planned = bed.plan();
    let deadline = bed.rollout(&id).spec.progress_deadline;
    assert_eq!(planned.wake_at, Some(bed.now + deadline));
    bed.pass(deadline);
    bed.plan();
    assert_eq!(on_their_way(&bed, &id), 3, "the second makes no progress");
    bed.hello(&first);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
}

#[test]
fn each_machine_goes_to_what_was_last_proven_on_it() {
    let mut bed = Bed::new(2);
    bed.roll_out(1, all());
    bed.drive();
    bed.offline("m2");
    bed.roll_out(
        2,
        Strategy {
            offline: Some(crate::OfflinePolicy::Skip),
            ..all()
        },
    );
    bed.drive();
    let id = bed.roll_out(3, all());
    bed.hello("m2");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.plan();
    let back = |bed: &Bed, name: &str| {
        bed.world.desired(&agent(name)).assignments[0]
            .digest()
            .cloned()
    };
    assert_eq!(back(&bed, "m1"), Some(digest(2)));
    assert_eq!(
        back(&bed, "m2"),
        Some(digest(1)),
        "2 was never proven there"
    );
}

#[test]
fn what_ran_unhealthy_before_is_nothing_to_go_back_to() {
    let mut bed = Bed::new(2);
    let workload = bed.workload.clone();
    let mut containers = bed.machines[&agent("m1")].containers(&workload);
    containers[0].health = crate::Health::Unhealthy;
    bed.observe(crate::Observation::Inventory {
        agent: agent("m1"),
        workloads: [(workload, containers)].into(),
        at: bed.now,
    });
    let id = bed.roll_out(2, all());
    bed.drive();
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert_eq!(
        *bed.running("m2"),
        digest(1),
        "what it was seen to run was well"
    );
    assert_eq!(*bed.running("m1"), digest(2), "it stays");
    let why = bed.why(&id, "m1").expect("a reason");
    assert_eq!(why.word, "nothing_to_go_back_to");
    assert!(why.detail.contains("it stays on"), "{}", why.detail);
    assert_eq!(bed.word(&id, "m2"), None);
}

#[test]
fn a_machine_that_fails_on_its_way_back_is_reported_and_left() {
    let (mut bed, id) = on_two();
    let stuck = bed.machines.get_mut(&agent("m1")).expect("m1");
    stuck.bad.insert(digest(1));
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.drive();
    bed.steer_with(commands::resume, &id);
    bed.drive();
    let generation = bed.world.agents[&agent("m2")].generation;
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    let why = bed.why(&id, "m1").expect("a reason");
    assert_eq!(why.word, "failed");
    assert!(why.detail.contains("did not get back"), "{}", why.detail);
    bed.pass(std::time::Duration::from_secs(86_400));
    bed.drive();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::RolledBack,
        "a roll-back never rolls back"
    );
    assert_eq!(bed.world.agents[&agent("m2")].generation, generation);
    let pins = bed.world.workloads[&bed.workload].pins.len();
    assert_eq!(pins, 3, "one roll-back, one pin");
}

#[test]
fn quarantine_and_roll_back_together_leave_nobody_on_a_quarantined_digest() {
    // Which digests are quarantined before digest 3 is taken back, and where machines end.
    for (quarantined, end) in [
        (&[][..], 2),
        (&[3], 2),
        (&[2], 1),
        (&[2, 3], 1),
        (&[1, 2, 3], 3),
    ] {
        let mut bed = Bed::new(2);
        for n in 1..=2 {
            bed.roll_out(n, all());
            bed.drive();
        }
        let id = bed.roll_out(3, all());
        bed.drive();
        for n in quarantined {
            let request = commands::QuarantineDigest {
                digest: digest(*n),
                workload: bed.workload.clone(),
                reason: "bad".to_owned(),
            };
            bed.decide(|world, now| commands::quarantine(world, request.clone(), &alice(), now))
                .expect("quarantined");
        }
        bed.drive();
        bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
            .expect("rolled back");
        bed.drive();
        assert_eq!(bed.phase(&id), RolloutPhase::RolledBack, "{quarantined:?}");
        for name in ["m1", "m2"] {
            assert_eq!(*bed.running(name), digest(end), "{quarantined:?} {name}");
        }
        let word = (end == 3).then_some("nothing_to_go_back_to");
        assert_eq!(bed.word(&id, "m1"), word, "{quarantined:?}");
    }
}
