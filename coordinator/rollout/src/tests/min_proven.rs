//! How much proof a stage needs, and of whom it is asked.

use pinion_model::AgentPhase::{Refused, RolledBack, Settled, Staged};

use super::bed::{Bed, agent, alice, count, rest, strategy};
use super::gates::{ask, one, said, stage, word};
use super::nobody::go_round;
use crate::commands;
use crate::gates::{Verdict, min_proven};
use crate::{Amount, OfflinePolicy, StageSpec, Strategy};

#[test]
fn min_proven_wants_proof_from_machines_that_can_give_it() {
    for (wanted, phases, answer) in [
        (1, vec![Settled], "pass"),
        (1, vec![Staged], "min_proven"),
        (0, vec![Staged], "pass"),
        (1, vec![Settled, Staged], "pass"),
        (2, vec![Settled, Staged], "min_proven"),
        (5, vec![Settled, Settled], "pass"),
        (1, vec![RolledBack], "min_proven"),
    ] {
        let rules = StageSpec {
            min_proven: Some(wanted),
            failure_budget: Some(Amount::Percent(100).into()),
            ..rest()
        };
        let (bed, id) = stage(one(rules), &phases);
        assert_eq!(
            word(&ask(&bed, &id, 0, min_proven::check)),
            answer,
            "{wanted} {phases:?}"
        );
    }
}

#[test]
fn min_proven_goes_round_a_stage_that_is_skipped_only_after_a_proof() {
    for (proven_before, answer) in [(true, "pass"), (false, "min_proven")] {
        let mut bed = Bed::new(2);
        let first = StageSpec {
            min_proven: Some(0),
            ..count(1)
        };
        let id = bed.roll_out(2, strategy(vec![first, rest()]));
        bed.plan();
        let (canary, other) = (bed.nth(&id, 0, 0), bed.nth(&id, 1, 0));
        let hold = commands::HoldAgent {
            agent: agent(&other),
            reason: "mine".into(),
            expires_at: None,
        };
        bed.decide(|world, now| commands::hold(world, hold.clone(), &alice(), now))
            .expect("held");
        bed.say(&canary, if proven_before { Settled } else { Staged });
        assert_eq!(word(&ask(&bed, &id, 1, min_proven::check)), answer);
    }
}

#[test]
fn min_proven_asks_as_much_of_a_stage_of_which_some_are_gone_round() {
    for (how, wanted, answer) in [
        ("held", 1, "pass"),
        ("held", 2, "pass"),
        ("held", 3, "min_proven"),
        ("held", 9, "min_proven"),
        ("offline", 2, "pass"),
        ("offline", 3, "min_proven"),
        // They are no machines of the fleet any more.
        ("removed", 3, "pass"),
        ("revoked", 3, "pass"),
    ] {
        let rules = StageSpec {
            min_proven: Some(wanted),
            ..rest()
        };
        let mut bed = Bed::new(4);
        let id = bed.roll_out(
            2,
            Strategy {
                offline: Some(OfflinePolicy::Skip),
                ..one(rules)
            },
        );
        for name in ["m3", "m4"] {
            go_round(&mut bed, name, how);
        }
        bed.plan();
        for name in ["m1", "m2"] {
            bed.say(name, Settled);
        }
        let verdict = ask(&bed, &id, 0, min_proven::check);
        assert_eq!(word(&verdict), answer, "{how} {wanted}");
        if answer != "pass" {
            let reason = said(verdict);
            let asked = format!("2 of {} machine(s) proved", wanted.min(4));
            assert!(reason.contains(&asked), "{reason}");
            assert!(reason.contains("2 skipped"), "{reason}");
            assert!(reason.contains("held or offline are back"), "{reason}");
        }
    }
}

#[test]
fn a_stage_that_is_gone_round_as_a_whole_rests_on_as_many_proofs_before_it() {
    for (before, wanted, answer) in [
        (1, 1, "pass"),
        (1, 2, "min_proven"),
        (2, 2, "pass"),
        // It has no more than two.
        (2, 5, "pass"),
    ] {
        let mut bed = Bed::new(before + 2);
        let second = StageSpec {
            min_proven: Some(wanted),
            ..rest()
        };
        let first = count(u32::try_from(before).expect("few"));
        let id = bed.roll_out(2, strategy(vec![first, second]));
        bed.plan();
        for place in 0..2 {
            let name = bed.nth(&id, 1, place);
            go_round(&mut bed, &name, "held");
        }
        for place in 0..before {
            let name = bed.nth(&id, 0, place);
            bed.say(&name, Settled);
        }
        let verdict = ask(&bed, &id, 1, min_proven::check);
        assert_eq!(word(&verdict), answer, "{before} {wanted}");
        if answer != "pass" {
            let reason = said(verdict);
            assert!(reason.contains("1 in the stages before it"), "{reason}");
        }
    }
}

#[test]
fn whoever_joined_late_does_not_raise_the_proof_that_is_needed() {
    let mut bed = Bed::new(2);
    let rules = StageSpec {
        min_proven: Some(5),
        ..rest()
    };
    let id = bed.roll_out(2, one(rules));
    bed.plan();
    bed.enrol("m3", true);
    bed.plan();
    assert!(bed.rollout(&id).members[&agent("m3")].late);
    for name in ["m1", "m2"] {
        bed.say(name, Settled);
    }
    assert_eq!(word(&ask(&bed, &id, 0, min_proven::check)), "pass");
}

#[test]
fn min_proven_says_when_no_machine_of_the_rollout_could_prove_it() {
    let mut bed = Bed::new(0);
    bed.enrol("m1", false);
    let id = bed.roll_out(2, one(rest()));
    bed.plan();
    bed.say("m1", Staged);
    let Verdict::Stop(stop) = ask(&bed, &id, 0, min_proven::check) else {
        panic!("inconclusive")
    };
    assert!(
        stop.reason
            .contains("no machine of the whole rollout ran a container"),
        "{}",
        stop.reason
    );
}

#[test]
fn min_proven_counts_who_proved_who_only_staged_who_failed_and_who_was_gone_round() {
    let mut bed = Bed::new(6);
    bed.seen("m5", &["unhealthy"]);
    let rules = StageSpec {
        min_proven: Some(4),
        failure_budget: Some(Amount::Percent(100).into()),
        ..rest()
    };
    let id = bed.roll_out(2, one(rules));
    let hold = commands::HoldAgent {
        agent: agent("m6"),
        reason: "mine".into(),
        expires_at: None,
    };
    bed.decide(|world, now| commands::hold(world, hold.clone(), &alice(), now))
        .expect("held");
    bed.plan();
    let phases = [Settled, Staged, RolledBack, Refused, RolledBack];
    for (n, phase) in phases.into_iter().enumerate() {
        bed.say(&format!("m{}", n + 1), phase);
    }
    let reason = said(ask(&bed, &id, 0, min_proven::check));
    assert!(
        reason.contains("1 of 4 machine(s) proved the digest (1 only staged it, 2 failed, 1 failed that were sick before, 1 skipped)"),
        "{reason}"
    );
}

#[test]
fn min_proven_is_asked_of_a_later_stage_whatever_its_machines_came_to() {
    for (phases, answer) in [
        (vec![Staged, Staged], "min_proven"),
        (vec![RolledBack, RolledBack], "min_proven"),
        (vec![Staged, RolledBack], "min_proven"),
        (vec![Settled, Staged], "min_proven"),
        (vec![Settled, RolledBack], "min_proven"),
        (vec![Settled, Settled], "pass"),
    ] {
        let mut bed = Bed::new(3);
        let second = StageSpec {
            min_proven: Some(2),
            failure_budget: Some(Amount::Percent(100).into()),
            ..rest()
        };
        let id = bed.roll_out(2, strategy(vec![count(1), second]));
        bed.plan();
        let canary = bed.nth(&id, 0, 0);
        bed.say(&canary, Settled);
        bed.plan();
        for (n, phase) in phases.iter().enumerate() {
            let name = bed.nth(&id, 1, n);
            bed.say(&name, *phase);
        }
        let verdict = ask(&bed, &id, 1, min_proven::check);
        assert_eq!(word(&verdict), answer, "{phases:?}");
    }
}
