//! Holds of selectors and workloads: rollouts go round, and say so.

use std::time::Duration;

use pinion_model::{LabelSelector, Labels, RolloutPhase};

use super::bed::{Bed, alice, digest, rest, strategy};
use crate::Refusal;
use crate::commands::{self, PlaceHold};

fn labels(region: &str) -> Labels {
    Labels::from([("region".to_owned(), region.to_owned())])
}

fn of(selector: Labels) -> PlaceHold {
    PlaceHold {
        agents: LabelSelector(selector),
        workload: None,
        reason: "the uplink is being moved".to_owned(),
        expires_at: None,
    }
}

/// One machine in each of two regions.
fn two_regions() -> Bed {
    let mut bed = Bed::new(0);
    bed.enrol_with("east", true, labels("east"));
    bed.enrol_with("west", true, labels("west"));
    bed
}

fn place(bed: &mut Bed, hold: &PlaceHold) -> String {
    bed.decide(|world, now| commands::place_hold(world, hold.clone(), &alice(), now))
        .expect("a hold")
}

fn lift(bed: &mut Bed, id: &str) {
    bed.decide(|world, now| commands::lift_hold(world, id, "it moved", &alice(), now))
        .expect("lifted");
}

#[test]
fn a_rollout_goes_round_machines_whose_labels_are_held_and_says_so() {
    let mut bed = two_regions();
    place(&mut bed, &of(labels("west")));
    let id = bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    assert_eq!(*bed.running("east"), digest(2));
    assert_eq!(*bed.running("west"), digest(1));
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(bed.counts(&id, 0).skipped, 1);
}

#[test]
fn a_held_machine_names_the_hold_that_keeps_it_since_when_and_how_it_ends() {
    let mut bed = two_regions();
    let since = bed.now;
    let hold = place(&mut bed, &of(labels("west")));
    bed.pass(Duration::from_secs(5));
    let id = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    let why = bed.why(&id, "west").expect("a reason");
    assert_eq!((why.word, why.since), ("held", since));
    let end = format!("`pinion hold lift {hold}`");
    assert!(why.detail.contains(&end), "{}", why.detail);
    assert!(
        why.detail.contains("the uplink is being moved"),
        "{}",
        why.detail
    );
}

#[test]
fn a_workload_is_held_on_every_machine_and_others_are_not() {
    let mut bed = two_regions();
    let other = PlaceHold {
        workload: Some("other".parse().expect("a workload")),
        ..of(Labels::new())
    };
    place(&mut bed, &other);
    let ours = PlaceHold {
        workload: Some(bed.workload.clone()),
        ..of(Labels::new())
    };
    let hold = place(&mut bed, &ours);
    bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    assert_eq!(*bed.running("east"), digest(1), "its workload is held");
    lift(&mut bed, &hold);
    bed.roll_out(3, strategy(vec![rest()]));
    bed.drive();
    assert_eq!(
        *bed.running("east"),
        digest(3),
        "only another workload is held"
    );
}

#[test]
fn a_hold_ends_by_itself_and_what_it_kept_is_caught_up_with() {
    let mut bed = two_regions();
    let end = bed.now + Duration::from_secs(60);
    place(
        &mut bed,
        &PlaceHold {
            expires_at: Some(end),
            ..of(labels("west"))
        },
    );
    bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    assert_eq!(bed.plan().wake_at, Some(end));
    bed.pass(Duration::from_secs(60));
    bed.drive();
    assert!(bed.world.holds.is_empty());
    assert_eq!(*bed.running("west"), digest(2));
}

#[test]
fn a_machine_that_gets_a_held_label_is_held_and_one_that_loses_it_is_not() {
    let mut bed = two_regions();
    place(&mut bed, &of(labels("west")));
    bed.relabel("east", labels("west"));
    bed.relabel("west", labels("east"));
    bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    assert_eq!(*bed.running("east"), digest(1));
    assert_eq!(*bed.running("west"), digest(2));
}

#[test]
fn a_hold_without_a_reason_or_with_an_end_that_is_past_is_refused_with_both_faults() {
    let mut bed = two_regions();
    let bad = PlaceHold {
        reason: " ".to_owned(),
        expires_at: Some(bed.now),
        ..of(Labels::new())
    };
    let refused = bed.decide(|world, now| commands::place_hold(world, bad.clone(), &alice(), now));
    let Err(Refusal::Invalid { faults }) = refused else {
        panic!("not refused: {refused:?}");
    };
    let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, ["reason", "expires_at"]);
    let unknown = bed.decide(|world, now| commands::lift_hold(world, "hold-9", "", &alice(), now));
    assert!(matches!(unknown, Err(Refusal::NotFound { .. })));
}

#[test]
fn the_same_hold_once_more_is_the_one_that_is_there_and_another_is_not() {
    let mut bed = two_regions();
    let hold = of(labels("west"));
    let first = place(&mut bed, &hold);
    bed.pass(Duration::from_secs(5));
    let before = bed.history.len();
    assert_eq!(place(&mut bed, &hold), first);
    assert_eq!(bed.history.len(), before, "nothing was decided");
    let another = [
        PlaceHold {
            reason: "and it rains".to_owned(),
            ..hold.clone()
        },
        PlaceHold {
            workload: Some(bed.workload.clone()),
            ..hold.clone()
        },
        PlaceHold {
            expires_at: Some(bed.now + Duration::from_secs(60)),
            ..hold.clone()
        },
        of(labels("east")),
    ];
    for (n, other) in (2..).zip(another) {
        assert_eq!(place(&mut bed, &other), format!("hold-{n}"));
    }
    let lifted = bed
        .decide(|world, now| commands::lift_hold(world, &first, "", &alice(), now))
        .expect("lifted");
    assert_eq!(lifted.agents, hold.agents);
    assert_eq!(place(&mut bed, &hold), "hold-6", "no id is used again");
}
