//! When a pull that failed is tried again, and when it is not.

use super::*;
use crate::{Answer, Call, learn};

/// Seconds until each next try, until it is given up.
fn pauses(kind: FailureKind, deadline: Duration, jitter: f64) -> Vec<u64> {
    let mut record = record(Some(operation(Stage::Prepare)));
    if let Some(operation) = &mut record.operation {
        operation.assignment.healthy_deadline = deadline;
    }
    let answer = Answer::Failed(Failure::new(kind, "no"));
    let (mut now, mut pauses) = (NOW, Vec::new());
    for _ in 0..100 {
        let observed = Observed {
            jitter,
            ..observed(&record, &[])
        };
        let learned = learn(&observed, &Call::Pull(image(2)), &answer, now);
        record = learned.expect("something is learned");
        let retry_at = record.operation.as_ref().and_then(|o| o.retry_at);
        let Some(retry_at) = retry_at else { break };
        pauses.push(retry_at.since(now).as_secs());
        now = retry_at;
    }
    let stage = record.operation.map(|o| o.stage);
    assert_eq!(stage, Some(Stage::Abandon { withdrawn: false }), "it ends");
    pauses
}

#[test]
fn a_registry_that_limits_is_left_alone_for_a_minute_and_more_and_asked_five_times() {
    let hour = 3600 * SECOND;
    assert_eq!(pauses(FailureKind::Registry, hour, 0.0), [60; 4]);
    assert_eq!(pauses(FailureKind::Registry, hour, 1.0), [90; 4]);
    assert_eq!(
        pauses(FailureKind::Registry, 300 * SECOND, 0.5),
        [75; 3],
        "within the deadline"
    );
    assert_eq!(
        pauses(FailureKind::Registry, 20 * SECOND, 0.0),
        [4; 4],
        "a fifth of a short one"
    );
}

#[test]
fn what_cannot_be_reached_is_tried_soon_and_then_once_a_minute_until_the_deadline() {
    assert_eq!(
        pauses(FailureKind::Network, 300 * SECOND, 1.0),
        [5, 10, 20, 40, 60, 60, 60]
    );
    assert_eq!(
        pauses(FailureKind::Network, 300 * SECOND, 0.0).first(),
        Some(&2)
    );
}

#[test]
fn what_will_not_pass_is_not_tried_again() {
    for kind in [
        FailureKind::Credentials,
        FailureKind::NotFound,
        FailureKind::Platform,
        FailureKind::Timeout,
    ] {
        assert_eq!(pauses(kind, 3600 * SECOND, 1.0), [0_u64; 0], "{kind}");
    }
}
