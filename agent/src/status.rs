//! What stands on this machine, for the local socket and the inventory.

use std::collections::BTreeMap;

use pinion_model::{AgentPhase, Digest, Failure, ImageRef, WorkloadName};
use pinion_workload::{
    Assignment, Container, Desired, Itself, Outcome, Record, containers_of, digest_of, is_itself,
};

/// By workload.
pub type Views = BTreeMap<WorkloadName, WorkloadView>;

/// One workload as it stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkloadView {
    /// What the coordinator assigned.
    pub assigned: Option<Digest>,
    /// What the machine should start from now: what was assigned, once it has
    /// ended well here; until then, and after a failure, what was seen healthy
    /// before. None where nothing is known to be good.
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
    permitted: &dyn Fn(&Assignment) -> Vec<ImageRef>,
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
                view(name, desired, records.get(name), containers, permitted),
            )
        })
        .collect()
}

/// A program that runs in no container is told as if it did.
pub(crate) fn own_program(views: &mut Views, itself: &Itself) {
    let own = views.iter_mut().find(|(name, _)| is_itself(name));
    if let (Some((_, view)), Some((container, digest))) = (own, itself.as_container()) {
        view.containers
            .push(ObservedContainer { container, digest });
    }
}

fn view(
    name: &WorkloadName,
    desired: &Desired,
    record: Option<&Record>,
    containers: &[Container],
    permitted: &dyn Fn(&Assignment) -> Vec<ImageRef>,
) -> WorkloadView {
    let assignment = desired.assignments.get(name);
    let assigned = assignment.and_then(|a| a.digest().cloned());
    let operation = record.and_then(|r| r.operation.as_ref());
    let outcome = record
        .and_then(|r| r.outcome.as_ref())
        .filter(|_| operation.is_none());
    let containers = observed(name, desired, containers);
    let permitted = assignment.map(permitted).unwrap_or_default();
    let decided = outcome.filter(|o| assignment.is_some_and(|a| o.generation == a.generation));
    let digest = assigned.as_ref().and_then(|assigned| match decided {
        Some(outcome) if outcome.phase.is_failure() => instead(outcome, record),
        Some(_) => Some(assigned.clone()),
        None => meanwhile(record, &containers)
            .or_else(|| permitted.first().map(|image| image.digest.clone())),
    });
    // It is to leave its containers as they are, and perhaps to pull ahead.
    let left = assignment.is_some_and(|assignment| assignment.run.is_empty());
    let digest = digest.or_else(|| left.then(|| stands(record, &containers)).flatten());
    let image = digest
        .as_ref()
        .and_then(|digest| image_of(digest, record, &permitted));
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
        containers,
    }
}

/// After a failure: what runs, else what was seen healthy here last. Never
/// what was refused or failed.
fn instead(outcome: &Outcome, record: Option<&Record>) -> Option<Digest> {
    let running = outcome.running.as_ref();
    running.or(newest_proven(record)).cloned()
}

/// Before the assignment has ended: what was seen healthy here last, else
/// what stood before it.
fn meanwhile(record: Option<&Record>, containers: &[ObservedContainer]) -> Option<Digest> {
    let operation = record.and_then(|r| r.operation.as_ref());
    let replaced = operation.into_iter().flat_map(|o| &o.units);
    let mut replaced = replaced.filter_map(|unit| unit.old.digest.as_ref());
    let touched = operation.is_some_and(|o| o.stage.has_cut_over());
    let stands = |c: &&ObservedContainer| c.container.is_up() && !touched;
    let mut standing = containers
        .iter()
        .filter(stands)
        .filter_map(|c| c.digest.as_ref());
    newest_proven(record)
        .or_else(|| replaced.next())
        .or_else(|| standing.next())
        .cloned()
}

/// Without anything to run: what the local tag is on, else as before the
/// outcome of anything else.
fn stands(record: Option<&Record>, containers: &[ObservedContainer]) -> Option<Digest> {
    let tagged = record.and_then(|record| record.tagged.as_ref());
    let tagged = tagged.map(|image| image.digest.clone());
    tagged.or_else(|| meanwhile(record, containers))
}

fn newest_proven(record: Option<&Record>) -> Option<&Digest> {
    let newest = record?.proven.first()?;
    Some(&newest.digest)
}

/// Where that digest is known to be.
fn image_of(digest: &Digest, record: Option<&Record>, permitted: &[ImageRef]) -> Option<ImageRef> {
    let proven = record.into_iter().flat_map(|r| &r.proven);
    let anchored = record.into_iter().flat_map(|r| &r.anchors);
    let tagged = record.and_then(|record| record.tagged.as_ref());
    proven
        .chain(anchored)
        .chain(tagged)
        .chain(permitted)
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

#[cfg(test)]
mod tests;
