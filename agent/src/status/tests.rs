//! What the machine's own provisioner is told to start.

use std::time::Duration;

use pinion_model::{Attempt, FailureKind, Generation, InUse, Timestamp};
use pinion_workload::Operation;

use super::*;

fn digest(n: u8) -> Digest {
    let hex = format!("{n:02x}").repeat(32);
    format!("sha256:{hex}").parse().expect("a digest")
}

fn image(repository: &str, n: u8) -> ImageRef {
    ImageRef {
        repository: repository.parse().expect("a repository"),
        digest: digest(n),
    }
}

fn web() -> WorkloadName {
    "web".parse().expect("a name")
}

/// Image 2 is assigned, from two registries.
fn assignment() -> Assignment {
    Assignment {
        workload: web(),
        generation: Generation(2),
        attempt: Attempt(1),
        rollout: None,
        stage: None,
        run: vec![
            image("ghcr.io/acme/web", 2),
            image("registry.fly.io/web", 2),
        ],
        prefetch: Vec::new(),
        received_at: Timestamp(0),
        start_within: Duration::from_secs(600),
        healthy_deadline: Duration::from_secs(60),
        min_healthy: Duration::from_secs(5),
        soak: Duration::ZERO,
        defer_within: Duration::ZERO,
        in_use: InUse::Fail,
        local_tag: String::new(),
    }
}

fn outcome(generation: u64, phase: AgentPhase, running: Option<Digest>) -> Outcome {
    Outcome {
        generation: Generation(generation),
        attempt: Attempt(1),
        digest: Some(digest(2)),
        phase,
        failure: phase
            .is_failure()
            .then(|| Failure::new(FailureKind::Health, "it is ill")),
        forced: None,
        running,
        at: Timestamp(0),
    }
}

/// What is told, where the policy permits the second registry or none.
fn told(record: Record, is_permitted: bool) -> Option<ImageRef> {
    told_of(assignment(), record, is_permitted)
}

fn told_of(assignment: Assignment, record: Record, is_permitted: bool) -> Option<ImageRef> {
    let desired = Desired {
        generation: Generation(2),
        assignments: BTreeMap::from([(web(), assignment)]),
        catalog: BTreeMap::new(),
    };
    let permitted = |a: &Assignment| match is_permitted {
        true => a.run.iter().skip(1).cloned().collect(),
        false => Vec::new(),
    };
    let views = views(
        &desired,
        &BTreeMap::from([(web(), record)]),
        &[],
        &permitted,
    );
    let view = &views[&web()];
    assert_eq!(view.image.as_ref().map(|i| &i.digest), view.digest.as_ref());
    view.image.clone()
}

#[test]
fn what_failed_or_was_refused_is_never_told() {
    use AgentPhase::{Refused, RolledBack};
    let good = image("ghcr.io/acme/web", 1);
    let failed = |phase, running, proven| Record {
        outcome: Some(outcome(2, phase, running)),
        proven,
        ..Record::default()
    };
    assert_eq!(told(failed(Refused, None, Vec::new()), true), None);
    assert_eq!(
        told(failed(Refused, None, vec![good.clone()]), true),
        Some(good.clone())
    );
    let before = image("ghcr.io/acme/web", 3);
    let record = failed(RolledBack, Some(digest(1)), vec![before, good.clone()]);
    assert_eq!(told(record, true), Some(good));
}

#[test]
fn what_is_being_tried_is_not_told_before_it_has_ended_well() {
    let good = image("ghcr.io/acme/web", 1);
    let operation = Operation::new(&assignment(), Timestamp(0), 0, Timestamp(0));
    let trying = Record {
        operation: Some(operation),
        proven: vec![good.clone()],
        ..Record::default()
    };
    assert_eq!(told(trying, true), Some(good.clone()));
    // Accepted, and nothing is begun yet.
    let earlier = Record {
        outcome: Some(outcome(1, AgentPhase::Settled, Some(digest(1)))),
        proven: vec![good.clone()],
        ..Record::default()
    };
    assert_eq!(told(earlier, true), Some(good));
}

#[test]
fn a_new_machine_is_told_what_is_assigned_where_its_policy_permits_it() {
    assert_eq!(
        told(Record::default(), true),
        Some(image("registry.fly.io/web", 2))
    );
    assert_eq!(told(Record::default(), false), None);
    let settled = Record {
        outcome: Some(outcome(2, AgentPhase::Settled, Some(digest(2)))),
        ..Record::default()
    };
    assert_eq!(
        told(settled, true).map(|image| image.digest),
        Some(digest(2))
    );
}

#[test]
fn what_is_only_pulled_ahead_changes_nothing_of_what_to_start_from() {
    use AgentPhase::{Prefetched, Withdrawn};
    let good = image("ghcr.io/acme/web", 1);
    for (prefetch, phase) in [
        (vec![image("ghcr.io/acme/web", 2)], Prefetched),
        (Vec::new(), Withdrawn),
    ] {
        let ahead = Assignment {
            run: Vec::new(),
            prefetch,
            ..assignment()
        };
        let tagged = Record {
            outcome: Some(Outcome {
                digest: None,
                ..outcome(2, phase, None)
            }),
            tagged: Some(good.clone()),
            ..Record::default()
        };
        let proven = Record {
            tagged: None,
            proven: vec![good.clone()],
            ..tagged.clone()
        };
        for record in [tagged, proven] {
            let found = told_of(ahead.clone(), record, true);
            assert_eq!(found, Some(good.clone()), "{phase}");
        }
        assert_eq!(told_of(ahead, Record::default(), true), None, "{phase}");
    }
}
