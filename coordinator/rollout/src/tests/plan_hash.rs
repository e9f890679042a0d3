//! What the hash of a stage's plan covers: all that a person approves with it.

use std::sync::Arc;
use std::time::Duration;

use pinion_model::{LabelSelector, Role, RolloutId};

use super::approval::{asked, hold, precondition};
use super::bed::{Bed, agent, alice, digest};
use super::metric::http;
use super::windows::nights;
use crate::commands::{self, StartRollout};
use crate::{
    Amount, FailureAction, OfflinePolicy, Rollout, SickPolicy, Spec, StageRules, Strategy,
    plan_hash,
};

#[test]
fn what_does_not_change_what_a_stage_would_do_does_not_change_its_plan() {
    let mut bed = Bed::new(3);
    let id = bed.roll_out(2, asked());
    bed.drive();
    let shown = plan_hash(&bed.world, &id, 1);
    let away = bed.nth(&id, 1, 0);
    bed.offline(&away);
    assert_eq!(plan_hash(&bed.world, &id, 1), shown, "it comes and goes");
    bed.hello(&away);
    bed.pass(Duration::from_secs(3600));
    assert_eq!(plan_hash(&bed.world, &id, 1), shown, "time passes");
    assert_eq!(shown.len(), 20);
}

#[test]
fn every_part_of_a_plan_stands_in_its_hash() {
    type Alter = fn(&mut Bed, &RolloutId);
    let changes: [(&str, Alter); 7] = [
        ("the digest is quarantined", |bed, id| {
            let distrust = commands::QuarantineDigest {
                digest: bed.rollout(id).digest().clone(),
                workload: bed.workload.clone(),
                reason: String::from("it eats data"),
            };
            bed.decide(|world, now| commands::quarantine(world, distrust.clone(), &alice(), now))
                .expect("quarantined");
        }),
        ("a machine is held", |bed, id| {
            let name = bed.nth(id, 1, 0);
            hold(bed, &name);
        }),
        ("a machine is gone", |bed, id| {
            let gone = agent(&bed.nth(id, 1, 0));
            bed.decide(|world, now| commands::revoke_agent(world, gone.clone(), "", &alice(), now))
                .expect("revoked");
        }),
        ("a machine runs something else", |bed, id| {
            let name = bed.nth(id, 1, 0);
            let workload = bed.workload.clone();
            let machine = bed.machines.get_mut(&agent(&name)).expect("a machine");
            machine.running.insert(workload, digest(9));
            bed.hello(&name);
        }),
        ("a limit", |bed, id| {
            bed.alter(id, |rollout| rollout.stages[1].max_in_flight += 1);
        }),
        ("a budget", |bed, id| {
            bed.alter(id, |rollout| rollout.stages[1].failure_budget += 1);
        }),
        ("the order", |bed, id| {
            bed.alter(id, |rollout| {
                let stage = &mut rollout.stages[1];
                stage.order = stage.order.iter().rev().cloned().collect();
            });
        }),
    ];
    for (what, alter) in changes {
        let mut bed = Bed::new(3);
        let id = bed.roll_out(2, asked());
        bed.drive();
        let shown = plan_hash(&bed.world, &id, 1);
        assert_ne!(shown, plan_hash(&bed.world, &id, 0));
        alter(&mut bed, &id);
        assert_ne!(plan_hash(&bed.world, &id, 1), shown, "{what}");
    }
}

/// Changes the rules of the stage that waits.
fn rule(rollout: &mut Rollout, alter: fn(&mut StageRules)) {
    alter(Arc::make_mut(&mut rollout.stages[1].rules));
}

fn spec(rollout: &mut Rollout, alter: fn(&mut Spec)) {
    alter(Arc::make_mut(&mut rollout.spec));
}

#[test]
fn every_rule_that_a_rollout_began_with_stands_in_the_hash_of_its_plan() {
    type Alter = fn(&mut Rollout);
    let changes: [(&str, Alter); 20] = [
        ("checks", |r| rule(r, |it| it.checks = vec![http("smoke")])),
        ("approver", |r| rule(r, |it| it.approver = Role::Admin)),
        ("min_sample", |r| {
            rule(r, |it| it.failure_budget.min_sample = 9)
        }),
        ("min_proven", |r| rule(r, |it| it.min_proven = 0)),
        ("soak", |r| rule(r, |it| it.soak += Duration::from_nanos(1))),
        ("bake", |r| rule(r, |it| it.bake += Duration::from_secs(1))),
        ("min_healthy", |r| {
            spec(r, |it| it.timing.min_healthy += Duration::from_secs(1))
        }),
        ("healthy_deadline", |r| {
            spec(r, |it| it.timing.healthy_deadline += Duration::from_secs(1))
        }),
        ("start_within", |r| {
            spec(r, |it| it.timing.start_within += Duration::from_secs(1))
        }),
        ("progress_deadline", |r| {
            spec(r, |it| it.progress_deadline += Duration::from_secs(1))
        }),
        ("on_failure", |r| {
            spec(r, |it| it.on_failure = FailureAction::Rollback)
        }),
        ("rollback_in_flight", |r| {
            spec(r, |it| it.rollback_in_flight = Amount::Count(1))
        }),
        ("strict", |r| spec(r, |it| it.strict = true)),
        ("max_unavailable", |r| {
            spec(r, |it| it.max_unavailable = Some(Amount::Percent(5)))
        }),
        ("what it came to", |r| r.max_unavailable = Some(1)),
        ("offline", |r| {
            spec(r, |it| it.offline = OfflinePolicy::Skip)
        }),
        ("sick", |r| spec(r, |it| it.sick = SickPolicy::Skip)),
        ("windows", |r| {
            spec(r, |it| it.calendar.windows = vec![nights()])
        }),
        ("quarantine_after", |r| r.quarantine_after += 1),
        ("the strategy's version", |r| {
            spec(r, |it| it.version = Some(2))
        }),
    ];
    for (what, alter) in changes {
        let mut bed = Bed::new(3);
        let id = bed.roll_out(2, asked());
        let shown = plan_hash(&bed.world, &id, 1);
        bed.alter(&id, alter);
        assert_ne!(plan_hash(&bed.world, &id, 1), shown, "{what}");
    }
}

#[test]
fn a_preview_shows_the_plan_that_can_then_be_approved() {
    let mut bed = Bed::new(3);
    bed.promote(2);
    let shown = previewed(&bed, asked());
    let id = bed.start(asked());
    let shown = commands::Approve {
        plan: shown,
        ..bed.approval(&id, Some("wide"))
    };
    bed.approve(&shown).expect("what the preview showed");
}

#[test]
fn a_preview_of_other_rules_for_the_same_machines_approves_nothing() {
    let rolls_back = Strategy {
        on_failure: Some(FailureAction::Rollback),
        ..asked()
    };
    let mut checked = asked();
    checked.stages[0].checks = vec![http("smoke")];
    for other in [rolls_back, checked] {
        let mut bed = Bed::new(3);
        bed.promote(2);
        let shown = previewed(&bed, other);
        let id = bed.start(asked());
        let shown = commands::Approve {
            plan: shown,
            ..bed.approval(&id, Some("wide"))
        };
        precondition(bed.approve(&shown));
    }
}

/// The plan of the second stage, before the rollout began.
fn previewed(bed: &Bed, strategy: Strategy) -> String {
    let request = StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy,
        agents: LabelSelector::default(),
        reason: String::new(),
    };
    let planned = commands::plan_rollout(&bed.world, &request, bed.now).expect("a plan");
    assert_eq!(planned.stages[0].plan, "", "it opens by itself");
    planned.stages[1].plan.clone()
}
