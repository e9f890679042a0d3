//! A newer rollout while one is not over: it replaces it, queues or is
//! rejected, and no stage starves under frequent promotions.

use std::time::Duration;

use pinion_model::{AgentPhase, RolloutId, RolloutPhase};

use super::bed::{Bed, agent, alice, count, digest, keep, rest, steer, strategy};
use crate::commands::{self, Approve, RetryAgents, StartRollout};
use crate::{Change, Refusal, Rollout, Strategy, Supersede, explain_all, summary};

pub(super) fn all(supersede: Supersede) -> Strategy {
    Strategy {
        supersede: Some(supersede),
        ..strategy(vec![rest()])
    }
}

pub(super) fn request(bed: &Bed, strategy: Strategy) -> StartRollout {
    StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy,
        agents: pinion_model::LabelSelector::default(),
        reason: String::new(),
    }
}

pub(super) fn start(bed: &mut Bed, strategy: Strategy) -> Result<Rollout, Refusal> {
    let request = request(bed, strategy);
    bed.decide(|world, now| commands::start_rollout(world, request.clone(), &alice(), now))
}

pub(super) fn message<T: std::fmt::Debug>(refused: Result<T, Refusal>) -> String {
    match refused {
        Err(Refusal::Precondition { message }) => message,
        other => panic!("not refused for the present state: {other:?}"),
    }
}

pub(super) fn said(bed: &Bed, action: &str) -> Vec<String> {
    let decisions = bed.history.iter().filter_map(|change| match change {
        Change::Decision(decision) if decision.action() == action => Some(decision.detail()),
        _ => None,
    });
    decisions.collect()
}

#[test]
fn replace_takes_the_place_of_the_active_one_and_records_what_became_of_it() {
    let mut bed = Bed::new(3);
    let old = bed.roll_out(2, strategy(vec![count(1), rest()]));
    bed.plan();
    bed.promote(3);
    let new = start(&mut bed, all(Supersede::Replace)).expect("it begins");
    assert_eq!(new.phase, RolloutPhase::Running);
    assert_eq!(new.replaces, Some(old.clone()));
    let known = bed.rollout(&old);
    assert_eq!(known.phase, RolloutPhase::Superseded);
    assert_eq!(known.superseded_by, Some(new.id.clone()));
    assert!(
        known.reason.contains("0 machine(s) had it, 1 in flight")
            && known.reason.contains("2 never"),
        "{}",
        known.reason
    );
    bed.drive();
    assert_eq!(bed.phase(&new.id), RolloutPhase::Completed);
}

#[test]
fn reject_refuses_and_names_the_active_one() {
    let mut bed = Bed::new(2);
    let old = bed.roll_out(2, all(Supersede::Replace));
    bed.plan();
    bed.promote(3);
    let refused = message(start(&mut bed, all(Supersede::Reject)));
    assert!(
        refused.contains(old.as_str()) && refused.contains("running"),
        "{refused}"
    );
    bed.drive();
    start(&mut bed, all(Supersede::Reject)).expect("nothing stands in its way any more");
}

#[test]
fn a_promotion_that_is_rejected_keeps_its_pin_and_says_that_no_rollout_began() {
    let mut bed = Bed::new(2);
    let first = bed.push(2, all(Supersede::Reject));
    assert_eq!(first.no_rollout, None);
    bed.plan();
    let second = bed.push(3, all(Supersede::Reject));
    assert_eq!((second.pin.number.0, second.changed), (2, true));
    assert_eq!(second.rollout, None);
    let why = second.no_rollout.expect("it says why");
    let active = first.rollout.expect("the first began");
    assert!(
        why.contains(active.as_str()) && why.contains("reject"),
        "{why}"
    );
    let pins = &bed.world.workloads[&bed.workload].pins;
    assert_eq!(pins.len(), 2, "the pin stands");
    bed.drive();
    assert_eq!(bed.phase(&active), RolloutPhase::Completed);
    assert_eq!(*bed.running("m1"), digest(2), "until somebody starts one");
}

#[test]
fn a_queued_one_has_its_id_at_once_and_nobody_in_it_until_it_begins() {
    let mut bed = Bed::new(2);
    let first = bed.roll_out(2, all(Supersede::Replace));
    bed.plan();
    bed.promote(3);
    let queued = start(&mut bed, all(Supersede::Queue)).expect("it waits");
    assert_eq!(
        (queued.phase, queued.id.as_str()),
        (RolloutPhase::Queued, "app-2-1")
    );
    assert!(queued.stages.is_empty() && queued.members.is_empty());
    let active = bed.world.active_rollout(&bed.workload);
    assert_eq!(active.map(|active| &active.id), Some(&first));
    assert!(bed.plan().changes.is_empty(), "it assigns nothing");
    for text in [
        summary(&bed.world, &queued.id, bed.now),
        bed.why(&queued.id, "m1").expect("it waits").detail,
    ] {
        assert!(
            text.contains("waits for the end of app-1-1") && text.contains("queue"),
            "{text}"
        );
    }
    assert_eq!(bed.word(&queued.id, "m1"), Some("queued"));
    assert_eq!(explain_all(&bed.world, &queued.id, bed.now).len(), 2);
    assert!(said(&bed, "rollout.queued")[0].contains("pin 2"));

    bed.enrol("m3", true);
    bed.pass(Duration::from_secs(60));
    bed.drive();
    assert_eq!(bed.phase(&first), RolloutPhase::Completed);
    let begun = bed.rollout(&queued.id);
    assert_eq!(begun.phase, RolloutPhase::Completed);
    assert_eq!(begun.members.len(), 3, "frozen when it began");
    assert_eq!(begun.started.actor, alice());
    assert_eq!(begun.started.at, bed.now);
    assert_eq!(*bed.running("m3"), digest(3));
    let rollouts = &bed.world.workloads[&bed.workload].rollouts;
    assert_eq!(rollouts, &[first, queued.id]);
}

#[test]
fn a_queued_one_begins_however_the_active_one_ends() {
    type End = fn(&mut Bed, &RolloutId);
    let ends: [(RolloutPhase, End); 3] = [
        (RolloutPhase::Completed, |bed, _| {
            bed.say("m1", AgentPhase::Settled);
        }),
        (RolloutPhase::Aborted, |bed, id| {
            bed.steer_with(keep, id);
            bed.plan();
            bed.say("m1", AgentPhase::Withdrawn);
        }),
        (RolloutPhase::RolledBack, |bed, id| {
            bed.say("m1", AgentPhase::Soaking);
            bed.steer_with(commands::roll_back, id);
            bed.plan();
            bed.say("m1", AgentPhase::Settled);
        }),
    ];
    for (phase, end) in ends {
        let mut bed = Bed::new(1);
        let first = bed.roll_out(2, all(Supersede::Replace));
        bed.plan();
        bed.promote(3);
        let queued = start(&mut bed, all(Supersede::Queue)).expect("it waits").id;
        end(&mut bed, &first);
        bed.plan();
        assert_eq!(bed.phase(&first), phase);
        assert_eq!(bed.phase(&queued), RolloutPhase::Running);
        assert_eq!(bed.counts(&queued, 0).in_flight, 1);
    }
}

#[test]
fn a_newer_one_takes_the_place_of_the_one_that_waits() {
    let mut bed = Bed::new(1);
    let first = bed.roll_out(2, all(Supersede::Replace));
    bed.plan();
    bed.promote(3);
    let old = start(&mut bed, all(Supersede::Queue)).expect("it waits").id;
    bed.promote(4);
    let newer = start(&mut bed, all(Supersede::Queue)).expect("it waits");
    assert_eq!(newer.replaces, Some(old.clone()));
    let known = bed.rollout(&old);
    assert_eq!(known.phase, RolloutPhase::Superseded);
    assert_eq!(known.superseded_by, Some(newer.id.clone()));
    assert_eq!(
        known.reason,
        format!("superseded by {} before it began", newer.id)
    );
    bed.drive();
    assert_eq!(bed.phase(&first), RolloutPhase::Completed);
    assert_eq!(bed.phase(&newer.id), RolloutPhase::Completed);
    assert_eq!(*bed.running("m1"), digest(4));
    assert_eq!(bed.world.workloads[&bed.workload].rollouts.len(), 2);
}

#[test]
fn one_that_replaces_takes_the_place_of_both() {
    let mut bed = Bed::new(1);
    let first = bed.roll_out(2, all(Supersede::Replace));
    bed.plan();
    bed.promote(3);
    let queued = start(&mut bed, all(Supersede::Queue)).expect("it waits").id;
    bed.promote(4);
    let newer = start(&mut bed, all(Supersede::Replace)).expect("it begins");
    for old in [&first, &queued] {
        assert_eq!(bed.phase(old), RolloutPhase::Superseded);
        assert_eq!(bed.rollout(old).superseded_by, Some(newer.id.clone()));
    }
    bed.drive();
    assert_eq!(bed.phase(&newer.id), RolloutPhase::Completed);
}

#[test]
fn a_queued_one_can_be_aborted_and_nothing_else() {
    let mut bed = Bed::new(1);
    let first = bed.roll_out(2, all(Supersede::Replace));
    bed.plan();
    bed.promote(3);
    let queued = start(&mut bed, all(Supersede::Queue)).expect("it waits").id;
    for command in [commands::pause, commands::resume, commands::roll_back] {
        let refused =
            message(bed.decide(|world, now| command(world, steer(&queued), &alice(), now)));
        assert!(
            refused.contains("is queued") && refused.contains(first.as_str()),
            "{refused}"
        );
    }
    let approve = Approve {
        rollout: queued.clone(),
        stage: None,
        plan: "any".into(),
        reason: String::new(),
    };
    message(bed.approve(&approve));
    let retry = RetryAgents {
        rollout: queued.clone(),
        agents: Vec::new(),
        reason: String::new(),
    };
    message(bed.decide(|world, now| commands::retry(world, retry.clone(), &alice(), now)));
    bed.steer_with(keep, &queued);
    assert_eq!(bed.phase(&queued), RolloutPhase::Aborted);
    assert_eq!(
        bed.rollout(&queued).reason,
        "aborted by alice before it began: because"
    );
    bed.drive();
    assert_eq!(bed.phase(&first), RolloutPhase::Completed);
    assert_eq!(*bed.running("m1"), digest(2));
    let again = bed.start(all(Supersede::Replace));
    assert_eq!(again.as_str(), "app-2-2", "ids are not used twice");
}

#[test]
fn a_queued_one_whose_digest_is_quarantined_meanwhile_never_begins() {
    let mut bed = Bed::new(1);
    let first = bed.roll_out(2, all(Supersede::Replace));
    bed.plan();
    bed.promote(3);
    let queued = start(&mut bed, all(Supersede::Queue)).expect("it waits").id;
    let distrust = commands::QuarantineDigest {
        digest: digest(3),
        workload: bed.workload.clone(),
        reason: "it eats data".to_owned(),
    };
    bed.decide(|world, now| commands::quarantine(world, distrust.clone(), &alice(), now))
        .expect("quarantined");
    bed.drive();
    assert_eq!(bed.phase(&first), RolloutPhase::Completed);
    assert_eq!(bed.phase(&queued), RolloutPhase::Aborted);
    let reason = &bed.rollout(&queued).reason;
    assert!(
        reason.contains("did not begin") && reason.contains("it eats data"),
        "{reason}"
    );
    assert_eq!(*bed.running("m1"), digest(2));
}

#[test]
fn the_same_digest_is_not_queued_behind_itself_or_twice() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all(Supersede::Replace));
    bed.plan();
    let refused = message(start(&mut bed, all(Supersede::Queue)));
    assert!(refused.contains("takes this digest to the fleet already"));
    bed.promote(3);
    start(&mut bed, all(Supersede::Queue)).expect("it waits");
    let refused = message(start(&mut bed, all(Supersede::Queue)));
    assert!(refused.contains("queued to take this digest"), "{refused}");
    let again = bed.push(3, all(Supersede::Queue));
    assert_eq!(
        again.rollout.map(|id| id.to_string()),
        Some("app-2-1".into())
    );
}

#[test]
fn what_waits_behind_the_digest_that_is_promoted_again_does_not_take_it_away() {
    let mut bed = Bed::new(1);
    let queue = || all(Supersede::Queue);
    let first = bed.push(2, queue()).rollout.expect("it begins");
    bed.plan();
    let queued = bed.push(3, queue()).rollout.expect("it waits");
    let back = bed.push(2, queue());
    assert_eq!((back.pin.number.0, back.rollout), (3, Some(first.clone())));
    assert_eq!(bed.phase(&queued), RolloutPhase::Aborted);
    let reason = &bed.rollout(&queued).reason;
    assert!(reason.contains("promoted again"), "{reason}");
    bed.drive();
    assert_eq!(bed.phase(&first), RolloutPhase::Completed);
    assert_eq!(*bed.running("m1"), digest(2));
}

#[test]
fn a_preview_says_that_it_would_wait() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all(Supersede::Replace));
    bed.plan();
    bed.promote(3);
    let planned = |strategy| {
        commands::plan_rollout(&bed.world, &request(&bed, strategy), bed.now).expect("a plan")
    };
    let queued = planned(all(Supersede::Queue));
    assert!(
        queued.blockers[0].contains("would be queued") && queued.blockers[0].contains("app-1-1"),
        "{:?}",
        queued.blockers
    );
    assert_eq!(queued.supersedes, None);
    assert_eq!(queued.stages[0].agents.len(), 1);
    let replaced = planned(all(Supersede::Replace)).supersedes;
    assert_eq!(replaced.map(|id| id.to_string()), Some("app-1-1".into()));
}

#[test]
fn a_queued_one_whose_fleet_is_gone_begins_and_says_that_nobody_is_there() {
    let mut bed = Bed::new(1);
    let first = bed.roll_out(2, all(Supersede::Replace));
    bed.plan();
    bed.promote(3);
    let queued = start(&mut bed, all(Supersede::Queue)).expect("it waits").id;
    bed.decide(|world, now| commands::remove_agent(world, agent("m1"), "", &alice(), now))
        .expect("removed");
    bed.drive();
    bed.steer_with(keep, &first);
    bed.drive();
    assert_eq!(bed.phase(&queued), RolloutPhase::Halted);
}
