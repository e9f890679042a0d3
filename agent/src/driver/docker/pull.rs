//! Bringing an image, by digest, and making sure that it is the one.

use bollard::Docker as Client;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt as _;
use pinion_model::{Failure, FailureKind, ImageRef};
use pinion_workload::Image;

use super::{Docker, Limits, auth, pull_failure};
use crate::credentials::Credential;
use crate::driver::{Driver as _, EngineError};

/// Pulls `image` unless it is there under that very repository and digest.
///
/// The engine checks nothing for an image that it has, so it is not asked.
pub(super) async fn pull(
    docker: &Docker,
    image: &ImageRef,
    credential: Option<&Credential>,
) -> Result<Image, Failure> {
    if let Some(present) = present(docker, image).await? {
        return Ok(present);
    }
    let link = docker.link().await;
    let link = link.map_err(|error| engine_failure(image, &error))?;
    let client = client(&link.client, &docker.limits, credential);
    let whole = tokio::time::timeout(
        docker.limits.pull,
        read_to_end(&client, image, &docker.limits),
    );
    whole
        .await
        .unwrap_or_else(|_| Err(pull_failure::too_long(image, docker.limits.pull)))?;
    let pulled = present(docker, image).await?;
    pulled.ok_or_else(|| pull_failure::another_digest(image))
}

/// The image if the engine has it under that repository and digest.
async fn present(docker: &Docker, image: &ImageRef) -> Result<Option<Image>, Failure> {
    match docker.image(&image.to_string()).await {
        Ok(found) => Ok(found.repo_digests.contains(image).then_some(found)),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(error) => Err(engine_failure(image, &error)),
    }
}

fn engine_failure(image: &ImageRef, error: &EngineError) -> Failure {
    Failure::new(FailureKind::Engine, format!("looking for {image}: {error}"))
}

/// A client that sends the credential, with more time than a pull may take: that and stalls are watched here.
fn client(client: &Client, limits: &Limits, credential: Option<&Credential>) -> Client {
    let client = client.clone().with_timeout(limits.pull + limits.call);
    let Some(header) = credential.map(auth::header) else {
        return client;
    };
    client.with_request_modifier(move |mut request| {
        request
            .headers_mut()
            .insert(auth::REGISTRY_AUTH, header.clone());
        request
    })
}

/// Status 200 is no success: errors come within the stream, too. Dropping the
/// stream makes the engine give up.
async fn read_to_end(client: &Client, image: &ImageRef, limits: &Limits) -> Result<(), Failure> {
    let options = CreateImageOptions {
        from_image: Some(image.to_string()),
        ..Default::default()
    };
    let mut stream = std::pin::pin!(client.create_image(Some(options), None, None));
    let mut last: Option<CreateImageInfo> = None;
    let mut moved = tokio::time::Instant::now();
    loop {
        let part = tokio::time::timeout_at(moved + limits.stall, stream.next()).await;
        match part.map_err(|_| pull_failure::stalled(image, limits.stall))? {
            None => return Ok(()),
            Some(Err(error)) => return Err(pull_failure::of(image, &error)),
            Some(Ok(part)) if last.as_ref() == Some(&part) => {}
            Some(Ok(part)) => {
                moved = tokio::time::Instant::now();
                last = Some(part);
            }
        }
    }
}
