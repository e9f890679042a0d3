use pinion_model::LabelSelector;

use super::super::bed::{alice, count, steer, strategy};
use super::{at, bed, freeze, nights, override_all, within};
use crate::commands::{self, StartRollout, Steer, override_windows};
use crate::{Change, Refusal};

#[test]
fn an_override_needs_a_reason_and_something_to_override() {
    let mut bed = bed("2026-07-01T12:00Z", &["eu"]);
    let id = bed.roll_out(2, within(vec![nights()], vec![]));
    let silent = Steer {
        reason: " ".to_owned(),
        ..steer(&id)
    };
    let refused = override_windows(&bed.world, silent, &alice(), bed.now);
    let Err(Refusal::Invalid { faults }) = refused else {
        panic!("not refused: {refused:?}")
    };
    assert_eq!(faults[0].path, "reason");
    let plain = bed.roll_out(3, strategy(vec![count(1)]));
    for (rollout, why) in [
        (&plain, "has no maintenance windows and no freezes"),
        (&id, "nothing of it waits for a window any more"),
    ] {
        let refused = override_windows(&bed.world, steer(rollout), &alice(), bed.now);
        let Err(Refusal::Precondition { message }) = refused else {
            panic!("not refused: {refused:?}")
        };
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn an_override_is_audited_with_who_and_why_once() {
    let mut bed = bed("2026-07-01T12:00Z", &["eu"]);
    let id = bed.roll_out(2, within(vec![nights()], vec![]));
    override_all(&mut bed, &id);
    let Some(Change::Decision(decision)) = bed.history.last() else {
        panic!("a decision")
    };
    assert_eq!(decision.action(), "rollout.windows_overridden");
    assert_eq!(
        (decision.subject(), decision.detail()),
        (id.to_string(), "because".to_owned())
    );
    assert_eq!(decision.actor, alice());
    let by = bed.rollout(&id).windows_overridden.as_ref().expect("kept");
    assert_eq!(
        (&by.actor, by.at, by.reason.as_str()),
        (&alice(), bed.now, "because")
    );
    let before = bed.history.len();
    override_all(&mut bed, &id);
    assert_eq!(bed.history.len(), before, "said once");
}

#[test]
fn windows_that_move_are_told_in_words() {
    let mut bed = bed("2026-07-01T12:00Z", &["eu"]);
    bed.roll_out(
        2,
        within(
            vec![nights()],
            vec![freeze("2026-07-01T19:00Z", "2026-07-01T21:00Z")],
        ),
    );
    bed.now = at("2026-07-01T20:00Z");
    let planned = bed.plan();
    let Change::Decision(decision) = &planned.changes[0] else {
        panic!("a decision")
    };
    assert_eq!(
        decision.detail(),
        "1 window(s) open, 1 freeze(s) on; the next change is at 2026-07-01T21:00:00.000Z"
    );
}

#[test]
fn a_preview_names_the_machines_that_would_wait_and_until_when() {
    let mut bed = bed("2026-07-01T12:00Z", &["eu", "us"]);
    bed.promote(2);
    let request = StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy: within(vec![nights()], vec![]),
        agents: LabelSelector::default(),
        reason: String::new(),
    };
    let planned = commands::plan_rollout(&bed.world, &request, bed.now).expect("planned");
    for planned in &planned.stages[0].agents {
        let shut = planned.agent.as_str() == "m1";
        let told = planned
            .blocker
            .contains("opens at 2026-07-01T20:00:00Z (Wed 22:00");
        assert_eq!(told, shut, "{planned:?}");
        assert_eq!(planned.blocker.is_empty(), !shut, "{planned:?}");
    }
    assert!(
        planned
            .blockers
            .iter()
            .any(|why| why.contains("1 of 2 machine(s) cannot be assigned now")),
        "{:?}",
        planned.blockers
    );
}

#[test]
fn a_window_that_never_opens_is_refused_when_it_is_submitted_with_all_other_faults() {
    let mut bed = bed("2026-07-01T12:00Z", &["eu"]);
    bed.promote(2);
    let mut never = nights();
    never.duration = std::time::Duration::ZERO;
    let freezes = vec![freeze("2026-12-20T00:00Z", "2026-12-19T00:00Z")];
    let mut rules = within(vec![nights(), never], freezes);
    rules.max_in_flight = Some(crate::Amount::Count(0));
    let request = StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy: rules,
        agents: LabelSelector::default(),
        reason: String::new(),
    };
    let refused = commands::start_rollout(&bed.world, request, &alice(), bed.now);
    let Err(Refusal::Invalid { faults }) = refused else {
        panic!("not refused: {refused:?}")
    };
    let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
    for path in [
        "strategy.max_in_flight",
        "strategy.windows[1].duration",
        "strategy.freezes[0].until",
    ] {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
}
