//! Approval: manual or automatic per stage, by role, with who and why, and for
//! exactly the plan that was shown.

use pinion_model::{Actor, Role, RolloutId, RolloutPhase};

use super::bed::{Bed, agent, alice, count, rest, strategy};
use super::gates::ask;
use crate::commands::{self, HoldAgent, StartRollout};
use crate::gates::{Verdict, approval};
use crate::{Approval, Change, Refusal, StageSpec, Strategy, plan_hash, summary};

fn somebody(name: &str, role: Role) -> Actor {
    Actor::Operator {
        name: name.parse().expect("a name"),
        role,
    }
}

pub(super) fn manual(cohort: StageSpec) -> StageSpec {
    StageSpec {
        approval: Some(Approval::Manual),
        ..cohort
    }
}

/// A canary, then the rest once a person has approved it.
pub(super) fn asked() -> Strategy {
    let rest = StageSpec {
        name: "wide".parse().ok(),
        ..manual(rest())
    };
    strategy(vec![count(1), rest])
}

pub(super) fn hold(bed: &mut Bed, name: &str) {
    let hold = HoldAgent {
        agent: agent(name),
        reason: "care".into(),
        expires_at: None,
    };
    bed.decide(|world, now| commands::hold(world, hold.clone(), &alice(), now))
        .expect("held");
}

/// The message of a refusal that says the state is not right.
pub(super) fn precondition(refused: Result<RolloutId, Refusal>) -> String {
    match refused {
        Err(Refusal::Precondition { message }) => message,
        other => panic!("not refused for the present state: {other:?}"),
    }
}

#[test]
fn a_stage_with_approval_waits_for_a_person_whose_name_and_reason_are_kept() {
    let mut bed = Bed::new(2);
    let id = bed.roll_out(2, asked());
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::AwaitingApproval);
    let last = bed.nth(&id, 1, 0);
    assert_eq!(bed.word(&id, &last), Some("awaiting_approval"));
    let approval = bed.approval(&id, None);
    bed.approve(&approval).expect("approved");
    assert!(
        bed.approve(&approval).is_ok(),
        "approving twice is no fault"
    );
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    let by = &bed.rollout(&id).stages[1].approved;
    let by = by.as_ref().expect("by a person");
    assert_eq!(
        (&by.by.actor, by.by.reason.as_str(), &by.plan),
        (&alice(), "looks good", &approval.plan)
    );
    let said = bed.history.iter().find_map(|change| match change {
        Change::Decision(decision) if decision.action() == "stage.approved" => {
            Some(decision.detail())
        }
        _ => None,
    });
    let said = said.expect("it is in the audit log");
    assert!(
        said.contains(&approval.plan) && said.ends_with(": looks good"),
        "{said}"
    );
}

#[test]
fn a_stage_can_be_approved_ahead_of_its_turn_but_only_where_it_is_asked_for() {
    let mut bed = Bed::new(2);
    let id = bed.roll_out(2, asked());
    let automatic = bed.approval(&id, Some("1"));
    let refused = precondition(bed.approve(&automatic));
    assert!(refused.contains("needs no approval"), "{refused}");
    let nowhere = commands::Approve {
        stage: "nowhere".parse().ok(),
        ..automatic
    };
    assert!(matches!(
        bed.approve(&nowhere),
        Err(Refusal::NotFound { .. })
    ));
    let ahead = bed.approval(&id, Some("wide"));
    bed.approve(&ahead).expect("ahead");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn an_approval_names_the_plan_that_it_is_for() {
    let mut bed = Bed::new(2);
    let id = bed.roll_out(2, asked());
    bed.drive();
    let nothing = commands::Approve {
        plan: String::new(),
        ..bed.approval(&id, None)
    };
    match bed.approve(&nothing) {
        Err(Refusal::Invalid { faults }) => assert_eq!(faults[0].path, "plan"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plan_that_has_changed_since_it_was_shown_is_not_approved() {
    let mut bed = Bed::new(3);
    let id = bed.roll_out(2, asked());
    bed.drive();
    let shown = bed.approval(&id, None);
    let held = bed.nth(&id, 1, 0);
    hold(&mut bed, &held);
    let now = plan_hash(&bed.world, &id, 1);
    let refused = precondition(bed.approve(&shown));
    assert!(
        refused.contains(&now) && refused.contains(&shown.plan),
        "{refused}"
    );
    assert_eq!(bed.phase(&id), RolloutPhase::AwaitingApproval);
    let again = bed.approval(&id, None);
    bed.approve(&again).expect("what is shown now");
    bed.plan();
    assert!(bed.rollout(&id).is_open(1));
}

#[test]
fn an_approval_ahead_of_its_turn_lapses_if_the_plan_changes_before_the_stage_opens() {
    let mut bed = Bed::new(3);
    let id = bed.roll_out(2, asked());
    let ahead = bed.approval(&id, Some("wide"));
    bed.approve(&ahead).expect("ahead");
    let held = bed.nth(&id, 1, 0);
    hold(&mut bed, &held);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::AwaitingApproval);
    assert!(bed.rollout(&id).stages[1].approved.is_none());
    let reason = &bed.rollout(&id).reason;
    assert!(
        reason.contains("changed since alice approved it"),
        "{reason}"
    );
    let again = bed.approval(&id, None);
    bed.approve(&again).expect("as it is now");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn an_approval_is_not_given_again_for_a_plan_that_has_changed_since() {
    let mut bed = Bed::new(3);
    let id = bed.roll_out(2, asked());
    let ahead = bed.approval(&id, Some("wide"));
    bed.approve(&ahead).expect("ahead");
    assert!(bed.approve(&ahead).is_ok(), "it is that plan still");
    let held = bed.nth(&id, 1, 0);
    hold(&mut bed, &held);
    let refused = precondition(bed.approve(&ahead));
    assert!(refused.contains(&ahead.plan), "{refused}");
}

#[test]
fn an_approval_lapses_also_while_the_rollout_is_paused() {
    let mut bed = Bed::new(3);
    let id = bed.roll_out(2, asked());
    bed.drive();
    bed.steer_with(commands::pause, &id);
    let approval = bed.approval(&id, None);
    bed.approve(&approval).expect("approved while it is paused");
    let held = bed.nth(&id, 1, 0);
    hold(&mut bed, &held);
    bed.steer_with(commands::resume, &id);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::AwaitingApproval);
    let text = summary(&bed.world, &id, bed.now);
    assert!(text.contains("approval of stage wide"), "{text}");
}

#[test]
fn only_who_has_the_role_may_approve() {
    let stage = |approver| StageSpec {
        approver,
        ..manual(rest())
    };
    for (approver, role, may) in [
        (None, Role::Viewer, false),
        (None, Role::Promoter, false),
        (None, Role::Operator, true),
        (None, Role::Admin, true),
        (Some(Role::Admin), Role::Operator, false),
        (Some(Role::Admin), Role::Admin, true),
    ] {
        let mut bed = Bed::new(1);
        let id = bed.roll_out(2, strategy(vec![stage(approver)]));
        bed.plan();
        let approval = bed.approval(&id, None);
        let bob = somebody("bob", role);
        let answer = bed.decide(|world, now| commands::approve(world, approval.clone(), &bob, now));
        if may {
            answer.expect("bob may");
        } else {
            let refused = precondition(answer);
            let needed = approver.unwrap_or(Role::Operator);
            assert!(
                refused.contains(&format!("role {needed} or above")) && refused.contains("bob"),
                "{refused}"
            );
        }
    }
}

#[test]
fn a_role_that_can_never_approve_is_refused_with_the_strategy() {
    let mut bed = Bed::new(1);
    bed.promote(2);
    let stage = StageSpec {
        approver: Some(Role::Promoter),
        ..manual(rest())
    };
    let request = StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy: strategy(vec![stage]),
        agents: pinion_model::LabelSelector::default(),
        reason: String::new(),
    };
    match commands::start_rollout(&bed.world, request, &alice(), bed.now) {
        Err(Refusal::Invalid { faults }) => {
            assert_eq!(faults[0].path, "strategy.stages[0].approver");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stage_that_is_open_is_not_approved_once_more() {
    let mut bed = Bed::new(2);
    let id = bed.roll_out(2, asked());
    bed.drive();
    let approval = bed.approval(&id, None);
    bed.approve(&approval).expect("approved");
    bed.plan();
    let late = bed.approval(&id, Some("wide"));
    let refused = precondition(bed.approve(&late));
    assert!(refused.contains("has opened already"), "{refused}");
    let again = commands::Approve {
        stage: late.stage,
        ..approval
    };
    assert!(bed.approve(&again).is_ok(), "the same again is no fault");
}

#[test]
fn a_stage_that_a_retry_opens_again_needs_no_second_approval() {
    let mut bed = Bed::new(2);
    let id = bed.roll_out(2, strategy(vec![manual(rest())]));
    bed.plan();
    let approval = bed.approval(&id, None);
    bed.approve(&approval).expect("approved");
    bed.plan();
    bed.say("m1", pinion_model::AgentPhase::RolledBack);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    bed.retry_all(&id);
    bed.steer_with(commands::resume, &id);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_stage_says_whose_approval_it_waits_for() {
    for (approver, who) in [
        (None, "stage wide: `pinion rollout show"),
        (Some(Role::Operator), "stage wide: `pinion rollout show"),
        (
            Some(Role::Admin),
            "stage wide: with role admin or above, `pinion rollout show",
        ),
    ] {
        let mut bed = Bed::new(2);
        let mut asked = asked();
        asked.stages[1].approver = approver;
        let id = bed.roll_out(2, asked);
        let Verdict::Wait(wait) = ask(&bed, &id, 1, approval::check) else {
            panic!("it does not wait for anybody");
        };
        assert!(wait.detail.contains(who), "{}", wait.detail);
    }
}
