//! Pulls the image, checks it, and anchors it and the ones it replaces.

use pinion_model::{Failure, FailureKind, ImageRef};

use crate::{Call, Image, Lookup, Operation, Record, Stage, Step};

use super::{ENGINE_PAUSE, View, room};

pub(super) fn next(view: View<'_>) -> Step {
    let permitted = match view.observed.permitted {
        Ok(permitted) => permitted,
        Err(failure) => return view.abandon(failure.clone()),
    };
    let here = permitted
        .iter()
        .find_map(|image| Some((image, view.observed.present(&image.to_string())?)));
    match here {
        Some((chosen, image)) => check_and_anchor(view, chosen, image),
        None => pull(view, permitted),
    }
}

fn pull(view: View<'_>, permitted: &[ImageRef]) -> Step {
    let unknown = permitted
        .iter()
        .any(|image| *view.observed.image(&image.to_string()) == Lookup::Unknown);
    match permitted
        .get(view.operation.candidate)
        .or(permitted.first())
    {
        Some(image) if !unknown => view.pull(image),
        _ => Step::Rest {
            wake_at: Some(view.now + ENGINE_PAUSE),
        },
    }
}

/// What waits for its turn says so.
const OTHER_PULLS: &str = "its turn: as many images are pulled on this machine as may be at once (`engine.pulls` in agent.toml)";

impl View<'_> {
    /// Pulls, if there is room and a turn for it.
    pub(super) fn pull(self, image: &ImageRef) -> Step {
        if let Some(step) = room::make(self) {
            return step;
        }
        if self.observed.may_pull {
            return Step::Call(Call::Pull(image.clone()));
        }
        if self.waits_to_pull() {
            // The end of any other pull wakes it.
            return Step::Rest { wake_at: None };
        }
        self.write(Operation {
            waiting_for: OTHER_PULLS.to_owned(),
            ..self.operation.clone()
        })
    }

    /// It waits for its turn, and that has not come.
    pub(super) fn waits_to_pull(self) -> bool {
        !self.observed.may_pull && self.operation.waiting_for == OTHER_PULLS
    }
}

fn check_and_anchor(view: View<'_>, chosen: &ImageRef, image: &Image) -> Step {
    if view.observed.platform.is_none() {
        return Step::Rest {
            wake_at: Some(view.now + ENGINE_PAUSE),
        };
    }
    if let Some(failure) = wrong_platform(view, chosen, image) {
        return view.abandon(failure);
    }
    if let Some(step) = anchor(view, chosen, image).or_else(|| anchor_old(view)) {
        return step;
    }
    let stage = if view.operation.units.is_empty() {
        Stage::Settle
    } else {
        Stage::Create
    };
    let operation = view.operation.clone().at(stage, view.now);
    view.write(Operation {
        image: Some(chosen.clone()),
        pull_failures: Vec::new(),
        ..operation
    })
}

/// The engine only warns when it creates a container of another platform.
pub(super) fn wrong_platform(view: View<'_>, chosen: &ImageRef, image: &Image) -> Option<Failure> {
    let (os, architecture) = view.observed.platform?;
    let runs_here = match (architecture, image.architecture.as_str()) {
        (_, "") | ("amd64", "386") | ("arm64", "arm") => true,
        (engine, image) => engine == image,
    };
    if runs_here && (image.os.is_empty() || image.os == os) {
        return None;
    }
    Some(Failure::new(
        FailureKind::Platform,
        format!(
            "{chosen} is for {}/{}, and this machine's engine runs {os}/{architecture}; nothing was touched. \
             Promote the digest of an index that has both, or of the right image",
            image.os, image.architecture
        ),
    ))
}

/// The images of the containers that are replaced, so that going back never
/// needs the registry.
fn anchor_old(view: View<'_>) -> Option<Step> {
    view.operation.units.iter().find_map(|unit| {
        let image = view.observed.present(&unit.old.image_id)?;
        let digest = unit.old.digest.as_ref()?;
        let reference = image.repo_digests.iter().find(|r| r.digest == *digest)?;
        anchor(view, reference, image)
    })
}

/// A tag that keeps the image from being pruned; noted before it is put there.
pub(super) fn anchor(view: View<'_>, reference: &ImageRef, image: &Image) -> Option<Step> {
    if image.repo_tags.contains(&anchor_of(reference)) {
        return None;
    }
    let call = view.unless_skipped(Call::Tag {
        image: image.id.clone(),
        repository: reference.repository.to_string(),
        tag: anchor_tag(reference),
    })?;
    if view.observed.record.anchors.contains(reference) {
        return Some(call);
    }
    let mut record: Record = view.observed.record.clone();
    record.anchors.insert(reference.clone());
    Some(view.write_record(record))
}

/// Its anchor tag with its repository, as an engine lists it.
pub(super) fn anchor_of(image: &ImageRef) -> String {
    format!("{}:{}", image.repository, anchor_tag(image))
}

/// `pinion-` and the first 12 digits of the digest.
fn anchor_tag(image: &ImageRef) -> String {
    format!("pinion-{}", image.digest.short())
}
