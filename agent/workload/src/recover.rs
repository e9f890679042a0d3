//! What to do about an operation whose journal is lost: the names and labels
//! of its containers say how far it was.
//!
//! ```text
//!   next was never started, or is .failed   ─▶ the old one goes back
//!   next runs in its place, old is .prev    ─▶ verify, then settle
//!   .prev alone, nothing has its name       ─▶ it goes back
//!   .failed, and its old one is gone        ─▶ that one is made again
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{Attempt, Failure, FailureKind, Generation, InUse, Timestamp, WorkloadName};

use crate::group::{in_order, needs};
use crate::names::{
    FOR_LABEL, OLD_IMAGE_LABEL, OLD_POLICY_LABEL, OLD_STATE_LABEL, OpId, Part, RESTORES_LABEL,
    TERMS_LABEL, WORKLOAD_LABEL, split_part,
};
use crate::order::asks_for_start_first;
use crate::recreate::{OPERATION_LABEL, REPLACES_LABEL};
use crate::{
    Assignment, Container, ContainerId, ContainerState, Operation, Record, Stage, Switch, Unit,
};

/// Proof that is asked for when nobody knows what was asked for.
const MIN_HEALTHY: Duration = Duration::from_secs(10);
const HEALTHY_DEADLINE: Duration = Duration::from_secs(300);
/// Stands for a workload that no label and no name tells.
const NAMELESS: &str = "recovered";

/// The next operation to take up that no journal knows of, with its
/// workload; none when there is nothing left to recover. Asked at start, and
/// again after each that it returned has ended.
#[must_use]
pub fn recover(
    records: &BTreeMap<WorkloadName, Record>,
    containers: &[Container],
    now: Timestamp,
) -> Option<(WorkloadName, Operation)> {
    let busy =
        |workload: &WorkloadName| records.get(workload).is_some_and(|r| r.operation.is_some());
    let mut left: BTreeMap<(WorkloadName, OpId), Vec<Found<'_>>> = BTreeMap::new();
    for found in containers.iter().filter_map(|c| read(c, containers)) {
        left.entry((found.workload.clone(), found.op.clone()))
            .or_default()
            .push(found);
    }
    for ((workload, op), found) in &mut left {
        let parted = parted(workload, op, found, containers);
        found.extend(parted);
    }
    let known = |op: &OpId| {
        records
            .values()
            .any(|r| r.operation.as_ref().is_some_and(|o| o.id == *op))
    };
    left.into_iter()
        .find(|((workload, op), _)| {
            !busy(workload) && (workload.as_str() != NAMELESS || !known(op))
        })
        .map(|((workload, op), found)| (workload.clone(), operation(&workload, op, found, now)))
}

/// One container that an operation left, with the one that it replaces.
struct Found<'a> {
    workload: WorkloadName,
    op: OpId,
    unit: Unit,
    old: &'a Container,
    next: Option<&'a Container>,
}

impl Found<'_> {
    /// There is no old one any more.
    fn is_last(&self) -> bool {
        self.unit.old.id != self.old.id
    }

    /// By what the old one names, or what the next one was made to name.
    fn needs(&self, other: &Self) -> bool {
        let next = |of: &Self| self.next.zip(of.next).is_some_and(|(a, b)| needs(a, b));
        let named = self.old.depends_on.contains(&other.unit.name);
        needs(self.old, other.old) || next(other) || named
    }
}

fn read<'a>(container: &'a Container, all: &'a [Container]) -> Option<Found<'a>> {
    let op = container
        .labels
        .get(OPERATION_LABEL)
        .and_then(|op| OpId::parse(op));
    let old = container
        .labels
        .get(REPLACES_LABEL)
        .and_then(|id| all.iter().find(|c| c.id.0 == *id));
    match (split_part(&container.name), op, old) {
        (Some((base, Part::Prev, op)), ..) => read_alone(container, base, op, all),
        (Some((base, _, _)), Some(op), Some(old)) => Some(read_pair(container, old, base, op)),
        (None, Some(op), Some(old)) => Some(read_pair(container, old, &container.name, op)),
        (Some((base, Part::Failed, _)), Some(op), None) => {
            read_taken_back(container, base, op, all)
        }
        (Some((base, Part::Next, _)), Some(op), None) => read_last(container, base, op, all),
        (None, Some(op), None) => read_last(container, &container.name, op, all),
        _ => None,
    }
}

/// A next one that never ran, and whose old one went when it was stopped
/// (`--rm`): there is nothing to go back to, so it goes on.
fn read_last<'a>(
    next: &'a Container,
    base: &str,
    op: OpId,
    all: &'a [Container],
) -> Option<Found<'a>> {
    let replaced = next.labels.get(REPLACES_LABEL)?;
    let ran = next.labels.get(OLD_STATE_LABEL).map(String::as_str) == Some("running");
    let is_free = all.iter().all(|c| c.name != base || c.id == next.id);
    if next.state != ContainerState::Created || !ran || !is_free {
        return None;
    }
    let mut found = read_pair(next, next, base, op);
    found.unit.old.id = ContainerId(replaced.clone());
    Some(found)
}

/// Those of an unfinished operation that run in their place, and whose old ones
/// went before the others' did: they share its end. Alone they would tell
/// nothing, since one that has settled looks the same.
fn parted<'a>(
    workload: &WorkloadName,
    op: &OpId,
    found: &[Found<'a>],
    all: &'a [Container],
) -> Vec<Found<'a>> {
    let of_it = |c: &&Container| {
        let label = |key| c.labels.get(key).map(String::as_str);
        let is_found = found.iter().any(|f| f.next.is_some_and(|n| n.id == c.id));
        label(OPERATION_LABEL) == Some(op.as_str())
            && split_part(&c.name).is_none()
            && !is_found
            && workload_of(c, &c.name) == *workload
    };
    all.iter()
        .filter(of_it)
        .filter_map(|c| read_parted(c, &c.name, op.clone()))
        .collect()
}

fn read_parted<'a>(next: &'a Container, base: &str, op: OpId) -> Option<Found<'a>> {
    let label = |key| next.labels.get(key);
    let mut unit = Unit::new(next, None);
    unit.old.id = ContainerId(label(REPLACES_LABEL)?.clone());
    unit.old.image_id = label(OLD_IMAGE_LABEL)?.clone();
    unit.old.digest = None;
    Some(as_labelled(unit, (next, next), base, op, true))
}

/// One that was taken back, whose old one is gone.
fn read_taken_back<'a>(
    failed: &'a Container,
    base: &str,
    op: OpId,
    all: &[Container],
) -> Option<Found<'a>> {
    let replaced = failed.labels.get(REPLACES_LABEL);
    let is_its = |c: &&Container| c.labels.get(RESTORES_LABEL) == replaced;
    if all.iter().any(|c| c.name == base && !is_its(&c)) {
        return None;
    }
    read_parted(failed, base, op)
}

/// A next one whose old one is still there.
fn read_pair<'a>(next: &'a Container, old: &'a Container, base: &str, op: OpId) -> Found<'a> {
    // One that was never touched owes no proof.
    let untouched = old.name == base && old.is_up();
    as_labelled(Unit::new(old, None), (old, next), base, op, !untouched)
}

/// The unit with what the labels of the one in its place say of the old one.
fn as_labelled<'a>(
    mut unit: Unit,
    (old, next): (&'a Container, &'a Container),
    base: &str,
    op: OpId,
    touched: bool,
) -> Found<'a> {
    unit.name = base.to_owned();
    unit.own_image = next.labels.get(FOR_LABEL) != next.labels.get(WORKLOAD_LABEL);
    unit.old.running = next
        .labels
        .get(OLD_STATE_LABEL)
        .is_none_or(|state| state == "running");
    unit.old.well = unit.old.running && touched;
    unit.beside = unit.old.running && asks_for_start_first(old);
    // Nobody knows where a proxy points once one had the other's name.
    let had_name = split_part(&next.name).is_none() || is_taken_back(next);
    unit.switch = (unit.beside && had_name).then_some(Switch::Begun);
    let policy = next
        .labels
        .get(OLD_POLICY_LABEL)
        .and_then(|text| text.split_once(':'));
    if let Some((policy, retries)) = policy {
        policy.clone_into(&mut unit.old.restart_policy);
        unit.old.restart_retries = retries.parse().unwrap_or(0);
    }
    Found {
        workload: workload_of(next, base),
        op,
        unit,
        old,
        next: Some(next),
    }
}

/// An old one that was put aside, whose next one is gone and whose name is free.
fn read_alone<'a>(
    old: &'a Container,
    base: &str,
    op: OpId,
    all: &'a [Container],
) -> Option<Found<'a>> {
    let replaced = all
        .iter()
        .any(|c| c.labels.get(REPLACES_LABEL) == Some(&old.id.0));
    if replaced || all.iter().any(|c| c.name == base) {
        return None;
    }
    let mut unit = Unit::new(old, None);
    unit.name = base.to_owned();
    unit.old.running = true;
    unit.old.well = true;
    Some(Found {
        workload: of_the_same(&op, all)
            .or_else(|| old.labels.get(WORKLOAD_LABEL)?.parse().ok())
            .unwrap_or_else(|| workload_of(old, base)),
        op,
        unit,
        old,
        next: None,
    })
}

/// The workload that the others of an operation name, if they name one.
fn of_the_same(op: &OpId, all: &[Container]) -> Option<WorkloadName> {
    let of_it = all
        .iter()
        .filter(|c| c.labels.get(OPERATION_LABEL).map(String::as_str) == Some(op.as_str()));
    let mut named: Vec<_> = of_it.filter_map(|c| c.labels.get(FOR_LABEL)).collect();
    named.sort();
    named.dedup();
    match named.as_slice() {
        [one] => one.parse().ok(),
        _ => None,
    }
}

/// Whose operation it was: what was made anew for another's sake is not of its own workload.
fn workload_of(container: &Container, base: &str) -> WorkloadName {
    let label = |key| container.labels.get(key)?.parse().ok();
    label(FOR_LABEL)
        .or_else(|| label(WORKLOAD_LABEL))
        .or_else(|| base.to_lowercase().parse().ok())
        .unwrap_or_else(|| {
            NAMELESS
                .parse()
                .expect("a constant that is a workload's name")
        })
}

fn operation(
    workload: &WorkloadName,
    op: OpId,
    found: Vec<Found<'_>>,
    now: Timestamp,
) -> Operation {
    let goes_on = |f: &Found<'_>, next: &Container| {
        !is_taken_back(next) && (f.is_last() || is_in_place(&f.unit, next))
    };
    let forward = found
        .iter()
        .all(|f| f.next.is_some_and(|next| goes_on(f, next)));
    let mut operation = Operation::new(&nobodys(workload), now, 0, now);
    operation.id = op;
    let terms = found.iter().find_map(|f| f.next?.labels.get(TERMS_LABEL));
    if let Some([min_healthy, healthy_deadline, soak]) = terms.and_then(|text| read_terms(text)) {
        operation.assignment.min_healthy = min_healthy;
        operation.assignment.healthy_deadline = healthy_deadline;
        operation.assignment.soak = soak;
    }
    let ordered = in_order(found, Found::needs).into_iter();
    operation.units = ordered
        .map(|(group, found)| Unit {
            group,
            ..found.unit
        })
        .collect();
    operation.stage = if forward { Stage::Cut } else { Stage::RollBack };
    operation.failure = (!forward).then(|| {
        Failure::new(
            FailureKind::Internal,
            "the agent's journal was lost before the next container ran; it was taken back",
        )
    });
    operation
}

fn read_terms(text: &str) -> Option<[Duration; 3]> {
    let millis: Result<Vec<u64>, _> = text.split(':').map(str::parse).collect();
    let terms: Vec<_> = millis
        .ok()?
        .into_iter()
        .map(Duration::from_millis)
        .collect();
    terms.try_into().ok()
}

fn is_taken_back(next: &Container) -> bool {
    matches!(split_part(&next.name), Some((_, Part::Failed, _)))
}

/// It has the name, and ran if it should.
fn is_in_place(unit: &Unit, next: &Container) -> bool {
    next.name == unit.name && (next.state != ContainerState::Created || !unit.old.running)
}

/// The assignment of which nothing is known; generation 0 is never reported.
fn nobodys(workload: &WorkloadName) -> Assignment {
    Assignment {
        workload: workload.clone(),
        generation: Generation(0),
        attempt: Attempt(0),
        rollout: None,
        stage: None,
        run: Vec::new(),
        prefetch: Vec::new(),
        received_at: Timestamp(0),
        start_within: Duration::MAX,
        healthy_deadline: HEALTHY_DEADLINE,
        min_healthy: MIN_HEALTHY,
        soak: Duration::ZERO,
        defer_within: Duration::ZERO,
        in_use: InUse::Force,
        local_tag: String::new(),
    }
}
