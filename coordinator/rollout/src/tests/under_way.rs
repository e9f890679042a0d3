//! Machines that are on their way to a digest, outside its stages, when it is
//! quarantined.

use pinion_model::{AgentPhase, FailureKind, RolloutPhase};

use super::bed::{Bed, agent, alice, digest, rest, steer, strategy};
use super::quarantine::{impose, issued, lift, stable, tolerant};
use crate::{Act, Amount, Change, Purpose, Strategy, commands, plan};

/// Digest 2 is stable on one machine, and twenty newcomers run digest 1; those
/// that were asked at once, up to the limit, are answered.
fn newcomers() -> (Bed, Vec<String>) {
    let mut bed = stable(1);
    bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    for n in 2..=30 {
        bed.enrol(&format!("m{n}"), true);
    }
    bed.plan();
    let asked = bed.world.index.catching_up.iter();
    let asked = asked.map(|(_, agent)| agent.to_string()).collect();
    (bed, asked)
}

fn purpose(bed: &Bed, name: &str) -> Purpose {
    let asked = bed.world.assignment(&agent(name), &bed.workload);
    asked.expect("it was asked for something").purpose.clone()
}

#[test]
fn machines_that_catch_up_with_a_digest_that_is_quarantined_are_withdrawn_unless_they_cut_over() {
    let (mut bed, asked) = newcomers();
    assert_eq!(asked.len(), 3, "a tenth of them");
    let [cut, pulls, away] = &asked[..] else {
        panic!("three of them")
    };
    bed.say(cut, AgentPhase::CuttingOver);
    bed.say(pulls, AgentPhase::Pulling);
    bed.offline(away);
    impose(&mut bed, 2).expect("by hand");
    let since = bed.history.len();
    bed.plan();
    let withdraw = Purpose::Withdraw { rollout: None };
    assert_eq!(purpose(&bed, cut), Purpose::Stable, "it is too late there");
    assert_eq!(purpose(&bed, pulls), withdraw);
    assert_eq!(purpose(&bed, away), withdraw, "before it comes back");
    assert!(bed.world.index.overstaying.is_empty());
    let mut why = bed.history[since..]
        .iter()
        .filter_map(|change| match change {
            Change::Decision(decision) => match &decision.act {
                Act::Assigned {
                    assignment, reason, ..
                } if assignment.purpose == withdraw => Some(reason),
                _ => None,
            },
            Change::Observation(_) => None,
        });
    assert!(why.all(|why| why.contains("is quarantined since")));
    bed.say(cut, AgentPhase::Settled);
    bed.hello(away);
    bed.drive();
    assert_eq!(issued(&bed, since, 2), 0, "nobody is asked for it any more");
    for (name, machine) in &bed.machines {
        let well = digest(1);
        let kept = ["m1", cut].contains(&name.as_str());
        assert!(kept || machine.running[&bed.workload] == well, "{name}");
    }
    lift(&mut bed, 2).expect("lifted");
    bed.drive();
    let mut machines = bed.machines.values();
    assert!(machines.all(|machine| machine.running[&bed.workload] == digest(2)));
}

#[test]
fn a_quarantine_of_another_digest_leaves_those_that_catch_up_alone() {
    let (mut bed, asked) = newcomers();
    impose(&mut bed, 3).expect("by hand");
    assert_eq!(plan(&bed.world, bed.now).changes, Vec::new());
    assert!(
        asked
            .iter()
            .all(|name| purpose(&bed, name) == Purpose::Stable)
    );
}

/// Four machines that were on 1, 2 and 3, and are taken back from that, two at once.
fn taken_back() -> (Bed, pinion_model::RolloutId, Vec<String>) {
    let mut bed = stable(4);
    bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    let rules = Strategy {
        rollback_in_flight: Some(Amount::Count(2)),
        ..strategy(vec![rest()])
    };
    let id = bed.roll_out(3, rules);
    bed.drive();
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.plan();
    let going = |name: &String| bed.rollout(&id).members[&agent(name)].restore.is_some();
    let names = (1..=4).map(|n| format!("m{n}"));
    let going: Vec<_> = names.filter(going).collect();
    (bed, id, going)
}

#[test]
fn machines_on_their_way_back_to_a_digest_that_is_quarantined_are_sent_elsewhere_at_once() {
    let (mut bed, id, going) = taken_back();
    let [cut, pulls] = &going[..] else {
        panic!("two of them, {going:?}")
    };
    bed.say(cut, AgentPhase::CuttingOver);
    bed.say(pulls, AgentPhase::Pulling);
    impose(&mut bed, 2).expect("by hand");
    let since = bed.history.len();
    bed.plan();
    let asked = |bed: &Bed, name: &str| {
        let asked = bed.world.assignment(&agent(name), &bed.workload);
        asked.and_then(|asked| asked.digest().cloned())
    };
    assert_eq!(asked(&bed, cut), Some(digest(2)), "it is too late there");
    assert_eq!(asked(&bed, pulls), Some(digest(1)));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert_eq!(issued(&bed, since, 2), 0);
    assert_eq!(*bed.running(pulls), digest(1));
}

#[test]
fn with_every_older_digest_quarantined_a_machine_on_its_way_back_stays_where_it_is() {
    let (mut bed, id, going) = taken_back();
    for n in [1, 2] {
        impose(&mut bed, n).expect("by hand");
    }
    let since = bed.history.len();
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert_eq!(issued(&bed, since, 1) + issued(&bed, since, 2), 0);
    for name in &going {
        assert_eq!(*bed.running(name), digest(3));
        assert_eq!(bed.word(&id, name), Some("nothing_to_go_back_to"));
    }
}

/// Digest 2 was proven by a rollout that bears that many failures, on one
/// machine; on twenty-nine newcomers it fails.
fn bad_newcomers(after: u32) -> Bed {
    let mut bed = stable(1);
    let rules = Strategy {
        quarantine_after: Some(after),
        ..strategy(vec![rest()])
    };
    bed.roll_out(2, rules);
    bed.drive();
    for n in 2..=30 {
        bed.enrol(&format!("m{n}"), true);
        let machine = bed.machines.get_mut(&agent(&format!("m{n}")));
        machine.expect("a newcomer").bad.insert(digest(2));
    }
    bed
}

#[test]
fn a_stable_digest_that_fails_on_enough_machines_that_catch_up_goes_to_no_more_of_them() {
    let mut bed = bad_newcomers(2);
    let since = bed.history.len();
    bed.drive();
    let known = bed.world.quarantined(&digest(2)).expect("quarantined");
    assert_eq!(known.failed_on.len(), 2);
    let sentence = known.sentence(&digest(2)).unwrap_or_default();
    assert!(
        sentence.contains("having failed on 2 machine(s)")
            && sentence.contains("it was proven by app-2-1, but failed on machines that were to catch up with it (quarantine_after = 2)"),
        "{sentence}"
    );
    assert_eq!(issued(&bed, since, 2), 3, "those that went at once");
    assert_eq!(*bed.running("m1"), digest(2), "it stays");
    for n in 2..=30 {
        assert_eq!(*bed.running(&format!("m{n}")), digest(1), "m{n}");
    }
}

#[test]
fn newcomers_that_fail_one_fewer_than_may_do_not_quarantine_the_stable_digest() {
    let mut bed = bad_newcomers(30);
    bed.drive();
    assert_eq!(bed.world.quarantine[&digest(2)].failed_on.len(), 29);
    assert!(!bed.world.is_quarantined(&digest(2)));
}

#[test]
fn failures_before_a_rollout_completed_and_after_it_count_together_and_once_a_machine() {
    let mut bed = stable(3);
    let machine = bed.machines.get_mut(&agent("m2"));
    machine.expect("m2").bad.insert(digest(2));
    let id = bed.roll_out(2, tolerant(vec![rest()], 2));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    let refresh = commands::Refresh {
        agents: vec![agent("m2")],
        workloads: Vec::new(),
        reason: String::new(),
    };
    bed.decide(|world, now| commands::refresh(world, refresh.clone(), &alice(), now))
        .expect("asked once more");
    bed.drive();
    assert!(!bed.world.is_quarantined(&digest(2)), "the same machine");
    bed.enrol("m4", true);
    let machine = bed.machines.get_mut(&agent("m4"));
    machine.expect("m4").bad.insert(digest(2));
    bed.drive();
    assert!(bed.world.is_quarantined(&digest(2)));
}

#[test]
fn a_newcomer_that_was_withdrawn_too_late_and_failed_speaks_against_the_digest() {
    let mut bed = bad_newcomers(1);
    bed.plan();
    let asked = bed.world.index.catching_up.iter().next().cloned();
    let (_, late) = asked.expect("one that was asked");
    bed.say(late.as_str(), AgentPhase::CuttingOver);
    let old = bed.world.desired(&late).assignments.remove(0);
    let workload = bed.workload.clone();
    let withdrawn = crate::Assignment {
        generation: bed.world.next_generation(&late),
        purpose: Purpose::Withdraw { rollout: None },
        run: None,
        ..old.clone()
    };
    let act = Act::Assigned {
        agent: late.clone(),
        assignment: withdrawn,
        reason: String::new(),
    };
    bed.commit(vec![crate::Decision::system(bed.now, act).into()]);
    bed.reported(
        &late,
        crate::Report {
            workload,
            generation: old.generation,
            attempt: old.attempt,
            phase: AgentPhase::RolledBack,
            waiting_for: "".into(),
            deferral: None,
            failure: Some(pinion_model::Failure::new(FailureKind::Start, "it exits")),
            containers: Vec::new(),
            running: Some(digest(1)),
        },
    );
    bed.plan();
    assert!(bed.world.is_quarantined(&digest(2)));
}

#[test]
fn newcomers_that_were_sick_before_do_not_speak_against_the_stable_digest() {
    let mut bed = stable(1);
    let rules = Strategy {
        quarantine_after: Some(1),
        ..strategy(vec![rest()])
    };
    bed.roll_out(2, rules);
    bed.drive();
    bed.enrol("m2", true);
    bed.seen("m2", &["stopped"]);
    let machine = bed.machines.get_mut(&agent("m2"));
    machine.expect("a newcomer").bad.insert(digest(2));
    bed.drive();
    let tried = &bed.world.agents[&agent("m2")].placements[&bed.workload].tried;
    assert!(tried.is_some(), "it was tried there");
    assert!(!bed.world.is_quarantined(&digest(2)));
}
