//! One call of the planner, made.

use pinion_model::{Failure, FailureKind, ImageRef};
use pinion_workload::recreate::Recreate;
use pinion_workload::{Answer, Call, ContainerId, CreateSpec, Image};

use super::image_configs::ImageConfigs;
use crate::credentials::Resolve;
use crate::driver::{Driver, EngineError};
use crate::own::Own;
use crate::room::Disk;

/// Makes the call; what it means is for the planner to say.
pub(super) async fn perform<D: Driver, R: Resolve>(
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
                    create(driver, call, old, name, &spec, Some(Box::new(back))).await
                }
                Err(answer) => answer,
            };
        }
        Call::Restore { old, name, spec } => {
            return create(driver, call, old, name, spec, None).await;
        }
        Call::LastWords(id) => return words(driver, resolver, call, id).await,
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
    labels: &std::collections::BTreeMap<String, String>,
) -> Result<(CreateSpec, CreateSpec), Answer> {
    let inspect = driver.inspect(old).await.map_err(unknown)?;
    let id = inspect["Image"].as_str().unwrap_or_default();
    let present = lookup(driver, id).await?;
    let (reference, new_image) = match (image, &present) {
        (Some(image), _) => {
            let reference = image.to_string();
            let found = driver.image(&reference).await.map_err(unknown)?;
            (reference, found)
        }
        (None, Some(own)) => {
            let named = inspect["Config"]["Image"].as_str().unwrap_or_default();
            let is_own = lookup(driver, named)
                .await?
                .is_some_and(|found| found.id == own.id);
            (own_reference(named, is_own, own), own.clone())
        }
        (None, None) => return Err(Answer::Refused(own_image_is_gone(&inspect))),
    };
    present
        .iter()
        .chain([&new_image])
        .for_each(|image| configs.keep(image));
    let old_image = present.or_else(|| configs.get(id));
    let containers = driver.containers().await.map_err(unknown)?;
    let info = driver.info().await.map_err(unknown)?;
    let recreate = Recreate {
        inspect: &inspect,
        old_image: old_image.as_ref(),
        new_image: &new_image,
        reference: &reference,
        labels,
        containers: &containers,
        host_name: &info.host_name,
        api_version: &info.api_version,
    };
    let spec = recreate.spec().map_err(Answer::Refused)?;
    let back = recreate.restoring().map_err(Answer::Refused)?;
    Ok((spec, back))
}

fn unknown(error: EngineError) -> Answer {
    Answer::Failed(Failure::new(FailureKind::Engine, error.to_string()))
}

/// None only where the engine says that it has none.
async fn lookup<D: Driver>(driver: &D, reference: &str) -> Result<Option<Image>, Answer> {
    match driver.image(reference).await {
        Ok(image) => Ok(Some(image)),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(error) => Err(unknown(error)),
    }
}

/// The name that a container was made by may be another image's by now.
fn own_reference(named: &str, is_own: bool, own: &Image) -> String {
    let by_digest = || own.repo_digests.first().map(ToString::to_string);
    match is_own {
        true => named.to_owned(),
        false => by_digest().unwrap_or_else(|| own.id.clone()),
    }
}

fn own_image_is_gone(inspect: &serde_json::Value) -> Failure {
    let message = format!(
        "container {} depends on one that is to be replaced, and its image {} is no longer on this machine, so it cannot be \
         made anew; nothing was touched. Pull that image again, or recreate the container by hand",
        inspect["Name"], inspect["Config"]["Image"]
    );
    Failure::new(FailureKind::Create, message)
}

async fn create<D: Driver>(
    driver: &D,
    call: &Call,
    old: &ContainerId,
    name: &str,
    spec: &CreateSpec,
    saved: Option<Box<CreateSpec>>,
) -> Answer {
    for warning in &spec.warnings {
        tracing::warn!(container = name, warning, "a setting is not kept");
    }
    // Only told: an engine that cannot count keeps nobody from an update.
    let written = driver.written(old).await.ok();
    if let Some(bytes) = written.filter(|bytes| *bytes > 0) {
        tracing::warn!(
            container = name,
            bytes,
            "what the old container wrote outside of its volumes does not come along"
        );
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
