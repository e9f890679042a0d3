//! The end of what went well: the old ones are removed, the tags moved.

use pinion_model::{AgentPhase, ImageRef};

use crate::{Call, ContainerState, Record, Step, Unit};

use super::{View, anchor_tag, finish};

pub(super) fn next(view: View<'_>) -> Step {
    if let Some(step) = remove_old(view).or_else(|| move_tag(view)) {
        return step;
    }
    let proven = view.operation.has_run();
    let phase = if proven {
        AgentPhase::Settled
    } else {
        AgentPhase::Staged
    };
    let mut record = view.observed.record.clone();
    if let Some(image) = chosen(view) {
        keep_images(&mut record, &image, proven, replaced(view));
    }
    finish::close(
        view,
        phase,
        view.operation
            .assignment
            .digest()
            .cloned()
            .filter(|_| proven),
        record,
    )
}

/// Without its volumes: they are the new one's.
fn remove_old(view: View<'_>) -> Option<Step> {
    view.operation.units.iter().find_map(|unit| {
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

/// The machine's own provisioner starts from `repository:tag`, whichever of
/// the registries it came from.
fn move_tag(view: View<'_>) -> Option<Step> {
    let image = chosen(view)?;
    let present = view.observed.present(&image.to_string())?;
    let tag = local_tag(view)?;
    let permitted = view.observed.permitted.as_ref().ok();
    let others = permitted.into_iter().flatten().map(|i| &i.repository);
    std::iter::once(&image.repository)
        .chain(others)
        .find_map(|repository| {
            if present.repo_tags.contains(&format!("{repository}:{tag}")) {
                return None;
            }
            let (image, repository) = (present.id.clone(), repository.to_string());
            view.unless_skipped(Call::Tag {
                image,
                repository,
                tag: tag.clone(),
            })
        })
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

/// The image that was pulled; where the containers ran it already, the one of
/// the assignment that is there.
fn chosen(view: View<'_>) -> Option<ImageRef> {
    let run = &view.operation.assignment.run;
    let here = || {
        run.iter()
            .find(|image| view.observed.present(&image.to_string()).is_some())
    };
    view.operation.image.clone().or_else(|| here().cloned())
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

/// Keeps this one and the two proven before it; the anchors of all others
/// are to be removed.
fn keep_images(record: &mut Record, image: &ImageRef, proven: bool, replaced: Vec<ImageRef>) {
    if proven {
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
    let kept = |anchor: &ImageRef| {
        anchor.digest == image.digest
            || record
                .proven
                .iter()
                .any(|known| known.digest == anchor.digest)
    };
    let (keep, retire) = std::mem::take(&mut record.anchors)
        .into_iter()
        .partition(kept);
    record.anchors = keep;
    record.retired.extend(
        retire
            .iter()
            .map(|image: &ImageRef| format!("{}:{}", image.repository, anchor_tag(image))),
    );
}
