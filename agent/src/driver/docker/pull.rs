//! Bringing an image, by digest, and making sure that it is the one.

use bollard::Docker as Client;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt as _;
use pinion_model::{Failure, FailureKind, ImageRef};
use pinion_workload::{Image, Layers};

use super::{Docker, Limits, auth, pull_failure};
use crate::credentials::Credential;
use crate::driver::{Driver as _, EngineError, Pulled};
use crate::room::Disk;

/// Pulls `image` unless it is there under that very repository and digest.
///
/// The engine checks nothing for an image that it has, so it is not asked.
pub(super) async fn pull(
    docker: &Docker,
    image: &ImageRef,
    credential: Option<&Credential>,
    disk: &Disk,
) -> Result<Pulled, Failure> {
    if let Some(image) = present(docker, image).await? {
        let was_there = true;
        return Ok(Pulled { image, was_there });
    }
    let link = docker.link().await;
    let link = link.map_err(|error| engine_failure(image, &error))?;
    let client = client(&link.client, &docker.limits, credential);
    let whole = tokio::time::timeout(
        docker.limits.pull,
        bring(&client, image, &docker.limits, disk),
    );
    whole
        .await
        .unwrap_or_else(|_| Err(pull_failure::too_long(image, docker.limits.pull)))?;
    let pulled = present(docker, image).await?;
    let pulled = pulled.ok_or_else(|| pull_failure::another_digest(image))?;
    Ok(Pulled {
        image: pulled,
        was_there: false,
    })
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

/// How a stream of progress ended without success.
enum Broken {
    /// Nothing moved any more.
    Stalled,
    Failed(Failure),
}

/// Takes up again what stalled: a connection that hangs says nothing about the next one.
async fn bring(
    client: &Client,
    image: &ImageRef,
    limits: &Limits,
    disk: &Disk,
) -> Result<(), Failure> {
    for stalls in 0..=limits.resumes {
        match read_to_end(client, image, limits, disk).await {
            Ok(()) => return Ok(()),
            Err(Broken::Failed(failure)) => return Err(failure),
            Err(Broken::Stalled) => {
                tracing::warn!(%image, stalls, "a pull does not move; it is cancelled");
            }
        }
    }
    Err(pull_failure::stalled(image, limits.stall, limits.resumes))
}

/// Status 200 is no success: errors come within the stream, too. Dropping the
/// stream makes the engine give up, and let go of the layers that it has begun.
async fn read_to_end(
    client: &Client,
    image: &ImageRef,
    limits: &Limits,
    disk: &Disk,
) -> Result<(), Broken> {
    let options = CreateImageOptions {
        from_image: Some(image.to_string()),
        ..Default::default()
    };
    let mut stream = std::pin::pin!(client.create_image(Some(options), None, None));
    let mut last: Option<CreateImageInfo> = None;
    let mut moved = tokio::time::Instant::now();
    let mut layers = Layers::default();
    loop {
        let part = tokio::time::timeout_at(moved + limits.stall, stream.next()).await;
        match part.map_err(|_| Broken::Stalled)? {
            None => return Ok(()),
            Some(Err(error)) => return Err(Broken::Failed(pull_failure::of(image, &error))),
            Some(Ok(part)) if last.as_ref() == Some(&part) => {}
            Some(Ok(part)) => {
                moved = tokio::time::Instant::now();
                hear(&mut layers, &part);
                let room = disk.room();
                if let Some(failure) = room.and_then(|room| layers.too_large(image, room)) {
                    return Err(Broken::Failed(failure));
                }
                last = Some(part);
            }
        }
    }
}

fn hear(layers: &mut Layers, part: &CreateImageInfo) {
    let bytes = |bytes: Option<i64>| bytes.and_then(|b| u64::try_from(b).ok()).unwrap_or(0);
    if let (Some(id), Some(status)) = (&part.id, &part.status) {
        let (current, total) = part.progress_detail.as_ref().map_or((0, 0), |detail| {
            (bytes(detail.current), bytes(detail.total))
        });
        layers.heard(id, status, current, total);
    }
}
