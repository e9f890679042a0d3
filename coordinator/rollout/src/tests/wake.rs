//! When the planner is to look again, where nothing else happens before.

use std::time::Duration;

use pinion_model::{AgentPhase, FailureKind, LabelSelector, Labels, RolloutId, RolloutPhase};

use super::bed::{Bed, rest, strategy};
use crate::{Amount, Approval, Cohort, StageSpec, Standing, Strategy};

const DEADLINE: Duration = Duration::from_secs(3600);

fn canary() -> Labels {
    Labels::from([("ring".into(), "canary".into())])
}

/// A machine that joined the first stage late is in flight while the second
/// waits for a person.
fn under_way() -> (Bed, RolloutId) {
    let mut bed = Bed::new(2);
    bed.enrol_with("first", true, canary());
    let stages = vec![
        StageSpec::of(Cohort::Selector(LabelSelector(canary()))),
        StageSpec {
            approval: Some(Approval::Manual),
            ..rest()
        },
    ];
    let id = bed.roll_out(
        2,
        Strategy {
            progress_deadline: Some(DEADLINE),
            max_in_flight: Some(Amount::Count(2)),
            ..strategy(stages)
        },
    );
    bed.plan();
    bed.enrol_with("late", true, canary());
    bed.plan();
    bed.say("late", AgentPhase::Verifying);
    bed.say("first", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::AwaitingApproval);
    (bed, id)
}

#[test]
fn while_a_stage_waits_for_approval_what_is_under_way_before_it_keeps_its_deadline() {
    let (mut bed, id) = under_way();
    let moved = bed.rollout(&id).stages[0].progressed_at;
    let planned = bed.plan();
    assert_eq!(planned.wake_at, Some(moved + DEADLINE));

    bed.now = moved + DEADLINE;
    bed.plan();
    let late = &bed.rollout(&id).members[&super::bed::agent("late")];
    assert_eq!(late.standing(), Standing::Failed);
    let kind = late.failure.as_ref().map(|failure| failure.kind);
    assert_eq!(kind, Some(FailureKind::Timeout));
}

#[test]
fn a_stage_that_waits_for_approval_and_nothing_else_wakes_nobody() {
    let (mut bed, id) = under_way();
    bed.say("late", AgentPhase::Settled);
    let planned = bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::AwaitingApproval);
    assert_eq!(planned.wake_at, None);
}
