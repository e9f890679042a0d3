//! Calls of the planner, made.

use std::collections::BTreeMap;

use pinion_model::{Failure, FailureKind, ImageRef};
use pinion_workload::{Answer, Call, ContainerId, CreateSpec};

use super::image_configs::ImageConfigs;
use crate::credentials::Resolve;
use crate::driver::{Driver, EngineError};
use crate::own::Own;
use crate::recreate::Facts;
use crate::room::Disk;

/// Makes the calls in order, until one is not done. What comes after stops is
/// done only where the engine shows that all of them have stopped; else the rest
/// is for the next look to say.
pub(super) async fn perform_row<D: Driver, R: Resolve>(
    driver: &D,
    resolver: &R,
    own: &Own,
    configs: &ImageConfigs,
    disk: &Disk,
    calls: &[Call],
) -> Vec<Answer> {
    let is_stop = |call: &&Call| matches!(call, Call::Stop { .. });
    let stops = calls.iter().take_while(is_stop).count();
    let mut answers = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        if index == stops && !have_stopped(driver, &calls[..stops]).await {
            break;
        }
        let answer = perform(driver, resolver, own, configs, disk, call).await;
        let is_done = answer == Answer::Done;
        answers.push(answer);
        if !is_done {
            break;
        }
    }
    answers
}

/// One that runs all the same has not, and one that is gone is no name's any more.
async fn have_stopped<D: Driver>(driver: &D, stops: &[Call]) -> bool {
    for stop in stops {
        let Call::Stop { id, .. } = stop else {
            return false;
        };
        let shown = driver.inspect(id).await;
        if !shown.is_ok_and(|container| container["State"]["Running"] == false) {
            return false;
        }
    }
    true
}

/// Makes the call; what it means is for the planner to say.
async fn perform<D: Driver, R: Resolve>(
    driver: &D,
    resolver: &R,
    own: &Own,
    configs: &ImageConfigs,
    disk: &Disk,
    call: &Call,
) -> Answer {
    let done = match call {
        Call::Own(call) => return own.perform(driver, call).await,
        Call::Pull(image) => return pull(driver, resolver, disk, image).await,
        Call::Create {
            old,
            name,
            image,
            labels,
        } => {
            return match specs(driver, configs, old, image.as_ref(), labels).await {
                Ok((spec, back)) => {
                    let written = written(driver, old, name).await;
                    create(driver, call, name, &spec, written, Some(Box::new(back))).await
                }
                Err(answer) => answer,
            };
        }
        Call::Restore { name, spec, .. } => {
            return create(driver, call, name, spec, None, None).await;
        }
        Call::LastWords(id) => return words(driver, resolver, call, id).await,
        // Hooks are run by their own room.
        Call::Hook(_) => Ok(()),
        Call::Tag {
            image,
            repository,
            tag,
        } => driver.tag(image, repository, tag).await,
        Call::Untag(reference) => driver.untag(reference).await,
        Call::SetRestartPolicy {
            id,
            policy,
            retries,
        } => driver.set_restart_policy(id, policy, *retries).await,
        Call::Stop { id, grace } => driver.stop(id, *grace).await,
        Call::Rename { id, name } => driver.rename(id, name).await,
        Call::Start(id) => driver.start(id).await,
        Call::Remove(id) => driver.remove(id).await,
    };
    answer(call, done.map(|()| Answer::Done))
}

fn answer(call: &Call, done: Result<Answer, EngineError>) -> Answer {
    let kind = match call {
        Call::Create { .. } | Call::Restore { .. } => FailureKind::Create,
        Call::Start(_) => FailureKind::Start,
        _ => FailureKind::Engine,
    };
    match done {
        Ok(answer) => answer,
        Err(EngineError::Unknown { call, message }) => Answer::Failed(Failure::new(
            FailureKind::Engine,
            format!("{call}: {message}"),
        )),
        Err(error @ EngineError::Refused { .. }) => {
            Answer::Refused(Failure::new(kind, error.to_string()))
        }
        Err(error) => Answer::Failed(Failure::new(kind, error.to_string())),
    }
}

/// A credential that was refused may have ended meanwhile: it is fetched
/// anew, once.
async fn pull<D: Driver, R: Resolve>(
    driver: &D,
    resolver: &R,
    disk: &Disk,
    image: &ImageRef,
) -> Answer {
    let mut fresh = false;
    loop {
        let credential = match resolver.resolve(&image.repository).await {
            Ok(credential) => credential,
            Err(failure) => return Answer::Failed(failure),
        };
        match driver.pull(image, credential.as_ref(), disk).await {
            Ok(pulled) if pulled.was_there => return Answer::WasThere,
            Ok(_) => return Answer::Done,
            Err(failure)
                if failure.kind == FailureKind::Credentials && credential.is_some() && !fresh =>
            {
                resolver.forget(&image.repository);
                fresh = true;
            }
            Err(failure) => return Answer::Failed(failure),
        }
    }
}

/// How the next one is made, and how the old one is made again.
async fn specs<D: Driver>(
    driver: &D,
    configs: &ImageConfigs,
    old: &ContainerId,
    image: Option<&ImageRef>,
    labels: &BTreeMap<String, String>,
) -> Result<(CreateSpec, CreateSpec), Answer> {
    let mut facts = Facts::of(driver, old, image).await?;
    let seen = facts.old_image.iter().chain([&facts.new_image]);
    seen.for_each(|image| configs.keep(image));
    let id = facts.inspect["Image"].as_str().unwrap_or_default();
    facts.old_image = facts.old_image.or_else(|| configs.get(id));
    let recreate = facts.recreate(labels);
    let spec = recreate.spec().map_err(Answer::Refused)?;
    let back = recreate.restoring().map_err(Answer::Refused)?;
    Ok((spec, back))
}

/// What will be lost of the old one, in bytes. Only told: an engine that cannot
/// count keeps nobody from an update.
async fn written<D: Driver>(driver: &D, old: &ContainerId, name: &str) -> Option<u64> {
    let written = driver.written(old).await.ok();
    if let Some(bytes) = written.filter(|bytes| *bytes > 0) {
        tracing::warn!(
            container = name,
            bytes,
            "what the old container wrote outside of its volumes does not come along"
        );
    }
    written
}

async fn create<D: Driver>(
    driver: &D,
    call: &Call,
    name: &str,
    spec: &CreateSpec,
    written: Option<u64>,
    saved: Option<Box<CreateSpec>>,
) -> Answer {
    for warning in &spec.warnings {
        tracing::warn!(container = name, warning, "a setting is not kept");
    }
    let made = driver.create(name, spec).await;
    answer(call, made.map(|id| Answer::Made { id, written, saved }))
}

/// Without the secrets that are known: what is reported leaves the machine.
async fn words<D: Driver, R: Resolve>(
    driver: &D,
    resolver: &R,
    call: &Call,
    id: &ContainerId,
) -> Answer {
    let words = driver.last_words(id).await;
    let reported = words.map(|words| words.reported(&resolver.secrets()));
    answer(call, reported.map(Answer::Words))
}
