//! The end of what went well: the old ones are removed, the tags moved.

use pinion_model::{AgentPhase, Failure, FailureKind, ImageRef};

use crate::{Call, ContainerState, Lookup, Operation, Record, Step, Unit};

use super::{ENGINE_PAUSE, View, finish};

pub(super) fn next(view: View<'_>) -> Step {
    if let Some(step) = remove_old(view) {
        return step;
    }
    let (image, is_here) = match chosen(view) {
        Chosen::Image(image) => (Some(image), true),
        Chosen::None => (view.operation.image.clone(), false),
        Chosen::Unknown => {
            return Step::Rest {
                wake_at: Some(view.now + ENGINE_PAUSE),
            };
        }
    };
    let due = image.as_ref().map_or_else(Vec::new, |i| due_tags(view, i));
    let is_tagged = is_here && due.is_empty();
    if let Some(step) = due.into_iter().find_map(|call| view.unless_skipped(call)) {
        return step;
    }
    if !is_tagged && !view.operation.has_run() && view.operation.failure.is_none() {
        return view.write(Operation {
            failure: Some(lost()),
            ..view.operation.clone()
        });
    }
    close(view, image.as_ref(), is_tagged)
}

fn lost() -> Failure {
    Failure::new(
        FailureKind::Engine,
        "the image was pulled, and was removed from the machine before it had its tag, so the next start would not find it. \
         Look for what prunes images there, then try again",
    )
}

/// Without a tag, what is staged is nowhere to be started from: a failure.
/// What runs is settled all the same, with what could not be done.
fn close(view: View<'_>, chosen: Option<&ImageRef>, is_tagged: bool) -> Step {
    let proven = view.operation.has_run();
    let phase = match proven {
        true => AgentPhase::Settled,
        false if is_tagged => AgentPhase::Staged,
        false => AgentPhase::Refused,
    };
    let mut record = view.observed.record.clone();
    if let Some(image) = chosen {
        if proven {
            keep_images(&mut record, image, replaced(view));
        }
        if is_tagged {
            record.tagged = Some(image.clone());
        }
    }
    let digest = view.operation.assignment.digest().cloned();
    finish::close(view, phase, digest.filter(|_| proven), record)
}

/// Who depends on another first. Without its volumes: they are the new one's.
fn remove_old(view: View<'_>) -> Option<Step> {
    view.operation.units.iter().rev().find_map(|unit| {
        view.machine.next_of(view.operation, &unit.old.id)?;
        let old = view.machine.by_id(&unit.old.id)?;
        let call = match old.state {
            ContainerState::Running | ContainerState::Paused | ContainerState::Restarting => {
                Call::Stop {
                    id: old.id.clone(),
                    grace: unit.old.grace,
                }
            }
            _ => Call::Remove(old.id.clone()),
        };
        view.unless_skipped(call)
    })
}

/// The tags that are not on it yet.
fn due_tags(view: View<'_>, image: &ImageRef) -> Vec<Call> {
    let Lookup::Present(present) = view.observed.image(&image.to_string()) else {
        return Vec::new();
    };
    let mut due: Vec<(String, String)> = local_tags(view, image);
    let composed = view.operation.units.iter().filter(|unit| !unit.own_image);
    due.extend(composed.filter_map(|unit| unit.compose_tag.clone()));
    due.dedup();
    let has = |(repository, tag): &(String, String)| {
        present.repo_tags.contains(&format!("{repository}:{tag}"))
    };
    let missing = due.into_iter().filter(|named| !has(named));
    missing
        .map(|(repository, tag)| Call::Tag {
            image: present.id.clone(),
            repository,
            tag,
        })
        .collect()
}

/// The machine's own provisioner starts from `repository:tag`, whichever of the
/// registries it came from.
fn local_tags(view: View<'_>, image: &ImageRef) -> Vec<(String, String)> {
    let Some(tag) = local_tag(view) else {
        return Vec::new();
    };
    let permitted = view.observed.permitted.as_ref().ok();
    let others = permitted.into_iter().flatten().map(|i| &i.repository);
    let mut repositories = vec![&image.repository];
    repositories.extend(others.filter(|other| **other != image.repository));
    let named = repositories.into_iter();
    named
        .map(|repository| (repository.to_string(), tag.clone()))
        .collect()
}

fn local_tag(view: View<'_>) -> Option<String> {
    let assigned = &view.operation.assignment.local_tag;
    let of_catalog = view
        .desired
        .catalog
        .get(view.observed.workload)
        .map(|entry| &entry.local_tag);
    Some(assigned)
        .filter(|tag| !tag.is_empty())
        .or(of_catalog)
        .filter(|tag| !tag.is_empty())
        .cloned()
}

enum Chosen {
    Image(ImageRef),
    /// None of them is on the machine.
    None,
    /// The engine did not say.
    Unknown,
}

/// The image that was pulled; where the containers ran it already, the first
/// that the machine's policy permits and that is there.
fn chosen(view: View<'_>) -> Chosen {
    let permitted = view.observed.permitted.as_deref().unwrap_or_default();
    let candidates: Vec<_> = match &view.operation.image {
        Some(image) => vec![image],
        None if view.operation.assignment.run.is_empty() => Vec::new(),
        None => permitted.iter().collect(),
    };
    let lookup = |image: &&&ImageRef| view.observed.image(&image.to_string());
    if let Some(image) = candidates
        .iter()
        .find(|i| matches!(lookup(i), Lookup::Present(_)))
    {
        return Chosen::Image((*image).clone());
    }
    if candidates.iter().any(|i| *lookup(&i) == Lookup::Unknown) {
        return Chosen::Unknown;
    }
    Chosen::None
}

/// The images of the old ones that ran well: what there is to go back to.
fn replaced(view: View<'_>) -> Vec<ImageRef> {
    let well = view.operation.units.iter().filter(|unit| unit.old.well);
    let image = |unit: &Unit| {
        let image = view.observed.present(&unit.old.image_id)?;
        image
            .repo_digests
            .iter()
            .find(|r| Some(&r.digest) == unit.old.digest.as_ref())
            .cloned()
    };
    well.filter_map(image).collect()
}

/// Keeps this one and the two proven before it; what else was pulled is collected later.
fn keep_images(record: &mut Record, image: &ImageRef, replaced: Vec<ImageRef>) {
    let mut newest: Vec<ImageRef> = Vec::new();
    let known = std::mem::take(&mut record.proven);
    for image in std::iter::once(image.clone()).chain(replaced).chain(known) {
        if !newest.iter().any(|kept| kept.digest == image.digest) {
            newest.push(image);
        }
    }
    newest.truncate(Record::PROVEN_LIMIT);
    record.proven = newest;
}
