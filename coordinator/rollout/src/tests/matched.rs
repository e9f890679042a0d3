//! Strategies whose selectors and stages match nobody.

use pinion_model::{LabelSelector, RolloutPhase};

use super::bed::{Bed, alice, rest, strategy};
use super::faults::{bed, faults, selecting, started};
use crate::{Fault, Gate, StageSpec, commands};

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

#[test]
fn a_promotion_whose_first_stage_matches_nobody_succeeds_and_its_rollout_stops_for_a_person() {
    let mut bed = bed();
    let stages = strategy(vec![selecting("region", "lhr"), rest()]);
    let id = bed.promote_auto(3, stages);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::MinProven));
    let reason = &bed.rollout(&id).reason;
    assert!(reason.contains("has the labels region=lhr"), "{reason}");
    bed.steer_with(commands::resume, &id);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    let only = strategy(vec![selecting("region", "lhr")]);
    let id = bed.promote_auto(4, only);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::Nobody));
}

#[test]
fn a_stage_that_matches_nobody_is_passed_where_the_digest_is_proven_or_needs_no_proof() {
    let lhr = || selecting("region", "lhr");
    let unproven = StageSpec {
        min_proven: Some(0),
        ..lhr()
    };
    for stages in [
        vec![selecting("region", "ord"), lhr(), rest()],
        vec![unproven, rest()],
    ] {
        let mut bed = bed();
        let id = bed.promote_auto(3, strategy(stages));
        bed.drive();
        assert_eq!(bed.phase(&id), RolloutPhase::Completed);
        let notes = bed.rollout(&id).stages.iter().map(|stage| &stage.note);
        let nobodys = notes.filter(|note| *note == "no machine is in it");
        assert_eq!(nobodys.count(), 1);
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
