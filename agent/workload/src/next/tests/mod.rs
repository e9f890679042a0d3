//! One step at a time, as the engine's answer calls for it: what the rooms share.

mod beside;
mod collect;
mod compose;
mod gate;
mod groups;
mod in_use;
mod itself;
mod probes;
mod properties;
mod pulls;
mod room;
mod soak;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use pinion_model::{
    AgentPhase, Attempt, Digest, Failure, FailureKind, Generation, ImageRef, InUse, WorkloadName,
};

use super::*;
use crate::{
    Accepted, Assignment, CatalogEntry, Container, ContainerId, ContainerState, Health, Itself,
    Streak, Unit,
};

const NOW: Timestamp = Timestamp(1_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn digest(n: u8) -> Digest {
    format!("sha256:{}", format!("{n:02x}").repeat(32))
        .parse()
        .expect("a digest")
}

fn image(n: u8) -> ImageRef {
    ImageRef {
        repository: "ghcr.io/acme/web".parse().expect("a repository"),
        digest: digest(n),
    }
}

pub(crate) fn assignment() -> Assignment {
    Assignment {
        workload: "web".parse().expect("a name"),
        generation: Generation(1),
        attempt: Attempt(1),
        rollout: None,
        stage: None,
        run: vec![image(2)],
        prefetch: Vec::new(),
        received_at: NOW,
        start_within: 600 * SECOND,
        healthy_deadline: 60 * SECOND,
        min_healthy: 5 * SECOND,
        soak: 20 * SECOND,
        defer_within: 60 * SECOND,
        in_use: InUse::Fail,
        local_tag: String::new(),
    }
}

fn container(id: &str, name: &str, n: u8, state: ContainerState, policy: &str) -> Container {
    Container {
        id: ContainerId(id.to_owned()),
        name: name.to_owned(),
        image_id: format!("image-{n}"),
        image_reference: image(n).to_string(),
        repo_digests: vec![image(n)],
        labels: BTreeMap::new(),
        state,
        health: Health::None,
        health_timing: None,
        restart_count: 0,
        oom_killed: false,
        exit_code: 0,
        started_at: None,
        restart_policy: policy.to_owned(),
        restart_retries: 0,
        auto_remove: false,
        stop_timeout: 10 * SECOND,
        depends_on: Vec::new(),
        claims: Vec::new(),
        podman: None,
    }
}

/// One that runs, with an id as an engine gives it.
pub(crate) fn sample(name: &str) -> Container {
    let id = format!(
        "{:0<64}",
        name.replace(|c: char| !c.is_ascii_hexdigit(), "0")
    );
    container(&id, name, 1, ContainerState::Running, "always")
}

fn old(name: &str, state: ContainerState, policy: &str) -> Container {
    container("old", name, 1, state, policy)
}

fn made(name: &str, state: ContainerState, policy: &str) -> Container {
    let mut made = container("next", name, 2, state, policy);
    let labels = [
        ("pinion.op", "g1a1"),
        ("pinion.replaces", "old"),
        ("pinion.workload", "web"),
        ("pinion.for", "web"),
    ];
    made.labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    made
}

/// An operation that replaces one running container, at some stage.
fn operation(stage: Stage) -> Operation {
    let before = old("web", ContainerState::Running, "always");
    let mut operation = Operation::new(&assignment(), NOW, 0, NOW).at(stage, NOW);
    operation.image = Some(image(2));
    operation.units = vec![Unit::new(&before, Some(digest(1)))];
    operation
}

fn record(operation: Option<Operation>) -> Record {
    let accepted = Some(Accepted {
        generation: Generation(1),
        at: NOW,
    });
    Record {
        accepted,
        operation,
        ..Record::default()
    }
}

fn step(record: &Record, containers: &[Container], now: Timestamp) -> Step {
    step_beside(None, record, containers, now)
}

/// While the engine says that of images, and that was heard of probes.
fn step_knowing(
    images: &BTreeMap<String, crate::Lookup>,
    probes: crate::probe::Probes<'_>,
    record: &Record,
    containers: &[Container],
    now: Timestamp,
) -> Step {
    step_with(None, images, probes, record, containers, now)
}

/// While containers of another workload are being replaced or put back.
fn step_beside(
    other: Option<&WorkloadName>,
    record: &Record,
    containers: &[Container],
    now: Timestamp,
) -> Step {
    let (images, probes) = (BTreeMap::new(), crate::probe::Probes::NONE);
    step_with(other, &images, probes, record, containers, now)
}

fn step_with(
    other: Option<&WorkloadName>,
    images: &BTreeMap<String, crate::Lookup>,
    probes: crate::probe::Probes<'_>,
    record: &Record,
    containers: &[Container],
    now: Timestamp,
) -> Step {
    let in_use = crate::in_use::Seen::NOTHING;
    step_as(other, images, probes, in_use, record, containers, now)
}

static WEB: LazyLock<WorkloadName> = LazyLock::new(|| assignment().workload);
static PERMITTED: LazyLock<Result<Vec<ImageRef>, Failure>> = LazyLock::new(|| Ok(vec![image(2)]));
static ITSELF: LazyLock<Itself> = LazyLock::new(Itself::default);
static NO_IMAGES: BTreeMap<String, crate::Lookup> = BTreeMap::new();
static NOBODY: BTreeSet<Digest> = BTreeSet::new();

/// What is told of a machine where nothing is in the way, to be changed.
fn observed<'a>(record: &'a Record, containers: &'a [Container]) -> Observed<'a> {
    Observed {
        workload: &WEB,
        containers: Ok(containers),
        record,
        images: &NO_IMAGES,
        permitted: &PERMITTED,
        platform: Some(("linux", "amd64")),
        room: None,
        needed_elsewhere: &NOBODY,
        may_pull: true,
        busy_with: None,
        itself: &ITSELF,
        probes: crate::probe::Probes::NONE,
        in_use: crate::in_use::Seen::NOTHING,
        jitter: 1.0,
    }
}

/// While the machine is seen to be in use, or not.
fn step_in_use(
    in_use: crate::in_use::Seen<'_>,
    record: &Record,
    containers: &[Container],
    now: Timestamp,
) -> Step {
    let (images, probes) = (BTreeMap::new(), crate::probe::Probes::NONE);
    step_as(None, &images, probes, in_use, record, containers, now)
}

fn step_as(
    other: Option<&WorkloadName>,
    images: &BTreeMap<String, crate::Lookup>,
    probes: crate::probe::Probes<'_>,
    in_use: crate::in_use::Seen<'_>,
    record: &Record,
    containers: &[Container],
    now: Timestamp,
) -> Step {
    let entry = CatalogEntry {
        repositories: vec![image(1).repository],
        local_tag: "current".to_owned(),
    };
    let desired = Desired {
        generation: Generation(1),
        assignments: BTreeMap::from([(assignment().workload, wanted(record))]),
        catalog: BTreeMap::from([(assignment().workload, entry)]),
    };
    let observed = Observed {
        images,
        busy_with: other,
        in_use,
        probes,
        ..observed(record, containers)
    };
    next(&desired, &observed, now)
}

/// What comes of the answer to a call.
fn learned(
    record: &Record,
    in_use: crate::in_use::Seen<'_>,
    call: &Call,
    answer: &crate::Answer,
    now: Timestamp,
) -> Operation {
    let observed = Observed {
        in_use,
        ..observed(record, &[])
    };
    let learned = crate::learn(&observed, call, answer, now).expect("it learns");
    learned.operation.expect("it goes on")
}

/// What is carried out is what is still wanted.
fn wanted(record: &Record) -> Assignment {
    let carried_out = record.operation.as_ref();
    carried_out.map_or_else(assignment, |operation| operation.assignment.clone())
}

fn call(stage: Stage, containers: &[Container]) -> String {
    call_of(operation(stage), containers)
}

fn call_of(operation: Operation, containers: &[Container]) -> String {
    said(step(&record(Some(operation)), containers, NOW), |record| {
        format!("write {:?}", record.operation.map(|o| o.phase()))
    })
}

/// The calls that are due, or what is written, or "rest".
fn said(step: Step, wrote: impl FnOnce(Record) -> String) -> String {
    match step {
        Step::Call(call) => call.key(),
        Step::Row(calls) => calls.iter().map(Call::key).collect::<Vec<_>>().join(", "),
        Step::Write(record) => wrote(*record),
        Step::Rest { .. } => "rest".to_owned(),
    }
}
