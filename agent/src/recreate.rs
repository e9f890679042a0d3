//! What is asked of the engine before a container is made anew.

use std::collections::BTreeMap;

use pinion_model::{Failure, FailureKind, ImageRef};
use pinion_workload::recreate::Recreate;
use pinion_workload::{Answer, Container, ContainerId, Image};
use serde_json::Value;

use crate::driver::{Driver, EngineError, EngineInfo};

/// What the engine says of a container, its image, and what is to take its place.
pub(crate) struct Facts {
    pub(crate) inspect: Value,
    /// None: the engine has it no longer.
    pub(crate) old_image: Option<Image>,
    pub(crate) new_image: Image,
    reference: String,
    containers: Vec<Container>,
    engine: EngineInfo,
}

impl Facts {
    /// Of `old`, which is to be made on `image` or, without one, on its own.
    ///
    /// # Errors
    ///
    /// What to answer to the planner: refused where its own image is gone,
    /// failed where the engine does not say.
    pub(crate) async fn of<D: Driver>(
        driver: &D,
        old: &ContainerId,
        image: Option<&ImageRef>,
    ) -> Result<Self, Answer> {
        let inspect = driver.inspect(old).await.map_err(unknown)?;
        let id = inspect["Image"].as_str().unwrap_or_default();
        let old_image = lookup(driver, id).await?;
        let (reference, new_image) = match (image, &old_image) {
            (Some(image), _) => {
                let reference = image.to_string();
                let found = driver.image(&reference).await.map_err(unknown)?;
                (reference, found)
            }
            (None, Some(own)) => (own_reference(driver, &inspect, own).await?, own.clone()),
            (None, None) => return Err(Answer::Refused(own_image_is_gone(&inspect))),
        };
        Ok(Self {
            old_image,
            new_image,
            reference,
            containers: driver.containers().await.map_err(unknown)?,
            engine: driver.info().await.map_err(unknown)?,
            inspect,
        })
    }

    pub(crate) fn recreate<'a>(&'a self, labels: &'a BTreeMap<String, String>) -> Recreate<'a> {
        Recreate {
            inspect: &self.inspect,
            old_image: self.old_image.as_ref(),
            new_image: &self.new_image,
            reference: &self.reference,
            labels,
            containers: &self.containers,
            host_name: &self.engine.host_name,
            api_version: &self.engine.api_version,
        }
    }
}

fn unknown(error: EngineError) -> Answer {
    Answer::Failed(Failure::new(FailureKind::Engine, error.to_string()))
}

/// None only where the engine says twice that it has none: settings would be
/// lost by one answer that makes no sense.
async fn lookup<D: Driver>(driver: &D, reference: &str) -> Result<Option<Image>, Answer> {
    for _ in 0..2 {
        match driver.image(reference).await {
            Err(EngineError::NotFound(_)) => {}
            found => return found.map(Some).map_err(unknown),
        }
    }
    Ok(None)
}

/// The name that a container was made by may be another image's by now.
async fn own_reference<D: Driver>(
    driver: &D,
    inspect: &Value,
    own: &Image,
) -> Result<String, Answer> {
    let named = inspect["Config"]["Image"].as_str().unwrap_or_default();
    let found = lookup(driver, named).await?;
    if found.is_some_and(|found| found.id == own.id) {
        return Ok(named.to_owned());
    }
    let by_digest = own.repo_digests.first().map(ToString::to_string);
    Ok(by_digest.unwrap_or_else(|| own.id.clone()))
}

fn own_image_is_gone(inspect: &Value) -> Failure {
    let message = format!(
        "container {} depends on one that is to be replaced, and its image {} is no longer on this machine, so it cannot be \
         made anew; nothing was touched. Pull that image again, or recreate the container by hand",
        inspect["Name"], inspect["Config"]["Image"]
    );
    Failure::new(FailureKind::Create, message)
}
