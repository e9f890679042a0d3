//! One call of the planner, made.

use pinion_model::{Failure, FailureKind, ImageRef};
use pinion_workload::recreate::Recreate;
use pinion_workload::{Answer, Call, ContainerId, CreateSpec};

use crate::credentials::Resolve;
use crate::driver::{Driver, EngineError};
use crate::own::Own;

/// Makes the call; what it means is for the planner to say.
pub(super) async fn perform<D: Driver, R: Resolve>(
    driver: &D,
    resolver: &R,
    own: &Own,
    call: &Call,
) -> Answer {
    let done = match call {
        Call::Own(call) => return own.perform(driver, call).await,
        Call::Pull(image) => return pull(driver, resolver, image).await,
        Call::Create {
            old,
            name,
            image,
            labels,
        } => {
            return match spec(driver, old, image, labels).await {
                Ok(spec) => create(driver, call, name, &spec).await,
                Err(answer) => answer,
            };
        }
        Call::LastWords(id) => return words(driver, call, id).await,
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
        Call::Create { .. } => FailureKind::Create,
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
async fn pull<D: Driver, R: Resolve>(driver: &D, resolver: &R, image: &ImageRef) -> Answer {
    let mut fresh = false;
    loop {
        let credential = match resolver.resolve(&image.repository).await {
            Ok(credential) => credential,
            Err(failure) => return Answer::Failed(failure),
        };
        match driver.pull(image, credential.as_ref()).await {
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

async fn spec<D: Driver>(
    driver: &D,
    old: &ContainerId,
    image: &ImageRef,
    labels: &std::collections::BTreeMap<String, String>,
) -> Result<CreateSpec, Answer> {
    let unknown =
        |error: EngineError| Answer::Failed(Failure::new(FailureKind::Engine, error.to_string()));
    let inspect = driver.inspect(old).await.map_err(unknown)?;
    let old_image = match driver
        .image(inspect["Image"].as_str().unwrap_or_default())
        .await
    {
        Ok(image) => Some(image),
        Err(EngineError::NotFound(_)) => None,
        Err(error) => return Err(unknown(error)),
    };
    let new_image = driver.image(&image.to_string()).await.map_err(unknown)?;
    let containers = driver.containers().await.map_err(unknown)?;
    let info = driver.info().await.map_err(unknown)?;
    let recreate = Recreate {
        inspect: &inspect,
        old_image: old_image.as_ref(),
        new_image: &new_image,
        reference: image,
        labels,
        containers: &containers,
        host_name: &info.host_name,
        api_version: &info.api_version,
    };
    recreate.spec().map_err(Answer::Refused)
}

async fn create<D: Driver>(driver: &D, call: &Call, name: &str, spec: &CreateSpec) -> Answer {
    for warning in &spec.warnings {
        tracing::warn!(container = name, warning, "a setting is not kept");
    }
    let made = driver.create(name, spec).await;
    answer(call, made.map(|_| Answer::Done))
}

async fn words<D: Driver>(driver: &D, call: &Call, id: &ContainerId) -> Answer {
    let words = driver.last_words(id).await;
    answer(call, words.map(Answer::Words))
}
