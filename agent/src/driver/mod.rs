//! The boundary to a container engine.
//!
//! One method is one call with one effect. A method never decides and never
//! retries: what an error means is said by [`EngineError`], what to do about
//! it is decided in `pinion_workload`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pinion_model::{Failure, ImageRef};
use pinion_workload::probe::{Probe, ProbeAnswer};
use pinion_workload::{Container, ContainerId, CreateSpec, Image};

use crate::credentials::Credential;
use crate::room::Disk;
use crate::words::LastWords;

pub(crate) use address::address;

mod address;
pub mod docker;
#[cfg(test)]
pub(crate) mod fake;

/// A call to the engine that did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine does not have it. Only ever from the engine's own 404.
    #[error("the engine has no {0}")]
    NotFound(String),
    /// A name is taken, or the object is in a state that forbids the call.
    #[error("{call}: conflict: {message}")]
    Conflict {
        /// Which call.
        call: &'static str,
        /// The engine's words.
        message: String,
    },
    /// The engine refused the call: it will refuse it again.
    #[error("{call}: refused: {message}")]
    Refused {
        /// Which call.
        call: &'static str,
        /// The engine's words.
        message: String,
    },
    /// No answer, or none that makes sense: the effect is unknown, so observe again.
    #[error("{call}: {message}")]
    Unknown {
        /// Which call.
        call: &'static str,
        /// What was seen.
        message: String,
    },
}

/// Version and platform of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Such as "20.10.24".
    pub version: String,
    /// Such as "1.41".
    pub api_version: String,
    /// Such as "linux".
    pub os: String,
    /// Such as "amd64".
    pub architecture: String,
    /// The machine's name as the engine knows it.
    pub host_name: String,
    /// Where it keeps its images, as a path on its own machine.
    pub root_dir: PathBuf,
}

/// An image that is there after a pull.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulled {
    /// The image.
    pub image: Image,
    /// It was there already under that repository and digest: nobody was asked.
    pub was_there: bool,
}

/// A container engine.
pub trait Driver: Send + Sync + 'static {
    /// Who the engine is.
    fn info(&self) -> impl Future<Output = Result<EngineInfo, EngineError>> + Send;

    /// Every container, stopped ones too, with its image's digests.
    fn containers(&self) -> impl Future<Output = Result<Vec<Container>, EngineError>> + Send;

    /// The engine's whole answer about one container, as JSON: nothing dropped.
    fn inspect(
        &self,
        id: &ContainerId,
    ) -> impl Future<Output = Result<serde_json::Value, EngineError>> + Send;

    /// What a container wrote outside of its volumes, in bytes. Slow: the engine
    /// counts the files.
    fn written(&self, id: &ContainerId) -> impl Future<Output = Result<u64, EngineError>> + Send;

    /// An image by id or reference.
    fn image(&self, reference: &str) -> impl Future<Output = Result<Image, EngineError>> + Send;

    /// Pulls by digest, reads the answer to its end, and checks that the image
    /// is there under that digest. Given up as soon as what it brings does not
    /// fit into `disk`.
    ///
    /// The error is the typed failure that goes into the report.
    fn pull(
        &self,
        image: &ImageRef,
        credential: Option<&Credential>,
        disk: &Disk,
    ) -> impl Future<Output = Result<Pulled, Failure>> + Send;

    /// Adds the tag `repository:tag` to an image; moves it if it is taken.
    fn tag(
        &self,
        image: &str,
        repository: &str,
        tag: &str,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Removes one reference, never forced, and with the last one the image.
    /// Already gone is done.
    fn untag(&self, reference: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Creates a container and connects its networks; does not start it.
    fn create(
        &self,
        name: &str,
        spec: &CreateSpec,
    ) -> impl Future<Output = Result<ContainerId, EngineError>> + Send;

    /// Sets the restart policy: "no" keeps the engine from starting it again.
    fn set_restart_policy(
        &self,
        id: &ContainerId,
        policy: &str,
        retries: i64,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Stops it within the grace, then kills it. Already stopped is done.
    fn stop(
        &self,
        id: &ContainerId,
        grace: Duration,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Starts it. Already running is done.
    fn start(&self, id: &ContainerId) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Renames it. Already so called is done.
    fn rename(
        &self,
        id: &ContainerId,
        name: &str,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Removes a stopped container, never its volumes. Already gone is done.
    fn remove(&self, id: &ContainerId) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// How it ended, the last lines that it wrote and its health log, as they
    /// are: with whatever secrets are in them.
    fn last_words(
        &self,
        id: &ContainerId,
    ) -> impl Future<Output = Result<LastWords, EngineError>> + Send;

    /// Asks a running container whether it serves; an answer takes at most
    /// [`Probe::TIMEOUT`] and what the engine takes beside it.
    fn probe(&self, id: &ContainerId, probe: &Probe) -> impl Future<Output = ProbeAnswer> + Send;

    /// Writes a file of a container, which need not run, into `into` as a tar archive.
    fn archive(
        &self,
        id: &ContainerId,
        path: &str,
        into: &Path,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Completes when something happened to a container, or the engine's event
    /// stream broke: then observe.
    fn changed(&self) -> impl Future<Output = ()> + Send;
}
