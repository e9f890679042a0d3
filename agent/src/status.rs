//! What stands on this machine, for the local socket and the inventory.

use std::collections::BTreeMap;

use pinion_model::{AgentPhase, Digest, Failure, ImageRef, WorkloadName};
use pinion_workload::{Container, Desired, Outcome, Record, containers_of, digest_of};

/// By workload.
pub type Views = BTreeMap<WorkloadName, WorkloadView>;

/// One workload as it stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkloadView {
    /// What the coordinator assigned.
    pub assigned: Option<Digest>,
    /// What the machine should start from now: what was assigned, or what was
    /// put back after that failed here.
    pub digest: Option<Digest>,
    /// The same with its repository.
    pub image: Option<ImageRef>,
    /// Where the tag for the machine's own provisioner is kept, such as
    /// `ghcr.io/acme/codex:current`.
    pub local_reference: Option<String>,
    /// Where it stands; none before the first assignment.
    pub phase: Option<AgentPhase>,
    /// Why it waits; empty if it does not.
    pub waiting_for: String,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Its containers, in the order of their names.
    pub containers: Vec<ObservedContainer>,
}

/// A container with what the inventory says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedContainer {
    /// As the engine answered.
    pub container: Container,
    /// Digest of its image; none if it was not pulled by one.
    pub digest: Option<Digest>,
}

/// What stands for every workload that the machine knows of.
pub(crate) fn views(
    desired: &Desired,
    records: &BTreeMap<WorkloadName, Record>,
    containers: &[Container],
) -> Views {
    let names = desired
        .catalog
        .keys()
        .chain(desired.assignments.keys())
        .chain(records.keys());
    names
        .map(|name| {
            (
                name.clone(),
                view(name, desired, records.get(name), containers),
            )
        })
        .collect()
}

fn view(
    name: &WorkloadName,
    desired: &Desired,
    record: Option<&Record>,
    containers: &[Container],
) -> WorkloadView {
    let assignment = desired.assignments.get(name);
    let assigned = assignment.and_then(|a| a.digest().cloned());
    let operation = record.and_then(|r| r.operation.as_ref());
    let outcome = record
        .and_then(|r| r.outcome.as_ref())
        .filter(|_| operation.is_none());
    let digest = chosen(assigned.as_ref(), outcome);
    let image = digest
        .as_ref()
        .and_then(|digest| image_of(digest, record, desired, name));
    let tag = desired
        .catalog
        .get(name)
        .map(|entry| &entry.local_tag)
        .filter(|tag| !tag.is_empty());
    WorkloadView {
        local_reference: image
            .as_ref()
            .zip(tag)
            .map(|(image, tag)| format!("{}:{tag}", image.repository)),
        assigned,
        digest,
        image,
        phase: operation.map(|o| o.phase()).or(outcome.map(|o| o.phase)),
        waiting_for: operation.map(|o| o.waiting_for.clone()).unwrap_or_default(),
        failure: outcome.and_then(|o| o.failure.clone()),
        containers: observed(name, desired, containers),
    }
}

/// After a failure it is what runs, not what was asked for.
fn chosen(assigned: Option<&Digest>, outcome: Option<&Outcome>) -> Option<Digest> {
    let instead = outcome
        .filter(|o| o.phase.is_failure())
        .and_then(|o| o.running.as_ref());
    instead.or(assigned).cloned()
}

/// Where that digest is known to be.
fn image_of(
    digest: &Digest,
    record: Option<&Record>,
    desired: &Desired,
    name: &WorkloadName,
) -> Option<ImageRef> {
    let proven = record.into_iter().flat_map(|r| &r.proven);
    let anchored = record.into_iter().flat_map(|r| &r.anchors);
    let run = desired
        .assignments
        .get(name)
        .into_iter()
        .flat_map(|a| &a.run);
    proven
        .chain(anchored)
        .chain(run)
        .find(|image| image.digest == *digest)
        .cloned()
}

fn observed(
    name: &WorkloadName,
    desired: &Desired,
    containers: &[Container],
) -> Vec<ObservedContainer> {
    let entry = desired.catalog.get(name);
    // A contradiction is told by the assignment's refusal.
    let mine = containers_of(name, containers, &desired.catalog).unwrap_or_default();
    let with_digest = |c: &Container| ObservedContainer {
        container: c.clone(),
        digest: digest_of(c, entry),
    };
    mine.into_iter().map(with_digest).collect()
}
