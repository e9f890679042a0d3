//! Which calls are made one right after the other, without a look in between.
//!
//! Between the stop of an old container and the start of the next one nothing
//! answers. A look at the engine and a write to the journal after each call
//! would double that time, and tell nothing: what such a call does is known,
//! each may be done twice, and after the first that fails all is looked at
//! again. So the planner is asked ahead, with what the engine will show.

use pinion_model::Timestamp;

use crate::{
    Answer, Call, Container, ContainerId, ContainerState, Desired, Observed, Record, Stage, Step,
    learn, next,
};

/// Calls that are planned ahead; more than any change of places needs.
const LIMIT: usize = 64;

/// `first`, which is due, and those that are due after it, as long as the
/// engine does them.
#[must_use]
pub fn at_once(
    desired: &Desired,
    observed: &Observed<'_>,
    first: Call,
    now: Timestamp,
) -> Vec<Call> {
    let mut calls = vec![first];
    let Ok(containers) = observed.containers else {
        return calls;
    };
    let (mut ahead, mut record) = (containers.to_vec(), observed.record.clone());
    while calls.len() < LIMIT && is_within_a_change(&record) {
        let Some(call) = calls.last().filter(|call| foresee(&mut ahead, call)) else {
            break;
        };
        let seen = Observed {
            record: &record,
            containers: Ok(&ahead),
            ..*observed
        };
        if let Some(learned) = learn(&seen, call, &Answer::Done, now) {
            record = learned;
        }
        let seen = Observed {
            record: &record,
            containers: Ok(&ahead),
            ..*observed
        };
        match next(desired, &seen, now) {
            Step::Call(call) if !calls.contains(&call) => calls.push(call),
            _ => break,
        }
    }
    calls
}

fn is_within_a_change(record: &Record) -> bool {
    let operation = record.operation.as_ref();
    operation.is_some_and(|o| matches!(o.stage, Stage::Cut | Stage::RollBack))
}

/// What the engine will show after the call; false where only a look tells.
fn foresee(containers: &mut [Container], call: &Call) -> bool {
    let mut change = |id: &ContainerId, change: &dyn Fn(&mut Container)| {
        let found = containers.iter_mut().find(|c| c.id == *id);
        found.map(change).is_some()
    };
    match call {
        Call::SetRestartPolicy {
            id,
            policy,
            retries,
        } => change(id, &|c| {
            policy.clone_into(&mut c.restart_policy);
            c.restart_retries = *retries;
        }),
        Call::Stop { id, .. } => change(id, &|c| c.state = ContainerState::Exited),
        Call::Rename { id, name } => change(id, &|c| name.clone_into(&mut c.name)),
        Call::Start(id) => change(id, &|c| c.state = ContainerState::Running),
        _ => false,
    }
}
