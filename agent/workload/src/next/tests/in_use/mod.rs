//! In use means not now.

mod cut;
mod gate;
mod late;

use pinion_model::{Holder, HolderKind};

use super::*;
use crate::in_use::{Lease, Probed, Probes, Seen, Verdict};
use crate::{Answer, HookPoint};

/// Of the assignment in these tests.
const DEFER_WITHIN: Duration = Duration::from_secs(60);

fn name(text: &str) -> WorkloadName {
    text.parse().expect("a name")
}

fn lease(workload: Option<&str>, expires_at: Option<Timestamp>) -> Lease {
    Lease {
        workload: workload.map(name),
        owner: "backup".to_owned(),
        reason: "nightly dump".to_owned(),
        expires_at,
    }
}

fn probed(kind: HolderKind, verdict: Verdict) -> Probed {
    Probed {
        kind,
        of: "http://127.0.0.1:8080/idle".to_owned(),
        verdict,
    }
}

fn containers() -> [Container; 2] {
    [
        old("web", ContainerState::Running, "always"),
        made("web.next.g1a1", ContainerState::Created, "always"),
    ]
}

/// At the gate, with a policy.
fn at_gate(policy: InUse) -> Operation {
    let mut operation = operation(Stage::Create);
    operation.units[0].made = true;
    operation.assignment.in_use = policy;
    operation
}

/// What was written; the step must be a write.
fn written(step: Step) -> Operation {
    match step {
        Step::Write(record) => record.operation.expect("it goes on"),
        other => panic!("a decision is written down: {other:?}"),
    }
}

/// Steps while it writes: what it comes to, and where the operation is then.
fn settle(mut operation: Operation, seen: Seen<'_>, now: Timestamp) -> (Operation, Step) {
    for _ in 0..8 {
        match step_in_use(seen, &record(Some(operation.clone())), &containers(), now) {
            Step::Write(record) => operation = record.operation.expect("it goes on"),
            step => return (operation, step),
        }
        if operation.stage != Stage::Create {
            return (operation, Step::Rest { wake_at: None });
        }
    }
    panic!("it does not come to rest: {operation:?}");
}

/// What the hook answers to the call that is due.
fn answered(operation: &Operation, seen: Seen<'_>, answer: &Answer, now: Timestamp) -> Operation {
    let record = record(Some(operation.clone()));
    let Step::Call(call) = step_in_use(seen, &record, &containers(), now) else {
        panic!("the hook is due");
    };
    learned(&record, seen, &call, answer, now)
}

const HOOKED: Seen<'_> = Seen {
    pre_cut: true,
    ..Seen::NOTHING
};

fn not_now() -> Answer {
    let holder = Holder::new(HolderKind::Hook, "drain.sh", "two builds run", None);
    Answer::Deferred(holder)
}
