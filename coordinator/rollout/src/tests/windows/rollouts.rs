use std::time::Duration;

use pinion_model::{AgentPhase, RolloutPhase};

use super::super::bed::{agent, digest, rest};
use super::{at, bed, freeze, moves, nights, override_all, region, relabel, within};
use crate::gates::View;
use crate::world::Class;
use crate::{
    Observation, OfflinePolicy, Purpose, StageSpec, Standing, Strategy, Window, commands, summary,
};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn machines_wait_for_their_window_and_the_stage_for_them() {
    let mut bed = bed("2026-07-01T12:00Z", &["eu", "us"]);
    let id = bed.roll_out(2, within(vec![nights()], vec![]));
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(2), "no window is for it");
    assert_eq!(*bed.running("m1"), digest(1));
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
    let why = bed.why(&id, "m1").expect("a reason");
    assert_eq!(why.word, "outside_window");
    assert!(
        why.detail
            .contains("opens at 2026-07-01T20:00:00Z (Wed 22:00 Europe/Berlin)")
            && why.detail.contains(&format!(
                "`pinion rollout override-windows {id} --reason …`"
            )),
        "{}",
        why.detail
    );
    let said = summary(&bed.world, &id, bed.now);
    assert!(
        said.contains("1 machine(s) outside their maintenance windows"),
        "{said}"
    );
    let opening = at("2026-07-01T20:00Z");
    assert_eq!(bed.plan().wake_at, Some(opening));
    bed.now = opening;
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(2));
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(moves(&bed), 1);
}

#[test]
fn what_has_not_cut_over_when_a_window_ends_is_withdrawn_and_asked_again_in_the_next() {
    let mut bed = bed("2026-07-01T23:58Z", &["eu", "eu", "us"]);
    let id = bed.roll_out(2, within(vec![nights()], vec![]));
    bed.plan();
    for name in ["m1", "m2", "m2", "m3"] {
        bed.step(name);
    }
    let phase = bed.rollout(&id).members[&agent("m2")].phase;
    assert_eq!(phase, Some(AgentPhase::CuttingOver));
    bed.now = at("2026-07-02T00:00Z");
    bed.plan();
    let member = &bed.rollout(&id).members[&agent("m1")];
    assert!(member.withdrawing, "it had not cut over");
    let other = &bed.rollout(&id).members[&agent("m2")];
    assert!(!other.withdrawing, "it had");
    assert!(
        !bed.rollout(&id).members[&agent("m3")].withdrawing,
        "no window is for it"
    );
    bed.drive();
    assert_eq!(
        (bed.running("m1"), bed.running("m2")),
        (&digest(1), &digest(2))
    );
    assert_eq!(bed.word(&id, "m1"), Some("outside_window"));
    assert_eq!(
        bed.counts(&id, 0).failed,
        0,
        "a window that ends is nobody's failure"
    );
    bed.now = at("2026-07-02T20:00Z");
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(2));
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

/// For America, every day at noon UTC, four hours: never when it is Europe's turn.
fn noons() -> Window {
    Window {
        agents: pinion_model::LabelSelector(region("us")),
        start: "12:00".parse().expect("a time"),
        time_zone: "UTC".parse().expect("a zone"),
        ..nights()
    }
}

fn with_offline(policy: OfflinePolicy) -> Strategy {
    Strategy {
        offline: Some(policy),
        offline_grace: Some(HOUR),
        ..within(vec![nights(), noons()], vec![])
    }
}

#[test]
fn dead_machines_are_gone_round_whose_windows_are_never_open_at_the_same_time() {
    let mut bed = bed("2026-07-01T12:00Z", &["eu", "us", "eu", "us"]);
    for dead in ["m3", "m4"] {
        bed.offline(dead);
    }
    let id = bed.roll_out(2, with_offline(OfflinePolicy::Skip));
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(2));
    for (name, word) in [
        ("m1", "outside_window"),
        ("m3", "offline"),
        ("m4", "offline"),
    ] {
        assert_eq!(bed.word(&id, name), Some(word), "{name}");
    }
    bed.now = at("2026-07-01T20:00Z");
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(2));
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(bed.counts(&id, 0).failed, 0);
}

#[test]
fn a_machine_that_comes_back_outside_its_window_waits_for_it_like_any_other() {
    let mut bed = bed("2026-07-01T16:00Z", &["eu"]);
    bed.offline("m1");
    let id = bed.roll_out(2, with_offline(OfflinePolicy::Wait));
    bed.drive();
    assert_eq!(bed.word(&id, "m1"), Some("offline"));
    bed.hello("m1");
    bed.drive();
    assert_eq!(bed.word(&id, "m1"), Some("outside_window"));
    bed.offline("m1");
    bed.now = at("2026-07-01T20:00Z");
    bed.drive();
    assert_eq!(bed.word(&id, "m1"), Some("offline"), "its window is open");
    bed.hello("m1");
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(2));
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_machine_does_not_fail_for_being_offline_outside_its_window() {
    let mut bed = bed("2026-07-01T12:00Z", &["eu"]);
    bed.offline("m1");
    let id = bed.roll_out(2, with_offline(OfflinePolicy::Fail));
    bed.pass(2 * HOUR);
    bed.drive();
    assert_eq!(bed.counts(&id, 0).failed, 0);
    assert_eq!(bed.word(&id, "m1"), Some("outside_window"));
    bed.now = at("2026-07-01T20:00Z");
    bed.drive();
    assert_eq!(bed.counts(&id, 0).failed, 1, "its turn has come");
}

#[test]
fn a_freeze_that_begins_takes_back_what_was_asked_and_says_why() {
    let mut bed = bed("2026-12-19T23:59Z", &["us"]);
    let id = bed.roll_out(
        2,
        within(
            vec![],
            vec![freeze("2026-12-20T00:00Z", "2027-01-03T00:00Z")],
        ),
    );
    bed.plan();
    bed.step("m1");
    bed.pass(Duration::from_secs(60));
    bed.drive();
    let why = bed.why(&id, "m1").expect("a reason");
    assert_eq!(why.word, "freeze");
    assert!(
        why.detail
            .starts_with("frozen until 2027-01-03T00:00:00.000Z: holidays; opens at"),
        "{}",
        why.detail
    );
    assert_eq!(bed.plan().wake_at, Some(at("2027-01-03T00:00Z")));
    bed.now = at("2027-01-03T00:00Z");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_window_in_the_night_in_which_the_clocks_change_opens_once_and_for_its_length() {
    let mut early = nights();
    early.start = "02:30".parse().expect("a time");
    early.duration = 2 * HOUR;
    for (evening, opens, shuts) in [
        (
            "2026-03-28T20:00Z",
            "2026-03-29T01:00Z",
            "2026-03-29T03:00Z",
        ),
        (
            "2026-10-24T20:00Z",
            "2026-10-25T00:30Z",
            "2026-10-25T02:30Z",
        ),
    ] {
        let mut bed = bed(evening, &["eu"]);
        let id = bed.roll_out(2, within(vec![early.clone()], vec![]));
        assert_eq!(bed.plan().wake_at, Some(at(opens)), "{evening}");
        bed.now = at(opens);
        bed.offline("m1");
        assert_eq!(bed.plan().wake_at, Some(at(shuts)), "{evening}");
        assert_eq!(bed.word(&id, "m1"), Some("offline"), "its turn has come");
        bed.now = at(shuts);
        bed.hello("m1");
        bed.drive();
        assert_eq!(bed.word(&id, "m1"), Some("outside_window"), "{evening}");
    }
}

#[test]
fn a_pause_across_the_end_of_a_window_leaves_nothing_asked_outside_it() {
    let mut bed = bed("2026-07-01T20:00Z", &["eu"]);
    let id = bed.roll_out(2, within(vec![nights()], vec![]));
    bed.plan();
    bed.step("m1");
    bed.steered(commands::pause);
    bed.drive();
    bed.now = at("2026-07-02T12:00Z");
    bed.plan();
    bed.steered(commands::resume);
    bed.drive();
    assert_eq!(bed.word(&id, "m1"), Some("outside_window"));
    assert_eq!(*bed.running("m1"), digest(1));
    bed.now = at("2026-07-02T20:00Z");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_window_that_ended_while_the_coordinator_was_away_is_noticed_when_it_is_back() {
    let mut bed = bed("2026-07-01T20:00Z", &["eu"]);
    let id = bed.roll_out(2, within(vec![nights()], vec![]));
    bed.plan();
    bed.step("m1");
    let written = serde_json::to_string(&bed.world).expect("a world is written");
    bed.world = serde_json::from_str(&written).expect("a world is read back");
    bed.now = at("2026-07-02T05:00Z");
    bed.observe(Observation::Started { at: bed.now });
    bed.plan();
    assert!(bed.rollout(&id).members[&agent("m1")].withdrawing);
    bed.hello("m1");
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(1));
    assert_eq!(bed.word(&id, "m1"), Some("outside_window"));
}

#[test]
fn a_machine_that_is_relabelled_follows_its_new_windows_at_once() {
    let mut bed = bed("2026-07-01T12:00Z", &["eu", "us"]);
    let id = bed.roll_out(2, within(vec![nights()], vec![]));
    bed.plan();
    bed.step("m2");
    relabel(&mut bed, "m1", "us");
    relabel(&mut bed, "m2", "eu");
    bed.plan();
    let standing = |name| bed.rollout(&id).members[&agent(name)].standing();
    assert_eq!(standing("m1"), Standing::InFlight);
    assert!(bed.rollout(&id).members[&agent("m2")].withdrawing);
    bed.drive();
    assert_eq!(
        (bed.running("m1"), bed.running("m2")),
        (&digest(2), &digest(1))
    );
    assert_eq!(bed.word(&id, "m2"), Some("outside_window"));
}

#[test]
fn a_stage_that_was_not_opened_says_so_before_it_speaks_of_windows() {
    let mut bed = bed("2026-07-01T12:00Z", &["us", "eu"]);
    let manual = StageSpec {
        approval: Some(crate::Approval::Manual),
        ..rest()
    };
    let mut rules = within(vec![nights()], vec![]);
    rules.stages = vec![manual];
    let id = bed.roll_out(2, rules);
    bed.drive();
    assert_eq!(bed.word(&id, "m2"), Some("awaiting_approval"));
    bed.approve_newest();
    bed.drive();
    assert_eq!(bed.word(&id, "m2"), Some("outside_window"));
}

#[test]
fn an_offline_machine_outside_its_window_is_judged_when_its_turn_has_come() {
    let mut bed = bed("2026-07-01T12:00Z", &["eu"]);
    let rules = crate::Strategy {
        offline: Some(crate::OfflinePolicy::Fail),
        ..within(vec![nights()], vec![])
    };
    bed.offline("m1");
    let id = bed.roll_out(2, rules);
    bed.drive();
    assert_eq!(bed.word(&id, "m1"), Some("outside_window"));
    bed.now = at("2026-07-01T20:00Z");
    bed.drive();
    assert_eq!(bed.counts(&id, 0).failed, 1);
}

#[test]
fn a_roll_back_does_not_wait_for_windows() {
    let mut bed = bed("2026-07-01T20:00Z", &["eu"]);
    let id = bed.roll_out(2, within(vec![nights()], vec![]));
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(2));
    bed.now = at("2026-07-02T12:00Z");
    bed.steer_with(commands::roll_back, &id);
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(1), "a way back is an emergency");
}

#[test]
fn a_machine_on_its_way_back_when_a_window_ends_goes_on() {
    let mut bed = bed("2026-07-01T23:58Z", &["eu"]);
    let id = bed.roll_out(2, within(vec![nights()], vec![]));
    bed.plan();
    bed.steer_with(commands::roll_back, &id);
    bed.plan();
    let back = |bed: &super::Bed| bed.rollout(&id).members[&agent("m1")].restore.clone();
    let asked = back(&bed).expect("it is taken back");
    bed.now = at("2026-07-02T00:00Z");
    bed.plan();
    assert_eq!(back(&bed), Some(asked), "what takes it back stands");
    let view = View::all(&bed.world, bed.rollout(&id), bed.now).next();
    let overstays = view.map(|view| view.tally.count(Class::AskedShut));
    assert_eq!(overstays, Some(0), "and is nobody's to withdraw");
    let purpose = bed
        .world
        .desired(&agent("m1"))
        .assignments
        .remove(0)
        .purpose;
    assert_eq!(purpose, Purpose::Restore { rollout: id });
}

#[test]
fn overridden_windows_do_not_count_for_that_rollout_alone() {
    let mut bed = bed("2026-07-01T12:00Z", &["eu"]);
    let id = bed.roll_out(2, within(vec![nights()], vec![]));
    bed.drive();
    override_all(&mut bed, &id);
    assert_eq!(bed.plan().changes.len(), 1, "it is asked at once");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(*bed.running("m1"), digest(2));
    let next = bed.roll_out(3, within(vec![nights()], vec![]));
    bed.drive();
    assert_eq!(bed.word(&next, "m1"), Some("outside_window"));
    let asked = bed
        .world
        .desired(&agent("m1"))
        .assignments
        .remove(0)
        .purpose;
    assert!(matches!(asked, Purpose::Rollout { rollout, .. } if rollout == id));
}
