//! Machines that are held while their rollout is taken back: they are gone
//! round, that is said, and they follow once they are released.

use pinion_model::{LabelSelector, RolloutId, RolloutPhase};

use super::bed::{Bed, Command, agent, alice, digest, rest, revert, strategy};
use crate::commands::{self, HoldAgent, PlaceHold};
use crate::{Amount, OfflinePolicy, Strategy, explain, summary};

fn one_at_a_time() -> Strategy {
    Strategy {
        rollback_in_flight: Some(Amount::Count(1)),
        ..strategy(vec![rest()])
    }
}

fn hold(bed: &mut Bed, name: &str) {
    let hold = HoldAgent {
        agent: agent(name),
        reason: "demo for a customer".into(),
        expires_at: None,
    };
    bed.decide(|world, now| commands::hold(world, hold.clone(), &alice(), now))
        .expect("held");
}

fn release(bed: &mut Bed, name: &str) {
    bed.decide(|world, now| commands::release(world, agent(name), "", &alice(), now))
        .expect("released");
}

/// Machines that ran digest 1, and have come to 2 in a rollout that soaks.
fn changed(machines: usize) -> (Bed, RolloutId) {
    let mut bed = Bed::new(machines);
    let id = bed.roll_out(2, one_at_a_time());
    bed.plan();
    for n in 1..=machines {
        for _ in 0..6 {
            bed.step(&format!("m{n}"));
        }
    }
    (bed, id)
}

/// Three machines that ran digest 1, which nobody ever pinned, and run 2; the
/// second is held, and 2 is taken back from the others.
fn taken_back(command: Command) -> (Bed, RolloutId) {
    let (mut bed, id) = changed(3);
    hold(&mut bed, "m2");
    bed.steer_with(command, &id);
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(1));
    assert_eq!(*bed.running("m2"), digest(2), "it is gone round");
    (bed, id)
}

const WAYS: [(Command, RolloutPhase); 2] = [
    (commands::roll_back, RolloutPhase::RolledBack),
    (revert, RolloutPhase::Aborted),
];

#[test]
fn a_held_machine_does_not_keep_the_others_and_says_what_it_still_runs() {
    for (command, over) in WAYS {
        let (bed, id) = taken_back(command);
        assert_eq!(bed.phase(&id), over);
        let why = bed.why(&id, "m2").expect("it is not back");
        assert_eq!(why.word, "held");
        assert_eq!(
            why.detail,
            "it still runs 020202020202, which is taken back everywhere else; it goes back once it is released: held by alice until released: demo for a customer; `pinion agent release m2` ends it"
        );
        assert_eq!(bed.why(&id, "m1"), None);
        let text = summary(&bed.world, &id, bed.now);
        assert!(
            text.ends_with("; held, so not taken back yet: m2"),
            "{text}"
        );
    }
}

#[test]
fn once_released_it_goes_back_to_its_baseline_also_where_nothing_was_ever_stable() {
    for (command, over) in WAYS {
        let (mut bed, id) = taken_back(command);
        assert_eq!(bed.world.stable_for(&bed.workload, &agent("m2")), None);
        release(&mut bed, "m2");
        bed.drive();
        assert_eq!(*bed.running("m2"), digest(1));
        assert_eq!((bed.phase(&id), bed.why(&id, "m2")), (over, None));
        assert!(bed.world.index.draining.is_empty());
    }
}

#[test]
fn once_released_it_gets_what_became_stable_meanwhile() {
    let (mut bed, id) = taken_back(commands::roll_back);
    let newer = bed.roll_out(3, strategy(vec![rest()]));
    bed.drive();
    assert_eq!(bed.phase(&newer), RolloutPhase::Completed);
    assert_eq!(bed.word(&id, "m2"), Some("held"));
    release(&mut bed, "m2");
    let since = bed.history.len();
    let turn = bed.why(&id, "m2").expect("it is not there yet");
    assert!(
        turn.detail.contains("it gets the stable digest"),
        "{}",
        turn.detail
    );
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(3));
    assert_eq!(
        super::quarantine::issued(&bed, since, 1),
        0,
        "without a detour"
    );
    assert!(bed.world.index.draining.is_empty());
}

#[test]
fn one_that_is_released_while_the_others_go_back_goes_with_them() {
    let (mut bed, id) = on_their_way();
    release(&mut bed, "m2");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert!((1..=3).all(|n| *bed.running(&format!("m{n}")) == digest(1)));
}

/// The same as above, at the moment at which the first is sent back.
fn on_their_way() -> (Bed, RolloutId) {
    let (mut bed, id) = changed(3);
    hold(&mut bed, "m2");
    bed.steer_with(commands::roll_back, &id);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::RollingBack);
    assert_eq!(bed.word(&id, "m2"), Some("held"));
    (bed, id)
}

#[test]
fn those_of_a_hold_of_the_workload_follow_as_many_at_once_as_the_strategy_says() {
    let (mut bed, id) = changed(4);
    let request = PlaceHold {
        agents: LabelSelector::default(),
        workload: Some(bed.workload.clone()),
        reason: "stock-taking".to_owned(),
        expires_at: None,
    };
    let hold = bed
        .decide(|world, now| commands::place_hold(world, request.clone(), &alice(), now))
        .expect("a hold");
    bed.steer_with(commands::roll_back, &id);
    bed.drive();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::RolledBack,
        "nobody can be sent"
    );
    bed.decide(|world, now| commands::lift_hold(world, &hold, "done", &alice(), now))
        .expect("lifted");
    let going = |bed: &Bed| {
        let members = bed.rollout(&id).members.values();
        let restores = members.filter_map(|member| member.restore.as_ref());
        restores.filter(|restore| !restore.is_over()).count()
    };
    for _ in 0..60 {
        bed.plan();
        assert!(going(&bed) <= 1, "one at a time");
        for n in 1..=4 {
            bed.step(&format!("m{n}"));
        }
    }
    assert!((1..=4).all(|n| *bed.running(&format!("m{n}")) == digest(1)));
    let explained =
        (1..=4).filter_map(|n| explain(&bed.world, &id, &agent(&format!("m{n}")), bed.now));
    assert_eq!(explained.count(), 0);
}

#[test]
fn what_became_stable_outdoes_a_way_back_that_was_superseded_before_the_machine_could_be_reached() {
    for away in [false, true] {
        let (mut bed, id) = on_their_way();
        if away {
            release(&mut bed, "m2");
            bed.offline("m2");
        }
        let rules = Strategy {
            offline: Some(OfflinePolicy::Skip),
            ..strategy(vec![rest()])
        };
        let newer = bed.roll_out(3, rules);
        bed.drive();
        assert_eq!(bed.phase(&id), RolloutPhase::Superseded);
        assert_eq!(bed.phase(&newer), RolloutPhase::Completed);
        assert_eq!(*bed.running("m2"), digest(2));
        let since = bed.history.len();
        if away {
            bed.hello("m2");
        } else {
            release(&mut bed, "m2");
        }
        bed.drive();
        assert_eq!(*bed.running("m2"), digest(3));
        assert_eq!(
            super::quarantine::issued(&bed, since, 1),
            0,
            "without a detour"
        );
        assert!(bed.world.index.draining.is_empty());
    }
}

#[test]
fn a_held_machine_goes_back_to_its_baseline_also_after_many_newer_rollouts_that_came_to_nothing() {
    let (mut bed, id) = taken_back(commands::roll_back);
    for n in 0..2 * crate::ROLLOUTS_KEPT_WHOLE {
        let newer = bed.roll_out(3 + u8::try_from(n).expect("a few"), one_at_a_time());
        bed.steer_with(revert, &newer);
        bed.drive();
    }
    assert!(bed.rollout(&id).not_kept() > 0, "the others were let go of");
    assert_eq!(bed.word(&id, "m2"), Some("held"));
    release(&mut bed, "m2");
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(1));
}

#[test]
fn one_that_was_to_get_what_is_stable_goes_back_after_all_where_that_is_taken_back_meanwhile() {
    let (mut bed, _) = taken_back(commands::roll_back);
    let newer = bed.roll_out(3, strategy(vec![rest()]));
    bed.drive();
    assert_eq!(bed.phase(&newer), RolloutPhase::Completed);
    release(&mut bed, "m2");
    bed.steer_with(commands::roll_back, &newer);
    let mut rebuilt = bed.world.clone();
    rebuilt.rebuild_index();
    assert_eq!(rebuilt.index, bed.world.index);
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(1), "nothing is stable any more");
    assert!(bed.world.index.draining.is_empty());
}

#[test]
fn one_that_hangs_on_its_way_after_a_hold_does_not_keep_the_others_that_were_held() {
    let (mut bed, id) = changed(3);
    (1..=3).for_each(|n| hold(&mut bed, &format!("m{n}")));
    bed.steer_with(commands::roll_back, &id);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    bed.pass(std::time::Duration::from_secs(86_400));
    (1..=3).for_each(|n| release(&mut bed, &format!("m{n}")));
    let sent = |bed: &Bed| {
        let members = bed.rollout(&id).members.values();
        members.filter(|member| member.restore.is_some()).count()
    };
    let planned = bed.plan();
    assert_eq!(sent(&bed), 1);
    let deadline = bed.rollout(&id).spec.progress_deadline;
    assert_eq!(planned.wake_at, Some(bed.now + deadline));
    bed.pass(deadline);
    bed.plan();
    assert_eq!(sent(&bed), 2);
}
