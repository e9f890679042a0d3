//! Machines outside any rollout keep to the windows of the one that proved
//! what they are to run.

use std::time::Duration;

use super::super::bed::{agent, alice, digest};
use super::super::workloads::{after, all, also};
use super::{at, bed, moves, nights, override_all, region, relabel, within};
use crate::commands::{Refresh, refresh};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_newcomer_waits_for_the_window_of_the_stable_digest() {
    let mut bed = bed("2026-07-01T20:00Z", &["eu"]);
    bed.roll_out(2, within(vec![nights()], vec![]));
    bed.drive();
    bed.now = at("2026-07-05T12:00Z");
    bed.enrol_with("m2", true, region("eu"));
    bed.enrol_with("m3", true, region("us"));
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(1));
    assert_eq!(*bed.running("m3"), digest(2), "no window is for it");
    assert_eq!(bed.plan().wake_at, Some(at("2026-07-05T20:00Z")));
    bed.now = at("2026-07-05T20:00Z");
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(2));
}

#[test]
fn what_a_straggler_was_asked_is_taken_back_when_the_window_ends() {
    let mut bed = bed("2026-07-01T20:00Z", &["eu"]);
    bed.roll_out(2, within(vec![nights()], vec![]));
    bed.drive();
    bed.pass(3 * HOUR);
    bed.enrol_with("m2", true, region("eu"));
    bed.plan();
    bed.step("m2");
    bed.pass(HOUR);
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(1));
    let asked = bed.world.desired(&agent("m2")).assignments.remove(0);
    assert_eq!(asked.run, None, "withdrawn");
    bed.now = at("2026-07-02T20:00Z");
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(2));
}

#[test]
fn a_member_that_the_rollout_went_round_says_which_window_it_waits_for() {
    let mut bed = bed("2026-07-01T20:00Z", &["eu", "eu"]);
    let rules = crate::Strategy {
        offline: Some(crate::OfflinePolicy::Skip),
        ..within(vec![nights()], vec![])
    };
    bed.offline("m2");
    let id = bed.roll_out(2, rules);
    bed.drive();
    bed.now = at("2026-07-02T12:00Z");
    bed.hello("m2");
    bed.drive();
    let why = bed.why(&id, "m2").expect("a reason");
    assert_eq!(why.word, "outside_window");
    assert!(
        why.detail.contains("opens at 2026-07-02T20:00:00Z"),
        "{}",
        why.detail
    );
}

#[test]
fn windows_that_nobody_waits_for_neither_wake_anybody_nor_fill_the_log() {
    let mut bed = bed("2026-07-01T20:00Z", &["eu"]);
    bed.roll_out(2, within(vec![nights()], vec![]));
    bed.drive();
    for _ in 0..100 {
        bed.pass(7 * HOUR);
        assert_eq!(bed.plan().wake_at, None);
    }
    assert_eq!(moves(&bed), 0);
    bed.now = at("2026-08-01T12:00Z");
    bed.enrol_with("m2", true, region("eu"));
    bed.drive();
    assert_eq!(
        *bed.running("m2"),
        digest(1),
        "what was last committed is long past"
    );
    assert_eq!(moves(&bed), 1);
    relabel(&mut bed, "m2", "us");
    assert_eq!(bed.plan().wake_at, None);
}

#[test]
fn a_refresh_waits_for_the_window_unless_it_was_overridden() {
    let mut bed = bed("2026-07-01T20:00Z", &["eu"]);
    let id = bed.roll_out(2, within(vec![nights()], vec![]));
    bed.drive();
    bed.now = at("2026-07-02T12:00Z");
    let again = Refresh {
        agents: vec![agent("m1")],
        workloads: Vec::new(),
        reason: String::new(),
    };
    let answer = bed
        .decide(|world, now| refresh(world, again.clone(), &alice(), now))
        .expect("an answer")
        .remove(0);
    let message = answer.failed[&bed.workload].message.to_string();
    assert!(
        message.contains("outside its maintenance window"),
        "{message}"
    );
    assert!(answer.asked.is_empty());
    override_all(&mut bed, &id);
    let answer = bed
        .decide(|world, now| refresh(world, again.clone(), &alice(), now))
        .expect("an answer")
        .remove(0);
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(2));
}

#[test]
fn what_goes_after_it_waits_for_its_window_too_and_says_so() {
    let mut bed = bed("2026-07-01T20:00Z", &["eu"]);
    bed.roll_out(2, within(vec![nights()], vec![]));
    bed.drive();
    bed.now = at("2026-07-05T12:00Z");
    bed.enrol_with("m2", true, region("eu"));
    let web = also(&mut bed, "web", after(&["app"], all()));
    bed.drive();
    let why = bed.why(&web, "m2").expect("it waits");
    assert_eq!(why.word, "after");
    let opens = "opens at 2026-07-05T20:00:00Z";
    assert!(why.detail.contains(opens), "{}", why.detail);
    bed.now = at("2026-07-05T20:00Z");
    bed.drive();
    assert_eq!(bed.word(&web, "m2"), None, "it has got it");
}
