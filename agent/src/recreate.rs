//! The next container's settings, made from what the engine says of the old one.

use std::collections::BTreeMap;

use pinion_model::{Failure, FailureKind, ImageRef};
use pinion_workload::recreate::Recreate;
use pinion_workload::{Answer, ContainerId, CreateSpec};

use crate::driver::{Driver, EngineError};

/// What takes the place of `old`, on another image.
///
/// # Errors
///
/// What to answer to the planner: refused where a setting cannot be kept,
/// failed where the engine does not say.
pub(crate) async fn spec<D: Driver>(
    driver: &D,
    old: &ContainerId,
    image: &ImageRef,
    labels: &BTreeMap<String, String>,
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
