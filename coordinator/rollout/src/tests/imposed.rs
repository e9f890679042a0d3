//! What a person quarantines, and lifts.

use pinion_model::{FailureKind, RolloutPhase};

use super::bed::{alice, count, digest, image, rest, steer, strategy};
use super::quarantine::{fail, impose, issued, lift, stable, tolerant};
use crate::commands::{self, QuarantineDigest};
use crate::{Amount, FailureAction, Gate, Refusal, Strategy, World};

#[test]
fn a_quarantine_by_a_person_halts_the_rollout_and_takes_no_machine_back() {
    let mut bed = stable(3);
    let rules = Strategy {
        on_failure: Some(FailureAction::Rollback),
        max_in_flight: Some(Amount::Count(1)),
        ..strategy(vec![rest()])
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    let first = bed.nth(&id, 0, 0);
    while bed.counts(&id, 0).settled == 0 {
        bed.step(&first);
        bed.plan();
    }
    impose(&mut bed, 2).expect("by hand");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::Quarantine));
    assert_eq!(*bed.running(&first), digest(2), "it keeps it");
}

#[test]
fn a_quarantined_digest_is_refused_as_pin_and_as_rollout_until_it_is_lifted() {
    let mut bed = stable(2);
    bed.promote(2);
    impose(&mut bed, 2).expect("by hand");
    let request = commands::StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy: strategy(vec![rest()]),
        agents: pinion_model::LabelSelector::default(),
        reason: String::new(),
    };
    let promote = commands::Promote {
        workload: bed.workload.clone(),
        digest: digest(2),
        source_sha: None,
        notes: String::new(),
        images: vec![image()],
        local_tag: "current".into(),
        auto: None,
    };
    let start = |world: &World, now| commands::start_rollout(world, request.clone(), &alice(), now);
    let pin = |world: &World, now| commands::promote(world, promote.clone(), &alice(), now);
    for refused in [bed.decide(start).map(drop), bed.decide(pin).map(drop)] {
        let message = refused.expect_err("refused").to_string();
        for said in [
            "quarantined since",
            "by alice: it eats data;",
            "pinion quarantine lift",
        ] {
            assert!(message.contains(said), "{message}");
        }
    }
    let preview = commands::plan_rollout(&bed.world, &request, bed.now).expect("a preview");
    assert!(
        preview.blockers[0].contains("quarantined"),
        "{:?}",
        preview.blockers
    );
    lift(&mut bed, 2).expect("lifted");
    bed.decide(pin).expect("the current pin");
    bed.decide(start).expect("a rollout");
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(2));
}

#[test]
fn an_operator_stops_a_rollout_by_quarantining_its_digest_and_it_goes_on_once_that_is_lifted() {
    let mut bed = stable(3);
    let id = bed.roll_out(2, strategy(vec![count(1), rest()]));
    bed.plan();
    impose(&mut bed, 2).expect("by hand");
    let since = bed.history.len();
    bed.drive();
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::Quarantine));
    let refused = bed
        .decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect_err("still quarantined");
    assert!(
        refused.to_string().contains("pinion quarantine lift"),
        "{refused}"
    );
    assert_eq!(issued(&bed, since, 2), 0);
    lift(&mut bed, 2).expect("lifted");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted, "until it is resumed");
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn lifting_counts_anew_and_says_who_and_why() {
    let mut bed = stable(3);
    let id = bed.roll_out(2, tolerant(vec![rest()], 1));
    bed.plan();
    fail(&mut bed, "m1", FailureKind::Health);
    bed.plan();
    assert!(bed.world.is_quarantined(&digest(2)));
    lift(&mut bed, 2).expect("lifted");
    let known = &bed.world.quarantine[&digest(2)];
    assert!(known.failed_on.is_empty() && known.imposed.is_none());
    let by = known.lifted.as_ref().expect("lifted");
    assert_eq!(
        (&by.actor, by.reason.as_str()),
        (&alice(), "it was the weather")
    );
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.plan();
    assert!(
        !bed.world.is_quarantined(&digest(2)),
        "the old failure is forgotten"
    );
    fail(&mut bed, "m2", FailureKind::Create);
    bed.plan();
    assert!(bed.world.is_quarantined(&digest(2)), "a new one counts");
}

#[test]
fn a_reason_is_needed_both_ways_and_lifting_what_is_free_is_refused() {
    let mut bed = stable(1);
    let silent = QuarantineDigest {
        digest: digest(2),
        workload: bed.workload.clone(),
        reason: " ".to_owned(),
    };
    let silent =
        bed.decide(|world, now| commands::quarantine(world, silent.clone(), &alice(), now));
    assert!(matches!(silent, Err(Refusal::Invalid { .. })));
    assert!(matches!(
        lift(&mut bed, 2),
        Err(Refusal::Precondition { .. })
    ));
    assert!(impose(&mut bed, 2).expect("quarantined"));
    let before = bed.history.len();
    assert!(!impose(&mut bed, 2).expect("it is already"));
    assert_eq!(bed.history.len(), before, "nothing changes");
    let silent =
        bed.decide(|world, now| commands::lift_quarantine(world, &digest(2), "", &alice(), now));
    assert!(matches!(silent, Err(Refusal::Invalid { .. })));
}
