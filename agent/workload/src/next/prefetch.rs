//! Pulls ahead of time; no container is touched.

use pinion_model::AgentPhase;

use crate::{Call, Lookup, Step};

use super::{ENGINE_PAUSE, View, finish};

pub(super) fn next(view: View<'_>) -> Step {
    let permitted = match view.observed.permitted {
        Ok(permitted) => permitted,
        Err(failure) => return view.abandon(failure.clone()),
    };
    let lookup = |image: &&pinion_model::ImageRef| view.observed.image(&image.to_string());
    let digests: Vec<_> = permitted.iter().map(|image| &image.digest).collect();
    let missing = digests.iter().find(|digest| {
        !permitted
            .iter()
            .filter(|i| i.digest == ***digest)
            .any(|i| matches!(lookup(&i), Lookup::Present(_)))
    });
    let Some(missing) = missing else {
        return finish::close(
            view,
            AgentPhase::Prefetched,
            None,
            view.observed.record.clone(),
        );
    };
    let sources: Vec<_> = permitted
        .iter()
        .filter(|image| image.digest == **missing)
        .collect();
    if sources
        .iter()
        .any(|image| *lookup(image) == Lookup::Unknown)
    {
        return Step::Rest {
            wake_at: Some(view.now + ENGINE_PAUSE),
        };
    }
    let index = view
        .operation
        .candidate
        .min(sources.len().saturating_sub(1));
    Step::Call(Call::Pull(sources[index].clone()))
}
