//! One call of the planner, made.

use pinion_model::{Failure, FailureKind, ImageRef};
use pinion_workload::{Answer, Call, ContainerId, CreateSpec};

use crate::credentials::Resolve;
use crate::driver::{Driver, EngineError};
use crate::own::Own;
use crate::recreate::spec;

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
