//! Images that nobody needs any more, removed one reference at a time.
//!
//! ```text
//!   needed     current, two proven before it, tagged, assigned, of the operation, of another workload
//!   protected  a container of any kind uses it, or somebody put a tag on it
//!   ours       it was not on the machine, and was pulled here: the journal says so
//!
//!   ours, neither needed nor protected ─▶ its anchor tag, then its digest, are removed
//!   not ours ─▶ stays; the anchor tag that was put on it goes if that takes nothing else with it
//! ```
//!
//! Never by force, never by id, never all that dangles: what the engine itself
//! still refuses stays.

use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{Digest, ImageRef, Timestamp, WorkloadName};

use crate::belongs::runs;
use crate::{Assignment, Call, Container, Desired, Image, Lookup, Observed, Record, Step};

use super::prepare::anchor_of;

/// What is to become of one reference.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// This reference of the image is removed.
    Remove(String),
    /// It stays, and is looked at again another time.
    Stay,
    /// It is none of ours any more.
    Forget,
}

/// Every digest that a workload may still need on this machine.
#[must_use]
pub(crate) fn needed(record: &Record, assignment: Option<&Assignment>) -> BTreeSet<Digest> {
    let operation = record.operation.as_ref();
    let assignments = assignment
        .into_iter()
        .chain(operation.map(|o| &o.assignment));
    let wanted = assignments.flat_map(|a| a.run.iter().chain(&a.prefetch));
    let known = record.proven.iter().chain(&record.tagged);
    let chosen = operation.and_then(|o| o.image.as_ref());
    let replaced = operation.into_iter().flat_map(|o| &o.units);
    let replaced = replaced.filter_map(|unit| unit.old.digest.clone());
    let images = wanted.chain(known).chain(chosen);
    images
        .map(|image| image.digest.clone())
        .chain(replaced)
        .collect()
}

/// What the other workloads of the machine need: one digest may be of several.
#[must_use]
pub fn needed_elsewhere(
    desired: &Desired,
    records: &BTreeMap<WorkloadName, Record>,
    workload: &WorkloadName,
) -> BTreeSet<Digest> {
    let names = desired.assignments.keys().chain(records.keys());
    let others: BTreeSet<_> = names.filter(|name| *name != workload).collect();
    let nothing = Record::default();
    let of = |name: &WorkloadName| {
        let record = records.get(name).unwrap_or(&nothing);
        needed(record, desired.assignments.get(name))
    };
    others.into_iter().flat_map(of).collect()
}

/// The references that are not needed, whoever brought them.
pub(crate) fn candidates(record: &Record, needed: &BTreeSet<Digest>) -> BTreeSet<ImageRef> {
    let held = record.pulled.iter().chain(&record.anchors);
    held.filter(|image| !needed.contains(&image.digest))
        .cloned()
        .collect()
}

/// The next step towards a machine without what nobody needs; none if there is none to take.
pub(super) fn next(desired: &Desired, observed: &Observed<'_>, now: Timestamp) -> Option<Step> {
    let record = observed.record;
    let containers = observed.containers.ok()?;
    if record.collect_after.is_some_and(|at| now < at) {
        return None;
    }
    let mut needed = needed(record, desired.assignments.get(observed.workload));
    needed.extend(observed.needed_elsewhere.iter().cloned());
    let mut forgotten = BTreeSet::new();
    for reference in candidates(record, &needed) {
        let fate = match observed.image(&reference.to_string()) {
            Lookup::Unknown => Fate::Stay,
            Lookup::Absent => Fate::Forget,
            Lookup::Present(image) => fate(record, &reference, image, containers),
        };
        match fate {
            Fate::Remove(reference) => return Some(Step::Call(Call::Untag(reference))),
            Fate::Forget => drop(forgotten.insert(reference)),
            Fate::Stay => {}
        }
    }
    (!forgotten.is_empty()).then(|| Step::Write(Box::new(without(record, &forgotten))))
}

fn without(record: &Record, forgotten: &BTreeSet<ImageRef>) -> Record {
    let mut record = record.clone();
    record.pulled.retain(|image| !forgotten.contains(image));
    record.anchors.retain(|image| !forgotten.contains(image));
    record.collected = None;
    record
}

fn fate(record: &Record, reference: &ImageRef, image: &Image, containers: &[Container]) -> Fate {
    let anchor = anchor_of(reference);
    let has_anchor = image.repo_tags.contains(&anchor);
    if !record.pulled.contains(reference) {
        // An engine drops a repository's digests with its last tag there.
        return match has_anchor && has_other_tag(image, reference, &anchor) {
            true => Fate::Remove(anchor),
            false => Fate::Forget,
        };
    }
    if is_used(image, &reference.digest, containers)
        || is_tagged_by_others(record, reference, image)
    {
        return Fate::Stay;
    }
    Fate::Remove(if has_anchor {
        anchor
    } else {
        reference.to_string()
    })
}

fn has_other_tag(image: &Image, reference: &ImageRef, anchor: &str) -> bool {
    let beginning = format!("{}:", reference.repository);
    image
        .repo_tags
        .iter()
        .any(|tag| tag != anchor && tag.starts_with(&beginning) && !tag.contains('@'))
}

/// Running or stopped, ours or not.
fn is_used(image: &Image, digest: &Digest, containers: &[Container]) -> bool {
    containers.iter().any(|container| {
        container.image_id == image.id
            || runs(container, digest)
            || container.image_reference.ends_with(digest.as_str())
    })
}

/// Any tag but the anchors that were put there for this digest. One store lists
/// digests among the tags.
fn is_tagged_by_others(record: &Record, reference: &ImageRef, image: &Image) -> bool {
    let anchors = record.pulled.iter().chain(&record.anchors);
    let own: BTreeSet<_> = anchors
        .filter(|known| known.digest == reference.digest)
        .map(anchor_of)
        .collect();
    image
        .repo_tags
        .iter()
        .any(|tag| !tag.contains('@') && !own.contains(tag))
}
