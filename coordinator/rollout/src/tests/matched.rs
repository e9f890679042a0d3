//! Strategies whose selectors and stages match nobody.

use pinion_model::{AgentPhase, LabelSelector, Labels, RolloutPhase};

use super::bed::{Bed, agent, alice, count, digest, keep, rest, strategy};
use super::faults::{bed, faults, selecting, started};
use crate::{Approval, Fault, Gate, StageSpec, Strategy, Supersede, commands};

#[test]
fn a_selector_that_matches_no_machine_is_refused_when_a_rollout_is_started() {
    let lhr = || {
        strategy(vec![
            selecting("region", "ord"),
            selecting("region", "lhr"),
            rest(),
        ])
    };
    let told = faults(&lhr(), &[]);
    assert_eq!(
        told,
        [Fault::new(
            "strategy.stages[1].selector",
            "no machine that is selected has the labels region=lhr"
        )]
    );
    let told = faults(&lhr(), &[("region", "ams")]);
    assert_eq!(
        told,
        [Fault::new(
            "agents",
            "no enrolled machine has the labels region=ams"
        )]
    );
    let within = faults(
        &strategy(vec![selecting("tier", ""), rest()]),
        &[("region", "ord")],
    );
    assert_eq!(within[0].path, "strategy.stages[0].selector");
}

#[test]
fn a_machine_that_is_revoked_is_matched_by_nothing() {
    let mut bed = bed();
    let id = super::bed::agent("ord-1");
    bed.decide(|world, now| commands::revoke_agent(world, id.clone(), "", &alice(), now))
        .expect("revoked");
    let rules = strategy(vec![selecting("region", "ord"), rest()]);
    let refused = started(&mut bed, &rules, &[]).expect_err("nobody has it any more");
    assert!(
        refused
            .to_string()
            .starts_with("strategy.stages[0].selector"),
        "{refused}"
    );
}

#[test]
fn machines_that_no_stage_takes_are_told_when_there_is_nobody_else() {
    let rules = strategy(vec![selecting("region", "ord")]);
    let mut bed = Bed::new(1);
    bed.promote(2);
    let refused = started(&mut bed, &rules, &[]).expect_err("no stage takes it");
    assert!(
        refused.to_string().contains("strategy.stages[0].selector"),
        "{refused}"
    );
}

/// A canary that nobody has the label of, then the rest.
fn canary_then_rest() -> Strategy {
    strategy(vec![selecting("ring", "canary"), rest()])
}

#[test]
fn a_promotion_whose_first_stage_matches_nobody_halts_before_the_rest_gets_it_unproven() {
    let mut bed = bed();
    let id = bed.promote_auto(3, canary_then_rest());
    bed.drive();
    let rollout = bed.rollout(&id);
    assert_eq!(rollout.phase, RolloutPhase::Halted);
    assert_eq!(rollout.halted_by, Some(Gate::MinProven));
    for part in [
        "no machine had the labels ring=canary",
        "none proved the digest",
        "give a machine those labels, abort this one and start another, or resume",
    ] {
        assert!(rollout.reason.contains(part), "{}", rollout.reason);
    }
    assert_eq!(*bed.running("m1"), digest(1));
    bed.steer_with(commands::resume, &id);
    bed.drive();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Completed,
        "one resume will do"
    );
    assert_eq!(
        bed.rollout(&id).stages[0].note,
        "no machine is in it, resumed although no machine proved it"
    );
}

#[test]
fn a_promotion_that_no_stage_takes_a_machine_for_halts() {
    let mut bed = bed();
    let only = strategy(vec![selecting("region", "lhr")]);
    let id = bed.promote_auto(4, only);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::Nobody));
}

#[test]
fn a_queued_rollout_whose_canary_is_gone_when_it_begins_halts() {
    let canary = || Labels::from([("ring".into(), "canary".into())]);
    let mut bed = Bed::new(1);
    bed.enrol_with("canary", true, canary());
    let first = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    let queues = Strategy {
        supersede: Some(Supersede::Queue),
        ..canary_then_rest()
    };
    let id = bed.roll_out(3, queues);
    bed.decide(|world, now| commands::remove_agent(world, agent("canary"), "", &alice(), now))
        .expect("removed");
    bed.steer_with(keep, &first);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::MinProven));
}

#[test]
fn a_stage_that_matches_nobody_rests_on_what_was_proven_before_it() {
    let lax = |stage| StageSpec {
        min_proven: Some(0),
        ..stage
    };
    let canary = || selecting("ring", "canary");
    let canaries = || selecting("ring", "");
    for (stages, phase) in [
        (vec![count(1), canary(), rest()], RolloutPhase::Completed),
        (vec![lax(canary()), rest()], RolloutPhase::Completed),
        // Nobody comes after it.
        (vec![rest()], RolloutPhase::Completed),
        (vec![count(2), canary()], RolloutPhase::Completed),
        (vec![canary(), rest()], RolloutPhase::Halted),
        (vec![canary(), canaries(), rest()], RolloutPhase::Halted),
    ] {
        let mut bed = bed();
        let id = bed.promote_auto(3, strategy(stages.clone()));
        bed.drive();
        assert_eq!(bed.phase(&id), phase, "{stages:?}");
        if phase == RolloutPhase::Halted {
            bed.steer_with(commands::resume, &id);
            bed.drive();
            assert_eq!(bed.phase(&id), RolloutPhase::Completed, "{stages:?}");
        }
    }
}

#[test]
fn a_canary_that_joins_late_proves_for_a_stage_that_matched_nobody() {
    for (phase, outcome) in [
        (AgentPhase::Settled, RolloutPhase::Completed),
        (AgentPhase::Staged, RolloutPhase::Halted),
    ] {
        let mut bed = bed();
        let mut rules = canary_then_rest();
        rules.stages[0].approval = Some(Approval::Manual);
        let id = bed.promote_auto(3, rules);
        bed.plan();
        bed.enrol_with(
            "canary",
            true,
            Labels::from([("ring".into(), "canary".into())]),
        );
        bed.plan();
        let approval = bed.approval(&id, None);
        bed.approve(&approval).expect("approved");
        bed.plan();
        assert_eq!(
            bed.phase(&id),
            RolloutPhase::Running,
            "{}",
            bed.rollout(&id).reason
        );
        let waits = crate::waiting_for(&bed.world, &id, 0, bed.now);
        let late = "proof in stage 1 of 1 machine(s) that joined it late";
        assert!(waits.iter().any(|line| line == late), "{waits:?}");
        bed.say("canary", AgentPhase::Verifying);
        bed.offline("canary");
        bed.plan();
        assert_eq!(bed.phase(&id), RolloutPhase::Running, "its link drops");
        bed.hello("canary");
        bed.say("canary", phase);
        bed.drive();
        assert_eq!(bed.phase(&id), outcome, "{phase:?}");
    }
}

#[test]
fn a_preview_tells_of_a_selector_that_matches_nobody_as_a_blocker() {
    let bed = bed();
    let request = commands::StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy: strategy(vec![selecting("region", "lhr"), rest()]),
        agents: LabelSelector::default(),
        reason: String::new(),
    };
    let planned = commands::plan_rollout(&bed.world, &request, bed.now).expect("a preview");
    let told = "strategy.stages[0].selector: no machine that is selected has the labels region=lhr";
    assert!(
        planned.blockers.iter().any(|line| line == told),
        "{:?}",
        planned.blockers
    );
}

#[test]
fn a_last_stage_that_matches_nobody_asks_for_no_proof_since_nobody_comes_after_it() {
    let mut bed = Bed::new(0);
    for name in ["m1", "m2"] {
        bed.enrol(name, false);
    }
    let unproven = StageSpec {
        min_proven: Some(0),
        ..count(2)
    };
    let stages = vec![unproven, selecting("ring", "canary")];
    let id = bed.promote_auto(3, strategy(stages));
    bed.drive();
    assert_eq!(bed.counts(&id, 0).staged, 2);
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}
