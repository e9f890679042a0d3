//! Pulls ahead of time; no container is touched.
//!
//! What was pulled must still be there, and must run here, when its turn
//! comes: so it is checked for the machine's platform and kept by a tag. With
//! too little room nothing is pulled.

use pinion_model::{AgentPhase, Digest, ImageRef};

use crate::{Image, Lookup, Step};

use super::prepare::{anchor, wrong_platform};
use super::{ENGINE_PAUSE, View, finish};

pub(super) fn next(view: View<'_>) -> Step {
    let permitted = match view.observed.permitted {
        Ok(permitted) => permitted,
        Err(failure) => return view.abandon(failure.clone()),
    };
    let mut here = Vec::new();
    for digest in digests(permitted) {
        match present(view, permitted, digest) {
            Some(found) => here.push(found),
            None => return pull(view, permitted, digest),
        }
    }
    check_and_keep(view, &here)
}

/// Each digest once, in the order in which they are wanted.
fn digests(permitted: &[ImageRef]) -> Vec<&Digest> {
    let mut digests: Vec<&Digest> = Vec::new();
    for image in permitted {
        if !digests.contains(&&image.digest) {
            digests.push(&image.digest);
        }
    }
    digests
}

fn present<'a>(
    view: View<'a>,
    permitted: &'a [ImageRef],
    digest: &Digest,
) -> Option<(&'a ImageRef, &'a Image)> {
    let mut sources = permitted.iter().filter(|image| image.digest == *digest);
    sources.find_map(|image| Some((image, view.observed.present(&image.to_string())?)))
}

fn pull(view: View<'_>, permitted: &[ImageRef], missing: &Digest) -> Step {
    let sources = permitted.iter().filter(|image| image.digest == *missing);
    let sources: Vec<_> = sources.collect();
    let unknown = sources
        .iter()
        .any(|image| *view.observed.image(&image.to_string()) == Lookup::Unknown);
    match sources.get(view.operation.candidate).or(sources.first()) {
        Some(image) if !unknown => view.pull(image),
        _ => rest(view),
    }
}

fn check_and_keep(view: View<'_>, here: &[(&ImageRef, &Image)]) -> Step {
    if view.observed.platform.is_none() {
        return rest(view);
    }
    for (chosen, image) in here {
        if let Some(failure) = wrong_platform(view, chosen, image) {
            return view.abandon(failure);
        }
    }
    let mut anchors = here.iter();
    if let Some(step) = anchors.find_map(|(chosen, image)| anchor(view, chosen, image)) {
        return step;
    }
    let record = view.observed.record.clone();
    finish::close(view, AgentPhase::Prefetched, None, record)
}

fn rest(view: View<'_>) -> Step {
    Step::Rest {
        wake_at: Some(view.now + ENGINE_PAUSE),
    }
}
