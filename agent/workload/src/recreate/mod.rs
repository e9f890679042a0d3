//! How the next container is made from the old one without losing a setting.
//!
//! Owns the answer to "which settings are the user's, which the image's": an
//! engine shows only the two merged. The merge is inverted against the *old*
//! image's settings, so that the user's survive and the new image's defaults
//! take the place of the old one's. Works on the engine's raw JSON, so a
//! setting that we do not know passes through. Never guesses: where the
//! answer cannot be known, there is a [`Failure`] instead of a container.
//!
//! ```text
//!   inspect ─▶ Draft ─▶ ports ─▶ invert (env, command, health check, maps)   against the old image
//!                    ─▶ identity (host name) ─▶ labels ─▶ references (container:…, links)
//!                    ─▶ volumes (anonymous ones by name) ─▶ networks (endpoints) ─▶ CreateSpec
//! ```

mod command;
mod draft;
mod env;
mod healthcheck;
mod identity;
mod invert;
mod kept;
mod labels;
mod networks;
pub(crate) mod ports;
mod references;
mod restoring;
#[cfg(test)]
pub(crate) mod tests;
mod volumes;

use std::collections::BTreeMap;

use pinion_model::{Failure, FailureKind};
use serde_json::Value;

use crate::{Container, CreateSpec, Image};
use draft::Draft;

pub use kept::KEEP_LABEL;
pub use labels::{OPERATION_LABEL, REPLACES_LABEL};
pub use ports::PIN_PORTS_LABEL;

/// All that decides what the next container looks like.
#[derive(Debug, Clone, Copy)]
pub struct Recreate<'a> {
    /// The engine's whole answer about the old container.
    pub inspect: &'a Value,
    /// The image that the old container was created from; `None` if it is gone.
    pub old_image: Option<&'a Image>,
    /// The image that the next container runs.
    pub new_image: &'a Image,
    /// By which the next container is created.
    pub reference: &'a str,
    /// Labels that the next container gets beside its own; they win.
    pub labels: &'a BTreeMap<String, String>,
    /// Every container of the machine: what `container:<id>`, volumes-from and links point at.
    pub containers: &'a [Container],
    /// The machine's name as the engine knows it.
    pub host_name: &'a str,
    /// The API version that inspect was asked with, such as "1.41".
    pub api_version: &'a str,
}

impl Recreate<'_> {
    /// What to send to the engine to make the next container.
    ///
    /// # Errors
    ///
    /// A [`FailureKind::Create`] when the old image is gone, so that its
    /// defaults cannot be told from the user's settings, or when the container
    /// depends on one that is no longer there; a [`FailureKind::Engine`] when
    /// the engine's answer is not one about a container.
    pub fn spec(&self) -> Result<CreateSpec, Failure> {
        self.made_of(self.new_image, self.reference, self.labels)
    }

    fn made_of(
        &self,
        image: &Image,
        reference: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<CreateSpec, Failure> {
        let mut draft = Draft::read(self.inspect)?;
        let old_image = self
            .old_image
            .ok_or_else(|| self.old_image_is_gone(&draft))?;
        ports::keep(&mut draft);
        invert::subtract(&mut draft, &old_image.config);
        identity::keep(&mut draft, self.host_name);
        labels::keep(&mut draft, labels, &image.id);
        references::resolve(&mut draft, self.containers, self.labels)?;
        volumes::keep(&mut draft);
        let api = ApiVersion::parse(self.api_version);
        let networks = networks::keep(&mut draft, api);
        let reference = Value::String(reference.to_owned());
        draft.config.insert("Image".to_owned(), reference);
        Ok(draft.into_spec(networks))
    }

    fn old_image_is_gone(&self, draft: &Draft<'_>) -> Failure {
        Failure::new(
            FailureKind::Create,
            format!(
                "container {}: its image {} is no longer on this machine, so its own settings cannot be told from \
                 that image's defaults; pull that image again, or recreate the container by hand from {}",
                draft.name, draft.image, self.reference
            ),
        )
    }
}

/// An engine's API version; one that cannot be read counts as the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ApiVersion(u32, u32);

impl ApiVersion {
    /// From here on a container can be created with several endpoints.
    const MANY_ENDPOINTS: Self = Self(1, 44);
    /// From here on aliases hold only what the user gave.
    const CLEAN_ALIASES: Self = Self(1, 45);

    fn parse(text: &str) -> Self {
        let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
        Self(parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }
}
